/// The seed's own way to call a function.
public struct InvokeParameters: Sendable {
    /// Whether the caller waits for the answer.
    public enum InvocationType: String, Sendable {
        /// Wait for what the function returns.
        case sync = "Sync"
        /// Only hand the call over.
        case async = "Async"
    }

    /// The service that the function belongs to.
    public var serviceName: String
    /// The function in it.
    public var functionName: String
    /// Default `sync`.
    public var invocationType: InvocationType
    /// JSON text that the function sees as its context, such as `{"custom":{"data":"customData"}}`.
    public var invokerContext: String?
    /// String or bytes.
    public var payload: Payload
    /// Default 10 s.
    public var timeout: Duration

    /// A synchronous call without context.
    public init(
        serviceName: String, functionName: String, invocationType: InvocationType = .sync,
        invokerContext: String? = nil, payload: Payload = .empty, timeout: Duration = .seconds(10)
    ) {
        self.serviceName = serviceName
        self.functionName = functionName
        self.invocationType = invocationType
        self.invokerContext = invokerContext
        self.payload = payload
        self.timeout = timeout
    }
}

/// What the seed's call returns: never nothing, and never an exception.
public struct InvokeResult: Sendable, Equatable {
    /// 200 when the function answered, 202 when an asynchronous call was accepted, else the status of the failure.
    public var statusCode: Int
    /// Empty, or `Handled` when the function itself raised, or `Unhandled` when the platform failed the call.
    public var functionError: String
    /// What the function returned; of a failure, its description; of an asynchronous call, the task's identifier.
    public var payload: Payload
}

extension FunctionBus {
    /// Calls a function in the shape of the seed: parameters in, a result with a status out.
    public func invokeFunction(_ parameters: InvokeParameters) async -> InvokeResult {
        var options = CallOptions(timeout: parameters.timeout)
        options.context = parameters.invokerContext
        do throws(BusError) {
            let name = try FunctionName(service: parameters.serviceName, function: parameters.functionName)
            switch parameters.invocationType {
            case .sync:
                let reply = try await self.call(name, parameters.payload, options: options)
                return InvokeResult(statusCode: 200, functionError: "", payload: reply.payload)
            case .async:
                let task = try await self.send(name, parameters.payload, options: options)
                return InvokeResult(statusCode: 202, functionError: "", payload: Payload(task ?? ""))
            }
        } catch {
            let isHandled = error.code == .handlerError
            let status = error.status > 0 ? error.status : error.code == .invalidArgument ? 400 : 503
            let payload = error.payload == .empty ? Payload(error.message) : error.payload
            return InvokeResult(
                statusCode: status, functionError: isHandled ? "Handled" : "Unhandled", payload: payload)
        }
    }
}
