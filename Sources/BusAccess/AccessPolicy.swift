/// All rules about who may do what, one value: a reload makes a new one.
///
/// | policy | what no rule speaks of |
/// |---|---|
/// | `open` | is allowed |
/// | rules | is denied; what is denied in words is denied, whatever else allows it |
/// | mosquitto's list | is denied; a user's own lines decide before the patterns for all |
package struct AccessPolicy: Sendable {
    private enum Source: Sendable {
        case open
        case rules([AccessRule], groups: [String: Set<ExactName>])
        case list(MosquittoAccessList)
    }

    private let source: Source

    private init(_ source: Source) {
        self.source = source
    }

    /// Nothing is configured: everything is allowed. The spaces of the platform itself are guarded by the broker.
    package static let open = AccessPolicy(.open)

    /// - Parameter groups: the users of each group.
    package init(rules: [AccessRule], groups: [String: Set<String>]) {
        self.init(.rules(rules, groups: groups.mapValues { Set($0.map(ExactName.init)) }))
    }

    package init(mosquitto list: MosquittoAccessList) {
        self.init(.list(list))
    }

    /// What a client may do: asked once for each connection, and again for each of them after a reload.
    package func rights(of identity: Identity) -> AccessRights {
        switch self.source {
        case .open: return .all
        case .rules(let rules, let groups):
            var all = identity.groups
            if let user = identity.user.map(ExactName.init) {
                for (group, users) in groups where users.contains(user) { all.insert(group) }
            }
            return AccessRights(RuleRights(of: identity, rules.filter { $0.subjects.include(identity, groups: all) }))
        case .list(let list): return AccessRights(ListRights(of: identity, list))
        }
    }
}
