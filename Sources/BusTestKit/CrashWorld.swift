package import BusCore
import BusSession
import BusWire
import NIOCore

/// What a broker in a crashing world stores into.
package protocol CrashingStore {
    /// Everything that is on disk.
    var committed: StoredState { get }
    /// Takes a batch, whenever it commits it.
    mutating func append(_ changes: [StoreChange], number: UInt64)
    /// Up to which batch everything is on disk; called at any time, and may commit some of what waits.
    mutating func progress(_ random: inout SeededGenerator) -> UInt64
    /// Commits everything.
    mutating func sync() -> UInt64
    /// The power goes; what is left is the next store. A batch that was reported is there, any other one wholly or not.
    mutating func crash(_ random: inout SeededGenerator) -> [StoredRecord]
}

/// A broker that dies again and again, its store, and clients that outlive it.
///
/// It checks what the project promises: what was acknowledged is delivered to everyone who was subscribed, QoS 2 exactly
/// once; a session that was confirmed is there; a retained message is at least as new as the last one acknowledged.
package final class CrashWorld<Store: CrashingStore> {
    package private(set) var broker: Broker
    package var store: Store
    package private(set) var problem: String?
    package private(set) var crashCount = 0
    package private(set) var acceptedCount = 0
    package private(set) var deliveredCount = 0
    private var random: SeededGenerator
    private var now = Timestamp(nanoseconds: 1_000_000_000)
    private var clients: [CrashClient] = []
    private var numbers = 0
    /// Who was subscribed when a message was sent.
    private var expected: [Int: [String]] = [:]
    private var accepted: Set<Int> = []
    /// The newest retained message of each publisher that was acknowledged.
    private var retained: [String: Int] = [:]
    private var retainedTopics: [Int: String] = [:]

    private static var wallMilliseconds: Int64 { 1_700_000_000_000 }

    package init(seed: UInt64, store: Store) {
        self.random = SeededGenerator(seed: seed)
        self.store = store
        var limits = BrokerLimits()
        limits.session.queue.messagesMax = 100_000
        limits.session.receiveMaximumOut = self.random.pick([1, 3, 20, 1024])
        limits.session.sessionExpirySecondsMax = .max
        self.broker = Broker(limits: limits, seed: seed)
        self.broker.attachStore(wallMilliseconds: Self.wallMilliseconds, now: self.now)
        for number in 0..<self.random.number(in: 1...3) {
            self.addClient("s\(number)", subscribesAt: self.random.pick([.atLeastOnce, .exactlyOnce, .exactlyOnce]))
        }
        for number in 0..<self.random.number(in: 1...3) { self.addClient("p\(number)", subscribesAt: nil) }
    }

    private func addClient(_ name: String, subscribesAt qos: QoS?) {
        self.clients.append(
            CrashClient(
                name: name, version: self.random.chance(60) ? .v5 : .v3_1_1,
                isLasting: qos != nil || self.random.chance(70), subscribesAt: qos))
    }

    // MARK: Running

    /// Lives through so many steps, calling `check` after each, and at the end lets everything arrive.
    package func run(steps: Int, check: (borrowing Broker, Store) -> String? = { _, _ in nil }) {
        for _ in 0..<steps {
            self.step()
            if let problem = check(self.broker, self.store) { self.fail(problem) }
            guard self.problem == nil else { return }
        }
        self.finish()
        if let problem = check(self.broker, self.store) { self.fail(problem) }
    }

    private func fail(_ problem: String) {
        if self.problem == nil { self.problem = problem }
    }

    private func step() {
        self.now = Timestamp(nanoseconds: self.now.nanoseconds + 1_000_000)
        let client = self.random.pick(self.clients)
        switch self.random.number(below: 100) {
        case 0..<30: if client.isConnected { self.publish(client) }
        case 30..<60: self.deliver(to: client, self.random.number(in: 1...4))
        case 60..<75: self.progress()
        case 75..<85: if client.connection == nil { self.connect(client) }
        case 85..<89: self.drop(client)
        case 89..<91: self.changeRoom()
        case 91..<93: self.crash()
        case 93: self.setClock()
        default: self.deliver(to: client, .max)
        }
        self.settle()
    }

    private func progress() {
        let number = self.store.progress(&self.random)
        self.broker.committed(upTo: number, now: self.now)
    }

    /// Sometimes somebody sets the clock, by up to a day.
    private func setClock() {
        let shift = Int64(self.random.number(in: -86_400_000...86_400_000))
        self.broker.setWallClock(milliseconds: Self.wallMilliseconds + shift, now: self.now)
    }

    /// Sometimes there is no room for a while.
    private func changeRoom() {
        self.broker.setStore(self.broker.storeCondition == .sound && self.random.chance(30) ? .full : .sound)
    }

    /// Everybody is there, everything is committed, until nothing moves.
    private func finish() {
        self.broker.setStore(.sound)
        for _ in 0..<1000 {
            self.broker.committed(upTo: self.store.sync(), now: self.now)
            for client in self.clients where client.connection == nil { self.connect(client) }
            self.settle()
            var isQuiet = true
            for client in self.clients where !client.inbox.isEmpty || !client.isConnected {
                isQuiet = false
                self.deliver(to: client, .max)
                self.settle()
            }
            if isQuiet, self.clients.allSatisfy(\.outgoing.isEmpty), !self.broker.hasChanges { break }
            if self.problem != nil { return }
        }
        self.audit()
    }

    private func audit() {
        for client in self.clients {
            self.deliveredCount += client.delivered.count
            guard client.subscribesAt != nil else { continue }
            for number in self.accepted where self.expected[number]?.contains(client.name) == true {
                if client.delivered[number, default: 0] == 0 { self.fail("\(client.name) never got \(number)") }
            }
        }
        self.acceptedCount = self.accepted.count
    }

    // MARK: Clients

    private func connect(_ client: CrashClient) {
        client.connection = self.broker.open(ConnectionOrigin(remoteAddress: client.name), now: self.now)
        self.send(client.connect, from: client)
    }

    private func drop(_ client: CrashClient) {
        guard let connection = client.connection else { return }
        client.disconnected()
        self.broker.close(connection, now: self.now)
    }

    private func publish(_ client: CrashClient) {
        guard client.outgoing.count < 10 else { return }
        self.numbers += 1
        let isRetained = self.random.chance(20)
        let qos: QoS = self.random.chance(50) ? .atLeastOnce : .exactlyOnce
        // An older message of QoS 1 that is sent again may follow a newer one of QoS 2: each has topics of its own.
        let topic = isRetained ? "t/r/\(client.name)/\(qos.rawValue)" : "t/\(self.random.number(below: 3))"
        let publish = Publish(
            topic: topic, qos: qos, isRetained: isRetained,
            packetIdentifier: client.nextIdentifier(), payload: ByteBuffer(string: "\(self.numbers)"))
        client.outgoing.append(CrashClient.Outgoing(number: self.numbers, publish: publish))
        self.expected[self.numbers] = self.clients.filter(\.isSubscribed).map(\.name)
        if isRetained { self.retainedTopics[self.numbers] = topic }
        self.send(.publish(publish), from: client)
    }

    private func send(_ packet: Packet, from client: CrashClient) {
        guard let connection = client.connection else { return }
        self.broker.receive([packet], from: connection, now: self.now)
    }

    private func deliver(to client: CrashClient, _ count: Int) {
        for _ in 0..<min(count, client.inbox.count) where !client.inbox.isEmpty {
            for reaction in client.receive(client.inbox.removeFirst()) {
                switch reaction {
                case .send(let packet): self.send(packet, from: client)
                case .problem(let problem): self.fail(problem)
                case .accepted(let number):
                    self.accepted.insert(number)
                    if let topic = self.retainedTopics[number] {
                        self.retained[topic] = max(number, self.retained[topic] ?? 0)
                    }
                }
            }
        }
    }

    // MARK: The broker

    private func settle() {
        var outputs: [Output] = []
        while self.broker.hasOutputs || self.broker.hasStarved || self.broker.hasChanges {
            if let (changes, number) = self.broker.takeChanges() { self.store.append(changes, number: number) }
            outputs.removeAll(keepingCapacity: true)
            self.broker.takeOutputs(into: &outputs)
            for output in outputs { self.write(output) }
            if self.broker.hasStarved { self.broker.feedStarved(now: self.now) }
        }
        _ = self.broker.takeEvents()
    }

    private func write(_ output: Output) {
        if let client = self.clients.first(where: { $0.connection == output.connection }) {
            client.pending.writeImmutableBuffer(output.bytes)
            do throws(DecodingFailure) {
                while let packet = try client.decoder.next(in: &client.pending) { client.inbox.append(packet) }
            } catch {
                self.fail("the broker sent what no client understands: \(error.message)")
            }
            // What was written before the end arrives, or not.
            if output.closes, self.random.chance(50) { self.deliver(to: client, .max) }
            if output.closes { client.disconnected() }
        }
        if output.closes { self.broker.close(output.connection, now: self.now) }
    }

    private func crash() {
        self.crashCount += 1
        let records = self.store.crash(&self.random)
        for client in self.clients {
            // What the dead broker has written still arrives, or not.
            if self.random.chance(50) { self.deliverLast(to: client) }
            client.disconnected()
        }
        self.now = self.now.adding(seconds: UInt64(self.random.number(below: 100)))
        self.broker = Broker(limits: self.broker.limits, seed: UInt64(self.numbers))
        let shift = Int64(self.random.number(in: -86_400_000...86_400_000))
        self.broker.attachStore(wallMilliseconds: Self.wallMilliseconds + shift, now: self.now)
        var loader = StoreLoader(now: self.now)
        var found: [String: Int] = [:]
        for record in records {
            loader.take(record, into: &self.broker)
            if case .retained(let topic, let message, _) = record { found[topic] = Self.number(in: message) }
        }
        loader.finish(into: &self.broker)
        for (topic, number) in self.retained where (found[topic] ?? 0) < number {
            self.fail("\(topic) holds \(found[topic] ?? 0), \(number) was acknowledged")
        }
    }

    /// The client reads what came before the connection broke; nobody hears its answers.
    private func deliverLast(to client: CrashClient) {
        client.connection = nil
        self.deliver(to: client, .max)
    }

    /// The payload stands at the end of the packet.
    private static func number(in message: StoredMessage) -> Int {
        let digits = message.packet.reversed().prefix { (48...57).contains($0) }.reversed()
        return Int(String(decoding: Array(digits), as: UTF8.self)) ?? 0
    }
}
