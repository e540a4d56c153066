import Foundation
import Logging
import Testing

@testable import FunctionHost

@Suite("Triggers", .timeLimit(.minutes(5)))
struct TriggerTests {
    @Test("A message becomes an event with topic and text; raw hands over the bare bytes")
    func events() {
        let text = IncomingMessage(topic: "a/b", payload: Array("ü\"".utf8))
        #expect(TriggerEvent.message(text, raw: false) == Array(#"{"payload":"ü\"","topic":"a/b"}"#.utf8))
        #expect(TriggerEvent.message(text, raw: true) == text.payload)
        let binary = IncomingMessage(topic: "a/b", payload: [0xFF])
        let expected = #"{"encoding":"base64","payload":"/w==","topic":"a/b"}"#
        #expect(TriggerEvent.message(binary, raw: false) == Array(expected.utf8))
    }

    @Test("A schedule's event names the schedule and the minute")
    func ticks() throws {
        let event = TriggerEvent.tick(try CronSchedule("*/5 * * * *"), at: Date(timeIntervalSince1970: 1_772_625_925))
        #expect(event == Array(#"{"schedule":"*/5 * * * *","time":"2026-03-04T12:05:00Z"}"#.utf8))
    }

    @Test("The thermostat example calls the fan and publishes, for warm rooms only")
    func thermostat() async throws {
        try await TestHost.with(TestHost.examples) { host in
            #expect(host.bus.filters == ["$share/fc-trigger-EdgeFC-thermostat/devices/+/temperature"])
            await host.bus.deliver(IncomingMessage(topic: "devices/d1/temperature", payload: Array("21".utf8)))
            await host.bus.deliver(IncomingMessage(topic: "devices/d2/temperature", payload: Array("27.5".utf8)))
            #expect(await host.log.wait(for: "fan of d2 now at 50 %"))
            let start = ContinuousClock.now
            while host.bus.published.isEmpty, ContinuousClock.now - start < .seconds(60) {
                try? await Task.sleep(for: .milliseconds(5))
            }
            let message = try #require(host.bus.published.first)
            #expect(message.topic == "rooms/d2/cooling")
            #expect(message.payload == Array(#"{"celsius": 27.5, "fan": 50}"#.utf8))
            #expect(host.bus.calls.count == 1)
        }
    }

    @Test("Each function gets the messages of its own filters; a failure is logged and stops nothing")
    func filters() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "raw", "def handler(event, context): print('raw got', event)",
            "triggers: [{ topic: 'x/#', raw: true }, { topic: 'y' }]")
        try folder.python(
            "other", "def handler(event, context): raise ValueError('not today')", "triggers: [{ topic: 'x/1' }]")
        try await TestHost.with(folder) { host in
            let own = ["$share/fc-trigger-T-raw/x/#", "$share/fc-trigger-T-raw/y"]
            #expect(host.bus.filters == ["$share/fc-trigger-T-other/x/1"] + own)
            // One connection could not tell for which of two overlapping filters a copy came.
            #expect(host.bus.separateClients == 1)
            await host.bus.deliver(IncomingMessage(topic: "x/1", payload: [0xFF]))
            #expect(await host.log.wait(for: #"raw got b'\xff'"#))
            #expect(await host.log.wait(for: "the handler failed: ValueError: not today"))
            await host.bus.deliver(IncomingMessage(topic: "x/2", payload: [0x41]))
            #expect(await host.log.wait(for: "raw got b'A'"))
        }
    }

    @Test("D11: an invocation that runs while the host ends is finished, with the calls in it")
    func drains() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "slow",
            """
            import time, lecoresdk
            def handler(event, context):
                open("running", "w").close()
                time.sleep(0.3)
                answer = lecoresdk.Client().invoke_function({"functionId": "T/other"})
                open(answer["payload"], "w").close()
            """, "triggers: [{ topic: 'x' }]")
        let bus = FakeBus()
        try bus.answer("T/other") { _ in HostedReply(payload: Array("finished".utf8)) }
        try await TestHost.with(folder, bus: bus) { host in
            await host.bus.deliver(IncomingMessage(topic: "x", payload: []))
            while !FileManager.default.fileExists(atPath: "\(folder.path)/slow/running") {
                try? await Task.sleep(for: .milliseconds(5))
            }
        }
        #expect(FileManager.default.fileExists(atPath: "\(folder.path)/slow/finished"))
    }

    /// Waits until the bus has taken so many async calls.
    private static func wait(_ bus: FakeBus, for count: Int) async throws {
        let start = ContinuousClock.now
        while bus.sent.count < count, ContinuousClock.now - start < .seconds(60) {
            try await Task.sleep(for: .milliseconds(2))
        }
        #expect(bus.sent.count == count)
    }

    private static func folder(_ trigger: String) throws -> FunctionFolder {
        let folder = try FunctionFolder()
        try folder.write(
            "service: T\nfunction: f\nruntime: exec\nhandler: cat\ntriggers:\n  - \(trigger)", to: "f/function.yaml")
        return folder
    }

    @Test("Ten thousand messages at once become ten thousand async calls, within a second or two")
    func burst() async throws {
        let bus = FakeBus(runsAsync: false)
        try await TestHost.with(Self.folder("{ topic: x, raw: true, attempts: 5 }"), bus: bus, weight: HostSlots.all) {
            host in
            let start = ContinuousClock.now
            for number in 0..<10_000 {
                await bus.deliver(IncomingMessage(topic: "x", payload: Array("\(number)".utf8)))
            }
            try await Self.wait(bus, for: 10_000)
            #expect(ContinuousClock.now - start < .seconds(30))
            #expect(Set(bus.sent.map(\.payload)).count == 10_000)
            #expect(bus.sent.allSatisfy { $0.attempts == 5 && $0.hops == 1 })
        }
    }

    @Test(
        "What the bus does not take in time is given up by the stated rule, and counted",
        arguments: ["dropOldest", "dropNewest"])
    func shed(_ rule: String) async throws {
        let gate = Flag()
        let bus = FakeBus(runsAsync: false, gate: gate)
        let trigger = "{ topic: x, raw: true, queue: 100, overflow: \(rule) }"
        let log = try await TestHost.with(Self.folder(trigger), bus: bus) { host in
            for number in 0..<1_000 {
                await bus.deliver(IncomingMessage(topic: "x", payload: Array("\(number)".utf8)))
            }
            gate.raise()
            let start = ContinuousClock.now
            // Those that wait, and those that the senders had taken before.
            while bus.sent.count < 100, ContinuousClock.now - start < .seconds(60) {
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(
                host.log.all.contains {
                    $0.contains("lost 1 messages of x so far: 100 wait already (overflow: \(rule)")
                })
            return host.log
        }
        let sent = Set(bus.sent.map { String(decoding: $0.payload, as: UTF8.self) })
        #expect(sent.contains("999") == (rule == "dropOldest"))
        #expect(log.all.contains { $0.contains("T/f lost \(1_000 - sent.count) messages of x in all") })
        let counts = try bus.triggers?.counts(#require(FunctionAddress("T/f")), "x")
        #expect(counts == TriggerStatistics.Counts(taken: sent.count, shed: 1_000 - sent.count))
    }

    @Test("Two hosts with the same function: each message sets it off once")
    func twoHosts() async throws {
        let bus = FakeBus(runsAsync: false)
        let folder = try Self.folder("{ topic: 'x/#' }")
        try await TestHost.with(folder, bus: bus) { _ in
            try await TestHost.with(folder, bus: bus, weight: 0) { _ in
                for number in UInt8(0)..<10 { await bus.deliver(IncomingMessage(topic: "x/y", payload: [number])) }
                try await Self.wait(bus, for: 10)
            }
        }
        #expect(bus.sent.count == 10)
    }

    @Test("A trigger at the start fires once, when the host is up")
    func start() async throws {
        let bus = FakeBus(runsAsync: false)
        try await TestHost.with(Self.folder("{ start: true }"), bus: bus) { _ in
            try await Self.wait(bus, for: 1)
            let event = String(decoding: bus.sent.first?.payload ?? [], as: UTF8.self)
            #expect(event.hasPrefix(#"{"start":true,"time":"2"#))
        }
        #expect(bus.sent.count == 1)
    }

    @Test("A message that functions have passed around too often sets nothing off, and the log says so")
    func loop() async throws {
        let bus = FakeBus(runsAsync: false)
        try await TestHost.with(Self.folder("{ topic: x }"), bus: bus) { host in
            await bus.deliver(IncomingMessage(topic: "x", payload: [], hops: 16))
            #expect(await host.log.wait(for: "T/f was not set off by topic x: 508 LOOP"))
            await bus.deliver(IncomingMessage(topic: "x", payload: [], hops: 15))
            try await Self.wait(bus, for: 1)
            #expect(bus.sent.first?.hops == 16)
        }
    }

    @Test("A filter for everything is on a connection of its own, and no call of the bus sets it off")
    func everything() async throws {
        let bus = FakeBus(runsAsync: false)
        try await TestHost.with(Self.folder("{ topic: '#' }"), bus: bus) { _ in
            #expect(bus.separateClients == 1)
            await bus.deliver(IncomingMessage(topic: "fc/T/f/async", payload: [1]))
            await bus.deliver(IncomingMessage(topic: "x", payload: [2]))
            try await Self.wait(bus, for: 1)
            #expect(bus.sent.first?.payload == Array(#"{"payload":"\u0002","topic":"x"}"#.utf8))
        }
    }

    @Test("An event that the bus refuses for a while is offered again; one that it refuses for good is not")
    func refusals() async throws {
        let bus = RefusingBus()
        let address = try #require(FunctionAddress("T/f"))
        let log = LogRecord()
        let sender = TriggerSender(address, client: bus, logger: Logger(label: "test") { _ in log.handler() })
        await sender.send([1], FunctionTrigger(.start), cause: "a test")
        #expect(bus.offers.value == 3)
        await sender.send([2], FunctionTrigger(.start), cause: "a test")
        #expect(bus.offers.value == 4)
        #expect(log.all.contains { $0.contains("T/f could not be set off by a test: 403 NOT_AUTHORIZED") })
    }

    /// Takes the first event at the third offer, and the second one not at all.
    private final class RefusingBus: BusClient {
        let offers = Tally()

        func send(_ call: OutgoingCall) async throws(CallFailure) -> String? {
            self.offers.add()
            if call.payload == [2] { throw CallFailure(403, "NOT_AUTHORIZED", executed: .none, "not you") }
            if self.offers.value < 3 { throw CallFailure(507, "STORE_FULL", executed: .none, "full") }
            return nil
        }

        func call(_ call: OutgoingCall) async throws(CallFailure) -> HostedReply { HostedReply() }
        func publish(_ message: OutgoingMessage) async throws(CallFailure) {}
        func serve(_ functions: [ServedFunction], onReady: @escaping @Sendable () -> Void) async throws {}
        func subscribe(
            _ filters: [String], onReady: @escaping @Sendable () -> Void,
            onMessage: @escaping @Sendable (IncomingMessage) async -> Void
        ) async throws {}
        func reportTriggers(_ statistics: TriggerStatistics) {}
        func withSeparateClient(_ body: @Sendable (any BusClient) async throws -> Void) async throws {}
    }
}
