/// A set of properties as one machine word: all identifiers are below 64.
struct PropertySet {
    private let bits: UInt64

    private init(_ bits: UInt64) {
        self.bits = bits
    }

    private init(_ identifiers: [PropertyIdentifier]) {
        self.bits = identifiers.reduce(1 << PropertyIdentifier.userProperty.rawValue) { $0 | 1 << $1.rawValue }
    }

    func contains(_ identifier: PropertyIdentifier) -> Bool {
        self.bits & (1 << identifier.rawValue) != 0
    }

    /// Which property each packet may carry (MQTT 5.0, table 2-4). User properties may go with every packet.
    static let connect = PropertySet([
        .sessionExpiryInterval, .authenticationMethod, .authenticationData, .requestProblemInformation,
        .requestResponseInformation, .receiveMaximum, .topicAliasMaximum, .maximumPacketSize,
    ])
    static let will = PropertySet([
        .payloadFormatIndicator, .messageExpiryInterval, .contentType, .responseTopic, .correlationData,
        .willDelayInterval,
    ])
    static let connAck = PropertySet([
        .sessionExpiryInterval, .assignedClientIdentifier, .serverKeepAlive, .authenticationMethod,
        .authenticationData, .responseInformation, .serverReference, .reasonString, .receiveMaximum,
        .topicAliasMaximum, .maximumQoS, .retainAvailable, .maximumPacketSize, .wildcardSubscriptionAvailable,
        .subscriptionIdentifierAvailable, .sharedSubscriptionAvailable,
    ])
    static let publish = PropertySet([
        .payloadFormatIndicator, .messageExpiryInterval, .contentType, .responseTopic, .correlationData,
        .subscriptionIdentifier, .topicAlias,
    ])
    /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK.
    static let acknowledgement = PropertySet([.reasonString])
    static let subscribe = PropertySet([.subscriptionIdentifier])
    static let unsubscribe = PropertySet([])
    static let disconnect = PropertySet([.sessionExpiryInterval, .serverReference, .reasonString])
    static let auth = PropertySet([.authenticationMethod, .authenticationData, .reasonString])
}

/// Checks a property block in one pass and notes what forwarding needs.
struct PropertyValidation {
    private let allowed: PropertySet
    private let mayRepeatSubscriptionIdentifier: Bool
    private var seen: UInt64 = 0
    private var findings = PropertyFindings()

    /// - Parameter start: index of the first property in `bytes`; the block ends before `end`.
    static func validate(
        _ bytes: Span<UInt8>, from start: Int, to end: Int, allowed: PropertySet,
        mayRepeatSubscriptionIdentifier: Bool = false
    ) throws(DecodingFailure) -> PropertyFindings {
        var validation = PropertyValidation(
            allowed: allowed, mayRepeatSubscriptionIdentifier: mayRepeatSubscriptionIdentifier)
        var position = start
        while position < end {
            position = try validation.property(bytes, at: position, blockStart: start, end: end)
        }
        let hasData = validation.seen & (1 << PropertyIdentifier.authenticationData.rawValue) != 0
        let hasMethod = validation.seen & (1 << PropertyIdentifier.authenticationMethod.rawValue) != 0
        if hasData && !hasMethod { throw Violation.authenticationDataWithoutMethod.failure(.v5) }
        return validation.findings
    }

    private init(allowed: PropertySet, mayRepeatSubscriptionIdentifier: Bool) {
        self.allowed = allowed
        self.mayRepeatSubscriptionIdentifier = mayRepeatSubscriptionIdentifier
    }

    /// Returns the index after the property.
    private mutating func property(
        _ bytes: Span<UInt8>, at position: Int, blockStart: Int, end: Int
    ) throws(DecodingFailure) -> Int {
        guard let identifier = PropertyIdentifier(rawValue: bytes[position]) else {
            throw Violation.unknownProperty(bytes[position]).failure(.v5)
        }
        try self.noteOccurrence(of: identifier)
        let start = position + 1
        switch identifier.form {
        case .byte:
            try Self.require(start + 1 <= end)
            guard bytes[start] <= 1 else { throw Violation.propertyNotBoolean(identifier).failure(.v5) }
            if identifier == .payloadFormatIndicator { self.findings.claimsUTF8 = bytes[start] == 1 }
            return start + 1
        case .twoBytes:
            try Self.require(start + 2 <= end)
            try self.note(identifier, twoBytes: bytes.uint16(at: start))
            return start + 2
        case .fourBytes:
            try Self.require(start + 4 <= end)
            if identifier == .maximumPacketSize && bytes.uint32(at: start) == 0 {
                throw Violation.propertyZero(identifier).failure(.v5)
            }
            if identifier == .messageExpiryInterval { self.findings.expiryOffset = start - blockStart }
            return start + 4
        case .variableByteInteger:
            let integer = try VariableByteInteger.readField(bytes, at: start, end: end)
            guard integer.value != 0 else { throw Violation.propertyZero(identifier).failure(.v5) }
            self.findings.hasSubscriptionIdentifiers = true
            return start + integer.byteCount
        case .string:
            let fieldEnd = try Self.endOfString(bytes, at: start, end: end)
            if identifier == .responseTopic { try Self.requireNoWildcard(bytes, from: start + 2, to: fieldEnd) }
            return fieldEnd
        case .stringPair:
            let nameEnd = try Self.endOfString(bytes, at: start, end: end)
            return try Self.endOfString(bytes, at: nameEnd, end: end)
        case .binary:
            return try Self.endOfBinary(bytes, at: start, end: end)
        }
    }

    private mutating func noteOccurrence(of identifier: PropertyIdentifier) throws(DecodingFailure) {
        guard self.allowed.contains(identifier) else {
            throw Violation.propertyNotAllowed(identifier).failure(.v5)
        }
        let bit: UInt64 = 1 << identifier.rawValue
        let mayRepeat =
            identifier == .userProperty
            || (identifier == .subscriptionIdentifier && self.mayRepeatSubscriptionIdentifier)
        guard self.seen & bit == 0 || mayRepeat else {
            throw Violation.duplicateProperty(identifier).failure(.v5)
        }
        self.seen |= bit
    }

    private mutating func note(_ identifier: PropertyIdentifier, twoBytes value: UInt16) throws(DecodingFailure) {
        if identifier == .topicAlias {
            guard value != 0 else { throw Violation.topicAliasZero.failure(.v5) }
            self.findings.topicAlias = value
        }
        if identifier == .receiveMaximum && value == 0 {
            throw Violation.propertyZero(identifier).failure(.v5)
        }
    }

    private static func endOfString(_ bytes: Span<UInt8>, at start: Int, end: Int) throws(DecodingFailure) -> Int {
        let fieldEnd = try self.endOfBinary(bytes, at: start, end: end)
        switch UTF8Validation.verdict(on: bytes, from: start + 2, to: fieldEnd) {
        case .wellFormed: return fieldEnd
        case .illFormed: throw Violation.illFormedString.failure(.v5)
        case .holdsNull: throw Violation.nullCharacter.failure(.v5)
        }
    }

    private static func endOfBinary(_ bytes: Span<UInt8>, at start: Int, end: Int) throws(DecodingFailure) -> Int {
        try self.require(start + 2 <= end)
        let fieldEnd = start + 2 + Int(bytes.uint16(at: start))
        try self.require(fieldEnd <= end)
        return fieldEnd
    }

    private static func requireNoWildcard(
        _ bytes: Span<UInt8>, from start: Int, to end: Int
    ) throws(DecodingFailure) {
        for index in start..<end where bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "#") {
            throw Violation.responseTopicWithWildcard.failure(.v5)
        }
    }

    private static func require(_ fits: Bool) throws(DecodingFailure) {
        guard fits else { throw Violation.propertiesPastEnd.failure(.v5) }
    }
}

extension VariableByteInteger {
    /// Reads an integer that must lie before `end` and be as short as can be [MQTT-1.5.5-1].
    static func readField(
        _ bytes: Span<UInt8>, at start: Int, end: Int
    ) throws(DecodingFailure) -> VariableByteInteger {
        switch self.read(bytes, at: start, end: end) {
        case .complete(let integer):
            guard integer.isMinimal else { throw Violation.integerNotMinimal.failure(.v5) }
            return integer
        case .needsMoreBytes: throw Violation.fieldPastEnd.failure(.v5)
        case .tooLong: throw Violation.integerTooLong.failure(.v5)
        }
    }
}
