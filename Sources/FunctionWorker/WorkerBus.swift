import BusContract

/// What a handler may ask of the bus while it runs; calls inherit the deadline of the call that it answers.
public struct WorkerBus {
    let connection: WorkerConnection
    let call: Int

    /// Calls another function, `SERVICE/FUNCTION`, and waits for its reply.
    ///
    /// - Parameter timeout: at most; the rest of the own call's time ends it too.
    public func call(
        _ function: String, _ payload: [UInt8] = [], context: String? = nil, timeout: Duration? = nil
    ) throws(WorkerFailure) -> WorkerReply {
        var header = try Self.invocation(of: function, "Sync")
        if let context { header.append(("context", .string(context))) }
        if let timeout {
            let (seconds, attoseconds) = timeout.components
            header.append(("timeoutMs", .integer(Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000))))
        }
        return try self.connection.perform("invoke", header, payload, in: self.call)
    }

    /// The same with text.
    public func call(
        _ function: String, _ text: String, context: String? = nil, timeout: Duration? = nil
    ) throws(WorkerFailure) -> WorkerReply {
        try self.call(function, Array(text.utf8), context: context, timeout: timeout)
    }

    /// Hands a one-way call over: the bus sees to it from here on.
    public func send(_ function: String, _ payload: [UInt8], context: String? = nil) throws(WorkerFailure) {
        var header = try Self.invocation(of: function, "Async")
        if let context { header.append(("context", .string(context))) }
        _ = try self.connection.perform("invoke", header, payload, in: self.call)
    }

    /// Publishes a message; nobody answers.
    public func publish(
        _ topic: String, _ payload: [UInt8], qos: Int = 0, retain: Bool = false
    ) throws(WorkerFailure) {
        let header: [(String, JSONText)] = [
            ("topic", .string(topic)), ("qos", .integer(qos)), ("retain", .bool(retain)),
        ]
        _ = try self.connection.perform("publish", header, payload, in: self.call)
    }

    /// The same with text.
    public func publish(_ topic: String, _ text: String, qos: Int = 0, retain: Bool = false) throws(WorkerFailure) {
        try self.publish(topic, Array(text.utf8), qos: qos, retain: retain)
    }

    /// How much a log line matters.
    public enum LogLevel: String, Sendable {
        case debug, info, warning, error, critical
    }

    /// A log line of this call.
    public func log(_ level: LogLevel, _ message: String) throws(WorkerFailure) {
        try self.connection.send([
            ("kind", .string("log")), ("level", .string(level.rawValue)), ("message", .string(message)),
            ("call", .integer(self.call)),
        ])
    }

    private static func invocation(
        of function: String, _ type: String
    ) throws(WorkerFailure) -> [(String, JSONText)] {
        do throws(ContractError) {
            let name = try FunctionName(parsing: function)
            return [
                ("service", .string(name.service)), ("function", .string(name.function)), ("type", .string(type)),
            ]
        } catch {
            throw WorkerFailure("\(error)")
        }
    }
}
