/// A function that the host can run, whatever its runtime.
protocol HostedFunction: AnyObject, Sendable {
    var manifest: FunctionManifest { get }

    func call(_ request: HostedCall) async throws(CallFailure) -> HostedReply

    /// Shows that the function can be loaded, and leaves it ready for its first call.
    func prepare() async throws(CallFailure)

    /// Keeps what the function needs alive until the task is cancelled; nothing of it is left after the return.
    func run() async

    /// No new calls; returns when the running ones are done and the workers have left, at the latest after `limit`.
    func drain(within limit: Duration) async
}
