import BusCalls
import BusContract
import BusSession
import BusWire
import NIOCore

/// The platform's own functions: called like any other, answered by the broker itself.
enum SystemOperation: String, CaseIterable {
    case catalog, stats, drain
    case taskGet = "task-get"
    case taskCancel = "task-cancel"
    case deadList = "dead-list"
    case deadRequeue = "dead-requeue"
    case deadPurge = "dead-purge"

    /// Whether it changes what outlives the process.
    var changesTasks: Bool {
        switch self {
        case .taskCancel, .deadRequeue, .deadPurge: true
        case .catalog, .stats, .drain, .taskGet, .deadList: false
        }
    }
}

/// What the broker has to say to an operator, and to whom.
struct OperatorAnswer: Sendable {
    var result: Result<JSONText, Failure>
    var address: CallAddress
    var session: Int
    var generation: UInt32
}

extension Broker {
    mutating func acceptOperation(
        _ publish: Publish, _ name: FunctionName, _ levels: ReplyLevels?, from session: Int, now: Timestamp
    ) -> ReasonCode {
        let properties = CallProperties(publish)
        guard let address = Self.address(properties, levels) else { return .implementationSpecificError }
        guard self.mayBeAnswered(session, at: address.replyTopic) else { return .notAuthorized }
        do throws(Failure) {
            if let failure = properties.refusal(of: name) { throw failure }
            guard let operation = SystemOperation(rawValue: name.function) else { throw .noFunction(name) }
            let terms = try OperationTerms(publish)
            guard operation.changesTasks else {
                let answer = try self.perform(operation, terms, now: now)
                self.answerOperator(answer, at: address, to: session, now: now)
                return .success
            }
            try self.refuseWithoutRoom(for: operation)
            let result = Result { () throws(Failure) in try self.perform(operation, terms, now: now) }
            self.giveWhenStored(
                OperatorAnswer(
                    result: result, address: address, session: session,
                    generation: self.sessions.generation(of: session)), now: now)
            if case .failure(let failure) = result { return ReasonCode(rawValue: failure.publishReasonCode) }
            return .success
        } catch {
            self.fail(error, address, isReplay: false, now: now)
            return ReasonCode(rawValue: error.publishReasonCode)
        }
    }

    /// What is done twice says the second time what the first one left, which may not be on disk either: so everything so
    /// far is waited for, whether this operation itself has changed anything or not.
    private mutating func giveWhenStored(_ answer: OperatorAnswer, now: Timestamp) {
        let number = self.journal.latestNumber
        if number <= self.journal.committed {
            self.give(answer, now: now)
        } else {
            self.journal.wait(.answer(answer), for: number)
        }
    }

    mutating func give(_ answer: OperatorAnswer, now: Timestamp) {
        guard self.sessions.isOccupied(answer.session, generation: answer.generation) else { return }
        switch answer.result {
        case .success(let text): self.answerOperator(text, at: answer.address, to: answer.session, now: now)
        case .failure(let failure): self.fail(failure, answer.address, isReplay: false, now: now)
        }
    }

    /// Letters that are to live again are new work. What goes away is let go while the disk is full, and is told when
    /// that is on disk; after a failure nothing would ever be told.
    private func refuseWithoutRoom(for operation: SystemOperation) throws(Failure) {
        guard self.journal.isOn, !self.journal.hasRoom else { return }
        guard self.journal.condition == .failed || operation == .deadRequeue else { return }
        throw self.refusalForRoom
    }

    private mutating func perform(
        _ operation: SystemOperation, _ terms: OperationTerms, now: Timestamp
    ) throws(Failure) -> JSONText {
        switch operation {
        case .catalog: return self.catalogReport(of: terms)
        case .stats: return self.statisticsReport(of: terms, now: now)
        case .drain:
            let count = self.drain(service: terms.service, instance: terms.instance, now: now)
            return .object([("drained", .integer(count))])
        case .taskGet: return try self.taskReport(of: try terms.requireTask(), now: now)
        case .taskCancel: return try self.cancelTask(try terms.requireTask(), now: now)
        case .deadList: return self.deadLetters.report(of: terms, now: now)
        case .deadRequeue: return self.requeueDead(terms, now: now)
        case .deadPurge:
            let purged = self.deadLetters.take { terms.selects($0) }
            self.storeRemoval(ofTasks: purged.filter(\.isStored).map(\.task))
            return .object([("purged", .integer(purged.count))])
        }
    }

    /// Gives an operator the broker's answer.
    mutating func answerOperator(_ answer: JSONText, at address: CallAddress, to session: Int, now: Timestamp) {
        var properties: Properties = [.payloadFormatIndicator(1), .contentType(Failure.contentType)]
        if !address.correlation.isEmpty {
            properties.append(.correlationData(ByteBuffer(bytes: address.correlation.bytes)))
        }
        properties.append(.userProperty(name: PropertyName.status, value: CallStatus.ok.description))
        properties.append(.userProperty(name: PropertyName.code, value: CallCode.ok.rawValue))
        properties.append(.userProperty(name: PropertyName.by, value: Failure.Origin.broker.rawValue))
        let reply = Publish(
            topic: address.replyTopic, qos: .atLeastOnce, properties: properties,
            payload: ByteBuffer(string: answer.text))
        // The reply address was validated with the request.
        guard let route = try? self.route(for: reply),
            let name = try? FunctionName(systemOperation: SystemOperation.stats.rawValue)
        else { return }
        let answered = CallTable.Answered(
            caller: ClientHandle(rawValue: UInt32(session)), function: name, address: address)
        self.statistics.callsAnswered += 1
        self.forward(
            reply, ReplyProperties(reply, errorStatus: nil), to: answered, along: route, now: now)
    }

    // MARK: Tasks

    private func taskReport(of identifier: String, now: Timestamp) throws(Failure) -> JSONText {
        if let task = self.tasks[identifier] {
            let next = task.state == .waiting ? task.nextAttempt : nil
            return .object([
                ("task", .string(identifier)), ("function", .string(task.function.description)),
                ("state", .string(TaskPhase(task).word)), ("attempts", .integer(task.attempts)),
                ("attemptsMax", .integer(task.attemptsMax)),
                ("nextAttemptInMs", next.map { Self.milliseconds(until: $0, now: now) } ?? .null),
                ("expiresInMs", Self.milliseconds(until: task.expiresAt, now: now)),
            ])
        }
        if let letter = self.deadLetters[identifier] { return letter.report(now: now) }
        guard let ended = self.taskMemory.ended(identifier) else { throw Self.noTask(identifier) }
        return .object([
            ("task", .string(identifier)), ("function", .string(ended.function.description)),
            ("state", .string(ended.phase.word)), ("attempts", .integer(ended.attempts)),
            ("endedAgoMs", .integer(Int(clamping: now.nanoseconds(since: ended.endedAt) / 1_000_000))),
        ])
    }

    static func milliseconds(until instant: UInt64, now: Timestamp) -> JSONText {
        .integer(Int(clamping: Timestamp(nanoseconds: instant).nanoseconds(since: now) / 1_000_000))
    }

    private static func noTask(_ identifier: String) -> Failure {
        Failure(
            .noFunction, .noFunction, executed: .none,
            "no task '\(identifier)' is known here: it ended more than ten minutes ago, or never was")
    }

    private mutating func cancelTask(_ identifier: String, now: Timestamp) throws(Failure) -> JSONText {
        guard let task = self.tasks.cancel(identifier) else { throw Self.noTask(identifier) }
        if task.state == .running {
            self.calls.cancel(
                by: TaskCaller.handle, TaskCaller.address(of: identifier), waits: false, now: now.nanoseconds,
                effects: &self.callEffects)
        }
        self.remember(task, as: .cancelled, now: now)
        return .object([("task", .string(identifier)), ("state", .string(TaskPhase.cancelled.word))])
    }

    /// Dead letters live again with all their attempts; what the table has no room for stays dead.
    private mutating func requeueDead(_ terms: OperationTerms, now: Timestamp) -> JSONText {
        var requeued = 0
        for letter in self.deadLetters.take({ terms.selects($0) }) {
            if self.begin(letter, now: now) == nil { requeued += 1 } else { self.bury(letter) }
        }
        self.advanceTasks(now: now)
        return .object([("requeued", .integer(requeued))])
    }
}

/// What a call to one of the platform's functions asks about: an empty payload, or a JSON object.
struct OperationTerms: Sendable {
    var service: String?
    var function: FunctionName?
    var instance: String?
    var task: String?

    init(_ publish: Publish) throws(Failure) {
        guard publish.payloadLength > 0 else { return }
        do throws(ContractError) {
            let json = try JSONText(parsing: String(buffer: publish.payload))
            guard json.isObject else { throw ContractError("the terms must be a JSON object") }
            self.service = json["service"]?.string
            self.function = try json["function"]?.string.map { text throws(ContractError) in
                try FunctionName(parsing: text)
            }
            self.instance = json["instance"]?.string
            self.task = json["task"]?.string
        } catch {
            throw .invalidRequest(error.description)
        }
    }

    func requireTask() throws(Failure) -> String {
        guard let task = self.task else { throw .invalidRequest("say which: {\"task\":\"t-…\"}") }
        return task
    }

    func selects(_ name: FunctionName) -> Bool {
        (self.function.map { $0 == name } ?? true) && (self.service.map { $0 == name.service } ?? true)
    }

    func selects(_ letter: DeadLetter) -> Bool {
        self.selects(letter.function) && (self.task.map { $0 == letter.task } ?? true)
    }
}
