import BusContract

/// The bytes of a call, an answer or a message. The bus never looks into them.
public struct Payload: Hashable, Sendable, ExpressibleByStringLiteral {
    /// The bytes as sent.
    public var bytes: [UInt8]

    /// A payload of bytes.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// A payload of UTF-8 text.
    public init(_ text: String) {
        self.bytes = Array(text.utf8)
    }

    /// A payload of UTF-8 text.
    public init(stringLiteral text: String) {
        self.init(text)
    }

    /// No bytes.
    public static let empty = Payload([UInt8]())

    /// The bytes as text, `nil` when they are not UTF-8.
    public var text: String? { String(validating: self.bytes, as: UTF8.self) }
}

/// The name of a function: a service and a function in it, each a letter followed by at most 127 letters, digits, `_`
/// or `-`.
public struct FunctionName: Hashable, Sendable, CustomStringConvertible {
    let contract: BusContract.FunctionName

    /// Reads `service/function`, or the resource name of the cloud platform.
    /// - Throws: `BusError` with `invalidArgument`.
    public init(_ text: String) throws(BusError) {
        do {
            self.contract = try BusContract.FunctionName(parsing: text)
        } catch {
            throw BusError(.invalidArgument, error.description)
        }
    }

    /// - Throws: `BusError` with `invalidArgument`.
    public init(service: String, function: String) throws(BusError) {
        do {
            self.contract = try BusContract.FunctionName(service: service, function: function)
        } catch {
            throw BusError(.invalidArgument, error.description)
        }
    }

    /// One of fcbus' own functions, such as `stats`: `_sys/stats` (see Documentation/protocol.md, "For operators").
    /// - Throws: `BusError` with `invalidArgument`.
    public init(systemOperation operation: String) throws(BusError) {
        do {
            self.contract = try BusContract.FunctionName(systemOperation: operation)
        } catch {
            throw BusError(.invalidArgument, error.description)
        }
    }

    init(_ contract: BusContract.FunctionName) {
        self.contract = contract
    }

    /// The part before the slash.
    public var service: String { self.contract.service }
    /// The part behind the slash.
    public var function: String { self.contract.function }
    /// `service/function`
    public var description: String { self.contract.description }
}

/// How a call is made.
public struct CallOptions: Sendable {
    /// The deadline, from now; inside a handler never later than that of the call it serves. Default 10 s.
    public var timeout: Duration = .seconds(10)
    /// The seed's `invokerContext`: JSON text of at most 16 KiB.
    public var context: String?
    /// The function may run twice: a call whose instance dies goes to another one. `nil` leaves it to the catalog.
    public var isIdempotent: Bool?
    /// Calls with the same key go to the same instance, in order.
    public var key: String?
    /// How long the call may wait for an instance to appear, inside the deadline. Default: not at all.
    public var waitForInstance: Duration = .zero
    /// What happens when the call fails. Default: it is not made again.
    public var retry = RetryPolicy.none
    /// MIME type of the payload.
    public var contentType: String?
    /// The trace that the call belongs to; inside a handler by default that of the call it serves.
    public var trace: CallTrace?
    /// More user properties, delivered as they are.
    public var userProperties: [(name: String, value: String)] = []
    /// Names a one-way call: of those that one client sends under one name the broker accepts the first. 1 to 64 bytes.
    package var correlation: [UInt8]?

    /// The defaults.
    public init() {}

    /// The defaults with another timeout.
    public init(timeout: Duration) {
        self.timeout = timeout
    }
}

/// A message that came for a subscription.
public struct BusMessage: Sendable {
    /// The topic it was published to.
    public var topic: String
    /// Its bytes.
    public var payload: Payload
    /// 0, 1 or 2.
    public var qos: Int
    /// It was kept by the broker, and is not new.
    public var isRetained: Bool
    /// MIME type of the payload, if the publisher said one.
    public var contentType: String?
    /// User properties in their order.
    public var userProperties: [(name: String, value: String)]
}

extension BusMessage {
    init(_ message: ApplicationMessage) {
        self.init(
            topic: message.topic, payload: Payload(message.payload), qos: message.qos, isRetained: message.isRetained,
            contentType: message.properties.contentType, userProperties: message.properties.userProperties)
    }
}
