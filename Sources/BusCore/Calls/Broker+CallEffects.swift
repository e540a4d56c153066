import BusCalls
import BusContract
import BusSession
import BusWire
import NIOCore

/// How the decisions of the call table leave the broker.
extension Broker {
    /// Carries out what the call table has decided, and what follows from that, until nothing is left.
    mutating func performCallEffects(now: Timestamp) {
        while !self.callEffects.isEmpty {
            // The array in hand changes places with the one that gathers, so that neither is allocated again.
            var effects: [CallTable.Effect] = []
            swap(&effects, &self.callEffects)
            swap(&self.callEffects, &self.spareCallEffects)
            // Moved out one by one: they are large.
            effects.reverse()
            while let effect = effects.popLast() { self.perform(effect, now: now) }
            self.spareCallEffects = effects
        }
    }

    mutating func advanceCalls(now: Timestamp) {
        self.calls.advance(to: now.nanoseconds, effects: &self.callEffects)
        self.advanceTasks(now: now)
        self.performCallEffects(now: now)
    }

    private mutating func perform(_ effect: consuming CallTable.Effect, now: Timestamp) {
        switch consume effect {
        case .dispatch(let dispatch): self.dispatch(dispatch, now: now)
        case .fail(let failure, let address, let isReplay):
            self.fail(failure, address, isReplay: isReplay, now: now)
        case .replay(let answer, let answered): self.replay(Publish(packed: answer), to: answered, now: now)
        case .cancel(let order): self.sendCancel(order, now: now)
        case .wake(let function):
            self.events.append(.call(kind: "wake", function: function.description, detail: "no instance is there"))
        case .event(let event, let function, let detail):
            self.report(event, of: function, detail, now: now)
            if event == .registered { self.wakeTasks(of: function, now: now) }
        }
    }

    // MARK: Dispatch

    private mutating func dispatch(_ dispatch: CallTable.Dispatch, now: Timestamp) {
        let session = Int(dispatch.instance.rawValue)
        guard let index = self.sessions[session].connection else { return }
        let stored = dispatch.message.stored
        let isInTopicForm = stored.publish.topicLength != Self.requestTopicLength(dispatch.function)
        // The field: what is computed of a connection is computed of a copy.
        let takesProperties = self.connections[index].version == .v5
        let usesTopicForm =
            !takesProperties || (isInTopicForm && dispatch.forms.contains(.topic))
            || !dispatch.forms.contains(.properties)
        var topic: ByteBuffer?
        if usesTopicForm, !takesProperties || !isInTopicForm {
            topic = self.requestTopic(of: dispatch, isInTopicForm: isInTopicForm)
        } else if !usesTopicForm, isInTopicForm {
            topic = ByteBuffer(string: CallTopic.request(dispatch.function, nil).string)
        }
        let message = self.image(of: dispatch, topic: topic)
        // A request that keeps its topic goes to those on whose route it came.
        let route = topic == nil ? stored.route : nil
        guard let server = self.server(dispatch, of: message, along: route, usesTopicForm) else { return }
        if !stored.isImage {
            if topic == nil { stored.become(image: message) } else { stored.keep() }
        }
        let outgoing = OutgoingMessage(
            message, qos: min(stored.publish.qos, server.options.maximumQoS), isCall: true,
            subscriptionIdentifiers: server.identifiers)
        self.offer(outgoing, to: session, now: now)
    }

    /// Of the form without reply levels.
    private static func requestTopicLength(_ function: FunctionName) -> Int {
        // fc/<service>/<function>/req
        CallTopic.prefix.utf8.count + function.service.utf8.count + 1 + function.function.utf8.count + 4
    }

    /// The topic form for an instance that can take no other. Where the caller's own answer address is not of that form,
    /// the broker makes one, and knows the call by it.
    private mutating func requestTopic(of dispatch: CallTable.Dispatch, isInTopicForm: Bool) -> ByteBuffer? {
        if dispatch.address.isTopicForm {
            guard !isInTopicForm, let levels = Self.levels(of: dispatch.address.replyTopic) else { return nil }
            return ByteBuffer(string: CallTopic.request(dispatch.function, levels).string)
        }
        let client =
            dispatch.caller == TaskCaller.handle
            ? TaskCaller.level : ClientName.encode(self.sessions[Int(dispatch.caller.rawValue)].clientIdentifier)
        let attempt = dispatch.attempt > 1 ? ".\(dispatch.attempt)" : ""
        let levels = ReplyLevels(client: client, call: "fcb-" + String(dispatch.order, radix: 36) + attempt)
        self.calls.setAlias(levels.replyTopic.string, of: dispatch.call)
        return ByteBuffer(string: CallTopic.request(dispatch.function, levels).string)
    }

    /// How the instance has subscribed to requests of this form.
    ///
    /// - Parameter route: of the message's topic, where it is at hand.
    private mutating func server(
        _ dispatch: CallTable.Dispatch, of message: Publish, along route: Route?, _ usesTopicForm: Bool
    ) -> Route.Recipient? {
        let session = Int(dispatch.instance.rawValue)
        guard usesTopicForm else {
            if let route, route.generation == self.routeGeneration { return route.servers[session] }
            // The topic was routed when a request came, or is made of a function's name.
            return (try? self.route(for: message))?.servers[session]
        }
        // All topics of the longer form have the same servers; the one that stands for them is kept.
        let levels = ReplyLevels(client: "-", call: "-")
        let probe = Publish(topic: CallTopic.request(dispatch.function, levels).string)
        if let known = self.cachedRoute(for: probe) { return known.servers[session] }
        // As above.
        guard let route = try? self.route(for: probe) else { return nil }
        self.routes.insert(route)
        return route.servers[session]
    }

    /// The request as an instance gets it: its own properties in their order, without what only the broker may say, then
    /// what it says.
    private func image(of dispatch: CallTable.Dispatch, topic: ByteBuffer?) -> Publish {
        let request = dispatch.message.publish
        let isImage = dispatch.message.stored.isImage
        let ofTask = dispatch.caller == TaskCaller.handle && !isImage ? self.taskProperties(of: request) : []
        let milliseconds = (dispatch.remainingNanoseconds + 999_999) / 1_000_000
        var caller = Properties(ofTask)
        if !isImage, dispatch.caller != TaskCaller.handle {
            caller = self.standings[Int(dispatch.caller.rawValue)].callerProperties
        }
        let growth = caller.byteCount + dispatch.address.replyTopic.utf8.count + Self.addedBytesMax
        return request.rebuilt(topic: topic, growth: growth) { block, property in
            ReservedProperty.isOfAttempt(block, property)
                || (!isImage && ReservedProperty.isOnRequests(block, property))
        } adding: { writer in
            writer.write(messageExpiry: UInt32(clamping: max(1, (milliseconds + 999) / 1000)))
            writer.write(PropertyName.ttl, milliseconds)
            if topic != nil, dispatch.address.isTopicForm {
                writer.write(responseTopic: dispatch.address.replyTopic)
            }
            writer.write(encoded: caller)
            if dispatch.attempt > 1 { writer.write(PropertyName.attempt, UInt64(dispatch.attempt)) }
        }
    }

    // MARK: Cancellation

    private mutating func sendCancel(_ order: CallTable.Cancellation, now: Timestamp) {
        let session = Int(order.instance.rawValue)
        let address = order.address
        let levels =
            order.alias.flatMap(Self.levels) ?? (address.isTopicForm ? Self.levels(of: address.replyTopic) : nil)
        var properties: Properties = []
        if order.alias == nil {
            properties.append(.responseTopic(address.replyTopic))
            if !address.correlation.isEmpty {
                properties.append(.correlationData(ByteBuffer(bytes: address.correlation.bytes)))
            }
        }
        let cancel = Publish(topic: CallTopic.cancel(order.function, levels).string, properties: properties)
        // A topic of the protocol is a valid one.
        guard let route = try? self.route(for: cancel) else { return }
        // Of all who listen for cancellations only the instance that has the call is meant.
        guard let recipient = route.recipients.first(where: { $0.session == session }) else { return }
        var emission = Emission(cancel, publisher: nil, isFanOut: false, now: now)
        self.deliver(&emission, to: recipient)
    }

    static func levels(of replyTopic: String) -> ReplyLevels? {
        guard case .reply(let client, let call?, _) = CallTopic(replyTopic) else { return nil }
        return ReplyLevels(client: client, call: call)
    }

    // MARK: Failures

    /// Publishes the final reply of a call that failed: with properties, or for the topic form below the reply topic.
    mutating func fail(_ failure: Failure, _ address: CallAddress, isReplay: Bool, now: Timestamp) {
        self.statistics.callsFailed += 1
        if let task = TaskCaller.task(of: address) {
            self.taskFailed(task, failure, now: now)
            return
        }
        var properties: Properties = [.payloadFormatIndicator(1), .contentType(Failure.contentType)]
        if !address.correlation.isEmpty {
            properties.append(.correlationData(ByteBuffer(bytes: address.correlation.bytes)))
        }
        for property in failure.userProperties {
            properties.append(.userProperty(name: property.name, value: property.value))
        }
        if isReplay { properties.append(.userProperty(name: PropertyName.replay, value: "1")) }
        let topic = address.isTopicForm ? address.replyTopic + "/err/\(failure.status)" : address.replyTopic
        self.publish(
            Publish(
                topic: topic, qos: .atLeastOnce, properties: properties,
                payload: ByteBuffer(string: failure.payload)),
            from: nil, now: now)
    }

    // MARK: CONNACK

    /// Tells a client that this broker knows calls, and, if it asks, where its answers are.
    func appendCallCapabilities(to properties: inout Properties, connect: Connect, client: String) {
        if connect.properties.requestResponseInformation == 1 {
            let topic = CallTopic.reply(client: ClientName.encode(client), call: nil, errorStatus: nil)
            properties.append(.responseInformation(topic.string))
        }
        properties.append(.userProperty(name: PropertyName.broker, value: "1"))
        properties.append(.userProperty(name: PropertyName.capabilities, value: PropertyName.capabilityList))
    }
}
