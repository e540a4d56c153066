import BusContract
import BusInProcess
import BusWire
import FunctionBus
import NIOCore
import Testing

@Suite("The client's side of a connection")
struct ClientSessionTests {
    /// Connected, with nothing left to send or tell.
    private func session(_ properties: Properties = []) -> ClientSession {
        var session = ClientSession(clientIdentifier: "c", will: nil)
        session.receive(.connAck(ConnAck(properties: properties)))
        _ = session.takePackets()
        _ = session.takeEvents()
        return session
    }

    private func message(qos: Int, bytes: Int = 1) -> ApplicationMessage {
        ApplicationMessage(topic: "t", payload: Array(repeating: 1, count: bytes), qos: qos)
    }

    private func acknowledgement(_ packet: Int32) throws -> Acknowledgement {
        Acknowledgement(packetIdentifier: try #require(PacketIdentifier(rawValue: UInt16(packet))))
    }

    private func published(_ events: [TransportEvent]) -> [Int32] {
        events.compactMap { if case .published(let packet, _) = $0 { packet } else { nil } }
    }

    @Test("Before CONNACK nothing is published")
    func notConnected() {
        var session = ClientSession(clientIdentifier: "c", will: nil)
        #expect(throws: TransportFailure.notConnected) { try session.publish(self.message(qos: 0)) }
        #expect(session.takePackets().count == 1)
    }

    @Test("CONNACK tells whose broker it is, or why it refuses")
    func connected() {
        var session = ClientSession(clientIdentifier: "c", will: nil)
        session.receive(.connAck(ConnAck(properties: [.userProperty(name: "fc", value: "1")])))
        guard case .connected(isFcbus: true, hasSharedSubscriptions: true)? = session.takeEvents().first else {
            Issue.record("fc=1 was not seen")
            return
        }
        var refused = ClientSession(clientIdentifier: "c", will: nil)
        refused.receive(.connAck(ConnAck(reasonCode: .notAuthorized)))
        guard case .refused(reasonCode: 0x87)? = refused.takeEvents().first else {
            Issue.record("the refusal was not told")
            return
        }
        #expect(!refused.isConnected)
    }

    @Test("A publish ends when its QoS says so")
    func publishing() throws {
        var session = self.session()
        let never = try session.publish(self.message(qos: 0))
        #expect(self.published(session.takeEvents()) == [never])
        let once = try session.publish(self.message(qos: 1))
        #expect(session.takeEvents().isEmpty)
        session.receive(.pubAck(try self.acknowledgement(once)))
        #expect(self.published(session.takeEvents()) == [once])
        let exactly = try session.publish(self.message(qos: 2))
        _ = session.takePackets()
        session.receive(.pubRec(try self.acknowledgement(exactly)))
        #expect(session.takePackets() == [.pubRel(try self.acknowledgement(exactly))])
        #expect(session.takeEvents().isEmpty)
        session.receive(.pubComp(try self.acknowledgement(exactly)))
        #expect(self.published(session.takeEvents()) == [exactly])
        #expect(Set([never, once, exactly]).count == 3)
    }

    @Test("An acknowledgement that comes twice is told once")
    func twice() throws {
        var session = self.session()
        let packet = try session.publish(self.message(qos: 1))
        session.receive(.pubAck(try self.acknowledgement(packet)))
        session.receive(.pubAck(try self.acknowledgement(packet)))
        #expect(self.published(session.takeEvents()) == [packet])
    }

    @Test("A packet that is larger than the broker takes is not sent")
    func oversize() throws {
        var session = self.session([.maximumPacketSize(50)])
        #expect(throws: TransportFailure.oversize) { try session.publish(self.message(qos: 1, bytes: 60)) }
        #expect(session.takePackets().isEmpty)
        _ = try session.publish(self.message(qos: 1, bytes: 20))
        #expect(session.takePackets().count == 1)
    }

    @Test("What arrives is acknowledged, and a repeated QoS 2 message is told once", arguments: [0, 1, 2])
    func arriving(_ qos: Int) throws {
        var session = self.session()
        let identifier = try #require(PacketIdentifier(rawValue: 7))
        let publish = Publish(
            topic: "t", qos: try #require(QoS(rawValue: UInt8(qos))), packetIdentifier: qos == 0 ? nil : identifier,
            payload: ByteBuffer(string: "x"))
        session.receive(.publish(publish))
        session.receive(.publish(publish))
        #expect(session.takeEvents().count == (qos == 2 ? 1 : 2))
        #expect(session.takePackets().count == (qos == 0 ? 0 : 2))
        session.receive(.pubRel(Acknowledgement(packetIdentifier: identifier)))
        session.receive(.publish(publish))
        #expect(session.takeEvents().count == 1)
    }

    @Test("Packet identifiers are not used again while they wait, and run out in the end")
    func identifiers() throws {
        var session = self.session()
        for _ in 0..<65_535 { _ = try session.subscribe("t", qos: 0) }
        #expect(throws: TransportFailure.self) { try session.unsubscribe("t") }
        let identifier = try #require(PacketIdentifier(rawValue: 700))
        session.receive(.subAck(SubAck(packetIdentifier: identifier, reasonCodes: [.grantedQoS0])))
        #expect(try session.unsubscribe("t") == 700)
    }
}
