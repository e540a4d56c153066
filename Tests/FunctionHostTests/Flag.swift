import Synchronization

/// Something that happened or did not.
final class Flag: Sendable {
    private let state = Atomic(false)

    var isUp: Bool { self.state.load(ordering: .acquiring) }

    func raise() {
        self.state.store(true, ordering: .releasing)
    }
}

/// The largest number that was noted.
final class Peak: Sendable {
    private let state = Atomic(0)

    var value: Int { self.state.load(ordering: .acquiring) }

    func note(_ number: Int) {
        self.state.max(number, ordering: .acquiringAndReleasing)
    }
}

/// Counts, from any task.
final class Tally: Sendable {
    private let state = Atomic(0)

    var value: Int { self.state.load(ordering: .acquiring) }

    func add(_ number: Int = 1) {
        self.state.add(number, ordering: .acquiringAndReleasing)
    }
}
