package import NIOCore

/// Decodes one direction of one network connection.
///
/// Takes whole packets from the front of a buffer and refuses everything that the specification forbids and that one
/// packet alone shows. What depends on the state of the connection (a second CONNECT, an unknown topic alias), and the
/// syntax of topic names and filters, are judged elsewhere.
package struct PacketDecoder: Sendable {
    package enum Role: Sendable {
        /// Decodes what clients send.
        case server
        /// Decodes what servers send.
        case client
    }

    package let role: Role
    /// Set by the CONNECT it decodes (role server), as soon as the protocol level is known and even if the rest of
    /// that CONNECT is refused, since the answer's form depends on it; or set by the user (role client).
    package var version: ProtocolVersion?
    /// The longest packet that is accepted, fixed header included.
    package var maximumPacketSize: Int

    package init(role: Role, maximumPacketSize: Int, version: ProtocolVersion? = nil) {
        self.role = role
        self.maximumPacketSize = maximumPacketSize
        self.version = version
    }

    /// Returns the next packet, or `nil` when more bytes are needed. Moves the reader index past whole packets only.
    ///
    /// A packet longer than `maximumPacketSize` is refused from its fixed header, before its body is waited for.
    ///
    /// - Throws: why the bytes are not a packet; the buffer is left as it was, and decoding cannot go on.
    package mutating func next(in buffer: inout ByteBuffer) throws(DecodingFailure) -> Packet? {
        guard let header = try self.header(of: buffer) else { return nil }
        do throws(DecodingFailure) {
            let packet =
                header.type == .publish
                ? Packet.publish(try self.publish(header, in: buffer))
                : try self.packet(header, in: buffer)
            buffer.moveReaderIndex(forwardBy: header.byteCount)
            return packet
        } catch {
            throw error.attributed(to: header.type, version: self.version)
        }
    }

    private func header(of buffer: ByteBuffer) throws(DecodingFailure) -> FixedHeader? {
        guard let header = try FixedHeader.read(buffer.readableBytesUInt8Span, version: self.version) else {
            return nil
        }
        if let violation = self.violation(of: header) {
            throw violation.failure(self.version).attributed(to: header.type, version: self.version)
        }
        return buffer.readableBytes < header.byteCount ? nil : header
    }

    private func violation(of header: FixedHeader) -> Violation? {
        if header.byteCount > self.maximumPacketSize {
            return .packetTooLarge(byteCount: header.byteCount, maximum: self.maximumPacketSize, role: self.role)
        }
        guard header.type.maySend(to: self.role, version: self.version) else { return .unexpectedPacketType }
        if self.version == nil && header.type != .connect { return .versionUnknown }
        return self.version == .v5 && !header.isMinimal ? .integerNotMinimal : nil
    }

    /// A single pass without heap allocation: checks in place, then keeps one slice of the buffer.
    private func publish(_ header: FixedHeader, in buffer: ByteBuffer) throws(DecodingFailure) -> Publish {
        let layout = try PublishLayout.read(
            buffer.readableBytesUInt8Span, header: header, version: self.version ?? .v3_1_1, role: self.role)
        let start = buffer.readerIndex + layout.topicStart
        guard let content = buffer.getSlice(at: start, length: header.byteCount - layout.topicStart) else {
            preconditionFailure("the packet was just found to be complete")
        }
        var publish = Publish(content: content, layout: layout.parts, qos: layout.qos)
        publish.packetIdentifier = layout.packetIdentifier
        publish.isRetained = header.flags & 0x01 != 0
        publish.isDuplicate = header.flags & 0x08 != 0 && layout.qos != .atMostOnce
        return publish
    }

    private mutating func packet(_ header: FixedHeader, in buffer: ByteBuffer) throws(DecodingFailure) -> Packet {
        if let acknowledgement = self.shortAcknowledgement(header, in: buffer) { return acknowledgement }
        let start = buffer.readerIndex + header.bodyStart
        guard let body = buffer.getSlice(at: start, length: header.byteCount - header.bodyStart) else {
            preconditionFailure("the packet was just found to be complete")
        }
        if header.type == .connect { return try self.connect(header, body) }
        guard let version = self.version else { throw Violation.versionUnknown.failure(nil) }
        var fields = FieldReader(body, version: version)
        let packet = try fields.packet(header.type, role: self.role)
        try fields.requireEnd()
        return packet
    }

    /// An acknowledgement without reason code, which is nearly every one, read without slicing the buffer.
    private func shortAcknowledgement(_ header: FixedHeader, in buffer: ByteBuffer) -> Packet? {
        guard header.byteCount == header.bodyStart + 2,
            let raw = buffer.getInteger(at: buffer.readerIndex + header.bodyStart, as: UInt16.self),
            let identifier = PacketIdentifier(raw)
        else { return nil }
        let acknowledgement = Acknowledgement(packetIdentifier: identifier)
        return switch header.type {
        case .pubAck: .pubAck(acknowledgement)
        case .pubRec: .pubRec(acknowledgement)
        case .pubRel: .pubRel(acknowledgement)
        case .pubComp: .pubComp(acknowledgement)
        case .connect, .connAck, .publish, .subscribe, .subAck, .unsubscribe, .unsubAck, .pingReq, .pingResp,
            .disconnect, .auth:
            nil
        }
    }

    private mutating func connect(_ header: FixedHeader, _ body: ByteBuffer) throws(DecodingFailure) -> Packet {
        var fields = try FieldReader.afterProtocolLevel(of: body)
        // A second CONNECT is a protocol error that the session answers, in the version of the first.
        if self.version == nil { self.version = fields.version }
        if fields.version == .v5 && !header.isMinimal { throw fields.failure(.integerNotMinimal) }
        let connect = try fields.connect()
        try fields.requireEnd()
        return .connect(connect)
    }
}

extension PacketType {
    /// Whether a packet of this type may come in at an end of this role (MQTT 5.0, table 2-1).
    fileprivate func maySend(to role: PacketDecoder.Role, version: ProtocolVersion?) -> Bool {
        switch self {
        case .connect, .subscribe, .unsubscribe, .pingReq: role == .server
        case .connAck, .subAck, .unsubAck, .pingResp: role == .client
        case .publish, .pubAck, .pubRec, .pubRel, .pubComp: true
        case .disconnect: role == .server || version == .v5
        case .auth: version == .v5 || version == nil
        }
    }
}
