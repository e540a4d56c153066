import Foundation
import Synchronization

/// A value that is set once, before it is read.
final class Once<Value: Sendable>: Sendable {
    private let box = Mutex<Value?>(nil)

    func set(_ value: Value) {
        self.box.withLock { box in
            precondition(box == nil, "set twice")
            box = value
        }
    }

    var optional: Value? { self.box.withLock { $0 } }

    var value: Value {
        guard let value = self.optional else { preconditionFailure("read before it was set") }
        return value
    }
}

/// Work that blocks, on a thread of its own.
enum Thread {
    static func detach(_ body: @escaping @Sendable () -> Void) {
        Foundation.Thread.detachNewThread(body)
    }
}
