import BusCore
import BusTestKit
import Testing

@testable import BusStore

@Suite("The changes of one commit")
struct ChangeBatchTests {
    private static func written(_ changes: [StoreChange]) -> [StoreChange] {
        var batch = ChangeBatch()
        for change in changes { batch.add(change) }
        return batch.changes.compactMap { $0 }
    }

    private static let save: [StoreChange] = [
        .saveMessage(number: 5, Samples.message),
        .saveDelivery(session: 7, StoredDelivery(order: 3, message: 5, qos: 1)),
    ]
    private static let remove: [StoreChange] = [
        .removeDelivery(session: 7, order: 3, message: 5), .removeMessage(number: 5),
    ]
    private static let send = StoreChange.setDelivery(
        session: 7, order: 3, message: 5, packetIdentifier: 9, phase: .published)

    @Test("A message that is delivered and acknowledged within a commit is never written")
    func cancelled() {
        var batch = ChangeBatch()
        for change in Self.save + [Self.send] + Self.remove { batch.add(change) }
        #expect(batch.live == 0)
        #expect(batch.added == 5)
        #expect(batch.changes.allSatisfy { $0 == nil })
    }

    @Test("A message that another session still waits for is written without the delivery that has ended")
    func partlyCancelled() {
        let other = StoreChange.saveDelivery(session: 8, StoredDelivery(order: 3, message: 5, qos: 1))
        #expect(Self.written(Self.save + [other] + Self.remove.prefix(1)) == [Self.save[0], other])
    }

    @Test("A delivery that advances within a commit is written once")
    func merged() {
        let sent = StoredDelivery(order: 3, message: 5, qos: 1, packetIdentifier: 9, phase: .published)
        #expect(Self.written(Self.save + [Self.send]) == [Self.save[0], .saveDelivery(session: 7, sent)])
    }

    @Test("What an earlier commit stored is removed")
    func removal() {
        #expect(Self.written([Self.send] + Self.remove) == [Self.send] + Self.remove)
    }

    @Test("Of a task saved often within a commit only the last record is written")
    func task() {
        let first = StoreChange.saveTask(StoredTask(id: "t", record: [1], state: 0))
        let last = StoreChange.saveTask(StoredTask(id: "t", record: [2], state: 1))
        #expect(Self.written([first, last]) == [last])
        #expect(Self.written([first, last, .removeTask(id: "t")]) == [.removeTask(id: "t")])
    }

    @Test("What is written amounts to what was added", arguments: 1...200)
    func equivalence(_ seed: UInt64) {
        var script = StoreScript(seed: seed)
        var expected = StoredState()
        var actual = StoredState()
        for length in [1, 3, 10, 30, 100] {
            let changes = (0..<length).flatMap { _ in script.next() }
            for change in changes { expected.apply(change) }
            for change in Self.written(changes) { actual.apply(change) }
            #expect(actual == expected)
        }
    }
}
