import BusCalls
import BusContract
import BusSession
import BusWire
import NIOCore

/// A word of an operator's, and whom it is for: all, those of a service, or one.
struct ControlWord: Sendable {
    var verb: String
    var service: String?
    var instance: String?

    /// Whether the broker itself is meant, alone or among all.
    var isForBroker: Bool { self.service == nil || self.service == FunctionName.systemService }
}

/// Words of operators reach the instances that listen for them; the broker answers for itself, and gives those that are
/// to drain nothing more.
extension Broker {
    mutating func acceptControl(
        _ publish: Publish, _ word: ControlWord, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        let properties = CallProperties(publish)
        let address = Self.address(properties, nil)
        if let address, !self.mayBeAnswered(session, at: address.replyTopic) { return .notAuthorized }
        if let address {
            let wait = properties.timeoutNanoseconds ?? ContractLimits.defaultTimeoutMilliseconds * 1_000_000
            self.controlGrants.add(
                address, sessions: Set(route.recipients.map(\.session)),
                expiresAt: now.adding(milliseconds: wait / 1_000_000))
        }
        let isDrain = word.verb == "drain" && word.service != FunctionName.systemService
        let drained = isDrain ? self.drain(service: word.service, instance: word.instance, now: now) : 0
        let code = self.distribute(publish.unretained, along: route, from: session, now: now)
        guard word.isForBroker || isDrain else { return code }
        if let address, let answer = self.answer(to: word, drained: drained, now: now) {
            self.answerOperator(answer, at: address, to: session, now: now)
        }
        return .success
    }

    /// The broker's own answer to a word; `nil` for words that mean nothing to it.
    private func answer(to word: ControlWord, drained: Int, now: Timestamp) -> JSONText? {
        let uptime = Int(clamping: now.nanoseconds(since: self.startedAt) / 1_000_000)
        switch word.verb {
        case "ping": return .object([("instance", .string("broker")), ("uptimeMs", .integer(uptime))])
        case "info":
            return .object([
                ("instance", .string("broker")), ("software", .string("fcbus")),
                ("capabilities", .string(PropertyName.capabilityList)), ("uptimeMs", .integer(uptime)),
                ("functions", .integer(self.calls.functionCount)), ("instances", .integer(self.calls.instanceCount)),
            ])
        case "stats": return self.statisticsReport(of: nil, now: now)
        case "drain": return .object([("instance", .string("broker")), ("drained", .integer(drained))])
        default: return nil
        }
    }

    /// Instances that an operator names, or all, get nothing new from now on. Returns how many there are.
    mutating func drain(service: String?, instance: String?, now: Timestamp) -> Int {
        var client: ClientHandle?
        if let instance {
            guard let session = self.session(ofInstance: instance) else { return 0 }
            client = ClientHandle(rawValue: UInt32(session))
        }
        return self.calls.drain(
            service: service, client: client, now: now.nanoseconds, effects: &self.callEffects)
    }

    /// An instance answers an operator; `nil` when it was not asked.
    mutating func acceptControlAnswer(
        _ publish: Publish, _ address: AnswerAddress, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode? {
        guard self.controlGrants.take(address, by: session, now: now) else { return nil }
        return self.distribute(publish.unretained, along: route, from: session, now: now)
    }
}
