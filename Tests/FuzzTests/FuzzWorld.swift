import BusContract
import BusSession
import BusTestKit
import BusTopics
import BusWire
import NIOCore

@testable import BusCore

/// A broker with two clients that behave, and any number that don't.
final class FuzzWorld {
    /// A network connection that says anything.
    struct Stranger {
        var identifier: ConnectionIdentifier
        var reader: PacketReader
        var answers = ByteBuffer()
        /// The decoder has refused its bytes.
        var isRefused = false
    }

    private(set) var broker: Broker
    private(set) var problem: String?
    /// How far the strangers came: let in, and thrown out for bytes that are no packet.
    private(set) var connectedCount = 0
    private(set) var refusedCount = 0
    private var random: SeededGenerator
    private var now = Timestamp(nanoseconds: 1_000_000_000)
    private var strangers: [ConnectionIdentifier: Stranger] = [:]
    private var publisher: ConnectionIdentifier?
    private var subscriber: ConnectionIdentifier?
    private var arrived: [String] = []
    private var decoder = PacketDecoder(role: .client, maximumPacketSize: 1 << 20, version: .v3_1_1)
    private var published = 0
    private var logins: [ConnectionIdentifier] = []
    private var closed: Set<ConnectionIdentifier> = []

    static var limits: BrokerLimits {
        var limits = BrokerLimits()
        limits.sessionsMax = 5
        limits.session.sessionExpirySecondsMax = 100
        limits.retainedMessagesMax = 4
        limits.retainedBytesMax = 500
        limits.subscriptionsMax = 20
        limits.session.subscriptionsMax = 6
        limits.session.callSubscriptionsMax = 3
        limits.session.queue = MessageQueue.Limits(messagesMax: 5, bytesMax: 3000)
        limits.session.receiveMaximumIn = 4
        limits.session.receiveMaximumOut = 5
        limits.session.outboundBytesMax = 2000
        limits.session.packetBytesMax = 4000
        limits.session.firstPacketBytesMax = 1000
        return limits
    }

    init(seed: UInt64) {
        self.random = SeededGenerator(seed: seed)
        self.broker = Broker(limits: Self.limits, seed: seed)
        self.publisher = self.openBystander("bystander that publishes")
        self.subscriber = self.openBystander("bystander that subscribes")
        self.say(
            .subscribe(
                Subscribe(
                    packetIdentifier: Self.first,
                    subscriptions: [Subscription(filter: "quiet/corner", maximumQoS: .atMostOnce)])),
            from: self.subscriber)
        self.broker.authenticates = self.random.chance(30)
    }

    private static var first: PacketIdentifier {
        guard let identifier = PacketIdentifier(rawValue: 1) else { preconditionFailure("1 is not 0") }
        return identifier
    }

    /// Two or three strangers talk at once, each with its own conversation, and the bystanders go on.
    func run() {
        var waiting: [(ConnectionIdentifier, [[UInt8]])] = []
        for _ in 0..<self.random.number(in: 2...3) {
            let version: ProtocolVersion = self.random.pick([.v3_1_1, .v5, .v5])
            var corpus = Corpus(version, random: SeededGenerator(seed: self.random.next()))
            let spoiled = Mutation.spoil(
                corpus.conversation(), count: self.random.number(in: 0...4), random: &self.random)
            if let stranger = self.openStranger() { waiting.append((stranger, spoiled)) }
        }
        while !waiting.isEmpty, self.problem == nil {
            let index = self.random.number(below: waiting.count)
            let count = min(waiting[index].1.count, self.random.number(in: 1...4))
            let bytes = waiting[index].1.prefix(count).flatMap(\.self)
            waiting[index].1.removeFirst(count)
            self.send(bytes, from: waiting[index].0)
            if waiting[index].1.isEmpty { waiting.remove(at: index) }
            if self.random.chance(10) { self.advance(seconds: UInt64(self.random.number(in: 1...3))) }
            if self.random.chance(15) { self.toggleCongestion() }
            if self.random.chance(50) { self.answerLogins() }
            self.audit()
        }
        self.leave()
    }

    private func fail(_ problem: String) {
        if self.problem == nil { self.problem = problem }
    }

    // MARK: Bystanders

    private func openBystander(_ name: String) -> ConnectionIdentifier? {
        let identifier = self.broker.open(ConnectionOrigin(remoteAddress: name), now: self.now)
        self.say(.connect(Connect(version: .v3_1_1, keepAliveSeconds: 300, clientIdentifier: name)), from: identifier)
        return identifier
    }

    private func say(_ packet: Packet, from identifier: ConnectionIdentifier?) {
        guard let identifier else { return }
        if !self.broker.receive([packet], from: identifier, now: self.now) { self.fail("a bystander was thrown out") }
        self.settle()
    }

    private func audit() {
        self.published += 1
        self.arrived = []
        self.say(
            .publish(Publish(topic: "quiet/corner", payload: ByteBuffer(string: "\(self.published)"))),
            from: self.publisher)
        if self.arrived != ["\(self.published)"] { self.fail("instead of \(self.published) came \(self.arrived)") }
        let limits = Self.limits
        self.expect("sessions", self.broker.sessionCount, atMost: limits.sessionsMax)
        self.expect("retained messages", self.broker.retainedCount, atMost: limits.retainedMessagesMax)
        self.expect("retained bytes", self.broker.retained.byteCount, atMost: limits.retainedBytesMax)
        let subscriptions = self.broker.subscriptionCount + self.broker.subscriptions.sharedCount
        self.expect("subscriptions", subscriptions, atMost: limits.subscriptionsMax)
        for place in self.broker.sessions.indices {
            let session = self.broker.sessions[place]
            self.expect("queued messages", session.queue.count, atMost: limits.session.queue.messagesMax)
            self.expect("queued bytes", session.queue.byteCount, atMost: limits.session.queue.bytesMax)
            self.expect("replayed messages", session.replay.count, atMost: limits.retainedMessagesMax)
            self.expect("messages under way", session.window.onWireCount, atMost: limits.session.receiveMaximumOut)
            let ofCalls = session.subscriptions.records.count { CallFilter.isOfFunction($0.filter) }
            self.expect("filters", session.subscriptions.count - ofCalls, atMost: limits.session.subscriptionsMax)
            self.expect("filters of functions", ofCalls, atMost: limits.session.callSubscriptionsMax)
            if ofCalls != session.callSubscriptionCount { self.fail("\(ofCalls) filters of functions are miscounted") }
        }
    }

    private func expect(_ what: String, _ count: Int, atMost limit: Int) {
        if count > limit { self.fail("\(count) \(what), \(limit) are allowed") }
    }

    // MARK: Strangers

    private func openStranger() -> ConnectionIdentifier? {
        guard let identifier = self.broker.open(ConnectionOrigin(remoteAddress: "stranger"), now: self.now) else {
            self.fail("a stranger was refused below all limits")
            return nil
        }
        self.strangers[identifier] = Stranger(
            identifier: identifier, reader: PacketReader(limits: Self.limits.session))
        return identifier
    }

    /// The bytes come in reads of any size.
    private func send(_ bytes: [UInt8], from identifier: ConnectionIdentifier) {
        var rest = bytes[...]
        while !rest.isEmpty, self.strangers[identifier]?.isRefused == false {
            let count = self.random.chance(50) ? rest.count : self.random.number(in: 1...rest.count)
            self.strangers[identifier]?.reader.append(ByteBuffer(bytes: rest.prefix(count)))
            rest = rest.dropFirst(count)
            var packets: [Packet] = []
            do throws(DecodingFailure) {
                while try self.strangers[identifier]?.reader.read(upTo: 256, into: &packets) == true {}
                self.broker.receive(packets, from: identifier, now: self.now)
            } catch {
                self.strangers[identifier]?.isRefused = true
                let isOpen = self.broker.receive(packets, from: identifier, now: self.now)
                self.broker.receive(error, from: identifier, now: self.now)
                self.expectReason(error, wasOpen: isOpen)
            }
            self.strangers[identifier]?.reader.compact()
            self.settle()
            if self.strangers[identifier]?.isRefused == true, !self.closed.contains(identifier) {
                self.fail("what cannot be decoded did not end the connection")
            }
        }
    }

    /// Bad bytes end the connection with the reason that the decoder gave.
    private func expectReason(_ failure: DecodingFailure, wasOpen: Bool) {
        guard wasOpen else { return }
        self.refusedCount += 1
        let codes = self.broker.takeEvents().compactMap { event -> ReasonCode? in
            switch event {
            case .disconnected(_, .violation(let code, _)), .refused(_, .violation(let code, _)): code
            default: nil
            }
        }
        if codes != [failure.reasonCode] { self.fail("ended with \(codes) for: \(failure.message)") }
    }

    /// Some are let in, some are not, some have gone meanwhile.
    private func answerLogins() {
        for login in self.logins {
            let isAccepted = self.random.chance(80)
            self.broker.authenticated(
                login,
                isAccepted
                    ? .accepted(user: "user", groups: [], expiresAt: self.now.adding(seconds: 5))
                    : .refused(.badUserNameOrPassword, "not known"),
                now: self.now)
        }
        self.logins = []
        self.settle()
    }

    private func toggleCongestion() {
        for identifier in self.strangers.keys where !self.closed.contains(identifier) {
            self.broker.setCongested(self.random.chance(50), on: identifier, now: self.now)
            self.settle()
        }
    }

    private func advance(seconds: UInt64) {
        let target = self.now.adding(seconds: seconds)
        while self.broker.nextWakeUp <= target {
            self.now = max(self.now, self.broker.nextWakeUp)
            self.broker.advance(to: self.now)
            self.settle()
        }
        self.now = target
    }

    private func settle() {
        var outputs: [Output] = []
        repeat {
            outputs.removeAll(keepingCapacity: true)
            self.broker.takeOutputs(into: &outputs)
            for output in outputs { self.take(output) }
            if self.broker.hasStarved { self.broker.feedStarved(now: self.now) }
        } while self.broker.hasOutputs || self.broker.hasStarved
        self.logins += self.broker.takeAuthenticationRequests().map(\.connection)
        self.connectedCount += self.broker.takeEvents().count { event in
            if case .connected = event { true } else { false }
        }
    }

    private func take(_ output: Output) {
        var bytes = output.bytes
        let isStranger = self.strangers[output.connection] != nil
        // Whatever version a spoiled CONNECT came to ask for, the answers have to be of that version.
        var decoder =
            isStranger
            ? PacketDecoder(
                role: .client, maximumPacketSize: 1 << 20,
                version: self.broker.connections[output.connection.index].version)
            : self.decoder
        do throws(DecodingFailure) {
            while let packet = try decoder.next(in: &bytes) {
                guard output.connection == self.subscriber, case .publish(let publish) = packet else { continue }
                self.arrived.append(String(buffer: publish.payload))
            }
        } catch {
            self.fail("the broker sent what a client refuses: \(error.message)")
        }
        if bytes.readableBytes > 0 { self.fail("the broker sent half a packet") }
        guard output.closes else { return }
        if !isStranger { self.fail("a bystander was closed") }
        self.closed.insert(output.connection)
        self.broker.close(output.connection, now: self.now)
    }

    // MARK: The end

    /// The strangers vanish, their sessions expire, and what they cost is gone; only retained messages and tasks stay.
    private func leave() {
        for identifier in self.strangers.keys where !self.closed.contains(identifier) {
            self.broker.close(identifier, now: self.now)
            self.settle()
        }
        for identifier in [self.publisher, self.subscriber] {
            guard let identifier else { continue }
            self.broker.close(identifier, now: self.now)
        }
        // Longer than sessions last and ended tasks are remembered.
        self.advance(seconds: 1_200)
        self.expect("connections", self.broker.connectionCount, atMost: 0)
        self.expect("sessions", self.broker.sessionCount, atMost: 0)
        self.expect("nodes of the subscription tree", self.broker.subscriptions.nodeCount, atMost: 1)
        self.expect("logins", self.broker.pendingConnects.count, atMost: 0)
        self.expect("admitted connections", self.broker.admission.total, atMost: 0)
        self.expect("connections of users", self.broker.connectionsOfUser.count, atMost: 0)
        self.expect("open calls", self.broker.openCallCount, atMost: 0)
        // A task outlives whoever gave it, as it should.
        if self.broker.nextWakeUp < .never, self.broker.taskCount == 0 { self.fail("a timer is left") }
    }
}
