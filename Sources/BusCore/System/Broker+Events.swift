import BusCalls
import BusContract
import BusSession
import BusTopics
import BusWire
import NIOCore

/// Whether anybody listens for events, as it was in one state of the subscriptions.
struct EventInterest: Sendable {
    var generation = UInt64.max
    var isThere = false
}

/// What operators may want to know, as messages: CloudEvents in binary mode, whose attributes are user properties. They
/// are made only while somebody has subscribed to them.
extension Broker {
    /// Of every so many completed calls one is reported.
    static let completedSample = 100

    mutating func report(_ event: CallEvent, of function: FunctionName, _ detail: String, now: Timestamp) {
        if event != .completed {
            self.events.append(.call(kind: event.rawValue, function: function.description, detail: detail))
        }
        guard self.hasEventReaders else { return }
        let properties: Properties = [
            .payloadFormatIndicator(1), .contentType(Failure.contentType),
            .userProperty(name: PropertyName.eventVersion, value: "1.0"),
            .userProperty(name: PropertyName.eventIdentifier, value: self.makeIdentifier(prefix: "e-")),
            .userProperty(name: PropertyName.eventSource, value: "fcbus"),
            .userProperty(name: PropertyName.eventType, value: "fcbus.call.\(event.rawValue)"),
            .userProperty(name: PropertyName.eventSubject, value: function.description),
        ]
        let payload = JSONText.object([
            ("kind", .string(event.rawValue)), ("function", .string(function.description)),
            ("detail", .string(detail)),
        ])
        self.publish(
            Publish(
                topic: CallTopic.event(kind: event.rawValue, function).string, properties: properties,
                payload: ByteBuffer(string: payload.text)),
            from: nil, now: now)
    }

    mutating func sampleCompleted(_ function: FunctionName, now: Timestamp) {
        guard self.statistics.callsAnswered % Self.completedSample == 0 else { return }
        self.report(.completed, of: function, "one of \(Self.completedSample)", now: now)
    }

    /// Asked again only after a subscription has changed.
    private var hasEventReaders: Bool {
        mutating get {
            let generation = self.subscriptions.generation
            if self.eventInterest.generation != generation {
                let isThere = self.subscriptions.reaches(below: CallTopic.events)
                self.eventInterest = EventInterest(generation: generation, isThere: isThere)
            }
            return self.eventInterest.isThere
        }
    }
}
