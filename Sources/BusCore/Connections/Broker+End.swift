import BusAccess
import BusCalls
import BusSession
import BusWire

/// How connections, sessions and wills end.
extension Broker {
    mutating func receiveDisconnect(_ disconnect: Disconnect, on index: Int, now: Timestamp) {
        let session = self.connections[index].session
        if let wished = disconnect.properties.sessionExpiryInterval {
            // A session that was to end with its connection cannot be made to last now ([MQTT-3.14.2-2]).
            guard wished == 0 || self.sessions[session].expirySeconds > 0 else {
                self.end(
                    index, .violation(.protocolError, "DISCONNECT prolongs a session whose expiry was 0"), now: now)
                return
            }
            self.sessions[session].expirySeconds = min(wished, self.limits.session.sessionExpirySecondsMax)
        }
        // Only the normal DISCONNECT takes the will away ([MQTT-3.14.4-3]); 3.x has no other.
        if disconnect.reasonCode == .normalDisconnection { self.sessions[session].will = nil }
        self.end(index, .byClient(disconnect.reasonCode), now: now)
    }

    /// Ends a network connection for `reason`: the client is told where its version can be, the session is detached at
    /// once, and the driver closes after the last byte.
    mutating func end(_ index: Int, _ reason: DisconnectReason, now: Timestamp) {
        guard self.connections[index].phase != .closing else { return }
        self.report(index, reason)
        self.sayGoodbye(index, reason)
        let wasConnected = self.connections[index].phase == .connected
        self.dropHeld(index)
        self.list(index)
        self.connections[index].phase = .closing
        if wasConnected { self.detach(index, now: now) }
    }

    private mutating func sayGoodbye(_ index: Int, _ reason: DisconnectReason) {
        guard let code = reason.reasonCode else { return }
        var properties: Properties = []
        if self.connections[index].wantsProblemInformation, case .violation(_, let message) = reason {
            properties.append(.reasonString(message))
        }
        switch self.connections[index].phase {
        case .connected where self.connections[index].isSpeakingV5:
            // [MQTT-3.14.2-3]: better no reason string than no DISCONNECT.
            let isSent = self.send(.disconnect(Disconnect(reasonCode: code, properties: properties)), on: index)
            if !isSent { self.send(.disconnect(Disconnect(reasonCode: code)), on: index) }
        case .awaitingConnect, .authenticating:
            self.refuse(index, code, properties)
        case .connected, .closing:
            break
        }
    }

    /// The CONNACK that lets nobody in, as far as the client's version has a word for it.
    private mutating func refuse(_ index: Int, _ code: ReasonCode, _ properties: Properties) {
        if self.connections[index].isSpeakingV5 {
            // [MQTT-3.2.2-19]
            let isSent = self.send(.connAck(ConnAck(reasonCode: code, properties: properties)), on: index)
            if !isSent { self.send(.connAck(ConnAck(reasonCode: code)), on: index) }
        } else if Self.codesOfOldConnAck.contains(code) {
            self.send(.connAck(ConnAck(sessionPresent: false, reasonCode: code, properties: [])), on: index)
        }
    }

    /// What the CONNACK of MQTT 3.1 and 3.1.1 can say ([MQTT311-3.2.2-5]); for all else the connection just ends.
    private static let codesOfOldConnAck: Set<ReasonCode> = [
        .unsupportedProtocolVersion, .clientIdentifierNotValid, .serverUnavailable, .serverBusy, .badUserNameOrPassword,
        .notAuthorized,
    ]

    mutating func report(_ index: Int, _ reason: DisconnectReason) {
        if self.connections[index].phase == .connected {
            let client = self.sessions[self.connections[index].session].clientIdentifier
            self.events.append(.disconnected(client: client, reason: reason))
        } else {
            self.statistics.connectionsRefused += 1
            self.events.append(.refused(origin: self.connections[index].origin, reason: reason))
        }
    }

    /// Parts a session from its network connection: calls end, the will is published or waits, the session waits or
    /// ends.
    mutating func detach(_ index: Int, now: Timestamp) {
        let session = self.connections[index].session
        guard session >= 0 else { return }
        self.connections[index].session = -1
        self.userLeft(self.standings[session].identity.user)
        self.sessions[session].connection = nil
        self.sessions[session].removeCalls()
        self.clientLeft(session, now: now)
        let ends = self.sessions[session].expirySeconds == 0
        if let will = self.sessions[session].will {
            let delay = will.properties.willDelayInterval ?? 0
            if delay == 0 || ends {
                self.publishWill(of: session, now: now)
            } else {
                let due = min(now.adding(seconds: UInt64(delay)), self.sessions[session].expiry(from: now))
                self.sessions[session].willDueAt = due
                self.arm(.willDelay, session: session, due: due)
            }
        }
        if ends {
            self.endSession(session, now: now)
        } else {
            let expiry = self.sessions[session].expiry(from: now)
            self.sessions[session].expiresAt = expiry
            self.storeTerms(of: session, disconnectedAt: now)
            self.arm(.sessionExpiry, session: session, due: expiry)
        }
    }

    private mutating func userLeft(_ user: String?) {
        guard let user, let count = self.connectionsOfUser[user] else { return }
        self.connectionsOfUser[user] = count > 1 ? count - 1 : nil
    }

    /// Forgets a session and everything in it; its will, if it still waits, is published now ([MQTT-3.1.2-8]).
    mutating func endSession(_ session: Int, now: Timestamp) {
        precondition(self.sessions[session].connection == nil, "a session ends after its connection")
        if self.sessions[session].will != nil { self.publishWill(of: session, now: now) }
        let client = self.sessions[session].clientIdentifier
        self.endStoring(session)
        self.endSharedSubscriptions(of: session, now: now)
        for record in self.sessions[session].subscriptions.records {
            self.removeSubscription(record, session: session, now: now)
        }
        self.sessionOfClient[ClientIdentifier(client)] = nil
        // The next session in this place must not inherit its calls and the answers remembered for it.
        self.calls.clientLeft(
            ClientHandle(rawValue: UInt32(session)), hasSession: false, now: now.nanoseconds,
            effects: &self.callEffects)
        self.performCallEffects(now: now)
        self.sessions.remove(session)
        self.events.append(.sessionEnded(client: client))
    }

    mutating func publishWill(of session: Int, now: Timestamp) {
        guard let will = self.sessions[session].will else { return }
        self.sessions[session].will = nil
        self.sessions[session].willDueAt = .never
        let publish = Publish(
            topic: will.topic, qos: will.qos, isRetained: will.isRetained,
            properties: will.properties.removing { $0 == .willDelayInterval }, payload: will.payload)
        // The topic was validated at CONNECT. What counts are the rules and rights of now, as if the client had
        // published it itself (S06).
        guard let route = try? self.route(for: publish) else { return }
        _ = self.accept(publish, along: route, from: session, now: now)
        self.performCallEffects(now: now)
    }

    func timerEntry(_ kind: TimerQueue.Kind, session: Int, due: Timestamp) -> TimerQueue.Entry {
        TimerQueue.Entry(due: due, kind: kind, index: session, generation: self.sessions.generation(of: session))
    }

    private mutating func arm(_ kind: TimerQueue.Kind, session: Int, due: Timestamp) {
        self.timers.arm(self.timerEntry(kind, session: session, due: due))
    }
}
