import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore

/// What clients do of their own accord.
extension World {
    func act(_ client: SimulatedClient) {
        guard client.link != nil else {
            if self.random.chance(70) { self.connect(client) }
            return
        }
        if client.phase == .connecting, client.isHasty, client.outgoing.isEmpty {
            self.publish(client, Publish(topic: "a", payload: self.nextPayload()))
        }
        guard client.phase == .connected else { return }
        if self.random.chance(60) { client.writeOwed(self.random.chance(50) ? .max : self.random.number(in: 1...3)) }
        switch self.random.number(below: 100) {
        case 0..<40: for _ in 0..<self.random.number(in: 1...4) { self.publish(client) }
        case 40..<56: self.subscribe(client)
        case 56..<62: self.unsubscribe(client)
        case 62..<66: client.write(.pingReq)
        case 66..<70: self.disconnect(client)
        case 70..<72:
            // A second connection while the broker believes in the first.
            let old = client.link
            client.disconnected()
            old?.isForsaken = self.random.chance(50)
            self.connect(client)
        default: client.writeOwed(.max)
        }
    }

    func connect(_ client: SimulatedClient, cleanStart: Bool? = nil, expiry: UInt32? = nil) {
        let cleanStart = cleanStart ?? self.random.chance(20)
        let isV5 = client.version == .v5
        client.expirySeconds = expiry ?? self.random.pick([0, 7, 300, 300, .max])
        var properties: Properties = []
        if isV5 {
            if client.expirySeconds > 0 { properties.append(.sessionExpiryInterval(client.expirySeconds)) }
            if let maximum = client.receiveMaximum { properties.append(.receiveMaximum(maximum)) }
            if let maximum = client.packetBytesMax { properties.append(.maximumPacketSize(maximum)) }
            if client.aliasMaximum > 0 { properties.append(.topicAliasMaximum(client.aliasMaximum)) }
        }
        self.open(client)
        client.phase = .connecting
        client.write(
            .connect(
                Connect(
                    version: client.version, cleanStart: cleanStart, keepAliveSeconds: client.keepAlive,
                    clientIdentifier: client.name, properties: properties,
                    will: expiry == nil && self.random.chance(40) ? self.will(of: client) : nil)))
    }

    private func will(of client: SimulatedClient) -> Will {
        var properties: Properties = []
        let delay: UInt32 = self.random.pick([0, 3, 60])
        if client.version == .v5, delay > 0 { properties.append(.willDelayInterval(delay)) }
        return Will(
            topic: TopicPool.willTopic(of: client.name), payload: self.nextPayload(),
            qos: self.randomQoS(), isRetained: self.random.chance(40), properties: properties)
    }

    private func nextPayload() -> ByteBuffer {
        self.numbers += 1
        return Payload.make(self.numbers, isLarge: false)
    }

    private func randomQoS() -> QoS { self.random.pick([.atMostOnce, .atLeastOnce, .exactlyOnce]) }

    // MARK: PUBLISH

    private func publish(_ client: SimulatedClient) {
        let isRetained = self.random.chance(20)
        let isClearing = isRetained && self.random.chance(30)
        self.numbers += 1
        let payload = isClearing ? ByteBuffer() : Payload.make(self.numbers, isLarge: self.random.chance(8))
        var properties: Properties = []
        if client.version == .v5, !isRetained, self.random.chance(10) {
            properties.append(.messageExpiryInterval(self.random.pick([1, 30])))
        }
        self.publish(
            client,
            Publish(
                topic: self.random.pick(TopicPool.topics), qos: self.randomQoS(), isRetained: isRetained,
                properties: properties, payload: payload))
    }

    /// Sends a message unless too many are under way.
    func publish(_ client: SimulatedClient, _ message: Publish) {
        var publish = message
        if publish.qos > .atMostOnce {
            let limit = client.version == .v5 ? min(20, self.terms.limits.session.receiveMaximumIn) : 20
            guard client.outgoing.count < limit else { return }
            publish.packetIdentifier = client.nextIdentifier()
            client.outgoing.append(SimulatedClient.Outgoing(publish: publish))
        }
        client.write(
            .publish(client.version == .v5 && self.random.chance(20) ? self.aliased(publish, client) : publish))
    }

    private func aliased(_ publish: Publish, _ client: SimulatedClient) -> Publish {
        if let alias = client.aliases[publish.topic], self.random.chance(80) {
            var short = publish.replacingTopic("")
            short.properties = publish.properties.with(.topicAlias(alias))
            return short
        }
        let alias = UInt16(self.random.number(in: 1...Int(self.terms.limits.session.topicAliasMaximumIn)))
        client.aliases = client.aliases.filter { $0.value != alias }
        client.aliases[publish.topic] = alias
        var long = publish
        long.properties = publish.properties.with(.topicAlias(alias))
        return long
    }

    // MARK: Subscriptions

    private func subscribe(_ client: SimulatedClient) {
        let isV5 = client.version == .v5
        let subscriptions = (0..<self.random.number(in: 1...3)).map { _ in
            let isShared = self.terms.hasSharedSubscriptions && self.random.chance(25)
            return Subscription(
                filter: self.random.pick(isShared ? TopicPool.sharedFilters : TopicPool.filters),
                maximumQoS: self.randomQoS(), noLocal: isV5 && !isShared && self.random.chance(15),
                retainAsPublished: isV5 && self.random.chance(30),
                retainHandling: isV5 ? self.random.pick([.sendOnSubscribe, .sendIfNew, .doNotSend]) : .sendOnSubscribe)
        }
        var properties: Properties = []
        if isV5, self.random.chance(40) {
            properties.append(.subscriptionIdentifier(UInt32(self.random.number(in: 1...300))))
        }
        client.write(
            .subscribe(
                Subscribe(
                    packetIdentifier: client.nextIdentifier(), subscriptions: subscriptions, properties: properties)))
    }

    private func unsubscribe(_ client: SimulatedClient) {
        let filters = TopicPool.filters + TopicPool.sharedFilters
        client.write(
            .unsubscribe(
                Unsubscribe(
                    packetIdentifier: client.nextIdentifier(),
                    filters: (0..<self.random.number(in: 1...3)).map { _ in self.random.pick(filters) })))
    }

    private func disconnect(_ client: SimulatedClient) {
        guard client.version == .v5 else {
            self.disconnect(client, Disconnect())
            return
        }
        var properties: Properties = []
        if client.expirySeconds > 0, self.random.chance(40) {
            properties.append(.sessionExpiryInterval(self.random.pick([0, 11])))
        }
        let code: ReasonCode = self.random.chance(30) ? .disconnectWithWill : .normalDisconnection
        self.disconnect(client, Disconnect(reasonCode: code, properties: properties))
    }

    func disconnect(_ client: SimulatedClient, _ disconnect: Disconnect) {
        client.write(.disconnect(disconnect))
        client.disconnected()
    }
}

extension Properties {
    fileprivate func with(_ property: Property) -> Properties {
        var copy = self
        copy.append(property)
        return copy
    }
}
