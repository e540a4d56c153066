import BusCalls
import BusContract
import BusSession
import BusWire
import NIOCore

/// A task as the store holds it: a version, then fields of fixed order, texts with their lengths before them.
struct TaskRecord: Equatable {
    private static let version: UInt8 = 1

    var function: FunctionName
    var attempts = 0
    var unseenTries = 0
    /// Wall clock, milliseconds since 1970; nil never ends.
    var expiresAt: Int64?
    /// Of a task that has ended.
    var endedAt: Int64?
    var acceptedAt: Int64?
    /// Client and correlation data of the call, and the digest of its payload, while it is known when sent again.
    var client = ""
    var correlation: [UInt8] = []
    var digest: UInt64 = 0
    var status = 0
    var code = ""
    var executed = ""
    var reason = ""
    /// The call; empty for a task that needs nothing more.
    var packet: [UInt8] = []

    init(function: FunctionName) {
        self.function = function
    }

    var bytes: [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeInteger(Self.version)
        for text in [self.function.description, self.client, self.code, self.executed, self.reason] {
            buffer.writeField(Array(text.utf8))
        }
        buffer.writeField(self.correlation)
        for number in [self.expiresAt, self.endedAt, self.acceptedAt] { buffer.writeInteger(number ?? .max) }
        for number in [self.attempts, self.unseenTries, self.status] {
            buffer.writeInteger(UInt32(clamping: number))
        }
        buffer.writeInteger(self.digest)
        buffer.writeField(self.packet)
        return Array(buffer.readableBytesView)
    }

    /// `nil` when the bytes are not a record of this version.
    init?(_ bytes: [UInt8]) {
        var buffer = ByteBuffer(bytes: bytes)
        guard buffer.readInteger(as: UInt8.self) == Self.version,
            let name = buffer.readText(), let client = buffer.readText(), let code = buffer.readText(),
            let executed = buffer.readText(), let reason = buffer.readText(), let correlation = buffer.readField(),
            let expiresAt = buffer.readInteger(as: Int64.self), let endedAt = buffer.readInteger(as: Int64.self),
            let acceptedAt = buffer.readInteger(as: Int64.self), let attempts = buffer.readInteger(as: UInt32.self),
            let unseenTries = buffer.readInteger(as: UInt32.self), let status = buffer.readInteger(as: UInt32.self),
            let digest = buffer.readInteger(as: UInt64.self), let packet = buffer.readField(),
            buffer.readableBytes == 0,
            // A name that is none was not written here.
            let function = try? FunctionName(parsing: name)
        else { return nil }
        self.function = function
        (self.client, self.code, self.executed, self.reason) = (client, code, executed, reason)
        self.correlation = correlation
        self.expiresAt = expiresAt == .max ? nil : expiresAt
        self.endedAt = endedAt == .max ? nil : endedAt
        self.acceptedAt = acceptedAt == .max ? nil : acceptedAt
        (self.attempts, self.unseenTries, self.status) = (Int(attempts), Int(unseenTries), Int(status))
        self.digest = digest
        self.packet = packet
    }
}

extension ByteBuffer {
    fileprivate mutating func writeField(_ bytes: [UInt8]) {
        self.writeInteger(UInt32(clamping: bytes.count))
        self.writeBytes(bytes)
    }

    fileprivate mutating func readField() -> [UInt8]? {
        guard let count = self.readInteger(as: UInt32.self) else { return nil }
        return self.readBytes(length: Int(count))
    }

    fileprivate mutating func readText() -> String? {
        self.readField().map { String(decoding: $0, as: UTF8.self) }
    }
}
