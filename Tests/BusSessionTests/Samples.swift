import BusSession
import BusWire
import NIOCore

extension PacketIdentifier: ExpressibleByIntegerLiteral {
    /// Any number but 0.
    public init(integerLiteral value: UInt16) {
        guard let identifier = PacketIdentifier(rawValue: value) else { preconditionFailure("identifiers are not 0") }
        self = identifier
    }
}

extension OutgoingMessage {
    /// A message whose payload is `text`.
    static func sample(
        _ text: String, qos: QoS = .atLeastOnce, isCall: Bool = false, expiresAt: Timestamp = .never
    ) -> OutgoingMessage {
        OutgoingMessage(
            Publish(topic: "t", payload: ByteBuffer(string: text)), qos: qos, isCall: isCall, expiresAt: expiresAt)
    }

    var text: String { String(buffer: self.publish.payload) }
}

extension OutboundWindow {
    /// Takes messages named by their numbers; returns the identifiers they got.
    mutating func publish(_ count: Int, qos: QoS = .atLeastOnce) -> [PacketIdentifier] {
        (0..<count).compactMap { self.publish(.sample("\($0)", qos: qos)) }
    }

    /// What a resumption sends now: the text of a message, or `release`, with its identifier.
    mutating func takeResumptions() -> [String] {
        var all: [String] = []
        while let next = self.nextResumption() {
            switch next {
            case .publish(let message, let identifier): all.append("\(message.text) as \(identifier.rawValue)")
            case .release(let identifier): all.append("release \(identifier.rawValue)")
            }
        }
        return all
    }
}
