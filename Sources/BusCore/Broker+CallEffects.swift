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
            for effect in effects { self.perform(effect, now: now) }
            effects.removeAll(keepingCapacity: true)
            self.spareCallEffects = effects
        }
    }

    mutating func advanceCalls(now: Timestamp) {
        self.calls.advance(to: now.nanoseconds, effects: &self.callEffects)
        self.advanceTasks(now: now)
        self.performCallEffects(now: now)
    }

    private mutating func perform(_ effect: CallTable.Effect, now: Timestamp) {
        switch effect {
        case .dispatch(let message, let instance, let remaining, let attempt, let caller):
            let delivery = Dispatch(
                instance: Int(instance.rawValue), caller: caller, remainingNanoseconds: remaining, attempt: attempt)
            self.dispatch(message.publish, delivery, now: now)
        case .fail(let failure, let address, let isReplay):
            self.fail(failure, address, isReplay: isReplay, now: now)
        case .replay(let message):
            var copy = message.publish
            var properties = copy.properties
            properties.append(.userProperty(name: PropertyName.replay, value: "1"))
            copy.properties = properties
            self.publish(copy.unretained, from: nil, now: now)
        case .cancel(let function, let address, let instance):
            self.sendCancel(of: function, address, to: Int(instance.rawValue), now: now)
        case .wake(let function):
            self.events.append(.call(kind: "wake", function: function.description, detail: "no instance is there"))
        case .event(let event, let function, let detail):
            self.events.append(.call(kind: event.rawValue, function: function.description, detail: detail))
        }
    }

    // MARK: Dispatch

    /// What one attempt adds to a request.
    struct Dispatch {
        var instance: Int
        var caller: ClientHandle
        var remainingNanoseconds: UInt64
        var attempt: Int
    }

    private mutating func dispatch(_ request: Publish, _ dispatch: Dispatch, now: Timestamp) {
        // The topic was routed when the request came.
        guard let route = try? self.route(for: request), let server = route.servers[dispatch.instance] else { return }
        var message = request
        message.properties = self.dispatchProperties(request, dispatch)
        let outgoing = OutgoingMessage(
            message, qos: min(request.qos, server.options.maximumQoS), isCall: true,
            subscriptionIdentifiers: server.identifiers)
        self.offer(outgoing, to: dispatch.instance, now: now)
    }

    /// The request's own properties in their order, without what only the broker may say, then what it says.
    private func dispatchProperties(_ request: Publish, _ dispatch: Dispatch) -> Properties {
        var properties: Properties = []
        for property in request.hasProperties ? request.properties : [] {
            switch property {
            case .messageExpiryInterval, .topicAlias: continue
            case .userProperty(let name, _) where Self.brokerProperties.contains(name): continue
            default: properties.append(property)
            }
        }
        let milliseconds = (dispatch.remainingNanoseconds + 999_999) / 1_000_000
        properties.append(.messageExpiryInterval(UInt32(clamping: max(1, (milliseconds + 999) / 1000))))
        properties.append(.userProperty(name: PropertyName.ttl, value: "\(milliseconds)"))
        if dispatch.caller == TaskCaller.handle {
            properties.append(contentsOf: self.taskProperties(of: request))
        } else {
            let client = self.sessions[Int(dispatch.caller.rawValue)].clientIdentifier
            properties.append(.userProperty(name: PropertyName.callerIdentifier, value: client))
        }
        if dispatch.attempt > 1 {
            properties.append(.userProperty(name: PropertyName.attempt, value: "\(dispatch.attempt)"))
        }
        return properties
    }

    /// A client cannot say these: they are taken off its request.
    private static let brokerProperties: Set<String> = [
        PropertyName.ttl, PropertyName.caller, PropertyName.callerIdentifier, PropertyName.attempt, PropertyName.task,
    ]

    private mutating func sendCancel(
        of function: FunctionName, _ address: CallAddress, to instance: Int, now: Timestamp
    ) {
        let levels = address.isTopicForm ? Self.levels(of: address) : nil
        var properties: Properties = []
        if !address.isTopicForm {
            properties.append(.responseTopic(address.replyTopic))
            properties.append(.correlationData(ByteBuffer(bytes: address.correlation.bytes)))
        }
        let cancel = Publish(topic: CallTopic.cancel(function, levels).string, properties: properties)
        guard let route = try? self.route(for: cancel) else { return }
        // Of all who listen for cancellations only the instance that has the call is meant.
        guard let recipient = route.recipients.first(where: { $0.session == instance }) else { return }
        var emission = Emission(cancel, publisher: nil, isFanOut: false, now: now)
        self.deliver(&emission, to: recipient)
    }

    private static func levels(of address: CallAddress) -> ReplyLevels? {
        guard case .reply(let client, let call?, _) = CallTopic(address.replyTopic) else { return nil }
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
    }
}
