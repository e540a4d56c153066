import BusSession
import BusWire

extension Broker {
    mutating func receive(_ packet: Packet, on index: Int, now: Timestamp) {
        if self.connections[index].phase == .awaitingConnect {
            guard case .connect(let connect) = packet else {
                // [MQTT-3.1.0-1]; nothing is sent, for the peer may not speak MQTT at all.
                self.end(index, .violation(.protocolError, "the first packet was not CONNECT"), now: now)
                return
            }
            self.connect(connect, on: index, now: now)
            return
        }
        if self.connections[index].phase == .authenticating {
            self.postpone(packet, on: index, now: now)
            return
        }
        let session = self.connections[index].session
        switch packet {
        case .publish(let publish):
            self.receivePublish(publish, on: index, now: now)
        case .pubAck(let acknowledgement):
            self.receivePubAck(acknowledgement, session: session, now: now)
        case .pubRec(let acknowledgement):
            self.receivePubRec(acknowledgement, session: session, on: index, now: now)
        case .pubRel(let acknowledgement):
            self.receivePubRel(acknowledgement, session: session, on: index)
        case .pubComp(let acknowledgement):
            self.receivePubComp(acknowledgement, session: session, now: now)
        case .subscribe(let subscribe):
            self.subscribe(subscribe, on: index, now: now)
        case .unsubscribe(let unsubscribe):
            self.unsubscribe(unsubscribe, on: index, now: now)
        case .pingReq:
            self.send(.pingResp, on: index)
        case .disconnect(let disconnect):
            self.receiveDisconnect(disconnect, on: index, now: now)
        case .connect:
            // [MQTT-3.1.0-2]
            self.end(index, .violation(.protocolError, "a second CONNECT"), now: now)
        case .auth:
            // No extended authentication was agreed upon ([MQTT-4.12.0-1]).
            self.end(index, .violation(.protocolError, "AUTH without an authentication method"), now: now)
        case .connAck, .subAck, .unsubAck, .pingResp:
            self.end(index, .violation(.protocolError, "a packet that only a server sends"), now: now)
        }
    }

    // MARK: Acknowledgements of what we sent

    private mutating func receivePubAck(_ acknowledgement: Acknowledgement, session: Int, now: Timestamp) {
        let record = self.storedRecord(of: acknowledgement.packetIdentifier, in: session)
        guard self.sessions[session].window.receivedPubAck(acknowledgement.packetIdentifier) else {
            self.statistics.unexpectedAcknowledgements += 1
            return
        }
        self.forget(record, of: session)
        self.drain(session, now: now)
    }

    private mutating func receivePubRec(
        _ acknowledgement: Acknowledgement, session: Int, on index: Int, now: Timestamp
    ) {
        let identifier = acknowledgement.packetIdentifier
        let isRefused = acknowledgement.reasonCode.isError
        let record = self.storedRecord(of: identifier, in: session)
        let wasReleased = record.isStored && self.sessions[session].window.isReleased(identifier)
        switch self.sessions[session].window.receivedPubRec(identifier, isRefused: isRefused) {
        case .release:
            if record.isStored, !wasReleased { self.storeRelease(of: identifier, record, in: session) }
            let commit = self.sessions[session].window.commit(of: identifier)
            self.acknowledge(.pubRel(Acknowledgement(packetIdentifier: identifier)), on: index, after: commit)
        case .refused:
            self.forget(record, of: session)
            self.drain(session, now: now)
        case .unknown:
            self.statistics.unexpectedAcknowledgements += 1
            guard !isRefused else { return }
            self.acknowledge(
                .pubRel(Acknowledgement(packetIdentifier: identifier, reasonCode: .packetIdentifierNotFound)),
                on: index, after: 0)
        }
    }

    private mutating func receivePubComp(_ acknowledgement: Acknowledgement, session: Int, now: Timestamp) {
        let record = self.storedRecord(of: acknowledgement.packetIdentifier, in: session)
        guard self.sessions[session].window.receivedPubComp(acknowledgement.packetIdentifier) else {
            self.statistics.unexpectedAcknowledgements += 1
            return
        }
        self.forget(record, of: session)
        self.drain(session, now: now)
    }

    /// The client releases a QoS 2 message of its own.
    private mutating func receivePubRel(_ acknowledgement: Acknowledgement, session: Int, on index: Int) {
        let identifier = acknowledgement.packetIdentifier
        let isKnown = self.sessions[session].inbound.receivedPubRel(identifier)
        if isKnown { self.storeReceived(identifier, in: session, isOver: true) }
        // 3.1.1 has no reason codes: PUBCOMP answers either way ([MQTT-4.3.3-11]).
        self.acknowledge(
            .pubComp(
                Acknowledgement(
                    packetIdentifier: identifier, reasonCode: isKnown ? .success : .packetIdentifierNotFound)),
            on: index, after: self.sessions[session].storage.changedAt)
    }
}
