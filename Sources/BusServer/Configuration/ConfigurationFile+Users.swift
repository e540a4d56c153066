import BusIdentity
import Yams

extension ConfigurationFile {
    /// The keys about users stand at the top, as mosquitto's do.
    func users(_ top: [String: Node]) throws(ConfigurationFailure) -> UserSettings {
        var users = UserSettings()
        if let node = top["passwordFile"] { users.passwordFile = try self.string(node, "passwordFile") }
        if let node = top["accessFile"] { users.accessFile = try self.string(node, "accessFile") }
        if let node = top["allowAnonymous"] { users.allowsAnonymous = try self.boolean(node, "allowAnonymous") }
        if let node = top["tokens"] { users.tokens = try self.tokens(node) }
        return users
    }

    private func tokens(_ node: Node) throws(ConfigurationFailure) -> TokenSettings {
        let path = "tokens."
        let kinds: [(name: String, key: (String) -> TokenSettings.Key)] = [
            ("secret", { .secret(file: $0) }), ("rsa", { .rsa(file: $0) }), ("ecdsa", { .ecdsa(file: $0) }),
            ("jwks", { .jwks(file: $0) }),
        ]
        let keys = try self.section(
            node, path: path, keys: kinds.map(\.name) + ["issuer", "audience", "userClaim", "groupsClaim"])
        let given = kinds.filter { keys[$0.name] != nil }
        guard given.count == 1, let kind = given.first, let file = keys[kind.name] else {
            throw self.failure(
                node, "tokens needs one key file: secret (HS256), rsa (RS256), ecdsa (ES256) or jwks (a key set)")
        }
        var settings = TokenSettings(key: kind.key(try self.string(file, path + kind.name)))
        if let node = keys["issuer"] { settings.issuer = try self.string(node, path + "issuer") }
        if let node = keys["audience"] { settings.audience = try self.string(node, path + "audience") }
        if let node = keys["userClaim"] { settings.userClaim = try self.string(node, path + "userClaim") }
        if let node = keys["groupsClaim"] { settings.groupsClaim = try self.string(node, path + "groupsClaim") }
        return settings
    }
}
