import Logging

/// Does for a function what it wants from the bus, and says in the log who called whom.
struct BusOperations: Sendable {
    let function: FunctionAddress
    let client: any BusClient
    let logger: Logger

    /// - Parameters:
    ///   - request: The surrounding call; `nil` for background code.
    ///   - remaining: What is left of it.
    /// - Returns: The frame that tells the worker the outcome.
    func perform(
        _ operation: WorkerOperation, for request: HostedCall?, within remaining: Duration?
    ) async -> HostFrame {
        do throws(CallFailure) {
            switch operation.action {
            case .invoke(let invocation):
                let reply = try await self.invoke(invocation, for: request, within: remaining)
                return .result(operation.identifier, reply)
            case .publish(var message):
                message.hops = request.map { $0.hops + 1 } ?? 0
                try await self.publish(message)
                return .result(operation.identifier, HostedReply(status: 204))
            }
        } catch {
            return .failure(operation.identifier, error)
        }
    }

    private func invoke(
        _ invocation: WorkerOperation.Invocation, for request: HostedCall?, within remaining: Duration?
    ) async throws(CallFailure) -> HostedReply {
        guard let callee = FunctionAddress(service: invocation.service, function: invocation.function) else {
            throw .invalid("\"\(invocation.service)/\(invocation.function)\" is not a function's name")
        }
        var call = OutgoingCall(callee, invocation.payload)
        call.context = invocation.context
        call.contentType = invocation.contentType
        call.timeout = [invocation.timeout, remaining].compactMap(\.self).min()
        if let request, !invocation.isAsync {
            call.chain = request.chain.appending(self.function, call: request.requestIdentifier)
        }
        let started = ContinuousClock.now
        do throws(CallFailure) {
            guard invocation.isAsync else {
                let reply = try await self.client.call(call)
                self.log("called", callee, "\(reply.status)", since: started)
                return reply
            }
            let task = try await self.client.send(call)
            self.log("sent to", callee, "202", since: started)
            return HostedReply(payload: [UInt8]((task ?? "").utf8), contentType: "text/plain", status: 202)
        } catch {
            self.log(invocation.isAsync ? "sent to" : "called", callee, "\(error.status) \(error.code)", since: started)
            throw error
        }
    }

    private func publish(_ message: OutgoingMessage) async throws(CallFailure) {
        if let problem = Self.problem(with: message) { throw .invalid(problem) }
        try await self.client.publish(message)
        self.logger.debug("published", metadata: ["topic": "\(message.topic)"])
    }

    static func problem(with message: OutgoingMessage) -> String? {
        if message.topic.isEmpty || message.topic.utf8.count > 4_096 { return "a topic has 1 to 4096 bytes" }
        if message.topic.contains(where: { $0 == "+" || $0 == "#" || $0 == "\0" }) {
            return "the topic \"\(message.topic)\" must not hold +, # or a null character"
        }
        return (0...2).contains(message.qos) ? nil : "qos must be 0, 1 or 2 (got \(message.qos))"
    }

    private func log(_ verb: String, _ callee: FunctionAddress, _ outcome: String, since start: ContinuousClock.Instant)
    {
        let elapsed = (ContinuousClock.now - start).milliseconds
        self.logger.info("\(self.function) \(verb) \(callee): \(outcome) in \(elapsed) ms")
    }
}
