import Foundation
import Logging
import Synchronization
import Testing

@testable import FunctionHost

@Suite("Schedules of several hosts")
struct ScheduleTests {
    private static func runner(on bus: FakeBus, _ schedules: [String], zone: String = "UTC") throws -> TriggerRunner {
        let triggers = try schedules.map { FunctionTrigger(.schedule(try CronSchedule($0), zone: zone)) }
        let surroundings = HostSurroundings(
            client: bus, settings: HostSettings(), python: nil, logger: Logger(label: "test"))
        return TriggerRunner(
            try #require(FunctionAddress("T/f")), triggers, lanes: FilterLanes(), in: surroundings)
    }

    private static let noon = 1_772_625_600.0

    @Test("Hosts of one function name the same minute alike: the bus makes one async call of it")
    func once() async throws {
        let bus = FakeBus(runsAsync: false)
        for _ in 0..<3 {
            let runner = try Self.runner(on: bus, ["* * * * *"])
            for tick in runner.ticks(at: Self.noon) { await runner.send(tick) }
        }
        #expect(bus.sent.count == 1)
        let call = try #require(bus.sent.first)
        #expect(call.once?.client == "fcbus-schedule-T-f")
        #expect(String(decoding: call.payload, as: UTF8.self).contains(#""time":"2026-03-04T12:00:00Z""#))
    }

    @Test("Another minute, another schedule and another time zone are other calls")
    func distinct() throws {
        let bus = FakeBus(runsAsync: false)
        let runner = try Self.runner(on: bus, ["* * * * *", "*/2 * * * *"])
        let elsewhere = try Self.runner(on: bus, ["* * * * *"], zone: "Europe/Berlin")
        let ticks = runner.ticks(at: Self.noon) + runner.ticks(at: Self.noon + 60) + elsewhere.ticks(at: Self.noon)
        #expect(Set(ticks.map(\.name)).count == 4)
        #expect(ticks.count == 4)
    }

    @Test("The name of a call fits into correlation data, however long the schedule is")
    func length() throws {
        let runner = try Self.runner(
            on: FakeBus(), ["0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29 * * * *"])
        let name = try #require(runner.ticks(at: Self.noon).first?.name)
        #expect((1...64).contains(name.call.utf8.count))
    }

    @Test("A host that lost its place to another one offers the call again: that cannot run it twice")
    func offersAgain() async throws {
        let bus = FakeBus(runsAsync: false)
        bus.state.withLock { $0.lostSends = 1 }
        let runner = try Self.runner(on: bus, ["* * * * *"])
        for tick in runner.ticks(at: Self.noon) { await runner.send(tick) }
        #expect(bus.sent.count == 1)
    }
}
