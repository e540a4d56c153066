import BusAccess
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

/// Where the 202 of an accepted task goes.
struct TaskConfirmation: Sendable {
    var address: CallAddress
    /// The call was accepted before.
    var isReplay = false
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
        let origin = self.origin(of: publish, properties, levels, from: session, now: now)
        if let known = self.taskMemory.task(of: origin.key), !origin.correlation.isEmpty {
            return self.acceptAgain(known.identifier, known.origin.digest == origin.digest, name, address, now: now)
        }
        var terms = properties.terms
        if !properties.hasExpiry { terms.ageMaxNanoseconds = self.limits.taskAgeSeconds * 1_000_000_000 }
        terms.isStored = self.journal.isOn && self.stores(route, from: session)
        let message = self.message(of: publish, from: session)
        terms.byteCount = message.storedByteCount
        let task = self.makeIdentifier(prefix: "t-")
        let refusal =
            properties.refusal(of: name) ?? self.refusal(of: properties, from: session)
            ?? (terms.isStored ? self.refusalForRoom(publish, from: session) : nil)
            ?? self.acceptInTable(task, name, message, terms, now: now)
        if let refusal {
            if let address { self.fail(refusal, address, isReplay: false, now: now) }
            return ReasonCode(rawValue: max(refusal.publishReasonCode, 0x80))
        }
        if !origin.correlation.isEmpty { self.taskMemory.accepted(origin, as: task) }
        self.distribute(Self.forObservers(publish, properties), along: route, from: session, now: now)
        self.begin(task, address.map { TaskConfirmation(address: $0) }, now: now)
        return .success
    }

    private func origin(
        of publish: Publish, _ properties: CallProperties, _ levels: ReplyLevels?, from session: Int, now: Timestamp
    ) -> TaskOrigin {
        let named = properties.correlation.isEmpty ? levels.map { Correlation(Array($0.call.utf8)) } : nil
        let correlation = named ?? properties.correlation
        return TaskOrigin(
            client: self.sessions[session].clientIdentifier, correlation: correlation,
            digest: correlation.isEmpty ? 0 : publish.payloadDigest, acceptedAt: now)
    }

    /// The call as its attempts carry it: with who the caller is, in storage of its own.
    private func message(of publish: Publish, from session: Int) -> Publish {
        let caller = self.standings[session].callerProperties
        return publish.unretained.rebuilt(growth: caller.byteCount) { block, property in
            ReservedProperty.isOnRequests(block, property)
        } adding: { writer in
            writer.write(encoded: caller)
        }
    }

    private mutating func acceptInTable(
        _ task: String, _ name: FunctionName, _ message: Publish, _ terms: TaskTable.Terms, now: Timestamp
    ) -> Failure? {
        self.tasks.countMax = self.limits.tasksMax
        self.tasks.bytesMax = self.limits.taskBytesMax
        return self.tasks.accept(task, name, StoredPublish(message), terms: terms, now: now.nanoseconds)
    }

    /// A client of 3.x cannot be refused: its call waits in memory, and its acknowledgement for the commit.
    private func refusalForRoom(_ publish: Publish, from session: Int) -> Failure? {
        guard !self.journal.hasRoom, !self.waits(session, publish) else { return nil }
        return self.refusalForRoom
    }

    var refusalForRoom: Failure {
        Failure(
            .storeFull, .storeFull, executed: .none,
            "the store takes nothing new (\(self.journal.condition.rawValue)): try again later")
    }

    /// The outcome may go only where the caller itself may write.
    private func refusal(of properties: CallProperties, from session: Int) -> Failure? {
        for text in [properties.onSuccess, properties.onFailure] {
            guard let text else { continue }
            switch TaskDestination(text, limits: self.limits.topics) {
            case nil:
                return .invalidRequest(
                    "'\(text)' is no destination: \(PropertyName.onSuccess) and \(PropertyName.onFailure) "
                        + "are a topic, or fn:service/function")
            case .function(let name):
                guard self.standings[session].rights.mayPublish(CallTopic.async(name, nil).string) else {
                    return .notAuthorized("no right to call \(name)")
                }
            case .topic(let topic):
                guard case .plain = self.callKind(ofTopic: topic), self.standings[session].rights.mayPublish(topic)
                else { return .notAuthorized("no right to publish to \(topic)") }
            }
        }
        return nil
    }

    /// The same call once more: its task goes on, or has ended.
    private mutating func acceptAgain(
        _ task: String, _ isSame: Bool, _ name: FunctionName, _ address: CallAddress?, now: Timestamp
    ) -> ReasonCode {
        guard isSame else {
            let failure = Failure.duplicateMismatch(name)
            if let address { self.fail(failure, address, isReplay: false, now: now) }
            return ReasonCode(rawValue: failure.publishReasonCode)
        }
        // What is not yet on disk is not acknowledged either time: the change makes this acknowledgement wait.
        if let known = self.tasks[task], known.state == .accepted { self.store(known) }
        let confirmation = address.map { TaskConfirmation(address: $0, isReplay: true) }
        if self.tasks[task]?.state == .accepted {
            if let confirmation { self.confirmations[task, default: []].append(confirmation) }
            self.journal.wait(.task(task), for: self.journal.openNumber)
        } else if let confirmation {
            self.confirm(task, confirmation, now: now)
        }
        return .success
    }

    /// A task was accepted: it runs, and its caller hears of it, at once or when the store holds it.
    private mutating func begin(_ task: String, _ confirmation: TaskConfirmation?, now: Timestamp) {
        if let accepted = self.tasks[task], accepted.isStored {
            self.store(accepted)
            if let confirmation { self.confirmations[task, default: []].append(confirmation) }
            self.journal.wait(.task(task), for: self.journal.openNumber)
        } else {
            if let confirmation { self.confirm(task, confirmation, now: now) }
            self.advanceTasks(now: now)
        }
    }

    /// A dead letter lives again, with all its attempts; or why not.
    mutating func begin(_ letter: DeadLetter, now: Timestamp) -> Failure? {
        let properties = CallProperties(letter.publish)
        var terms = properties.terms
        if !properties.hasExpiry { terms.ageMaxNanoseconds = self.limits.taskAgeSeconds * 1_000_000_000 }
        terms.isStored = letter.isStored
        terms.byteCount = letter.publish.storedByteCount
        if let refusal = self.acceptInTable(letter.task, letter.function, letter.publish, terms, now: now) {
            return refusal
        }
        self.begin(letter.task, nil, now: now)
        return nil
    }

    mutating func taskCommitted(_ task: String, now: Timestamp) {
        for confirmation in self.confirmations.removeValue(forKey: task) ?? [] {
            self.confirm(task, confirmation, now: now)
        }
        self.tasks.release(task)
        self.advanceTasks(now: now)
    }

    /// The one 202 that says under which name the task can be asked for.
    private mutating func confirm(_ task: String, _ confirmation: TaskConfirmation, now: Timestamp) {
        let address = confirmation.address
        var properties: Properties = []
        if !address.correlation.isEmpty {
            properties.append(.correlationData(ByteBuffer(bytes: address.correlation.bytes)))
        }
        properties.append(.userProperty(name: PropertyName.status, value: CallStatus.accepted.description))
        properties.append(.userProperty(name: PropertyName.code, value: CallCode.accepted.rawValue))
        properties.append(.userProperty(name: PropertyName.task, value: task))
        if confirmation.isReplay { properties.append(.userProperty(name: PropertyName.replay, value: "1")) }
        self.publish(
            Publish(
                topic: address.replyTopic, qos: .atLeastOnce, properties: properties,
                payload: ByteBuffer(string: task)),
            from: nil, now: now)
    }

    // MARK: Attempts

    mutating func advanceTasks(now: Timestamp) {
        self.storeRemoval(ofTasks: self.taskMemory.advance(to: now))
        var effects: [TaskTable.Effect] = []
        self.tasks.advance(to: now.nanoseconds, effects: &effects)
        self.perform(effects, now: now)
    }

    /// An instance of the function is there.
    mutating func wakeTasks(of function: FunctionName, now: Timestamp) {
        var effects: [TaskTable.Effect] = []
        self.tasks.wake(function, now: now.nanoseconds, effects: &effects)
        self.perform(effects, now: now)
    }

    private mutating func perform(_ effects: [TaskTable.Effect], now: Timestamp) {
        for effect in effects {
            switch effect {
            case .attempt(let task):
                self.store(task)
                self.attempt(task, now: now)
            case .succeeded(let task): self.remember(task, as: .succeeded, now: now)
            case .dead(let task, let failure): self.taskDied(task, failure, now: now)
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
        var request = CallTable.Request(
            caller: TaskCaller.handle, function: task.function, address: address, digest: 0,
            message: StoredPublish(message),
            isRemembered: false)
        request.key = CallProperties(task.message.publish).key
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
        // Who the caller was stands in the message as it was accepted.
        added += Self.caller(in: task.message.publish)
        return added
    }

    static func caller(in publish: Publish) -> [Property] {
        [PropertyName.callerIdentifier, PropertyName.caller].compactMap { name in
            publish.properties.firstUserProperty(named: name).map { .userProperty(name: name, value: $0) }
        }
    }

    /// An attempt has ended, with `nil` well.
    mutating func taskEnded(_ task: String, _ failure: Failure?, isPermanent: Bool, now: Timestamp) {
        guard self.tasks[task]?.state == .running else { return }
        var effects: [TaskTable.Effect] = []
        self.tasks.attemptEnded(
            task, failure, isPermanent: isPermanent, now: now.nanoseconds, effects: &effects)
        if let waiting = self.tasks[task] { self.store(waiting) }
        self.perform(effects, now: now)
    }
}

extension Properties {
    mutating func append(contentsOf properties: [Property]) {
        for property in properties { self.append(property) }
    }
}
