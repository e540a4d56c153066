import BusCore
import BusStore
import BusTestKit
import Testing

@Suite("What a store keeps")
struct RoundTripTests {
    /// Of session 7 with all it has.
    private static let removal: [StoreChange] = [
        .removeDelivery(session: 7, order: 1, message: 1), .removeDelivery(session: 7, order: 2, message: 2),
        .removeSession(number: 7),
    ]

    /// Changes on top of one of everything.
    static let changes: [(name: String, changes: [StoreChange])] = [
        ("nothing more", []),
        (
            "a session replaced",
            [.saveSession(StoredSession(number: 7, clientIdentifier: "other", expirySeconds: 5, disconnectedAt: nil))]
        ),
        ("a session removed", removal),
        ("a session removed that is not there", [.removeSession(number: 99)]),
        ("a session that comes back empty", removal + [.saveSession(Samples.session)]),
        (
            "a subscription replaced",
            [.saveSubscription(session: 7, StoredSubscription(filter: "+/#", options: 0, identifier: 0))]
        ),
        ("a subscription removed", [.removeSubscription(session: 7, filter: "+/#")]),
        ("another session's subscription", [.removeSubscription(session: 8, filter: "+/#")]),
        ("a message removed", [.removeDelivery(session: 7, order: 1, message: 1), .removeMessage(number: 1)]),
        (
            "a delivery sent",
            [.setDelivery(session: 7, order: 2, message: 2, packetIdentifier: 12, phase: .published)]
        ),
        (
            "a delivery taken back",
            [.setDelivery(session: 7, order: 1, message: 1, packetIdentifier: 0, phase: .queued)]
        ),
        (
            "a delivery sent that is not there",
            [.setDelivery(session: 7, order: 9, message: 1, packetIdentifier: 1, phase: .released)]
        ),
        ("a delivery removed", [.removeDelivery(session: 7, order: 1, message: 1)]),
        ("an identifier released", [.removeReceived(session: 7, packetIdentifier: 65_535)]),
        ("a retained message replaced", [.saveRetained(topic: "empty", Samples.message, publisher: "x")]),
        ("a retained message removed", [.removeRetained(topic: "a/ä/🜁")]),
        ("a task replaced", [.saveTask(StoredTask(id: "t-1", record: [9], state: 1, dueAt: .max))]),
        ("a task removed", [.removeTask(id: "t-2")]),
        (
            "topics that differ in how an accent is spelt",
            [
                .saveRetained(topic: "\u{E9}", Samples.message, publisher: "composed"),
                .saveRetained(topic: "e\u{301}", Samples.emptyMessage, publisher: "decomposed"),
            ]
        ),
        (
            "the largest numbers",
            [
                .saveSession(StoredSession(number: UInt64(Int64.max), clientIdentifier: "z", expirySeconds: 1)),
                .saveDelivery(
                    session: UInt64(Int64.max), StoredDelivery(order: UInt64(Int64.max), message: 1, qos: 1)),
            ]
        ),
    ]

    @Test("A store that is opened again holds what was changed", arguments: changes)
    func reopened(_ name: String, _ changes: [StoreChange]) throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        try BusStore.fill(directory, changes)
        #expect(try BusStore.state(of: directory) == StoredState(after: Samples.all + changes))
        #expect(try BusStore.verify(directory: directory.store).problems.isEmpty)
    }

    @Test("Records come in the order of their kinds, deliveries by session and order")
    func order() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all.reversed())
        let store = try BusStore.open(directory)
        defer { store.close() }
        var kinds: [Int] = []
        var deliveries: [[UInt64]] = []
        try store.load { record in
            switch record {
            case .session: kinds.append(0)
            case .subscription: kinds.append(1)
            case .message: kinds.append(2)
            case .delivery(let session, let delivery):
                kinds.append(3)
                deliveries.append([session, delivery.order])
            case .received: kinds.append(4)
            case .retained: kinds.append(5)
            case .task: kinds.append(6)
            }
        }
        #expect(kinds == [0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 6])
        #expect(deliveries == [[7, 1], [7, 2], [8, 1]])
    }

    @Test("After any sequence of changes a store holds what the same changes make in memory", arguments: 1...20)
    func randomSequences(_ seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        var options = StoreOptions()
        options.logPagesMax = 40
        var script = StoreScript(seed: seed)
        var expected = StoredState()
        for _ in 0..<6 {
            let store = try BusStore.open(directory, options: options)
            #expect(try store.state == expected)
            for number in 1...UInt64(80) {
                let changes = script.next()
                for change in changes { expected.apply(change) }
                store.append(changes, number: number)
            }
            store.close()
        }
        #expect(try BusStore.state(of: directory) == expected)
        let report = try BusStore.verify(directory: directory.store)
        #expect(report.problems.isEmpty && report.unusedMessages == 0)
    }
}
