import Synchronization

/// Calls something once, after a number of others have reported.
final class Countdown: Sendable {
    private let left: Mutex<Int>
    private let action: @Sendable () -> Void

    init(from count: Int, then action: @escaping @Sendable () -> Void) {
        self.left = Mutex(count)
        self.action = action
    }

    func count() {
        let isLast = self.left.withLock { left in
            left -= 1
            return left == 0
        }
        if isLast { self.action() }
    }
}
