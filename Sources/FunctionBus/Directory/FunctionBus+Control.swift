package import BusContract
import Synchronization

/// What operators ask instances: `ping`, `info`, `stats` and `drain`; and what callers and other instances ask where
/// the broker does not know calls: `announce`.
extension FunctionBus {
    /// Answers below the reply space only: an operator's message must not make an instance write anywhere else.
    func answerControl(_ message: ApplicationMessage, verb: String, _ services: [Service]) {
        guard let answer = self.controlAnswer(verb, services) else { return }
        if verb == ControlVerb.announce { self.announce(services) }
        if verb == ControlVerb.drain { for service in services { service.group.drain(service.name) } }
        guard let topic = message.properties.responseTopic, case .reply = CallTopic(topic) else { return }
        var reply = ApplicationMessage(topic: topic, payload: Array(answer.text.utf8))
        reply.properties.correlationData = message.properties.correlationData
        reply.properties.contentType = "application/json"
        reply.properties.payloadFormatIndicator = 1
        reply.properties.userProperties = [
            (PropertyName.status, "200"), (PropertyName.instance, self.clientIdentifier),
        ]
        // An operator who does not hear of it asks again.
        _ = try? self.transport.publish(reply)
    }

    /// Asks the instances of a service, or of all, to say catalog and presence once more.
    static func question(to service: String?) -> ApplicationMessage {
        let topic = CallTopic.control(verb: ControlVerb.announce, service: service, instance: nil)
        return ApplicationMessage(topic: topic.string, payload: [], qos: service == nil ? 1 : 0)
    }

    /// Adds a member to what `_ctl stats` answers; `nil` takes it out.
    package func report(_ name: String, as value: (@Sendable () -> JSONText)?) {
        self.reports.withLock { $0[name] = value }
    }

    private func controlAnswer(_ verb: String, _ services: [Service]) -> JSONText? {
        let instance = ("instance", JSONText.string(self.clientIdentifier))
        switch verb {
        case ControlVerb.ping, ControlVerb.announce:
            return .object([instance])
        case ControlVerb.info:
            let presence = self.instanceDescriptor().flatMap { try? JSONText(parsing: $0.text) } ?? .null
            return .object([instance, ("presence", presence)])
        case ControlVerb.stats:
            let functions = services.sorted { $0.name < $1.name }.map { ($0.name.description, $0.statistics) }
            let reports = self.reports.withLock { $0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value()) }
            return .object([instance, ("functions", .object(functions))] + reports)
        case ControlVerb.drain:
            let functions = services.map(\.name).sorted().map { JSONText.string($0.description) }
            return .object([instance, ("draining", .array(functions))])
        default: return nil
        }
    }
}

private enum ControlVerb {
    static let ping = "ping"
    static let info = "info"
    static let stats = "stats"
    static let drain = "drain"
    static let announce = "announce"
}
