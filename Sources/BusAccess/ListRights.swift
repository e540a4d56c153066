import BusContract
import BusTopics

/// Rights of a client by an access list of mosquitto's form.
///
/// As mosquitto 2.0 does it: the lines for the client's user are asked before the patterns for all, in both the denying
/// ones first, and the first that matches decides. Every subscription is granted, and each message is checked when it
/// is delivered. Three things are narrower here: a subscription that takes part in something (an instance's, any shared
/// one) needs the right to read all of it, the platform's own functions must be spelled, and names with a slash are put
/// into no pattern.
struct ListRights: Sendable {
    private struct Tier: Sendable {
        var denied = PatternList()
        var readable = PatternList()
        var writable = PatternList()
        /// Those of `writable` that spell the service of the platform's own functions.
        var systemWritable = PatternList()
        /// Whether requests of some function are readable.
        var servesSomething = false

        mutating func add(_ line: MosquittoAccessList.Line, for identity: Identity) {
            let effect: AccessRule.Effect = line.access == .deny ? .deny : .allow
            guard let pattern = line.pattern.filled(for: identity, effect: effect) else { return }
            if line.access == .deny { self.denied.append(pattern) }
            if line.access == .read || line.access == .readWrite {
                self.readable.append(pattern)
                if CallFilter.role(of: pattern.filter) != .unrelated { self.servesSomething = true }
            }
            if line.access == .write || line.access == .readWrite {
                self.writable.append(pattern)
                if CallSpace.spellsSystem(pattern.filter) { self.systemWritable.append(pattern) }
            }
        }
    }

    private let names: OwnNames
    /// The user's own lines, then the patterns.
    private var tiers: [Tier] = []

    init(of identity: Identity, _ list: MosquittoAccessList) {
        self.names = OwnNames(identity.clientIdentifier)
        var own = Tier()
        for line in list.lines(of: identity.user) { own.add(line, for: identity) }
        self.tiers.append(own)
        // No pattern at all is for a client with a wildcard in its names.
        let hasWildcard = [identity.user ?? "", identity.clientIdentifier].contains { name in
            name.utf8.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") }
        }
        guard !hasWildcard else { return }
        var shared = Tier()
        for line in list.patterns { shared.add(line, for: identity) }
        self.tiers.append(shared)
    }

    // MARK: Functions

    /// Whoever may write a function's plain request topic calls it, if none of its topics for callers is denied.
    func mayCall(_ function: FunctionName) -> Bool {
        self.decision(on: .request(function, nil)) == true && self.decision(on: .async(function, nil)) != false
            && self.decision(on: .cancel(function, nil)) != false
    }

    /// What a line says of a topic of calls, `nil` when none does.
    private func decision(on topic: CallTopic) -> Bool? {
        let text = topic.string.utf8
        let isSystem = if case .request(let function, _) = topic { function.isSystem } else { false }
        return self.decision(on: text.span, isSystem ? \.systemWritable : \.writable)
    }

    func mayServe(_ function: FunctionName) -> Bool {
        do {
            return self.coversReading(try TopicFilter(CallFilter.requests(of: function)))
        } catch {
            preconditionFailure("the filter of a function's requests is a filter: \(error)")
        }
    }

    // MARK: Topics

    func mayPublish(_ topic: String) -> Bool {
        let utf8 = topic.utf8
        guard CallSpace.contains(utf8.span) else { return self.decision(on: utf8.span, \.writable) == true }
        let decision = self.decision(on: utf8.span, \.writable)
        guard decision != false else { return false }
        switch CallTopic(topic) {
        case .request(let function, _), .async(let function, _), .cancel(let function, _):
            // Lines on both forms of a request are read as they are; the platform's own functions must be spelled.
            return (decision == true && !function.isSystem) || self.mayCall(function)
        case .catalog(let function): return decision == true || self.mayServe(function)
        case .instance(let instance) where self.names.own(instance: instance):
            return decision == true || self.servesSomething
        case .instance, .reply, .dead, .control, .event, nil: return decision == true
        }
    }

    func mayReceive(_ topic: String) -> Bool {
        let utf8 = topic.utf8
        if CallSpace.isReply(utf8.span) { return self.names.areAnswered(on: utf8.span) }
        return self.decision(on: utf8.span, \.readable) == true
    }

    func maySubscribe(_ filter: TopicFilter) -> Bool {
        guard self.names.mayRead(filter) else { return false }
        if case .instance(let function) = CallFilter.role(of: filter) { return self.mayServe(function) }
        return !filter.isShared || self.coversReading(filter)
    }

    private var servesSomething: Bool { self.tiers.contains(where: \.servesSomething) }

    // MARK: Decisions

    /// What the first line says that matches a topic, `nil` when none does.
    private func decision(on topic: Span<UInt8>, _ list: KeyPath<Tier, PatternList>) -> Bool? {
        for tier in self.tiers {
            if tier.denied.matches(topic) { return false }
            if tier[keyPath: list].matches(topic) { return true }
        }
        return nil
    }

    private func coversReading(_ filter: TopicFilter) -> Bool {
        for tier in self.tiers {
            if tier.denied.covers(filter) { return false }
            if tier.readable.covers(filter) { return true }
        }
        return false
    }
}
