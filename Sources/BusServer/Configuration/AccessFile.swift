package import BusAccess
import Yams

/// Reads `acl.yaml`, and access lists as mosquitto has them.
///
/// Nothing is guessed: an unknown key, a pattern that is none or a rule that is about nobody is an error that names
/// file, line and key, and a file without rules denies everything.
package struct AccessFile {
    private let name: String
    private let values: ConfigurationFile

    /// - Parameter name: the file's name, as messages say it.
    package init(name: String) {
        self.name = name
        self.values = ConfigurationFile(name: name)
    }

    /// - Throws: `ConfigurationFailure` for the first thing that is wrong.
    package func read(_ text: String) throws(ConfigurationFailure) -> AccessPolicy {
        guard let root = try self.parse(text) else { return AccessPolicy(rules: [], groups: [:]) }
        let top = try self.values.section(root, path: "", keys: ["groups", "rules"])
        var groups: [String: Set<String>] = [:]
        if let node = top["groups"], node.null == nil {
            guard let mapping = node.mapping else {
                throw self.values.failure(node, "groups must hold `name: [users]` lines")
            }
            for (group, users) in mapping {
                let name = try self.string(group, "groups")
                groups[name] = Set(try self.strings(users, "groups.\(name)"))
            }
        }
        var rules: [AccessRule] = []
        if let node = top["rules"], node.null == nil {
            guard let sequence = node.sequence else {
                throw self.values.failure(
                    node, "rules: a list of rules, each with whom it is about and `allow` or `deny`")
            }
            for entry in sequence { rules += try self.rules(entry) }
        }
        return AccessPolicy(rules: rules, groups: groups)
    }

    /// Reads mosquitto's form.
    package func readMosquitto(_ text: String) throws(ConfigurationFailure) -> AccessPolicy {
        do {
            return AccessPolicy(mosquitto: try MosquittoAccessList(text))
        } catch {
            let place = error.line.map { "\(self.name):\($0)" } ?? self.name
            throw ConfigurationFailure("\(place): \(error.message)")
        }
    }

    private func parse(_ text: String) throws(ConfigurationFailure) -> Node? {
        do {
            return try Yams.compose(yaml: text)
        } catch {
            // The usual reason: a brace opens a mapping of its own inside [ ] and at the front.
            let hint =
                text.contains("{client}") || text.contains("{user}")
                ? " (inside [ ] patterns with {client} or {user} need quotes: [\"devices/{client}/#\"])" : ""
            throw ConfigurationFailure("\(self.name): not valid YAML: \(error)\(hint)")
        }
    }

    // MARK: Rules

    /// One entry is as many rules as it has patterns.
    private func rules(_ node: Node) throws(ConfigurationFailure) -> [AccessRule] {
        let keys = try self.values.section(
            node, path: "rules.", keys: ["users", "groups", "clients", "anonymous", "everyone", "allow", "deny"])
        let subjects = try self.subjects(keys, of: node)
        guard keys["allow"] != nil || keys["deny"] != nil else {
            throw self.values.failure(node, "rules: the rule has neither `allow` nor `deny`")
        }
        var rules: [AccessRule] = []
        if let node = keys["allow"] {
            rules += try self.rights(node, "rules.allow.").map { AccessRule(subjects, .allow, $0) }
        }
        if let node = keys["deny"] {
            rules += try self.rights(node, "rules.deny.").map { AccessRule(subjects, .deny, $0) }
        }
        return rules
    }

    private func subjects(_ keys: [String: Node], of rule: Node) throws(ConfigurationFailure) -> AccessSubjects {
        let users = try keys["users"].map { node throws(ConfigurationFailure) in
            try self.strings(node, "rules.users")
        }
        let groups = try keys["groups"].map { node throws(ConfigurationFailure) in
            try self.strings(node, "rules.groups")
        }
        let clients = try keys["clients"].map { node throws(ConfigurationFailure) in
            try self.strings(node, "rules.clients")
        }
        let isAnonymous = try self.flag(keys["anonymous"], "rules.anonymous")
        let isForEveryone = try self.flag(keys["everyone"], "rules.everyone")
        guard users != nil || groups != nil || clients != nil || isAnonymous || isForEveryone else {
            throw self.values.failure(
                rule,
                "rules: the rule is about nobody: say `users`, `groups`, `clients`, `anonymous: true` or "
                    + "`everyone: true`")
        }
        if isForEveryone { return .everyone }
        return AccessSubjects(
            users: users ?? [], groups: Set(groups ?? []), clients: (clients ?? []).map(NamePattern.init),
            anonymous: isAnonymous)
    }

    private func rights(_ node: Node, _ path: String) throws(ConfigurationFailure) -> [AccessRule.Right] {
        let isAllowing = path.hasSuffix("allow.")
        let keys = try self.values.section(
            node, path: path, keys: ["publish", "subscribe", "call", "serve", "admin", "everything"])
        var rights: [AccessRule.Right] = []
        rights += try self.patterns(keys["publish"], path + "publish", AccessRule.Right.publish(to:))
        rights += try self.patterns(keys["subscribe"], path + "subscribe", AccessRule.Right.subscribe(to:))
        rights += try self.patterns(keys["call"], path + "call", AccessRule.Right.call(of:))
        rights += try self.patterns(keys["serve"], path + "serve", AccessRule.Right.serve(of:))
        if let node = keys["admin"], !isAllowing {
            throw self.values.failure(node, "\(path)admin: say what is denied, or `everything: true`")
        }
        if let node = keys["everything"], isAllowing {
            throw self.values.failure(node, "\(path)everything: who may do everything is an `admin: true`")
        }
        let isForAll = try self.flag(keys["admin"] ?? keys["everything"], path + (isAllowing ? "admin" : "everything"))
        if isForAll { rights.append(.everything) }
        return rights
    }

    private func patterns(
        _ node: Node?, _ key: String, _ right: (String) throws(AccessFailure) -> AccessRule.Right
    ) throws(ConfigurationFailure) -> [AccessRule.Right] {
        guard let node else { return [] }
        var rights: [AccessRule.Right] = []
        for entry in self.entries(of: node) {
            let pattern = try self.string(entry, key)
            do {
                rights.append(try right(pattern))
            } catch {
                throw self.values.failure(entry, "\(key): \(error.message)")
            }
        }
        return rights
    }

    // MARK: Values

    /// The items of a list; a single value is a list of one.
    private func entries(of node: Node) -> [Node] { node.sequence.map(Array.init) ?? [node] }

    private func strings(_ node: Node, _ key: String) throws(ConfigurationFailure) -> [String] {
        var strings: [String] = []
        for entry in self.entries(of: node) { strings.append(try self.string(entry, key)) }
        return strings
    }

    private func string(_ node: Node, _ key: String) throws(ConfigurationFailure) -> String {
        guard node.null == nil else { throw self.values.failure(node, "\(key) must not be empty") }
        return try self.values.string(node, key)
    }

    private func flag(_ node: Node?, _ key: String) throws(ConfigurationFailure) -> Bool {
        guard let node else { return false }
        return try self.values.boolean(node, key)
    }
}
