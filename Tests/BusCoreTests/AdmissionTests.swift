import BusCore
import BusSession
import Testing

@Suite("Admission of network connections")
struct AdmissionTests {
    private func broker(_ total: Int, perAddress: Int) -> Broker {
        var limits = BrokerLimits()
        limits.connectionsMax = total
        limits.connectionsPerAddressMax = perAddress
        return Broker(limits: limits, seed: 1)
    }

    private let now = Timestamp(nanoseconds: 1)

    private func origin(_ address: String) -> ConnectionOrigin {
        ConnectionOrigin(remoteAddress: "\(address):1", address: address)
    }

    @Test("One address gets its share and no more; others still come")
    func perAddress() {
        var broker = self.broker(10, perAddress: 2)
        let opened = ["a", "a", "a", "b"].map { broker.open(self.origin($0), now: self.now) != nil }
        #expect(opened == [true, true, false, true])
        #expect(broker.statistics.connectionsRefused == 1)
    }

    @Test("A connection that closes makes room")
    func room() throws {
        var broker = self.broker(1, perAddress: 1)
        let first = broker.open(self.origin("a"), now: self.now)
        let second = broker.open(self.origin("b"), now: self.now)
        #expect(second == nil)
        broker.close(try #require(first), now: self.now)
        let third = broker.open(self.origin("b"), now: self.now)
        #expect(third != nil)
    }

    @Test("A place taken before TLS belongs to the connection, or is given back")
    func early() throws {
        var broker = self.broker(1, perAddress: 1)
        let answers = [broker.admit("a"), broker.admit("a")]
        #expect(answers == [true, false])
        let opened = broker.open(self.origin("a"), isAdmitted: true, now: self.now)
        broker.close(try #require(opened), now: self.now)
        let again = broker.admit("a")
        #expect(again)
        broker.leave("a")
        let afterwards = broker.admit("a")
        #expect(afterwards)
    }
}
