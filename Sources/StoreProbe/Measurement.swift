import BusCore
import BusStore
import Glibc
import Synchronization

/// Figures of the store on one disk.
enum Measurement {
    /// Lets the measuring thread wait for a commit.
    private final class Gate: Sendable {
        private let reached = Atomic<UInt64>(0)

        func report(_ result: CommitResult) {
            guard case .committed(let number) = result else { return StoreProbe.say("\(result)\n") }
            self.reached.store(number, ordering: .releasing)
        }

        func wait(for number: UInt64) {
            while self.reached.load(ordering: .acquiring) < number { usleep(20) }
        }
    }

    /// Messages of 256 bytes with one delivery each (two records), by how many are in one commit.
    static func commits(in directory: String) throws(StoreFailure) {
        for records in [1, 64, 1000] {
            for isAcknowledged in [false, true] {
                try Self.commits(in: directory, messages: max(1, records / 2), isAcknowledged: isAcknowledged)
            }
        }
        try Self.flood(directory)
    }

    /// Each round waits for its commit; with `isAcknowledged`, it removes what the round before stored.
    private static func commits(
        in directory: String, messages: Int, isAcknowledged: Bool
    ) throws(StoreFailure) {
        let gate = Gate()
        let store = try BusStore.open(directory: directory) { gate.report($0) }
        defer { store.close() }
        var times: [Duration] = []
        var message: UInt64 = 0
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(3) {
            var changes: [StoreChange] = []
            for _ in 0..<messages {
                message += 1
                changes += Self.message(message, session: 1)
                if isAcknowledged, message > messages { changes += Self.removal(of: message - UInt64(messages)) }
            }
            let begin = ContinuousClock.now
            store.append(changes, number: message)
            gate.wait(for: message)
            times.append(ContinuousClock.now - begin)
        }
        let seconds = Self.seconds(ContinuousClock.now - start)
        times.sort()
        let changes = times.count * messages * (isAcknowledged ? 4 : 2)
        StoreProbe.say(
            "\(messages * (isAcknowledged ? 4 : 2)) changes per commit\(isAcknowledged ? " (half of them removals)" : ""):"
                + " \(Int(Double(changes) / seconds)) changes/s, commit p50 \(times[times.count / 2])"
                + " p99 \(times[times.count * 99 / 100]) max \(times[times.count - 1]),"
                + " \(store.figures.checkpoints) written back, longest \(store.figures.longestCheckpoint)\n")
    }

    /// As fast as the backlog lets, acknowledged at once: most of it cancels out.
    private static func flood(_ directory: String) throws(StoreFailure) {
        let gate = Gate()
        let store = try BusStore.open(directory: directory) { gate.report($0) }
        var message: UInt64 = 1 << 40
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(3) {
            message += 1
            store.append(Self.message(message, session: 2), number: message)
            store.append(Self.removal(of: message, session: 2), number: message)
            while store.backlogBytes > 4 << 20 { usleep(100) }
        }
        store.close()
        let figures = store.figures
        let rate = Int(Double(figures.changes) / Self.seconds(ContinuousClock.now - start))
        StoreProbe.say(
            "acknowledged at once: \(rate) changes/s, \(figures.cancelled) of \(figures.changes) cancelled out,"
                + " \(figures.commits) commits, longest \(figures.longestCommit)\n")
    }

    /// Many deliveries, each with a message of 256 bytes.
    static func fill(_ directory: String, deliveries: Int, sessions: Int) throws(StoreFailure) {
        let gate = Gate()
        let store = try BusStore.open(directory: directory) { gate.report($0) }
        let start = ContinuousClock.now
        for session in 1...sessions {
            let client = StoredSession(
                number: UInt64(session), clientIdentifier: "client-\(session)", expirySeconds: .max, disconnectedAt: 0)
            let subscription = StoredSubscription(filter: "devices/\(session)/#", options: 1)
            store.append(
                [.saveSession(client), .saveSubscription(session: client.number, subscription)], number: UInt64(session)
            )
        }
        for message in 1...deliveries {
            store.append(
                Self.message(UInt64(message), session: UInt64(message % sessions + 1)),
                number: UInt64(sessions + message))
            while !store.hasRoom { usleep(1000) }
        }
        store.close()
        StoreProbe.say("filled in \(ContinuousClock.now - start); \(store.figures)\n")
    }

    static func load(_ directory: String) throws(StoreFailure) {
        var start = ContinuousClock.now
        let store = try BusStore.open(directory: directory) { _ in }
        StoreProbe.say("opened in \(ContinuousClock.now - start), \(Self.residentKilobytes) KiB resident\n")
        start = ContinuousClock.now
        var records = 0
        try store.load { _ in records += 1 }
        StoreProbe.say("\(records) read in \(ContinuousClock.now - start), \(Self.residentKilobytes) KiB resident\n")
        start = ContinuousClock.now
        var state = StoredState()
        try store.load { state.add($0) }
        StoreProbe.say(
            "\(state.messages.count) messages kept in \(ContinuousClock.now - start), \(Self.residentKilobytes) KiB\n")
        store.close()
    }

    // MARK: Pieces

    private static func message(_ number: UInt64, session: UInt64) -> [StoreChange] {
        [
            .saveMessage(number: number, StoredMessage(packet: Self.packet(number))),
            .saveDelivery(session: session, StoredDelivery(order: number, message: number, qos: 1)),
        ]
    }

    /// A PUBLISH of 256 bytes that a broker can load.
    private static func packet(_ number: UInt64) -> [UInt8] {
        let topic = Array("devices/1".utf8)
        let head: [UInt8] = [0x32, 0xFD, 0x01, 0, UInt8(topic.count)] + topic + [0, 1, 0]
        return head + [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 256 - head.count)
    }

    private static func removal(of number: UInt64, session: UInt64 = 1) -> [StoreChange] {
        [.removeDelivery(session: session, order: number, message: number), .removeMessage(number: number)]
    }

    private static func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    private static var residentKilobytes: Int {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss
    }
}
