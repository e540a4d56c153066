import BusCore
import BusSession
import BusWire
import Logging
import Synchronization

/// Writes the broker's events as log lines: one line for each event, with stable names for what it is about.
///
/// Kinds of events that clients can cause as fast as they send have a budget of lines.
final class EventLog: Sendable {
    private let logger: Logger
    private let budget = Mutex(LineBudget())

    init(_ logger: Logger) {
        self.logger = logger
    }

    /// A connection that ended before the broker heard of it.
    func refused(address: String, _ reason: String) {
        self.logger.info("connection refused", metadata: ["address": "\(address)", "reason": "\(reason)"])
    }

    func loginFailed(user: String, address: String, reason: String, banSeconds: UInt64) {
        self.logger.notice(
            "login failed",
            metadata: [
                "user": "\(user)", "address": "\(address)", "reason": "\(reason)", "ban": "\(banSeconds) s",
            ])
    }

    func write(_ event: BrokerEvent) {
        guard self.hasBudget(for: event) else { return }
        switch event {
        case .connected(let client, let version, let origin, let isResumed):
            self.logger.info(
                "client connected",
                metadata: [
                    "client": "\(client)", "protocol": "\(version)", "address": "\(origin.remoteAddress)",
                    "session": isResumed ? "resumed" : "new", "user": "\(origin.certificateUser ?? "-")",
                ])
        case .disconnected(let client, let reason):
            self.logger.info("client disconnected", metadata: ["client": "\(client)", "reason": "\(reason.label)"])
        case .refused(let origin, let reason):
            self.logger.info(
                "connection refused", metadata: ["address": "\(origin.remoteAddress)", "reason": "\(reason.label)"])
        case .sessionEnded(let client):
            self.logger.debug("session ended", metadata: ["client": "\(client)"])
        case .memoryPressure(let pressure, let bytes, let limit):
            self.logger.log(
                level: pressure == .none ? .notice : .warning, "memory",
                metadata: ["pressure": "\(pressure)", "bytes": "\(bytes)", "limit": "\(limit)"])
        case .store(let condition, let reason):
            self.logger.log(
                level: condition == .sound ? .notice : .error, "store",
                metadata: ["condition": "\(condition.rawValue)", "reason": "\(reason)"])
        case .denied(let client, let action, let topic):
            self.logger.notice(
                "not allowed", metadata: ["client": "\(client)", "action": "\(action)", "topic": "\(topic)"])
        case .call(let kind, let function, let detail):
            self.logger.info("call \(kind)", metadata: ["function": "\(function)", "detail": "\(detail)"])
        }
    }

    private func hasBudget(for event: BrokerEvent) -> Bool {
        let kind: String
        switch event {
        case .call(let name, _, _): kind = "call \(name)"
        case .denied: kind = "not allowed"
        case .refused: kind = "connection refused"
        default: return true
        }
        let now = LoopDriver.now().nanoseconds
        guard let leftOut = self.budget.withLock({ $0.admit(kind, nanoseconds: now) }) else { return false }
        if leftOut > 0 {
            self.logger.info("lines left out", metadata: ["line": "\(kind)", "count": "\(leftOut)"])
        }
        return true
    }
}
