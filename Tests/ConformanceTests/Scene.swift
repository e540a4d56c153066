import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

/// A broker and its clients. Both versions of MQTT have words for what the tests ask for; this finds them.
struct Scene {
    static let versions: [ProtocolVersion] = [.v3_1_1, .v5]

    let network: TestNetwork

    init(limits: BrokerLimits = BrokerLimits()) {
        self.network = TestNetwork(limits: limits)
    }

    /// A connected client. One that `lasts` has a session that outlives its connection, and resumes it when it comes
    /// again.
    func client(
        _ name: String, _ version: ProtocolVersion = .v5, lasts: Bool = false, acknowledges: Bool = true,
        properties: Properties = []
    ) -> ScriptedClient {
        let client = ScriptedClient(self.network, version: version)
        client.acknowledgesPublishes = acknowledges
        var properties = properties
        if lasts, version == .v5 { properties.append(.sessionExpiryInterval(1000)) }
        let acknowledgement = client.connect(name, cleanStart: !lasts, properties: properties)
        #expect(acknowledgement?.reasonCode == .success)
        return client
    }

    /// A client that sees every message.
    func watcher(_ version: ProtocolVersion = .v5) -> ScriptedClient {
        let watcher = self.client("watcher", version)
        watcher.subscribe("#")
        return watcher
    }
}

extension ScriptedClient {
    /// The code of the DISCONNECT that was the last packet; `nil` when there was none.
    var goodbye: ReasonCode? {
        guard case .disconnect(let disconnect) = self.received.last else { return nil }
        return disconnect.reasonCode
    }

    /// The connection is closed, in 5.0 after a DISCONNECT with this code, in 3.1.1 without a word.
    func expectEnd(_ code: ReasonCode, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(self.isClosed, sourceLocation: sourceLocation)
        #expect(self.goodbye == (self.version == .v5 ? code : nil), sourceLocation: sourceLocation)
    }

    /// Packets that are not PUBLISH; the others stay.
    func takeAnswers() -> [Packet] {
        let all = self.takeAll()
        return all.filter { if case .publish = $0 { false } else { true } }
    }

    func unsubscribe(_ filters: String...) -> UnsubAck? {
        let identifier = self.nextPacketIdentifier()
        self.send(.unsubscribe(Unsubscribe(packetIdentifier: identifier, filters: filters)))
        for case .unsubAck(let acknowledgement) in self.takeAll() where acknowledgement.packetIdentifier == identifier {
            return acknowledgement
        }
        return nil
    }
}

extension Packet {
    static func acknowledgement(
        _ make: (Acknowledgement) -> Packet, _ identifier: PacketIdentifier, _ code: ReasonCode = .success
    ) -> Packet {
        make(Acknowledgement(packetIdentifier: identifier, reasonCode: code))
    }
}

/// Bytes as they stand on the wire, for packets that no encoder of ours would write.
enum Wire {
    /// A packet of up to 127 bytes after its header.
    static func packet(_ first: UInt8, _ body: [UInt8]) -> ByteBuffer {
        ByteBuffer(bytes: [first, UInt8(body.count)] + body)
    }

    static func string(_ text: String) -> [UInt8] { self.binary(Array(text.utf8)) }

    static func binary(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes
    }

    /// A CONNECT with keep alive 60 and no properties.
    static func connect(
        _ version: ProtocolVersion, flags: UInt8 = 0x02, name: String = "MQTT", level: UInt8? = nil, payload: [UInt8]
    ) -> ByteBuffer {
        let properties: [UInt8] = version == .v5 ? [0] : []
        return self.packet(
            0x10, self.string(name) + [level ?? version.rawValue, flags, 0, 60] + properties + payload)
    }

    /// The empty property block that 5.0 wants and 3.1.1 does not know.
    static func noProperties(_ version: ProtocolVersion) -> [UInt8] { version == .v5 ? [0] : [] }
}
