import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore

/// The driver between the links and the broker, and between the links and the clients.
extension World {
    func open(_ client: SimulatedClient) {
        self.tick()
        let origin = ConnectionOrigin(remoteAddress: client.name)
        guard let identifier = self.broker.open(origin, now: self.now) else {
            self.model.fail("a connection was refused below all limits")
            return
        }
        self.model.open(identifier)
        let link = SimulatedLink(identifier, client: client, limits: self.terms.limits.session)
        self.recording?.append(.open(identifier), now: self.now)
        self.links.append(link)
        self.linkOf[identifier] = link
        client.link = link
        self.settle()
    }

    /// Bytes reach the broker. A client that has closed its end is reported gone after its last byte.
    func moveUp(_ link: SimulatedLink, _ count: Int) {
        guard link.isOpen else { return }
        if let bytes = link.up.readSlice(length: count), count > 0 {
            self.recording?.append(.bytes(link.identifier, bytes), now: self.now)
            link.reader.append(bytes)
            var packets: [Packet] = []
            do throws(DecodingFailure) {
                while try link.reader.read(upTo: 256, into: &packets) {}
            } catch {
                self.model.fail("a good packet was refused: \(error.message)")
            }
            link.reader.compact()
            if self.random.chance(self.terms.percentSingle) {
                for packet in packets { self.receive([packet], link) }
            } else if !packets.isEmpty {
                self.receive(packets, link)
            }
        }
        link.up.discardReadBytes()
        let isDone = link.isClosing || link.client == nil && !link.isForsaken && link.up.readableBytes == 0
        if isDone { self.close(link) }
    }

    private func receive(_ packets: [Packet], _ link: SimulatedLink) {
        self.tick()
        self.note("\(link.identifier.index) -> \(packets.map(\.summary))")
        self.model.receive(packets, from: link.identifier)
        let isOpen = self.broker.receive(packets, from: link.identifier, now: self.now)
        let isExpected = self.model.connections[link.identifier]?.phase != .closed
        if isOpen != isExpected { self.model.fail("the broker takes more: \(isOpen), as it should: \(isExpected)") }
        self.settle()
    }

    /// The driver reports the end of a connection.
    func close(_ link: SimulatedLink) {
        guard link.isOpen else { return }
        self.tick()
        self.note("\(link.identifier.index) closed")
        link.isOpen = false
        link.up.clear()
        self.linkOf[link.identifier] = nil
        self.recording?.append(.close(link.identifier), now: self.now)
        self.model.close(link.identifier)
        self.broker.close(link.identifier, now: self.now)
        self.settle()
        self.sweep(link)
    }

    /// Packets reach the client, or nobody.
    func moveDown(_ link: SimulatedLink, _ count: Int) {
        for arrival in link.take(count) {
            let epoch = self.model.connections[link.identifier]?.session?.epoch
            guard let client = link.client else { continue }
            let refuses = self.random.chance(client.percentRefused)
            client.receive(arrival, epoch: epoch ?? client.epoch, refuses: refuses)
        }
        if link.isCongested, link.downByteCount <= self.terms.lowWaterBytes, link.isOpen {
            link.isCongested = false
            self.setCongested(link)
            self.settle()
        }
        if link.down.isEmpty, !link.isOpen || link.isClosing { link.client?.disconnected() }
        self.sweep(link)
    }

    private func sweep(_ link: SimulatedLink) {
        guard !link.isOpen, link.client == nil else { return }
        self.links.removeAll { $0 === link }
    }

    private func setCongested(_ link: SimulatedLink) {
        self.tick()
        self.recording?.append(.congested(link.identifier, link.isCongested), now: self.now)
        self.broker.setCongested(link.isCongested, on: link.identifier, now: self.now)
    }

    /// Tells the broker what has been found out about one of the clients that wait.
    func answerLogin(accepting isAccepted: Bool? = nil) {
        guard !self.logins.isEmpty else { return }
        let login = self.logins.remove(at: self.random.number(below: self.logins.count))
        let isAccepted = isAccepted ?? self.random.chance(90)
        self.tick()
        self.note("\(login.index) is \(isAccepted ? "let in" : "refused")")
        self.model.authenticated(login, isAccepted: isAccepted)
        let verdict = AuthenticationVerdict.accepted(user: "user", groups: [], expiresAt: .never)
        self.broker.authenticated(
            login, isAccepted ? verdict : .refused(.notAuthorized, "not known"), now: self.now)
        self.settle()
    }

    // MARK: Outputs

    /// Takes what the broker has to say until it has no more, and audits it.
    func settle() {
        repeat {
            self.outputs.removeAll(keepingCapacity: true)
            self.broker.takeOutputs(into: &self.outputs)
            for output in self.outputs { self.take(output) }
            if self.broker.hasStarved { self.broker.feedStarved(now: self.now) }
        } while self.broker.hasOutputs || self.broker.hasStarved
        self.logins += self.broker.takeAuthenticationRequests().map(\.connection)
        _ = self.broker.takeEvents()
        self.model.auditSettled()
        self.auditCounts()
    }

    private func take(_ output: Output) {
        guard let link = self.linkOf[output.connection] else {
            self.model.fail("output for a connection that is gone")
            return
        }
        var bytes = output.bytes
        link.torn.writeBuffer(&bytes)
        do throws(DecodingFailure) {
            var before = link.torn.readableBytes
            while let packet = try link.decoder.next(in: &link.torn) {
                let byteCount = before - link.torn.readableBytes
                before = link.torn.readableBytes
                self.note("\(link.identifier.index) <- \(packet.summary)")
                let identity = self.model.audit(packet, byteCount: byteCount, on: link.identifier)
                link.append(SimulatedLink.Arrival(packet: packet, byteCount: byteCount, identity: identity))
            }
        } catch {
            self.model.fail("the broker sent what a client refuses: \(error.message)")
        }
        if link.torn.readableBytes > 0 { self.model.fail("the broker sent half a packet") }
        link.torn.clear()
        if output.closes {
            self.model.auditClosed(link.identifier)
            link.isClosing = true
        }
        if !link.isCongested, link.downByteCount > self.terms.highWaterBytes {
            link.isCongested = true
            self.setCongested(link)
        }
    }
}

extension Packet {
    /// What the diary says of it.
    var summary: String {
        switch self {
        case .publish(let publish):
            "PUBLISH \(String(buffer: publish.payload).prefix(8)) \(publish.topic) q\(publish.qos.rawValue)"
                + "\(publish.isRetained ? " r" : "")\(publish.isDuplicate ? " dup" : "")"
                + " #\(publish.packetIdentifier?.rawValue ?? 0) \(publish.properties.subscriptionIdentifiers)"
        case .pubAck(let value), .pubRec(let value), .pubRel(let value), .pubComp(let value):
            "\(self.type) #\(value.packetIdentifier.rawValue)"
        case .connect(let connect): "CONNECT \(connect.clientIdentifier) clean \(connect.cleanStart)"
        case .connAck(let value): "CONNACK present \(value.sessionPresent)"
        case .subscribe(let value): "SUBSCRIBE \(value.subscriptions.map { "\($0.filter) q\($0.maximumQoS.rawValue)" })"
        case .unsubscribe(let value): "UNSUBSCRIBE \(value.filters)"
        case .subAck, .unsubAck, .pingReq, .pingResp, .disconnect, .auth: "\(self.type)"
        }
    }
}
