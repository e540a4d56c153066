/// A function that the host can run, whatever its runtime.
protocol HostedFunction: Sendable {
    var manifest: FunctionManifest { get }

    /// Calls that may run at a time.
    var concurrency: Int { get }

    func call(_ request: HostedCall) async throws(CallFailure) -> HostedReply

    /// Keeps what the function needs alive until the task is cancelled; nothing of it is left after the return.
    func run() async

    /// No new calls; returns when the running ones are done and the workers have left, at the latest after `limit`.
    func drain(within limit: Duration) async
}
