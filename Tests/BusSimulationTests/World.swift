import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore

/// A broker, its clients and the network between them, all driven by the numbers that one seed gives.
final class World {
    let terms: Terms
    let model: BrokerModel
    var random: SeededGenerator
    var broker: Broker
    var now = Timestamp(nanoseconds: 1_000_000_000)
    var clients: [SimulatedClient] = []
    var links: [SimulatedLink] = []
    var linkOf: [ConnectionIdentifier: SimulatedLink] = [:]
    var outputs: [Output] = []
    /// Connections whose clients wait to be let in.
    var logins: [ConnectionIdentifier] = []
    var numbers = 0
    /// All inputs, where they are wanted.
    var recording: Recording?
    /// What went on, where somebody wants to read it.
    var diary: [String]?

    init(seed: UInt64, _ adjust: (inout Terms) -> Void = { _ in }) {
        self.random = SeededGenerator(seed: seed)
        var terms = Terms(random: &self.random)
        adjust(&terms)
        self.terms = terms
        self.model = BrokerModel(terms)
        self.broker = Broker(limits: self.terms.limits, seed: seed)
        self.broker.authenticates = terms.authenticates
        for number in 0..<self.terms.clientCount {
            self.clients.append(SimulatedClient(name: "c\(number)", random: &self.random))
        }
    }

    var problem: String? { self.model.problem }

    /// Lives through all steps and the end, or until something does not hold.
    func run() {
        for _ in 0..<self.terms.stepCount {
            self.step()
            if self.problem != nil { return }
        }
        self.finish()
    }

    func note(_ entry: @autoclosure () -> String) {
        guard self.diary != nil, self.problem == nil else { return }
        self.diary?.append("\(self.now.nanoseconds / 1000) \(entry())")
    }

    func step() {
        switch self.random.number(below: 100) {
        case 0..<34: self.act(self.random.pick(self.clients))
        case 34..<61: self.moveUp()
        case 61..<85: self.moveDown()
        case 85..<88: self.answerLogin()
        case 88..<90: self.breakLink()
        // Time goes by for all at once: the more clients there are, the more happens in a second.
        case 90... where self.random.number(below: self.clients.count) >= 12: self.moveUp()
        case 90..<97: self.advance(milliseconds: UInt64(self.random.number(in: 1...500)))
        case 97..<99: self.advance(milliseconds: UInt64(self.random.number(in: 1000...20_000)))
        default: self.advance(milliseconds: UInt64(self.random.pick([60_000, 100_000, 600_000])))
        }
    }

    // MARK: The network

    private func moveUp() {
        let waiting = self.links.filter { $0.isOpen && ($0.up.readableBytes > 0 || $0.client == nil) }
        guard !waiting.isEmpty else { return }
        let link = self.random.pick(waiting)
        let count = link.up.readableBytes
        self.moveUp(link, count == 0 || self.random.chance(50) ? count : self.random.number(in: 1...count))
    }

    private func moveDown() {
        let waiting = self.links.filter { !$0.down.isEmpty || !$0.isOpen }
        guard !waiting.isEmpty else { return }
        let link = self.random.pick(waiting)
        guard self.random.chance(link.client?.appetite ?? 50) else { return }
        self.moveDown(link, self.random.chance(50) ? .max : self.random.number(in: 1...5))
    }

    private func breakLink() {
        let open = self.links.filter { $0.client != nil }
        guard !open.isEmpty else { return }
        let link = self.random.pick(open)
        self.note("link of \(link.client?.name ?? "") breaks")
        link.client?.disconnected()
        switch self.random.number(below: 3) {
        case 0:
            // A reset: what is under way is lost in both directions.
            link.loseAll()
            self.close(link)
        case 1:
            // What the client has written arrives, then the end.
            _ = link.take(.max)
        default:
            // Nobody tells the broker; it has to notice by itself.
            link.loseAll()
            link.isForsaken = true
        }
    }

    // MARK: Time

    func advance(milliseconds: UInt64) {
        let target = self.now.adding(milliseconds: milliseconds)
        if self.terms.firesLate, self.random.chance(30) {
            self.now = target
            self.wake()
            return
        }
        while self.broker.nextWakeUp <= target, self.problem == nil {
            self.now = max(self.now, self.broker.nextWakeUp)
            self.wake()
        }
        self.now = target
        self.model.now = target
        self.recording?.append(.advance, now: target)
        if self.model.nextDue <= target { self.model.fail("the broker slept through \(self.model.nextDue)") }
    }

    private func wake() {
        let instant = self.now
        self.model.now = self.now
        self.recording?.append(.advance, now: self.now)
        self.model.advance()
        self.broker.advance(to: self.now)
        self.settle()
        if self.broker.nextWakeUp <= instant { self.model.fail("the broker wants to be woken again and again") }
    }

    /// No two inputs come at the same instant.
    func tick() {
        self.now = Timestamp(nanoseconds: self.now.nanoseconds + 1000)
        self.model.now = self.now
    }
}
