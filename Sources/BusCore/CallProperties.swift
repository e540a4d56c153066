import BusCalls
import BusContract
import BusWire
import NIOCore

/// What the properties of a request say about the call, gathered in one walk.
struct CallProperties {
    var responseTopic: String?
    var correlation = Correlation()
    /// More correlation data than 64 bytes.
    var hasLongCorrelation = false
    private var expirySeconds: UInt32?
    private var ttlMilliseconds: UInt64?
    var key: String?
    var waitMilliseconds: UInt64 = 0
    var isIdempotent: Bool?
    var acceptsProgress = false
    var hops = 0
    var contextByteCount = 0
    var cancelWaits = false
    var protocolVersion: String?
    var terms = TaskTable.Terms()

    init(_ publish: Publish) {
        guard publish.hasProperties else { return }
        for property in publish.properties {
            switch property {
            case .responseTopic(let topic): self.responseTopic = topic
            case .correlationData(let bytes):
                self.hasLongCorrelation = bytes.readableBytes > ContractLimits.correlationBytesMax
                self.correlation = unsafe bytes.withUnsafeReadableBytes { unsafe Correlation($0) }
            case .messageExpiryInterval(let seconds): self.expirySeconds = seconds
            case .userProperty(let name, let value): self.read(name, value)
            default: break
            }
        }
        if let seconds = self.expirySeconds { self.terms.ageMaxNanoseconds = UInt64(seconds) * 1_000_000_000 }
    }

    /// The deadline as the lower of both ways to say it, in nanoseconds from now.
    var timeoutNanoseconds: UInt64? {
        let expiry = self.expirySeconds.map { UInt64($0) * 1_000_000_000 }
        let ttl = self.ttlMilliseconds.map { min($0, 1 << 40) * 1_000_000 }
        return switch (expiry, ttl) {
        case (let expiry?, let ttl?): min(expiry, ttl)
        case (let expiry?, nil): expiry
        case (nil, let ttl): ttl
        }
    }

    private mutating func read(_ name: String, _ value: String) {
        switch name {
        case PropertyName.ttl: self.ttlMilliseconds = UInt64(value)
        case PropertyName.key: self.key = value
        case PropertyName.wait: self.waitMilliseconds = min(UInt64(value) ?? 0, 1 << 40)
        case PropertyName.idempotent: self.isIdempotent = value == "1"
        case PropertyName.progress: self.acceptsProgress = value == "1"
        case PropertyName.hops: self.hops = Int(value) ?? 0
        case PropertyName.context: self.contextByteCount = value.utf8.count
        case PropertyName.cancel: self.cancelWaits = value == "wait"
        case PropertyName.protocolVersion: self.protocolVersion = value
        case PropertyName.attemptsMax: self.terms.attemptsMax = min(100, max(1, Int(value) ?? 3))
        case PropertyName.backoff: self.terms.backoff = Backoff(parsing: value)
        case PropertyName.notBefore: self.terms.notBeforeNanoseconds = min(UInt64(value) ?? 0, 1 << 40) * 1_000_000
        default: break
        }
    }

    /// What is wrong with a request before anyone looks for its function.
    func refusal(of name: FunctionName) -> Failure? {
        if self.hasLongCorrelation {
            return .invalidRequest("correlation data has at most \(ContractLimits.correlationBytesMax) bytes")
        }
        if self.contextByteCount > ContractLimits.contextBytesMax {
            return .invalidRequest("\(PropertyName.context) has at most \(ContractLimits.contextBytesMax) bytes")
        }
        if self.hops > ContractLimits.hopsMax { return .loop(name) }
        if let version = self.protocolVersion, version.split(separator: ".").first != "1" {
            return Failure(
                .version, .version, executed: .none, "protocol version \(version) is not spoken here: use 1.0")
        }
        return nil
    }
}

extension Publish {
    /// A hash of the payload, by which a repeated request is told from another one with the same correlation data.
    var payloadDigest: UInt64 {
        unsafe self.payload.withUnsafeReadableBytes { bytes in
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ UInt64(bytes.count)
            var offset = 0
            while offset + 8 <= bytes.count {
                let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
                hash ^= hash >> 31
                offset += 8
            }
            while offset < bytes.count {
                hash = (hash ^ UInt64(unsafe bytes[offset])) &* 0x0000_0100_0000_01B3
                offset += 1
            }
            return hash ^ hash >> 32
        }
    }
}
