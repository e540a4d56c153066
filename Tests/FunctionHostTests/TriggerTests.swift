import Foundation
import Testing

@testable import FunctionHost

@Suite("Triggers", .timeLimit(.minutes(2)))
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
}
