import BusCalls
import BusContract
import BusSession
import BusWire
import NIOCore

/// How the attempts of one-way calls end, and what follows.
extension Broker {
    mutating func taskAnswered(
        _ publish: Publish, at address: CallAddress, _ outcome: CallTable.Outcome, now: Timestamp
    ) {
        guard let task = TaskCaller.task(of: address) else { return }
        guard !outcome.status.isSuccess else {
            let message = self.tasks[task]?.message.publish
            self.taskEnded(task, nil, isPermanent: false, now: now)
            guard let message, let text = message.properties.firstUserProperty(named: PropertyName.onSuccess) else {
                return
            }
            self.send(Self.result(publish, of: task, for: message), to: text, isStored: true, now: now)
            return
        }
        let properties = publish.properties
        var failure = Failure(
            outcome.status,
            CallCode(rawValue: properties.firstUserProperty(named: PropertyName.code) ?? "UNKNOWN"),
            executed: outcome.executed,
            properties.firstUserProperty(named: PropertyName.statusMessage) ?? "the function failed")
        let delay = properties.firstUserProperty(named: PropertyName.retryAfter)
        failure.retryAfterMilliseconds = delay.flatMap { Int($0) }
        let isPermanent = properties.firstUserProperty(named: PropertyName.retry) == "no"
        self.taskEnded(task, failure, isPermanent: isPermanent, now: now)
    }

    mutating func taskFailed(_ task: String, _ failure: Failure, now: Timestamp) {
        self.taskEnded(task, failure, isPermanent: false, now: now)
    }

    // MARK: Dead letters

    /// The original payload and properties, and why it came to this.
    mutating func taskDied(_ task: TaskTable.Task, _ failure: Failure, now: Timestamp) {
        let message = task.message.publish
        var properties = message.properties.removing { $0 == .messageExpiryInterval || $0 == .topicAlias }
        properties.append(.userProperty(name: PropertyName.task, value: task.identifier))
        properties.append(.userProperty(name: PropertyName.attempts, value: "\(task.attempts)"))
        properties.append(.userProperty(name: PropertyName.lastStatus, value: failure.status.description))
        properties.append(.userProperty(name: PropertyName.reason, value: failure.message))
        let letter = Publish(
            topic: CallTopic.dead(task.function).string, qos: .atLeastOnce, properties: properties,
            payload: message.payload)
        self.publish(letter, from: nil, now: now)
        self.bury(
            DeadLetter(
                task: task.identifier, function: task.function, publish: message, attempts: task.attempts,
                failure: failure, diedAt: now, phase: TaskPhase(task), isStored: task.isStored))
        self.report(.dead, of: task.function, "task \(task.identifier): \(failure.message)", now: now)
        guard let text = message.properties.firstUserProperty(named: PropertyName.onFailure) else { return }
        var copy = letter
        copy.properties = Self.withoutTerms(properties)
        self.send(copy, to: text, isStored: task.isStored, now: now)
    }

    /// Keeps a dead letter, here and in the store; beyond their bounds the oldest are forgotten.
    mutating func bury(_ letter: DeadLetter) {
        self.store(letter)
        let removed = self.deadLetters.append(letter)
        self.storeRemoval(ofTasks: removed.filter(\.isStored).map(\.task))
    }

    // MARK: Destinations

    /// What a destination gets: the result's content, which task it is of, and who called.
    private static func result(_ reply: Publish, of task: String, for message: Publish) -> Publish {
        var properties: Properties = []
        for property in reply.properties {
            switch property {
            case .contentType, .payloadFormatIndicator: properties.append(property)
            default: continue
            }
        }
        properties.append(.userProperty(name: PropertyName.task, value: task))
        for property in Self.caller(in: message) { properties.append(property) }
        return Publish(topic: "", qos: .atLeastOnce, properties: properties, payload: reply.payload)
    }

    /// What a task says about its own attempts and answers is nothing to the one that follows it.
    private static func withoutTerms(_ properties: Properties) -> Properties {
        let own = [
            PropertyName.onSuccess, PropertyName.onFailure, PropertyName.notBefore, PropertyName.attemptsMax,
            PropertyName.backoff,
        ]
        var kept: Properties = []
        for property in properties {
            switch property {
            case .responseTopic, .correlationData: continue
            case .userProperty(let name, _) where own.contains(name): continue
            default: kept.append(property)
            }
        }
        return kept
    }

    private mutating func send(_ message: Publish, to text: String, isStored: Bool, now: Timestamp) {
        // It was looked at when the task was accepted.
        switch TaskDestination(text, limits: self.limits.topics) {
        case nil: return
        case .topic(let topic): self.publish(message.replacingTopic(topic), from: nil, now: now)
        case .function(let name):
            let topic = CallTopic.async(name, nil).string
            let next = DeadLetter(
                task: self.makeIdentifier(prefix: "t-"), function: name, publish: message.replacingTopic(topic),
                attempts: 0, failure: .storeFull(limit: self.limits.tasksMax), diedAt: now,
                isStored: self.journal.isOn && isStored && self.durability.stores(topic: topic))
            if self.begin(next, now: now) != nil { self.bury(next) }
        }
    }
}
