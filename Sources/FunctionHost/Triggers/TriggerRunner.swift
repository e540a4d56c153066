// The whole of Foundation: time zones by name are not in its essentials.
import Foundation
import Logging

/// Sets one function off by messages, by the clock and by the start.
struct TriggerRunner: Sendable {
    /// Hand-overs to the bus at a time, for each filter: batches of messages, sent side by side.
    private static let sendersMax = 4
    private static let batchMax = 16
    /// How long messages that wait may hold up the end of the host.
    private static let flushMax = Duration.seconds(5)

    private struct TopicTrigger: Sendable {
        var filter: String
        var raw: Bool
        var trigger: FunctionTrigger
    }

    private struct Schedule: Sendable {
        var cron: CronSchedule
        var calendar: Calendar
        var trigger: FunctionTrigger
    }

    private let function: FunctionAddress
    private let client: any BusClient
    private let lanes: FilterLanes
    private let sender: TriggerSender
    private let statistics: TriggerStatistics
    private var topics: [TopicTrigger] = []
    private var schedules: [Schedule] = []
    private var starts: [FunctionTrigger] = []

    init(
        _ function: FunctionAddress, _ triggers: [FunctionTrigger], lanes: FilterLanes, in host: HostSurroundings
    ) {
        self.function = function
        self.client = host.client
        self.lanes = lanes
        self.statistics = host.triggerStatistics
        self.sender = TriggerSender(function, client: host.client, logger: host.logger)
        for trigger in triggers {
            switch trigger.source {
            case .topic(let filter, let raw):
                self.topics.append(TopicTrigger(filter: filter, raw: raw, trigger: trigger))
            case .schedule(let cron, let zone):
                var calendar = Calendar(identifier: .gregorian)
                calendar.timeZone = zone.flatMap(TimeZone.init(identifier:)) ?? .current
                self.schedules.append(Schedule(cron: cron, calendar: calendar, trigger: trigger))
            case .start: self.starts.append(trigger)
            }
        }
    }

    /// Runs until the task is cancelled; messages that were taken are handed on first.
    /// - Parameters:
    ///   - isStart: Whether triggers at the start are due.
    ///   - onReady: Called once, when messages and minutes are being watched.
    func run(isStart: Bool, onReady: @escaping @Sendable () -> Void) async throws {
        let ready = Countdown(from: self.topics.count + 1, then: onReady)
        try await withThrowingTaskGroup { group in
            for topic in self.topics {
                group.addTask { try await self.run(topic, onReady: { ready.count() }) }
            }
            group.addTask {
                ready.count()
                if isStart { await self.start() }
                await self.runSchedules()
            }
            // Each ends only by cancellation or by a failure; in both cases the others have to end too.
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: Messages

    private func run(_ topic: TopicTrigger, onReady: @escaping @Sendable () -> Void) async throws {
        let feed = TriggerFeed(limit: topic.trigger.queueMax, overflow: topic.trigger.overflow)
        self.statistics.begin(self.function, topic.filter, feed)
        // Not child tasks: what was taken from the bus is handed on after the cancellation as well.
        let senders = (0..<Self.sendersMax).map { _ in Task { await self.send(from: feed, topic) } }
        let outcome: Result<Void, any Error>
        do {
            try await self.subscribe(topic, feed, onReady: onReady)
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        feed.finish()
        await self.flush(feed, senders)
        let shed = feed.counts.shed
        if shed > 0 { self.sender.tell("lost \(shed) messages of \(topic.filter) in all") }
        try outcome.get()
    }

    private func subscribe(
        _ topic: TopicTrigger, _ feed: TriggerFeed, onReady: @escaping @Sendable () -> Void
    ) async throws {
        // Hosts that run the same function share its messages: each sets the function off once.
        let shared = "$share/fc-trigger-\(self.function.service)-\(self.function.function)/\(topic.filter)"
        let hasWildcardAtFirst = topic.filter.hasPrefix("#") || topic.filter.hasPrefix("+")
        let onMessage: @Sendable (IncomingMessage) async -> Void = { message in
            // Calls are messages too; a function that is set off by "#" means none of them, least of all its own.
            if hasWildcardAtFirst, message.topic.hasPrefix(CallProperty.topicPrefix) { return }
            guard let shed = feed.offer(message) else { return }
            self.sender.tell(
                "lost \(shed) messages of \(topic.filter) so far: \(topic.trigger.queueMax) wait already "
                    + "(overflow: \(topic.trigger.overflow.rawValue))")
        }
        guard self.lanes.claim(topic.filter) else {
            return try await self.client.withSeparateClient { client in
                try await client.subscribe([shared], onReady: onReady, onMessage: onMessage)
            }
        }
        defer { self.lanes.release(topic.filter) }
        try await self.client.subscribe([shared], onReady: onReady, onMessage: onMessage)
    }

    private func send(from feed: TriggerFeed, _ topic: TopicTrigger) async {
        while true {
            let messages = await feed.next(max: Self.batchMax)
            guard !messages.isEmpty else { return }
            await withDiscardingTaskGroup { group in
                for message in messages {
                    group.addTask {
                        let isTaken = await self.sender.send(
                            TriggerEvent.message(message, raw: topic.raw), topic.trigger, hops: message.hops,
                            cause: "topic \(message.topic)")
                        if !isTaken { feed.refused() }
                    }
                }
            }
        }
    }

    private func flush(_ feed: TriggerFeed, _ senders: [Task<Void, Never>]) async {
        let limit = Task {
            // Cancelled when everything was handed on in time.
            guard (try? await Task.sleep(for: Self.flushMax)) != nil else { return }
            _ = feed.abandon()
            for sender in senders { sender.cancel() }
        }
        for sender in senders { await sender.value }
        limit.cancel()
    }

    // MARK: Clock and start

    private func start() async {
        for trigger in self.starts {
            await self.sender.send(TriggerEvent.start(at: Date()), trigger, cause: "the start")
        }
    }

    private func runSchedules() async {
        guard !self.schedules.isEmpty else { return await Self.sleepUntilCancelled() }
        var watch = MinuteWatch(now: Date().timeIntervalSince1970)
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let pause = MinuteWatch.untilNextMinute(Date().timeIntervalSince1970)
                guard (try? await Task.sleep(for: pause)) != nil else { return }
                for tick in watch.advance(to: Date().timeIntervalSince1970).flatMap(self.ticks(at:)) {
                    group.addTask { await self.send(tick) }
                }
            }
        }
    }

    /// What is due in a minute; the same in every host of the function.
    ///
    /// - Parameter minute: Its start in seconds since 1970.
    func ticks(at minute: Double) -> [TriggerSender.Tick] {
        self.schedules.filter { $0.cron.matches(MinuteWatch.civil(minute, $0.calendar)) }.map { schedule in
            TriggerSender.Tick(
                event: TriggerEvent.tick(schedule.cron, at: Date(timeIntervalSince1970: minute)),
                attempts: schedule.trigger.attempts,
                name: OnceName(
                    self.function, schedule: "\(schedule.cron) \(schedule.calendar.timeZone.identifier)", minute: minute
                ),
                cause: "schedule \(schedule.cron)")
        }
    }

    func send(_ tick: TriggerSender.Tick) async {
        await self.sender.send(tick)
    }

    private static func sleepUntilCancelled() async {
        // Ends by cancellation only: its error is the way out.
        while (try? await Task.sleep(for: .seconds(3_600))) != nil {}
    }
}
