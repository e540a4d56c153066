package import BusAccess
package import BusCore
package import BusSession
package import BusWire
import NIOCore

/// A whole broker with an in-memory network and a clock that only the test moves.
///
/// Everything is synchronous: when a client has sent, all bytes that the broker answers have arrived.
package final class TestNetwork {
    package var broker: Broker
    package private(set) var now = Timestamp(nanoseconds: 1_000_000_000)
    package private(set) var events: [BrokerEvent] = []
    /// Logins that wait for `answer`; none as long as the broker does not ask.
    package private(set) var logins: [AuthenticationRequest] = []
    private var clients: [ConnectionIdentifier: ScriptedClient] = [:]

    package init(limits: BrokerLimits = BrokerLimits(), seed: UInt64 = 42) {
        self.broker = Broker(limits: limits, seed: seed)
    }

    // MARK: Clients

    package func open(_ client: ScriptedClient) -> ConnectionIdentifier {
        let origin = ConnectionOrigin(remoteAddress: "test")
        guard let identifier = self.broker.open(origin, now: self.now) else {
            preconditionFailure("the test opens more connections than its limits allow")
        }
        self.clients[identifier] = client
        return identifier
    }

    package func receive(_ packets: [Packet], from identifier: ConnectionIdentifier) {
        self.broker.receive(packets, from: identifier, now: self.now)
        self.settle()
    }

    package func receive(_ failure: DecodingFailure, from identifier: ConnectionIdentifier) {
        self.broker.receive(failure, from: identifier, now: self.now)
        self.settle()
    }

    /// The network connection breaks without a word.
    package func drop(_ identifier: ConnectionIdentifier) {
        self.clients[identifier] = nil
        self.broker.close(identifier, now: self.now)
        self.settle()
    }

    package func setCongested(_ isCongested: Bool, on identifier: ConnectionIdentifier) {
        self.broker.setCongested(isCongested, on: identifier, now: self.now)
        self.settle()
    }

    /// Tells the broker what has become of the oldest login.
    package func answer(_ verdict: AuthenticationVerdict) {
        guard !self.logins.isEmpty else { preconditionFailure("nobody logs in") }
        self.broker.authenticated(self.logins.removeFirst().connection, verdict, now: self.now)
        self.settle()
    }

    /// Puts rules in force, `nil` for none.
    package func setPolicy(_ policy: AccessPolicy?) {
        self.broker.setPolicy(policy, now: self.now)
        self.settle()
    }

    // MARK: Time

    /// Moves the clock and lets everything happen on the way, at its own instant.
    package func advance(milliseconds: UInt64) {
        let target = self.now.adding(milliseconds: milliseconds)
        while self.broker.nextWakeUp <= target {
            self.now = max(self.now, self.broker.nextWakeUp)
            self.broker.advance(to: self.now)
            self.settle()
        }
        self.now = target
    }

    package func advance(seconds: UInt64) {
        self.advance(milliseconds: seconds * 1000)
    }

    /// Delivers what the broker has written, until nothing moves.
    package func settle() {
        var outputs: [Output] = []
        while self.broker.hasOutputs || self.broker.hasStarved {
            outputs.removeAll(keepingCapacity: true)
            self.broker.takeOutputs(into: &outputs)
            for output in outputs {
                guard let client = self.clients[output.connection] else { continue }
                client.deliver(output.bytes)
                if output.closes {
                    client.networkClosed()
                    self.clients[output.connection] = nil
                    self.broker.close(output.connection, now: self.now)
                }
            }
            if self.broker.hasStarved { self.broker.feedStarved(now: self.now) }
        }
        self.events += self.broker.takeEvents()
        self.logins += self.broker.takeAuthenticationRequests()
    }
}
