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
    /// With a store, what the broker asks to remember goes here.
    package private(set) var store: ModelStore?
    /// In its place, for a broker that dies again and again: a store that commits when it likes.
    package private(set) var crashingStore: (any CrashingStore)?
    /// By how much the wall clock was set.
    private var wallShift: Int64 = 0
    /// Every batch is on disk at once; otherwise when the test calls `commit`.
    package var commitsAtOnce = true
    /// The wall clock at instant 0, in milliseconds since 1970.
    package static let wallMilliseconds: Int64 = 1_700_000_000_000
    private var clients: [ConnectionIdentifier: ScriptedClient] = [:]
    /// Each process has random numbers of its own.
    private var nextSeed: UInt64 = 43

    package init(limits: BrokerLimits = BrokerLimits(), seed: UInt64 = 42) {
        self.broker = Broker(limits: limits, seed: seed)
    }

    // MARK: The store

    /// Gives the broker, which has heard nothing yet, a store, and what is in it.
    package func attachStore(_ store: ModelStore = ModelStore()) {
        self.store = store
        self.load(store.committed.records)
    }

    /// The same with an empty store that decides by itself what it commits.
    package func attach(_ store: any CrashingStore) {
        self.crashingStore = store
        self.commitsAtOnce = false
        self.load([])
    }

    private func load(_ records: [StoredRecord]) {
        self.broker.attachStore(wallMilliseconds: self.wall, now: self.now)
        var loader = StoreLoader(now: self.now)
        for record in records { loader.take(record, into: &self.broker) }
        loader.finish(into: &self.broker)
        self.settle()
    }

    private var wall: Int64 { Self.wallMilliseconds + self.wallShift + Int64(self.now.nanoseconds / 1_000_000) }

    /// Somebody sets the wall clock forth or back.
    package func shiftWall(milliseconds: Int64) {
        self.wallShift += milliseconds
        self.broker.setWallClock(milliseconds: self.wall, now: self.now)
    }

    /// Commits what waits, or the oldest batches of it.
    package func commit(_ count: Int = .max) {
        guard let number = self.crashingStore?.sync() ?? self.store?.commit(count) else { return }
        self.broker.committed(upTo: number, now: self.now)
        self.settle()
    }

    /// The store does some of its work, or tells of it late.
    package func progress(_ random: inout SeededGenerator) {
        guard let number = self.crashingStore?.progress(&random) else { return }
        self.broker.committed(upTo: number, now: self.now)
        self.settle()
    }

    /// The process dies and another one begins with what is committed, after so many seconds.
    package func crash(downSeconds: UInt64 = 0, adjust: (inout Broker) -> Void = { _ in }) {
        self.store?.crash()
        self.restart(downSeconds: downSeconds, with: self.store?.committed.records, adjust: adjust)
    }

    /// The same, with what the crashing store has kept.
    package func crash(downSeconds: UInt64, _ random: inout SeededGenerator) {
        self.restart(downSeconds: downSeconds, with: self.crashingStore?.crash(&random)) { _ in }
    }

    private func restart(downSeconds: UInt64, with records: [StoredRecord]?, adjust: (inout Broker) -> Void) {
        for client in self.clients.values { client.networkClosed() }
        self.clients = [:]
        self.now = self.now.adding(seconds: downSeconds)
        self.broker = Broker(limits: self.broker.limits, seed: self.nextSeed)
        self.nextSeed += 1
        adjust(&self.broker)
        if let records { self.load(records) }
    }

    private func takeChanges() {
        guard let (changes, number) = self.broker.takeChanges() else { return }
        self.store?.append(changes, number: number)
        self.crashingStore?.append(changes, number: number)
        guard self.commitsAtOnce, let committed = self.store?.commit() else { return }
        self.broker.committed(upTo: committed, now: self.now)
    }

    // MARK: Clients

    package func open(_ client: ScriptedClient, certificateUser: String? = nil) -> ConnectionIdentifier {
        let origin = ConnectionOrigin(remoteAddress: "test", certificateUser: certificateUser)
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
        while self.broker.hasOutputs || self.broker.hasStarved || self.broker.hasChanges {
            outputs.removeAll(keepingCapacity: true)
            self.takeChanges()
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
