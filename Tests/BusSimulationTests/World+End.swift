import BusSession
import BusTopics
import BusWire
import NIOCore

@testable import BusCore

/// The account: what must hold all the time, after everyone came back, and after everyone left.
extension World {
    func auditCounts() {
        let sessions = self.model.sessions.values
        let own = sessions.reduce(0) { $0 + $1.subscriptions.keys.count { !$0.hasPrefix("$share/") } }
        let all = sessions.reduce(0) { $0 + $1.subscriptions.count }
        self.expect("connections", self.broker.connectionCount, self.model.connections.count)
        self.expect("sessions", self.broker.sessionCount, sessions.count)
        self.expect("subscriptions", self.broker.subscriptionCount, own)
        self.expect("shared subscriptions", self.broker.subscriptions.sharedCount, all - own)
        self.expect("retained messages", self.broker.retainedCount, self.model.retained.count)
        let limits = self.terms.limits.session
        for session in sessions {
            guard let place = self.broker.sessionOfClient[ClientIdentifier(session.client)] else { continue }
            let queue = self.broker.sessions[place].queue
            if queue.count > limits.queue.messagesMax || queue.byteCount > limits.queue.bytesMax {
                self.model.fail("\(queue.count) messages, \(queue.byteCount) bytes wait for \(session.client)")
            }
        }
    }

    private func expect(_ what: String, _ actual: Int, _ expected: Int) {
        if actual != expected { self.model.fail("\(actual) \(what) instead of \(expected)") }
    }

    func finish() {
        self.note("everyone comes back")
        self.reunite()
        guard self.problem == nil else { return }
        self.auditDeliveries()
        guard self.problem == nil else { return }
        self.note("everyone leaves")
        self.leave()
        guard self.problem == nil else { return }
        self.auditEmptiness()
    }

    /// Every client returns to its session and takes all that waits for it.
    private func reunite() {
        for round in 0..<10_000 {
            for client in self.clients where client.link == nil {
                self.connect(client, cleanStart: false, expiry: .max)
            }
            for link in self.links where link.client == nil && link.isForsaken {
                link.isForsaken = false
            }
            self.moveEverything()
            if self.problem != nil { return }
            let isQuiet = self.links.allSatisfy { $0.up.readableBytes == 0 && $0.down.isEmpty && $0.client != nil }
            if isQuiet, self.clients.allSatisfy({ $0.phase == .connected && $0.owed.isEmpty }), round > 1 { return }
        }
        self.model.fail("it never becomes quiet")
    }

    private func auditDeliveries() {
        for client in self.clients where !client.outgoing.isEmpty {
            self.model.fail("\(client.outgoing.count) messages of \(client.name) were never acknowledged")
        }
        for session in self.model.sessions.values where !session.flights.isEmpty {
            self.model.fail("\(session.flights.count) under way to \(session.client)")
        }
        let lost = self.model.lost()
        let excused = self.broker.statistics.droppedQueueFull
        if !self.terms.isTight, excused > 0 { self.model.fail("\(excused) dropped from queues without end") }
        if lost.count > excused {
            let example = lost.first.map { "\($0.number) on \($0.topic)" } ?? ""
            self.model.fail("\(lost.count) messages are lost, \(excused) were dropped; such as \(example)")
        }
        let refused = self.clients.reduce(into: Set<Int>()) { $0.formUnion($1.refused) }
        var delivered: [Int: Int] = [:]
        for client in self.clients { delivered.merge(client.delivered, uniquingKeysWith: +) }
        for (identity, sent) in self.model.sent.enumerated() {
            let count = delivered[identity, default: 0]
            if sent.qos == .exactlyOnce, count > 1 { self.model.fail("a QoS 2 message came \(count) times") }
            if count == 0, !sent.session.isEnded, !refused.contains(identity) {
                self.model.fail("a message was acknowledged and never came")
            }
        }
    }

    private func leave() {
        for client in self.clients {
            for topic in TopicPool.topics + [TopicPool.willTopic(of: client.name)] {
                self.publish(client, Publish(topic: topic, isRetained: true))
            }
        }
        self.reunite()
        for client in self.clients {
            let isV5 = client.version == .v5
            self.disconnect(client, Disconnect(properties: isV5 ? [.sessionExpiryInterval(0)] : []))
        }
        for _ in 0..<3 { self.moveEverything() }
        // Below 5.0 only a clean session leaves nothing behind.
        let older = self.clients.filter { $0.version != .v5 }
        for client in older { self.connect(client, cleanStart: true, expiry: 0) }
        for _ in 0..<3 { self.moveEverything() }
        for client in older { self.disconnect(client, Disconnect()) }
        for _ in 0..<3 { self.moveEverything() }
    }

    private func moveEverything() {
        while !self.logins.isEmpty { self.answerLogin(accepting: true) }
        for client in self.clients { client.writeOwed(.max) }
        for link in self.links { self.moveUp(link, link.up.readableBytes) }
        for link in self.links { self.moveDown(link, .max) }
    }

    /// Whatever was, nothing of it is left.
    private func auditEmptiness() {
        self.expect("connections", self.broker.connectionCount, 0)
        self.expect("admitted connections", self.broker.admission.total, 0)
        self.expect("sessions", self.broker.sessionCount, 0)
        self.expect("clients", self.broker.sessionOfClient.count, 0)
        self.expect("nodes of the subscription tree", self.broker.subscriptions.nodeCount, 1)
        self.expect("retained messages", self.broker.retainedCount, 0)
        self.expect("retained bytes", self.broker.retained.byteCount, 0)
        self.expect("open calls", self.broker.openCallCount, 0)
        self.expect("listed connections", self.broker.listed.count + self.broker.starved.count, 0)
        self.advance(milliseconds: 8 * 24 * 3600 * 1000)
        if self.broker.nextWakeUp < .never { self.model.fail("a timer is left") }
    }
}
