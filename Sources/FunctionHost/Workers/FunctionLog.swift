import Logging
import Synchronization

/// What one function's workers write, as log lines; its last lines are kept for error messages.
final class FunctionLog: Sendable {
    private struct State {
        var throttle = LogThrottle()
        /// Apart from the function's own lines, so that those cannot drown the host's.
        var notices = LogThrottle()
        var tail: [Int: [String]] = [:]
    }

    /// Lines of a worker that ended, for the message that says why.
    static let tailMax = 20

    let logger: Logger
    private let state = Mutex(State())
    private let origin = ContinuousClock.now

    init(_ title: String, _ logger: Logger) {
        var logger = logger
        logger[metadataKey: "function"] = "\(title)"
        self.logger = logger
    }

    /// A line that a worker wrote to stderr, or printed.
    func line(_ text: String, level: Logger.Level = .info, worker: Int, call: String?) {
        let now = ContinuousClock.now - self.origin
        let verdict = self.state.withLock { state in
            state.tail[worker, default: []].append(text)
            if state.tail[worker, default: []].count > Self.tailMax { state.tail[worker]?.removeFirst() }
            return state.throttle.admit(now: now)
        }
        guard case .pass(let dropped) = verdict else { return }
        if dropped > 0 { self.logger.warning("\(dropped) lines of this function were dropped: it writes too fast") }
        var metadata: Logger.Metadata = ["worker": "\(worker)"]
        if let call { metadata["call"] = "\(call)" }
        self.logger.log(level: level, "\(text)", metadata: metadata)
    }

    /// What the host itself has to say about the function's workers.
    func tell(_ text: String, call: String? = nil) {
        let now = ContinuousClock.now - self.origin
        guard case .pass = self.state.withLock({ $0.notices.admit(now: now) }) else { return }
        self.logger.warning("\(text)", metadata: call.map { ["call": "\($0)"] } ?? [:])
    }

    /// The last lines of a worker; forgets them.
    func takeTail(of worker: Int) -> [String] {
        self.state.withLock { $0.tail.removeValue(forKey: worker) ?? [] }
    }

    static func level(_ name: String) -> Logger.Level {
        switch name.lowercased() {
        case "debug": .debug
        case "warning", "warn": .warning
        case "error": .error
        case "critical", "fatal": .critical
        default: .info
        }
    }
}
