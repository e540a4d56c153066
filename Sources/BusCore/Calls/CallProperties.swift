import BusCalls
import BusContract
import BusWire
import NIOCore

/// What the properties of a request say about the call, gathered in one walk over their bytes. Strings are made of
/// nothing but short names and values.
struct CallProperties {
    /// `known` itself where it is the same text.
    private(set) var responseTopic: String?
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
    private(set) var onSuccess: String?
    private(set) var onFailure: String?

    /// - Parameter known: a response topic that may come again.
    init(_ publish: Publish, known: String? = nil) {
        self.gather(publish, known: known)
        if let seconds = self.expirySeconds { self.terms.ageMaxNanoseconds = UInt64(seconds) * 1_000_000_000 }
    }

    /// Not in the initialiser: a closure there is given a copy of what it fills in.
    private mutating func gather(_ publish: Publish, known: String?) {
        publish.forEachProperty { block, property in
            switch property.identifier {
            case .responseTopic:
                self.responseTopic = known.flatMap { block.isText(property, $0) ? $0 : nil } ?? block.text(property)
            case .correlationData:
                self.hasLongCorrelation = block.textLength(property) > ContractLimits.correlationBytesMax
                if !self.hasLongCorrelation {
                    unsafe self.correlation = block.withBinary(property) { unsafe Correlation($0) }
                }
            case .messageExpiryInterval: self.expirySeconds = block.integer(property)
            case .userProperty:
                if block.mayBeOfCalls(property) { self.read(block, property) }
            default: break
            }
        }
    }

    var hasExpiry: Bool { self.expirySeconds != nil }

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

    private mutating func read(_ block: Span<UInt8>, _ property: Properties.EncodedProperty) {
        // The only one that may be long is measured and not read.
        if block.isText(property, PropertyName.context) {
            self.contextByteCount = property.end - property.valueStart - 4 - block.textLength(property)
            return
        }
        // Most requests say this one.
        if block.isText(property, PropertyName.ttl) {
            self.ttlMilliseconds = block.userNumber(property)
            return
        }
        let name = block.text(property)
        let value = block.userValue(property)
        switch name {
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
        case PropertyName.onSuccess: self.onSuccess = value
        case PropertyName.onFailure: self.onFailure = value
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
        self.outcome = CallTable.Outcome()
        if let errorStatus { self.outcome.status = CallStatus(rawValue: errorStatus) }
        if let executed = self.gather(publish) {
            self.outcome.executed = executed
        } else if errorStatus != nil {
            self.outcome.executed = .assumed(of: self.outcome.status)
        }
    }

    /// Returns whether the function has run, where the answer says so.
    private mutating func gather(_ publish: Publish) -> Executed? {
        var executed: Executed?
        publish.forEachProperty { block, property in
            if property.identifier == .correlationData {
                if block.textLength(property) <= ContractLimits.correlationBytesMax {
                    unsafe self.correlation = block.withBinary(property) { unsafe Correlation($0) }
                }
                return
            }
            guard property.identifier == .userProperty, block.mayBeOfCalls(property) else { return }
            if block.isText(property, PropertyName.status) {
                guard let status = block.userNumber(property), (100...999).contains(status) else { return }
                self.outcome.status = CallStatus(rawValue: Int(status))
                self.hasStatus = true
            } else if block.isText(property, PropertyName.executed) {
                executed = Executed(rawValue: block.userValue(property))
            } else if block.isText(property, PropertyName.more) {
                self.outcome.isInterim = block.userValue(property) == "1"
            } else if ReservedProperty.isOnAnswers(block, property) {
                self.hasReserved = true
            }
        }
        return executed
    }
}

/// User properties that only the broker may say, told by their bytes.
enum ReservedProperty {
    /// On a request, of which the broker says them itself.
    static func isOnRequests(_ block: Span<UInt8>, _ property: Properties.EncodedProperty) -> Bool {
        guard property.identifier == .userProperty, block.mayBeOfCalls(property) else { return false }
        return block.isText(property, PropertyName.callerIdentifier) || block.isText(property, PropertyName.caller)
            || block.isText(property, PropertyName.attempt) || block.isText(property, PropertyName.task)
    }

    static func isOnAnswers(_ block: Span<UInt8>, _ property: Properties.EncodedProperty) -> Bool {
        guard property.identifier == .userProperty, block.mayBeOfCalls(property) else { return false }
        return block.isText(property, PropertyName.queueTime) || block.isText(property, PropertyName.serviceTime)
            || self.isOnRequests(block, property)
    }

    /// What changes with every attempt.
    static func isOfAttempt(_ block: Span<UInt8>, _ property: Properties.EncodedProperty) -> Bool {
        switch property.identifier {
        case .messageExpiryInterval, .topicAlias: true
        case .userProperty:
            block.mayBeOfCalls(property)
                && (block.isText(property, PropertyName.ttl) || block.isText(property, PropertyName.attempt))
        default: false
        }
    }
}

extension Publish {
    /// A hash of the payload, by which a repeated request is told from another one with the same correlation data.
    var payloadDigest: UInt64 {
        unsafe self.withPayloadBytes { bytes in
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
