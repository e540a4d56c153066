package import BusContract
package import BusTopics

/// What one client may do: the rules that speak of it, with its names put in.
///
/// Every question is answered in a walk over the client's own rules. Answers of calls are not asked for here: the broker
/// knows who was called, and whose answers lie where. Under whatever rules, a client reads its own answers and nobody
/// else's; `all` leaves this to the broker, too.
package struct AccessRights: Sendable {
    private enum Source: Sendable {
        case everything
        case rules(RuleRights)
        case list(ListRights)
    }

    private let source: Source

    private init(_ source: Source) {
        self.source = source
    }

    init(_ rights: RuleRights) {
        self.init(rights.isUnrestricted ? .everything : .rules(rights))
    }

    init(_ rights: ListRights) {
        self.init(.list(rights))
    }

    /// Without rules.
    package static let all = AccessRights(.everything)

    /// Whether no question needs to be asked.
    package var allowsEverything: Bool {
        if case .everything = self.source { true } else { false }
    }

    /// Whether a message may go to a topic, which is known to be a topic name. Topics of calls are understood as well
    /// and answered as `mayCall` and `mayServe` would.
    package func mayPublish(_ topic: String) -> Bool {
        switch self.source {
        case .everything: true
        case .rules(let rights): rights.mayPublish(topic)
        case .list(let rights): rights.mayPublish(topic)
        }
    }

    /// Whether a subscription may be made; of a shared one the inner filter counts. Topics that are denied inside an
    /// allowed filter are held back by `mayReceive`.
    package func maySubscribe(_ filter: TopicFilter) -> Bool {
        switch self.source {
        case .everything: true
        case .rules(let rights): rights.maySubscribe(filter)
        case .list(let rights): rights.maySubscribe(filter)
        }
    }

    /// Whether a message on a topic may be delivered to a subscription. Requests are asked about for observers only:
    /// an instance gets them because it may serve.
    package func mayReceive(_ topic: String) -> Bool {
        switch self.source {
        case .everything: true
        case .rules(let rights): rights.mayReceive(topic)
        case .list(let rights): rights.mayReceive(topic)
        }
    }

    /// Whether a function may be called, in whichever way, and such a call cancelled.
    package func mayCall(_ function: FunctionName) -> Bool {
        switch self.source {
        case .everything: true
        case .rules(let rights): rights.mayCall(function)
        case .list(let rights): rights.mayCall(function)
        }
    }

    /// Whether the client may be an instance of a function: take its requests, describe it in the catalog.
    package func mayServe(_ function: FunctionName) -> Bool {
        switch self.source {
        case .everything: true
        case .rules(let rights): rights.mayServe(function)
        case .list(let rights): rights.mayServe(function)
        }
    }
}
