import FoundationEssentials

/// Calls and functions whose payloads are JSON of Swift values.
extension FunctionBus {
    /// Calls a function with a value and returns its answer as one, both as JSON.
    ///
    /// ```swift
    /// let greeting: Greeting = try await bus.call(FunctionName("demo/greet"), with: Person(name: "Ana"))
    /// ```
    /// - Throws: `BusError`; `invalidArgument` when the argument cannot be encoded, `invalidAnswer` when the answer is not
    ///   what was asked for: the function has run then.
    public func call<Argument: Encodable & Sendable, Result: Decodable>(
        _ function: FunctionName, with argument: Argument, returning type: Result.Type = Result.self,
        options: CallOptions = .init()
    ) async throws(BusError) -> Result {
        var options = options
        options.contentType = options.contentType ?? JSONContent.type
        let payload: Payload
        do {
            payload = try JSONContent.encode(argument)
        } catch {
            throw BusError(.invalidArgument, "the argument of \(function) cannot be written as JSON: \(error)")
        }
        let reply = try await self.call(function, payload, options: options)
        do throws(JSONContent.Mismatch) {
            return try JSONContent.decode(type, from: reply.payload)
        } catch {
            var failure = BusError(
                .invalidAnswer, executed: .yes, "the answer of \(function) is no JSON of \(type): \(error.reason)")
            failure.payload = reply.payload
            throw failure
        }
    }
}

extension FunctionHandler {
    /// A function that takes and returns values as JSON.
    ///
    /// A call whose payload says that it is something else is refused with 415, one that does not fit with 400.
    public init<Argument: Decodable & Sendable, Result: Encodable & Sendable>(
        _ name: FunctionName, accepting type: Argument.Type = Argument.self, options: ServeOptions = .init(),
        handler: @escaping @Sendable (Argument, Request) async throws -> Result
    ) {
        self.init(name, options: options) { request in
            if let content = request.contentType, !JSONContent.isJSON(content) {
                throw FunctionFailure.refused(
                    status: 415, code: "CONTENT_TYPE", "\(name) takes \(JSONContent.type), not \(content)")
            }
            let argument: Argument
            do throws(JSONContent.Mismatch) {
                argument = try JSONContent.decode(type, from: request.payload)
            } catch {
                throw FunctionFailure.refused(
                    status: 400, code: "INVALID_REQUEST", "the payload is no JSON of \(type): \(error.reason)")
            }
            return Response(
                try JSONContent.encode(await handler(argument, request)), contentType: JSONContent.type)
        }
    }
}

extension FunctionFailure {
    /// A call that the handler did not begin with.
    fileprivate static func refused(status: Int, code: String, _ message: String) -> FunctionFailure {
        var failure = FunctionFailure(status: status, code: code, message)
        failure.executed = .none
        failure.isPermanent = true
        return failure
    }
}

/// JSON as the bus' payloads have it.
private enum JSONContent {
    static let type = "application/json"

    /// Why a payload does not decode, with the place in it.
    struct Mismatch: Error {
        var reason: String
    }

    static func isJSON(_ contentType: String) -> Bool {
        let essence = contentType.prefix { $0 != ";" }.lowercased().trimming(" ")
        return essence == Self.type || essence.hasSuffix("+json")
    }

    static func encode(_ value: some Encodable) throws -> Payload {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Payload([UInt8](try encoder.encode(value)))
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from payload: Payload) throws(Mismatch) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(payload.bytes))
        } catch let error as DecodingError {
            throw Mismatch(reason: Self.text(error))
        } catch {
            throw Mismatch(reason: "\(error)")
        }
    }

    private static func text(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, let context): "\(Self.place(context))'\(key.stringValue)' is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            "\(Self.place(context))\(context.debugDescription)"
        @unknown default: "\(error)"
        }
    }

    private static func place(_ context: DecodingError.Context) -> String {
        let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
        return path.isEmpty ? "" : "at \(path): "
    }
}

extension String {
    fileprivate func trimming(_ character: Character) -> Substring {
        var rest = self[...]
        while rest.first == character { rest.removeFirst() }
        while rest.last == character { rest.removeLast() }
        return rest
    }
}
