import BusCalls
import BusContract
import BusSession
import BusWire
import NIOCore

/// The broker as the caller of asynchronous calls.
enum TaskCaller {
    /// No session has this number: there are never so many.
    static let handle = ClientHandle.platform
    /// The encoding of a client identifier that no client can have: it would hold a null character.
    static let level = "%00"
    private static let replyTopic = CallTopic.reply(client: Self.level, call: nil, errorStatus: nil).string

    static func address(of task: String) -> CallAddress {
        CallAddress(replyTopic: self.replyTopic, correlation: Correlation(Array(task.utf8)))
    }

    /// The task whose attempt an address belongs to.
    static func task(of address: CallAddress) -> String? {
        guard address.replyTopic == self.replyTopic else { return nil }
        return String(decoding: address.correlation.bytes, as: UTF8.self)
    }
}

/// One-way calls: accepted with one word, then the platform's problem.
extension Broker {
    mutating func acceptTask(
        _ publish: Publish, of name: FunctionName, _ levels: ReplyLevels?, along route: Route, from session: Int,
        now: Timestamp
    ) -> ReasonCode {
        let properties = CallProperties(publish)
        let address = Self.address(properties, levels)
        if let address, !self.mayBeAnswered(session, at: address.replyTopic) { return .notAuthorized }
        let task = self.makeIdentifier(prefix: "t-")
        let refusal =
            properties.refusal(of: name)
            ?? self.tasks.accept(
                task, name, StoredPublish(publish.compacted()), terms: properties.terms, now: now.nanoseconds)
        if let refusal {
            if let address { self.fail(refusal, address, isReplay: false, now: now) }
            return ReasonCode(rawValue: max(refusal.publishReasonCode, 0x80))
        }
        self.distribute(publish.unretained, along: route, from: session, now: now)
        if let address { self.confirm(task, at: address, now: now) }
        self.advanceTasks(now: now)
        return .success
    }

    /// The one 202 that says under which name the task can be asked for.
    private mutating func confirm(_ task: String, at address: CallAddress, now: Timestamp) {
        var properties: Properties = []
        if !address.correlation.isEmpty {
            properties.append(.correlationData(ByteBuffer(bytes: address.correlation.bytes)))
        }
        properties.append(.userProperty(name: PropertyName.status, value: CallStatus.accepted.description))
        properties.append(.userProperty(name: PropertyName.code, value: CallCode.accepted.rawValue))
        properties.append(.userProperty(name: PropertyName.task, value: task))
        self.publish(
            Publish(
                topic: address.replyTopic, qos: .atLeastOnce, properties: properties,
                payload: ByteBuffer(string: task)),
            from: nil, now: now)
    }

    // MARK: Attempts

    mutating func advanceTasks(now: Timestamp) {
        var effects: [TaskTable.Effect] = []
        self.tasks.advance(to: now.nanoseconds, effects: &effects)
        self.perform(effects, now: now)
    }

    private mutating func perform(_ effects: [TaskTable.Effect], now: Timestamp) {
        for effect in effects {
            switch effect {
            case .attempt(let task): self.attempt(task, now: now)
            case .succeeded: break
            case .dead(let task, let failure): self.publishDeadLetter(of: task, failure, now: now)
            }
        }
    }

    private mutating func attempt(_ task: TaskTable.Task, now: Timestamp) {
        let address = TaskCaller.address(of: task.identifier)
        var message = task.message.publish
        var properties: Properties = [
            .responseTopic(address.replyTopic), .correlationData(ByteBuffer(bytes: address.correlation.bytes)),
        ]
        for property in task.message.publish.hasProperties ? task.message.publish.properties : [] {
            switch property {
            case .responseTopic, .correlationData, .messageExpiryInterval: continue
            default: properties.append(property)
            }
        }
        message.properties = properties
        message = message.replacingTopic(CallTopic.request(task.function, nil).string)
        let request = CallTable.Request(
            caller: TaskCaller.handle, function: task.function, address: address, digest: 0,
            message: StoredPublish(message),
            isRemembered: false)
        _ = self.calls.request(request, now: now.nanoseconds, effects: &self.callEffects)
    }

    /// The properties by which a handler knows a task and its attempt.
    func taskProperties(of request: Publish) -> [Property] {
        let properties = CallProperties(request)
        let address = CallAddress(replyTopic: properties.responseTopic ?? "", correlation: properties.correlation)
        guard let identifier = TaskCaller.task(of: address), let task = self.tasks[identifier] else { return [] }
        var added: [Property] = [.userProperty(name: PropertyName.task, value: identifier)]
        if task.attempts > 0 {
            added.append(.userProperty(name: PropertyName.attempt, value: "\(task.attempts + 1)"))
        }
        return added
    }

    mutating func taskAnswered(
        _ publish: Publish, at address: CallAddress, _ outcome: CallTable.Outcome, now: Timestamp
    ) {
        guard let task = TaskCaller.task(of: address) else { return }
        guard !outcome.status.isSuccess else {
            self.taskEnded(task, nil, isPermanent: false, now: now)
            return
        }
        let properties = publish.properties
        let failure = Failure(
            outcome.status,
            CallCode(rawValue: properties.firstUserProperty(named: PropertyName.code) ?? "UNKNOWN"),
            executed: outcome.executed,
            properties.firstUserProperty(named: PropertyName.statusMessage) ?? "the function failed")
        let isPermanent = properties.firstUserProperty(named: PropertyName.retry) == "no"
        self.taskEnded(task, failure, isPermanent: isPermanent, now: now)
    }

    mutating func taskFailed(_ task: String, _ failure: Failure, now: Timestamp) {
        self.taskEnded(task, failure, isPermanent: false, now: now)
    }

    private mutating func taskEnded(_ task: String, _ failure: Failure?, isPermanent: Bool, now: Timestamp) {
        var effects: [TaskTable.Effect] = []
        self.tasks.attemptEnded(
            task, failure, isPermanent: isPermanent, now: now.nanoseconds, effects: &effects)
        self.perform(effects, now: now)
    }

    /// The original payload and properties, and why it came to this.
    private mutating func publishDeadLetter(
        of task: TaskTable.Task, _ failure: Failure, now: Timestamp
    ) {
        var properties = task.message.publish.properties.removing { $0 == .messageExpiryInterval || $0 == .topicAlias }
        properties.append(.userProperty(name: PropertyName.task, value: task.identifier))
        properties.append(.userProperty(name: PropertyName.attempts, value: "\(task.attempts)"))
        properties.append(.userProperty(name: PropertyName.lastStatus, value: failure.status.description))
        properties.append(.userProperty(name: PropertyName.reason, value: failure.message))
        self.publish(
            Publish(
                topic: CallTopic.dead(task.function).string, qos: .atLeastOnce, properties: properties,
                payload: task.message.publish.payload),
            from: nil, now: now)
        self.deadLetters.append(
            DeadLetter(
                task: task.identifier, function: task.function, publish: task.message.publish,
                attempts: task.attempts, failure: failure, diedAt: now))
        self.report(.dead, of: task.function, "task \(task.identifier): \(failure.message)", now: now)
    }
}

extension Properties {
    mutating func append(contentsOf properties: [Property]) {
        for property in properties { self.append(property) }
    }
}
