import NIOCore

/// CONNECT (3.1 in both standards).
extension FieldReader {
    /// Reads the protocol name and level, which say how to read the rest.
    static func afterProtocolLevel(of body: ByteBuffer) throws(DecodingFailure) -> FieldReader {
        var body = body
        guard let nameLength = body.readInteger(as: UInt16.self), let name = body.readSlice(length: Int(nameLength)),
            let level = body.readInteger(as: UInt8.self)
        else {
            throw Violation.fieldPastEnd.failure(nil)
        }
        let isOASIS = name == ByteBuffer(string: "MQTT")
        guard isOASIS || name == ByteBuffer(string: "MQIsdp") else {
            throw Violation.protocolNameUnknown.failure(nil)
        }
        guard let version = ProtocolVersion(rawValue: level), isOASIS == (version != .v3_1) else {
            // The highest bit marks bridges, which ask again without it when they are told so in their own version.
            throw Violation.protocolLevelUnsupported(level).failure(level & 0x7F < 5 ? .v3_1_1 : .v5)
        }
        return FieldReader(body, version: version)
    }

    mutating func connect() throws(DecodingFailure) -> Connect {
        let flags = ConnectFlags(bits: try self.uint8())
        if let violation = flags.violation(self.version) { throw self.failure(violation) }
        let keepAlive = try self.uint16()
        let properties = try self.properties(.connect)
        var connect = Connect(
            version: self.version, cleanStart: flags.cleanStart, keepAliveSeconds: keepAlive,
            clientIdentifier: try self.string(), properties: properties)
        if flags.hasWill { connect.will = try self.will(flags) }
        if flags.hasUserName && !self.mayStopHere { connect.userName = try self.string() }
        if flags.hasPassword && !self.mayStopHere { connect.password = try self.binary() }
        return connect
    }

    /// MQTT 3.1 (3.1, "User name and password flags") lets the remaining length overrule these two flags.
    private var mayStopHere: Bool {
        self.version == .v3_1 && self.isAtEnd
    }

    private mutating func will(_ flags: ConnectFlags) throws(DecodingFailure) -> Will {
        let properties = try self.properties(.will)
        let topic = try self.string()
        let payload = try self.binary()
        guard let qos = QoS(rawValue: flags.willQoS) else { throw self.failure(.willQoSReserved) }
        return Will(
            topic: topic, payload: payload, qos: qos, isRetained: flags.isWillRetained, properties: properties)
    }
}

/// The flags byte of CONNECT (3.1.2.3 in both standards).
struct ConnectFlags {
    var bits: UInt8

    var isReservedSet: Bool { self.bits & 0x01 != 0 }
    var cleanStart: Bool { self.bits & 0x02 != 0 }
    var hasWill: Bool { self.bits & 0x04 != 0 }
    var willQoS: UInt8 { self.bits >> 3 & 0x03 }
    var isWillRetained: Bool { self.bits & 0x20 != 0 }
    var hasPassword: Bool { self.bits & 0x40 != 0 }
    var hasUserName: Bool { self.bits & 0x80 != 0 }

    func violation(_ version: ProtocolVersion) -> Violation? {
        // MQTT 3.1 only says that this bit is not used.
        if self.isReservedSet && version != .v3_1 { return .connectReservedFlag }
        if self.willQoS == 3 { return .willQoSReserved }
        if !self.hasWill && self.willQoS != 0 { return .willQoSWithoutWill }
        if !self.hasWill && self.isWillRetained { return .willRetainWithoutWill }
        if self.hasPassword && !self.hasUserName && version != .v5 { return .passwordWithoutUserName }
        return nil
    }
}
