import Synchronization

extension FunctionBus {
    /// Calls a function that tells how far it has come: its interim replies as they arrive, then the final one.
    ///
    /// ```swift
    /// for try await reply in bus.callReporting(name, "42") {
    ///     print(reply.isInterim ? "so far: \(reply.text ?? "")" : "done: \(reply.text ?? "")")
    /// }
    /// ```
    /// The sequence ends after the final reply, or throws `BusError`. Leaving it early cancels the call. A reader that
    /// falls behind by more than 1,000 interim replies misses the oldest of them, never the final one.
    public func callReporting(
        _ function: FunctionName, _ payload: Payload = .empty, options: CallOptions = .init()
    ) -> AsyncThrowingStream<Reply, any Error> {
        let (stream, continuation) = AsyncThrowingStream.makeStream(
            of: Reply.self, bufferingPolicy: .bufferingNewest(1_000))
        // The task inherits what the handler that makes this call has inherited itself.
        let task = Task {
            do {
                let final = try await self.call(function, payload, options: options) { continuation.yield($0) }
                continuation.yield(final)
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }
}

/// What a handler tells its caller before it answers.
struct Reporter: Sendable {
    /// Sends one interim reply; the number counts from 1.
    let send: @Sendable (Response, Int) -> Void
    private let count = Count()

    private final class Count: Sendable {
        let value = Atomic(0)
    }

    init(_ send: @escaping @Sendable (Response, Int) -> Void) {
        self.send = send
    }

    func report(_ response: Response) {
        self.send(response, self.count.value.add(1, ordering: .relaxed).newValue)
    }
}

extension Request {
    /// Whether the caller wants to hear of progress; what is reported to others goes nowhere.
    public var acceptsReports: Bool { self.reporter != nil }

    /// Tells the caller how far the function has come: an interim reply (`fc-more`). Costs nothing where the caller did
    /// not ask for it.
    public func report(_ response: Response) {
        self.reporter?.report(response)
    }
}
