import BusContract
import BusTopics

/// Rights of a client by our own rules: deny wins, and what no rule allows is denied.
///
/// Topics of the call protocol are ruled by the rights to call and to serve. Only what is neither (verbs of operators,
/// events, dead letters, watching calls) is left to topic rules, and these must spell its prefix.
struct RuleRights: Sendable {
    private struct TopicGrants: Sendable {
        var allowed = PatternList()
        var denied = PatternList()
    }

    private struct FunctionGrants: Sendable {
        var allowed: [FunctionPattern] = []
        var denied: [FunctionPattern] = []
    }

    private let names: OwnNames
    private var publish = TopicGrants()
    private var subscribe = TopicGrants()
    private var call = FunctionGrants()
    private var serve = FunctionGrants()
    private var administers = false
    private var isBarred = false

    /// - Parameter rules: those that are about the client.
    init(of identity: Identity, _ rules: [AccessRule]) {
        self.names = OwnNames(identity.clientIdentifier)
        for rule in rules { self.add(rule, for: identity) }
    }

    private mutating func add(_ rule: AccessRule, for identity: Identity) {
        let list: WritableKeyPath<TopicGrants, PatternList> = rule.effect == .allow ? \.allowed : \.denied
        let functions: WritableKeyPath<FunctionGrants, [FunctionPattern]> =
            rule.effect == .allow ? \.allowed : \.denied
        switch rule.right {
        case .publish(let pattern):
            if let filled = pattern.filled(for: identity, effect: rule.effect) {
                self.publish[keyPath: list].append(filled)
            }
        case .subscribe(let pattern):
            if let filled = pattern.filled(for: identity, effect: rule.effect) {
                self.subscribe[keyPath: list].append(filled)
            }
        case .call(let pattern): self.call[keyPath: functions].append(pattern)
        case .serve(let pattern): self.serve[keyPath: functions].append(pattern)
        case .everything:
            if rule.effect == .allow { self.administers = true } else { self.isBarred = true }
        }
    }

    /// An administrator of whom nothing is denied.
    var isUnrestricted: Bool {
        self.administers && !self.isBarred && self.publish.denied.isEmpty && self.subscribe.denied.isEmpty
            && self.call.denied.isEmpty && self.serve.denied.isEmpty
    }

    // MARK: Functions

    func mayCall(_ function: FunctionName) -> Bool { self.permits(function, in: self.call) }
    func mayServe(_ function: FunctionName) -> Bool { self.permits(function, in: self.serve) }

    private func permits(_ function: FunctionName, in grants: FunctionGrants) -> Bool {
        if self.isBarred || grants.denied.contains(where: { $0.matches(function) }) { return false }
        return self.administers || grants.allowed.contains { $0.matches(function) }
    }

    /// Whether the client is an instance of anything, of a service when one is named.
    private func serves(service: String?) -> Bool {
        guard !self.isBarred else { return false }
        return self.administers
            || self.serve.allowed.contains { pattern in service.map(pattern.matchesSome) ?? true }
    }

    /// Whether the client may serve all functions of a service, or of all; `nil` stands for all names. One denied among
    /// them is one too many, since a shared subscription cannot leave it out.
    private func mayServeAll(ofService service: String?, function: String?) -> Bool {
        if self.isBarred || self.serve.denied.contains(where: { $0.meets(service: service, function: function) }) {
            return false
        }
        return self.administers
            || self.serve.allowed.contains { $0.coversAll(ofService: service, function: function) }
    }

    // MARK: Topics

    func mayPublish(_ topic: String) -> Bool {
        let utf8 = topic.utf8
        guard CallSpace.contains(utf8.span) else { return self.permits(utf8.span, in: self.publish) }
        switch CallTopic(topic) {
        case .request(let function, _), .async(let function, _), .cancel(let function, _):
            return self.mayCall(function)
        case .catalog(let function): return self.mayServe(function)
        case .instance(let instance) where self.names.own(instance: instance) && self.serves(service: nil):
            return true
        case .reply: return self.administers && !self.isBarred
        case .instance, .dead, .event, .control, nil: return self.permits(utf8.span, in: self.publish)
        }
    }

    func mayReceive(_ topic: String) -> Bool {
        let utf8 = topic.utf8
        guard CallSpace.contains(utf8.span) else { return self.permits(utf8.span, in: self.subscribe) }
        if CallSpace.isReply(utf8.span) { return self.names.areAnswered(on: utf8.span) }
        if self.permits(utf8.span, in: self.subscribe) { return true }
        guard !self.isDenied(utf8.span, in: self.subscribe) else { return false }
        switch CallTopic(topic) {
        case .catalog(let function): return self.mayCall(function) || self.mayServe(function)
        case .cancel(let function, _): return self.mayServe(function)
        case .control(_, let service, let instance):
            return self.serves(service: service) && (instance.map(self.names.own) ?? true)
        case .request, .async, .reply, .dead, .instance, .event, nil: return false
        }
    }

    private func permits(_ topic: Span<UInt8>, in grants: TopicGrants) -> Bool {
        if self.isDenied(topic, in: grants) { return false }
        if self.administers { return true }
        return grants.allowed.matches(topic)
    }

    private func isDenied(_ topic: Span<UInt8>, in grants: TopicGrants) -> Bool {
        self.isBarred || grants.denied.matches(topic)
    }

    // MARK: Subscriptions

    func maySubscribe(_ filter: TopicFilter) -> Bool {
        guard self.names.mayRead(filter) else { return false }
        if CallSpace.isReply(filter) { return true }
        switch CallFilter.role(of: filter) {
        case .instance(let function): return self.mayServe(function)
        case .instanceOfMany: return self.mayServeMany(through: filter)
        case .observer: return self.covers(filter)
        case .unrelated: return self.covers(filter) || self.needsToHear(filter)
        }
    }

    private func covers(_ filter: TopicFilter) -> Bool {
        if self.isBarred || self.subscribe.denied.covers(filter) { return false }
        return self.administers || self.subscribe.allowed.covers(filter)
    }

    /// A shared subscription that takes the requests of many functions, and perhaps other messages too.
    private func mayServeMany(through filter: TopicFilter) -> Bool {
        let levels = filter.levels
        func name(_ index: Int) -> String? {
            index < levels.count && levels[index] != "+" && levels[index] != "#" ? String(levels[index]) : nil
        }
        guard self.mayServeAll(ofService: name(1), function: name(2)) else { return false }
        let takesRequestsAlone = name(0) != nil && name(3) != nil
        return takesRequestsAlone || self.covers(filter)
    }

    /// What an instance or a caller subscribes to besides: cancellations, verbs of operators, what a function is.
    private func needsToHear(_ filter: TopicFilter) -> Bool {
        guard !self.isBarred, !self.subscribe.denied.covers(filter) else { return false }
        if let function = CallSpace.functionHeard(through: filter) { return self.mayServe(function) }
        if let listener = CallSpace.listener(of: filter) {
            return self.serves(service: listener.service) && (listener.instance.map(self.names.own) ?? true)
        }
        guard CallSpace.contains(filter), !filter.isShared, case .catalog(let function) = CallTopic(filter.filter)
        else { return false }
        return self.mayCall(function) || self.mayServe(function)
    }
}
