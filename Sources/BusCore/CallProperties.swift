import BusCalls
import BusContract
import BusWire
import NIOCore

/// What the properties of a request say about the call, gathered in one walk over their bytes. Strings are made of
/// nothing but short names and values.
struct CallProperties {
    private let block: Properties
    private var responseTopicPlace: Properties.EncodedProperty?
    private(set) var correlation = Correlation()
    /// More correlation data than 64 bytes.
    private var hasLongCorrelation = false
    private var expirySeconds: UInt32?
    private var ttlMilliseconds: UInt64?
    private(set) var key: String?
    private(set) var waitMilliseconds: UInt64 = 0
    private(set) var isIdempotent: Bool?
    private(set) var acceptsProgress = false
    private(set) var isTraced = false
    private var hops = 0
    private var contextByteCount = 0
    private(set) var cancelWaits = false
    private var protocolVersion: String?
    /// The client says what only the broker may say.
    private(set) var hasReserved = false
    private(set) var terms = TaskTable.Terms()

    init(_ publish: Publish) {
        self.block = publish.properties
        var position = 0
        while position < self.block.byteCount {
            let property = self.block.encodedProperty(at: position)
            switch property.identifier {
            case .responseTopic: self.responseTopicPlace = property
            case .correlationData:
                self.hasLongCorrelation =
                    property.end - property.valueStart - 2 > ContractLimits.correlationBytesMax
                if !self.hasLongCorrelation {
                    self.correlation = unsafe self.block.withBinary(property) { unsafe Correlation($0) }
                }
            case .messageExpiryInterval: self.expirySeconds = self.block.uint32(property)
            case .userProperty: self.read(property)
            default: break
            }
            position = property.end
        }
        if let seconds = self.expirySeconds { self.terms.ageMaxNanoseconds = UInt64(seconds) * 1_000_000_000 }
    }

    var hasResponseTopic: Bool { self.responseTopicPlace != nil }
    var responseTopic: String? { self.responseTopicPlace.map(self.block.string) }

    /// The response topic; `known` itself where it is the same.
    func responseTopic(like known: String?) -> String? {
        guard let place = self.responseTopicPlace else { return nil }
        if let known, self.block.isText(place, known) { return known }
        return self.block.string(place)
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

    private mutating func read(_ property: Properties.EncodedProperty) {
        guard let name = self.block.protocolName(property) else { return }
        // The only one that may be long is measured and not read.
        if name == PropertyName.context {
            self.contextByteCount = property.end - property.valueStart - 4 - name.utf8.count
            return
        }
        let value = self.block.userValue(property)
        switch name {
        case PropertyName.ttl: self.ttlMilliseconds = UInt64(value)
        case PropertyName.key: self.key = value
        case PropertyName.wait: self.waitMilliseconds = min(UInt64(value) ?? 0, 1 << 40)
        case PropertyName.idempotent: self.isIdempotent = value == "1"
        case PropertyName.progress: self.acceptsProgress = value == "1"
        case PropertyName.trace: self.isTraced = value == "1"
        case PropertyName.hops: self.hops = Int(value) ?? 0
        case PropertyName.cancel: self.cancelWaits = value == "wait"
        case PropertyName.protocolVersion: self.protocolVersion = value
        case PropertyName.attemptsMax: self.terms.attemptsMax = min(100, max(1, Int(value) ?? 3))
        case PropertyName.backoff: self.terms.backoff = Backoff(parsing: value)
        case PropertyName.notBefore: self.terms.notBeforeNanoseconds = min(UInt64(value) ?? 0, 1 << 40) * 1_000_000
        default: if PropertyName.isReserved(name) { self.hasReserved = true }
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
        if self.hops > ContractLimits.hopsMax {
            var failure = Failure.loop(name)
            failure.origin = .broker
            return failure
        }
        if let version = self.protocolVersion, version.split(separator: ".").first != "1" {
            return Failure(
                .version, .version, executed: .none, "protocol version \(version) is not spoken here: use 1.0")
        }
        return nil
    }
}

/// What the properties of an answer say, and what of them may not pass.
struct ReplyProperties {
    var correlation = Correlation()
    var outcome: CallTable.Outcome
    /// The status stands in the properties, not only in the topic.
    var hasStatus = false
    /// It holds what only the broker may say.
    var hasReserved = false

    /// - Parameter errorStatus: from the levels of the topic form.
    init(_ publish: Publish, errorStatus: Int?) {
        self.outcome = CallTable.Outcome(byteCount: publish.storedByteCount)
        var executed: Executed?
        if let errorStatus { self.outcome.status = CallStatus(rawValue: errorStatus) }
        let block = publish.properties
        var position = 0
        while position < block.byteCount {
            let property = block.encodedProperty(at: position)
            position = property.end
            if property.identifier == .correlationData {
                let isFitting = property.end - property.valueStart - 2 <= ContractLimits.correlationBytesMax
                if isFitting { unsafe self.correlation = block.withBinary(property) { unsafe Correlation($0) } }
            }
            guard property.identifier == .userProperty, let name = block.protocolName(property) else { continue }
            switch name {
            case PropertyName.status:
                guard let status = Int(block.userValue(property)), (100...999).contains(status) else { continue }
                self.outcome.status = CallStatus(rawValue: status)
                self.hasStatus = true
            case PropertyName.executed: executed = Executed(rawValue: block.userValue(property))
            case PropertyName.more: self.outcome.isInterim = block.userValue(property) == "1"
            default: if Self.isReserved(name) { self.hasReserved = true }
            }
        }
        if let executed {
            self.outcome.executed = executed
        } else if errorStatus != nil {
            self.outcome.executed = .assumed(of: self.outcome.status)
        }
    }

    static func isReserved(_ name: String) -> Bool {
        name == PropertyName.queueTime || name == PropertyName.serviceTime || PropertyName.isReserved(name)
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

extension ByteBuffer {
    /// Copies a property block without the properties that `isDropped` says, in runs as long as they come.
    mutating func writeProperties(
        of block: Properties, without isDropped: (Properties.EncodedProperty) -> Bool
    ) {
        var position = 0
        var runStart = 0
        while position < block.byteCount {
            let property = block.encodedProperty(at: position)
            if isDropped(property) {
                if runStart < position { self.writeBytes(block.bytes(runStart, position)) }
                runStart = property.end
            }
            position = property.end
        }
        if runStart < position { self.writeBytes(block.bytes(runStart, position)) }
    }
}
