import Logging
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Sets functions off by messages and by the clock.
struct TriggerRunner: Sendable {
    private struct TopicTrigger: Sendable {
        var filter: String
        var raw: Bool
        var function: any HostedFunction
    }

    private struct ScheduleTrigger: Sendable {
        var schedule: CronSchedule
        var function: any HostedFunction
    }

    private let client: any BusClient
    private let logger: Logger
    private let topics: [TopicTrigger]
    private let schedules: [ScheduleTrigger]
    private let journal = TriggerJournal()

    init(_ functions: [any HostedFunction], client: any BusClient, logger: Logger) {
        self.client = client
        self.logger = logger
        var topics: [TopicTrigger] = []
        var schedules: [ScheduleTrigger] = []
        for function in functions {
            for trigger in function.manifest.triggers {
                switch trigger {
                case .topic(let filter, let raw):
                    topics.append(TopicTrigger(filter: filter, raw: raw, function: function))
                case .schedule(let schedule):
                    schedules.append(ScheduleTrigger(schedule: schedule, function: function))
                }
            }
        }
        self.topics = topics
        self.schedules = schedules
    }

    /// Runs until the task is cancelled; invocations under way are finished first.
    /// - Parameter onReady: Called once, when messages and minutes are being watched.
    func run(onReady: @escaping @Sendable () -> Void) async throws {
        guard !self.topics.isEmpty else {
            onReady()
            return await self.runSchedules()
        }
        try await withThrowingTaskGroup { group in
            group.addTask { try await self.runTopics(onReady: onReady) }
            group.addTask { await self.runSchedules() }
            try await group.next()
            group.cancelAll()
        }
    }

    private func runTopics(onReady: @escaping @Sendable () -> Void) async throws {
        // Invocations live in tasks of their own: a slow function must not hold up the messages of the others.
        let invocations = TriggerInvocations()
        let filters = Set(self.topics.map(\.filter)).sorted()
        try await invocations.run {
            try await self.client.subscribe(filters, onReady: onReady) { message in
                for trigger in self.topics where TriggerFilter.matches(trigger.filter, message.topic) {
                    let event = TriggerEvent.message(message, raw: trigger.raw)
                    invocations.start { await self.invoke(trigger.function, event, cause: "topic \(message.topic)") }
                }
            }
        }
    }

    private func runSchedules() async {
        guard !self.schedules.isEmpty else { return await Self.sleepUntilCancelled() }
        let calendar = Calendar.current
        var watch = MinuteWatch(now: Date().timeIntervalSince1970)
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let pause = MinuteWatch.untilNextMinute(Date().timeIntervalSince1970)
                guard (try? await Task.sleep(for: pause)) != nil else { return }
                for minute in watch.advance(to: Date().timeIntervalSince1970) {
                    let civil = MinuteWatch.civil(minute, calendar)
                    for trigger in self.schedules where trigger.schedule.matches(civil) {
                        let event = TriggerEvent.tick(trigger.schedule, at: Date(timeIntervalSince1970: minute))
                        let cause = "schedule \(trigger.schedule)"
                        group.addTask { await self.invoke(trigger.function, event, cause: cause) }
                    }
                }
            }
        }
    }

    /// Runs one invocation to its end, which the function's own limits bring about, also while the host is ending.
    private func invoke(_ function: any HostedFunction, _ event: [UInt8], cause: String) async {
        let request = HostedCall(payload: event, requestIdentifier: "trigger-\(self.journal.next())")
        // A task of its own: the cancellation that ends the host must not abandon what already runs.
        let outcome = await Task { () async throws(CallFailure) in try await function.call(request) }.result
        guard case .failure(let failure) = outcome, case .pass(let dropped) = self.journal.admit() else { return }
        let before = dropped > 0 ? " (\(dropped) more such lines were dropped before)" : ""
        self.logger.warning("\(function.manifest.address), set off by \(cause), failed: \(failure)\(before)")
    }

    private static func sleepUntilCancelled() async {
        // Ends by cancellation only: its error is the way out.
        while (try? await Task.sleep(for: .seconds(3_600))) != nil {}
    }
}

/// Numbers invocations, which have no caller's identifier, and bounds the lines about failed ones.
private final class TriggerJournal: Sendable {
    private let last = Atomic<Int>(0)
    private let throttle = Mutex(LogThrottle())
    private let origin = ContinuousClock.now

    func next() -> Int { self.last.add(1, ordering: .relaxed).newValue }

    func admit() -> LogThrottle.Verdict {
        let now = ContinuousClock.now - self.origin
        return self.throttle.withLock { $0.admit(now: now) }
    }
}

/// The invocations that messages started, as children of one task group.
///
/// How many may be open follows from the functions themselves: beyond workers and queue their pool refuses at once.
private final class TriggerInvocations: Sendable {
    private let work: AsyncStream<@Sendable () async -> Void>
    private let sender: AsyncStream<@Sendable () async -> Void>.Continuation

    init() {
        (self.work, self.sender) = AsyncStream.makeStream()
    }

    func start(_ invocation: @escaping @Sendable () async -> Void) {
        self.sender.yield(invocation)
    }

    func run(_ source: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask {
                defer { self.sender.finish() }
                try await source()
            }
            for await invocation in self.work { group.addTask { await invocation() } }
        }
    }
}
