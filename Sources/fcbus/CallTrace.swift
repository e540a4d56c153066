import FunctionBus

/// Where the time of one call went, as fcbus says it with the answer.
struct CallTrace {
    /// Asks the broker for the times (Documentation/protocol.md).
    static let request = "fc-trace"

    private let total: Duration
    private let queue: Duration?
    private let service: Duration?
    private let instance: String?

    init(_ reply: Reply, _ total: Duration) {
        func time(_ name: String) -> Duration? {
            reply.userProperties.first { $0.name == name }.flatMap { Int64($0.value) }.map { .microseconds($0) }
        }
        self.total = total
        self.queue = time("fc-queue-us")
        self.service = time("fc-service-us")
        self.instance = reply.instance
    }

    var text: String {
        guard let queue, let service else {
            return "total \(self.total.shortText); this broker does not say where it went"
        }
        let transport = max(.zero, self.total - queue - service)
        let place = self.instance.map { ", answered by \($0)" } ?? ""
        return "total \(self.total.shortText): queue \(queue.shortText), function \(service.shortText),"
            + " transport \(transport.shortText)\(place)"
    }
}

extension Duration {
    /// Three or so digits with a unit: `850 µs`, `1.25 ms`, `3.4 s`, `2 min`, `5 h`.
    var shortText: String {
        let (seconds, attoseconds) = self.components
        let microseconds = Double(seconds) * 1e6 + Double(attoseconds) / 1e12
        switch microseconds {
        case ..<1000: return "\(Int(microseconds.rounded())) µs"
        case ..<1e6: return "\(Self.digits(microseconds / 1e3)) ms"
        case ..<120e6: return "\(Self.digits(microseconds / 1e6)) s"
        case ..<7200e6: return "\(Int(microseconds / 60e6)) min"
        default: return "\(Int(microseconds / 3600e6)) h"
        }
    }

    private static func digits(_ value: Double) -> String {
        value < 10
            ? "\((value * 100).rounded() / 100)" : value < 100 ? "\((value * 10).rounded() / 10)" : "\(Int(value))"
    }
}
