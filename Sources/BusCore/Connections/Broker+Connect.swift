import BusAccess
import BusSession
import BusTopics
import BusWire

extension Broker {
    mutating func connect(_ connect: Connect, on index: Int, now: Timestamp) {
        self.connections[index].version = connect.version
        self.connections[index].wantsProblemInformation = connect.properties.requestProblemInformation != 0
        self.connections[index].maximumPacketSize = connect.properties.maximumPacketSize.map(Int.init) ?? .max
        if let refusal = self.refusal(of: connect) {
            self.end(index, refusal, now: now)
            return
        }
        self.authenticate(connect, on: index, now: now)
    }

    /// The client is who it says: its session begins or goes on.
    mutating func accept(_ connect: Connect, as login: Login, on index: Int, now: Timestamp) {
        if let refusal = self.refusal(of: login, connect) {
            self.end(index, refusal, now: now)
            return
        }
        let assigned = connect.clientIdentifier.isEmpty ? self.makeClientIdentifier() : nil
        let client = assigned ?? connect.clientIdentifier
        let limit = self.connections[index].maximumPacketSize
        guard let properties = self.acceptance(of: connect, assigned: assigned, byteCountMax: limit) else {
            let message = "the Maximum Packet Size leaves no room for CONNACK"
            self.end(index, .violation(.packetTooLarge, message), now: now)
            return
        }
        let mark = self.journal.changeCount
        let (session, isResumed) = self.openSession(of: client, for: connect, now: now)
        let identity = Identity(user: login.user, clientIdentifier: client, groups: login.groups)
        self.setStanding(Standing(identity: identity, rights: self.policy.rights(of: identity)), of: session)
        self.adopt(connect, session: session, on: index, now: now)
        self.storeConnected(session, on: index, isNews: !isResumed && mark != self.journal.changeCount)
        self.arm(.loginExpiry, connection: index, due: login.expiresAt)
        self.send(.connAck(ConnAck(sessionPresent: isResumed, properties: properties)), on: index)
        self.events.append(
            .connected(
                client: client, version: connect.version, origin: self.connections[index].origin,
                isResumed: isResumed))
        guard isResumed else { return }
        self.instanceReturned(session, now: now)
        self.drain(session, now: now)
    }

    /// Why there is no room for a client that is who it says, `nil` when there is.
    private func refusal(of login: Login, _ connect: Connect) -> DisconnectReason? {
        if self.pressure >= .refusesClients { return .noRoom(connect.version, "memory runs short") }
        if let user = login.user, self.connectionsOfUser[user, default: 0] >= self.limits.connectionsPerUserMax {
            return .noRoom(connect.version, "the user has too many connections")
        }
        let isNew = self.sessionOfClient[ClientIdentifier(connect.clientIdentifier)] == nil
        if isNew, self.sessions.count >= self.limits.sessionsMax {
            return .noRoom(connect.version, "there are too many sessions")
        }
        if isNew || connect.cleanStart, self.needsRoomInStore(sessionExpiry: self.expirySeconds(connect)) {
            return .noRoom(connect.version, "the store has no room")
        }
        return nil
    }

    /// Why a CONNECT cannot be accepted, `nil` when it can.
    private func refusal(of connect: Connect) -> DisconnectReason? {
        let limit = self.limits.session.clientIdentifierBytesMax
        if connect.clientIdentifier.utf8.count > limit {
            return .violation(.clientIdentifierNotValid, "the client identifier is longer than \(limit) bytes")
        }
        if connect.clientIdentifier.isEmpty, connect.version != .v5,
            !connect.cleanStart || connect.version == .v3_1
        {
            // [MQTT311-3.1.3-8]; MQTT 3.1 wants 1 to 23 characters.
            return .violation(.clientIdentifierNotValid, "an empty client identifier needs a clean session")
        }
        if connect.properties.authenticationMethod != nil {
            return .violation(.badAuthenticationMethod, "extended authentication is not offered")
        }
        guard let will = connect.will else { return nil }
        if self.limits.session.checksPayloadFormat, will.isWronglyUTF8 {
            return .violation(.payloadFormatInvalid, "the will is said to be UTF-8 and is not")
        }
        do {
            let topic = try TopicName(will.topic, limits: self.limits.topics)
            // Bridges of mosquitto leave a will below `$SYS`: they are let in, and the will is never published.
            let isOfSystem = topic.string.utf8.starts(with: "$SYS/".utf8)
            guard isOfSystem || topic.string.utf8.first != UInt8(ascii: "$") else {
                return .violation(.topicNameInvalid, "the will topic \(topic) belongs to the broker")
            }
            return nil
        } catch {
            return .violation(.topicNameInvalid, "the will topic is not valid: \(error.message)")
        }
    }

    /// The session that a CONNECT continues or begins; another network connection of the client is closed first
    /// ([MQTT-3.1.4-3], [MQTT-3.1.2-4] to [MQTT-3.1.2-6]).
    private mutating func openSession(
        of client: String, for connect: Connect, now: Timestamp
    ) -> (session: Int, isResumed: Bool) {
        if let known = self.sessionOfClient[ClientIdentifier(client)] {
            if let other = self.sessions[known].connection {
                if connect.cleanStart { self.sessions[known].expirySeconds = 0 }
                self.end(other, .takenOver, now: now)
            } else if connect.cleanStart {
                self.endSession(known, now: now)
            }
        }
        if let known = self.sessionOfClient[ClientIdentifier(client)] {
            // A will that still waits for its delay is cancelled by the return of its client ([MQTT-3.1.3-9]).
            self.sessions[known].will = nil
            self.sessions[known].willDueAt = .never
            self.sessions[known].expiresAt = .never
            return (known, true)
        }
        let session = self.sessions.insert(Session(clientIdentifier: client, limits: self.limits.session))
        self.sessionOfClient[ClientIdentifier(client)] = session
        return (session, false)
    }

    /// Joins the network connection and its session under the terms of this CONNECT.
    private mutating func adopt(_ connect: Connect, session: Int, on index: Int, now: Timestamp) {
        let limits = self.limits.session
        let properties = connect.properties
        self.connections[index].phase = .connected
        self.connections[index].session = session
        self.connections[index].aliases = InboundTopicAliases(maximum: limits.topicAliasMaximumIn)
        let aliases = min(properties.topicAliasMaximum ?? 0, limits.topicAliasMaximumOut)
        if aliases > 0 { self.connections[index].outboundAliases = OutboundTopicAliases(maximum: Int(aliases)) }
        self.sessions[session].connection = index
        self.statistics.clientsConnected += 1
        if let user = self.standings[session].identity.user { self.connectionsOfUser[user, default: 0] += 1 }
        self.sessions[session].will = connect.will
        self.sessions[session].expirySeconds = self.expirySeconds(connect)
        self.sessions[session].inbound.resume(
            receiveMaximum: connect.version == .v5 ? limits.receiveMaximumIn : Int(UInt16.max))
        let wished = properties.receiveMaximum.map(Int.init) ?? Int(UInt16.max)
        self.sessions[session].window.resume(receiveMaximum: min(wished, limits.receiveMaximumOut))
        self.sessions[session].storage.held.removeAll()

        let keepAlive = self.keepAliveSeconds(connect)
        guard keepAlive > 0 else { return }
        self.connections[index].keepAliveNanoseconds = UInt64(keepAlive) * 1_500_000_000
        self.armKeepAlive(index, since: now)
    }

    private func keepAliveSeconds(_ connect: Connect) -> UInt16 {
        let cap = self.limits.session.keepAliveSecondsMax
        // A client of 3.x cannot be told another value, and would be cut off though it kept its word.
        guard connect.version == .v5, cap > 0 else { return connect.keepAliveSeconds }
        return connect.keepAliveSeconds == 0 ? cap : min(connect.keepAliveSeconds, cap)
    }

    /// Seconds; a 3.x session without the clean flag never expires by itself.
    private static func wishedExpiry(_ connect: Connect) -> UInt32 {
        guard connect.version == .v5 else { return connect.cleanStart ? 0 : .max }
        return connect.properties.sessionExpiryInterval ?? 0
    }

    private func expirySeconds(_ connect: Connect) -> UInt32 {
        min(Self.wishedExpiry(connect), self.limits.session.sessionExpirySecondsMax)
    }

    /// The properties of the CONNACK that accepts a client. What only informs it is left out where its Maximum Packet
    /// Size is too small ([MQTT-3.2.2-20]); `nil` where even the rest is too large.
    private func acceptance(of connect: Connect, assigned: String?, byteCountMax: Int) -> Properties? {
        guard connect.version == .v5 else { return [] }
        let limits = self.limits.session
        var terms: Properties = [
            .receiveMaximum(UInt16(clamping: limits.receiveMaximumIn)),
            .maximumPacketSize(UInt32(clamping: limits.packetBytesMax)),
        ]
        let expiry = self.expirySeconds(connect)
        if expiry != Self.wishedExpiry(connect) { terms.append(.sessionExpiryInterval(expiry)) }
        let keepAlive = self.keepAliveSeconds(connect)
        if keepAlive != connect.keepAliveSeconds { terms.append(.serverKeepAlive(keepAlive)) }
        if let assigned { terms.append(.assignedClientIdentifier(assigned)) }
        var all = terms
        all.append(.topicAliasMaximum(limits.topicAliasMaximumIn))
        self.appendCallCapabilities(to: &all, connect: connect, client: assigned ?? connect.clientIdentifier)
        return [all, terms].first { ConnAck(properties: $0).encodedByteCount <= byteCountMax }
    }

    /// Unique among the sessions that exist; not a secret.
    private mutating func makeClientIdentifier() -> String {
        while true {
            let client = self.makeIdentifier(prefix: "auto-")
            if self.sessionOfClient[ClientIdentifier(client)] == nil { return client }
        }
    }

    /// SplitMix64: the seed is random, the sequence does not repeat within 2^64 identifiers.
    mutating func makeIdentifier(prefix: String) -> String {
        self.identifierSeed &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.identifierSeed
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return prefix + String(mixed ^ mixed >> 31, radix: 36)
    }
}
