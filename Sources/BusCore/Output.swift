package import BusSession
package import BusWire
package import NIOCore

/// Names one network connection for as long as it exists; never reused.
package struct ConnectionIdentifier: Hashable, Sendable {
    package let index: Int
    package let generation: UInt32
}

/// What the driver does for one network connection after an input: write the bytes, then close if told so.
package struct Output: Sendable {
    package var connection: ConnectionIdentifier
    /// The event loop that drives the connection.
    package var loop: Int
    package var bytes: ByteBuffer
    package var closes: Bool
}

/// Something worth a line in the log. Payloads and passwords never appear here.
package enum BrokerEvent: Sendable, Equatable {
    case connected(client: String, version: ProtocolVersion, origin: ConnectionOrigin, isResumed: Bool)
    case disconnected(client: String, reason: DisconnectReason)
    /// A connection ended before it had a client.
    case refused(origin: ConnectionOrigin, reason: DisconnectReason)
    case sessionEnded(client: String)
    case memoryPressure(MemoryPressure, bytes: Int, limit: Int)
    case store(StoreCondition, reason: String)
    /// The access rules did not allow it.
    case denied(client: String, action: String, topic: String)
    /// An event of the function platform: `kind` is that of `fc/_evt/<kind>`.
    case call(kind: String, function: String, detail: String)
}

/// Why a network connection ended: one reason, said the same way in the log, on the wire and in the metrics.
package enum DisconnectReason: Sendable, Equatable {
    /// The client sent DISCONNECT, with this code.
    case byClient(ReasonCode)
    /// The network connection closed without a DISCONNECT.
    case connectionLost
    case keepAliveTimeout
    case connectTimeout
    case takenOver
    case shuttingDown
    case violation(ReasonCode, String)

    /// What a 5.0 client is told, `nil` where it cannot or need not be told.
    package var reasonCode: ReasonCode? {
        switch self {
        case .byClient, .connectionLost, .connectTimeout: nil
        case .keepAliveTimeout: .keepAliveTimeout
        case .takenOver: .sessionTakenOver
        case .shuttingDown: .serverShuttingDown
        case .violation(let code, _): code
        }
    }

    /// 0x97 where the version knows it; 3.x is told that the server is not available.
    static func noRoom(_ version: ProtocolVersion, _ message: String) -> DisconnectReason {
        .violation(version == .v5 ? .quotaExceeded : .serverUnavailable, message)
    }

    /// Stable lower-case words for logs and metric labels.
    package var label: String {
        switch self {
        case .byClient(let code): code == .normalDisconnection ? "disconnected by client" : code.description
        case .connectionLost: "connection lost"
        case .keepAliveTimeout: "keep alive timeout"
        case .connectTimeout: "no CONNECT in time"
        case .takenOver: "session taken over"
        case .shuttingDown: "server shutting down"
        case .violation(let code, let message): "\(code): \(message)"
        }
    }
}
