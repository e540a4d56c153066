import Foundation
import Testing

@testable import FunctionHost

@Suite("Schedules")
struct CronScheduleTests {
    /// 2026-03-04 is a Wednesday.
    static func at(_ hour: Int, _ minute: Int, day: Int = 4, month: Int = 3, dayOfWeek: Int = 3) -> CivilMinute {
        CivilMinute(month: month, day: day, dayOfWeek: dayOfWeek, hour: hour, minute: minute)
    }

    @Test(
        "A schedule fires at its minutes",
        arguments: [
            ("* * * * *", at(13, 7)),
            ("*/5 * * * *", at(13, 35)),
            ("30 * * * *", at(0, 30)),
            ("0 8-18/2 * * *", at(12, 0)),
            ("0,15,30,45 * * * *", at(1, 45)),
            ("5/10 * * * *", at(1, 55)),
            ("0 0 * mar *", at(0, 0)),
            ("0 0 * * WED", at(0, 0)),
            ("0 0 * * mon-fri", at(0, 0)),
            ("0 0 * * 7", at(0, 0, dayOfWeek: 0)),
            ("0 0 * * 0", at(0, 0, dayOfWeek: 0)),
            ("0 0 * * fri-sun", at(0, 0, dayOfWeek: 0)),
            ("0 0 4 * mon", at(0, 0)),
            ("0 0 13 * wed", at(0, 0)),
            ("\t0  0 29 2 *", at(0, 0, day: 29, month: 2)),
        ])
    func fires(_ text: String, _ minute: CivilMinute) throws {
        let schedule = try CronSchedule(text)
        #expect(schedule.matches(minute))
    }

    @Test(
        "A schedule does not fire at other minutes",
        arguments: [
            ("*/5 * * * *", at(13, 36)),
            ("30 * * * *", at(0, 0)),
            ("0 8-18/2 * * *", at(13, 0)),
            ("0 8-18/2 * * *", at(20, 0)),
            ("5/10 * * * *", at(1, 0)),
            ("0 0 * apr *", at(0, 0)),
            ("0 0 13 * *", at(0, 0)),
            ("0 0 13 * mon", at(0, 0)),
            ("0 0 * * mon", at(0, 0)),
            ("0 0 13 * */2", at(0, 0)),
            ("0 0 * * 1-5", at(0, 0, dayOfWeek: 0)),
        ])
    func rests(_ text: String, _ minute: CivilMinute) throws {
        let schedule = try CronSchedule(text)
        #expect(!schedule.matches(minute))
    }

    @Test(
        "A bad schedule is refused with the reason",
        arguments: [
            ("", CronError.fieldCount(0)),
            ("* * * *", .fieldCount(4)),
            ("* * * * * *", .fieldCount(6)),
            ("60 * * * *", .outOfRange(name: "minute", text: "60", range: 0...59)),
            ("* 24 * * *", .outOfRange(name: "hour", text: "24", range: 0...23)),
            ("* * 0 * *", .outOfRange(name: "day", text: "0", range: 1...31)),
            ("* * * 13 *", .outOfRange(name: "month", text: "13", range: 1...12)),
            ("* * * * 8", .outOfRange(name: "weekday", text: "8", range: 0...7)),
            ("*/0 * * * *", .badField(name: "minute", text: "*/0")),
            ("5-1 * * * *", .badField(name: "minute", text: "5-1")),
            ("1, * * * *", .badField(name: "minute", text: "")),
            ("-1 * * * *", .badField(name: "minute", text: "")),
            ("+1 * * * *", .badField(name: "minute", text: "+1")),
            ("1-2-3 * * * *", .badField(name: "minute", text: "1-2-3")),
            ("x * * * *", .badField(name: "minute", text: "x")),
            ("0 0 30 2 *", .neverMatches),
            ("0 0 31 4,jun,9,nov *", .neverMatches),
        ])
    func refused(_ text: String, _ error: CronError) {
        #expect(throws: error) { try CronSchedule(text) }
    }

    @Test("Every minute is looked at once, also after a late wake-up")
    func minutes() {
        var watch = MinuteWatch(now: 60_030)
        #expect(watch.advance(to: 60_050) == [])
        #expect(watch.advance(to: 60_060.001) == [60_060])
        #expect(watch.advance(to: 60_060.5) == [])
        #expect(watch.advance(to: 60_190) == [60_120, 60_180])
    }

    @Test("R23: a clock that jumps ahead does not fire all that was missed")
    func jumpAhead() {
        var watch = MinuteWatch(now: 0)
        #expect(watch.advance(to: 86_400) == [86_400])
    }

    @Test("R23: a clock that is set back a little fires no minute twice, a day back starts anew")
    func jumpBack() {
        var watch = MinuteWatch(now: 86_400)
        #expect(watch.advance(to: 86_350) == [])
        #expect(watch.advance(to: 86_400) == [])
        #expect(watch.advance(to: 86_460) == [86_460])
        #expect(watch.advance(to: 60) == [60])
    }

    @Test("The pause reaches into the next minute")
    func pause() {
        #expect(MinuteWatch.untilNextMinute(119.5) == .milliseconds(505))
        #expect(MinuteWatch.untilNextMinute(120) == .milliseconds(60_005))
    }

    @Test("Local time is what the place's clock shows")
    func civil() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(secondsFromGMT: 2 * 3_600))
        // 2026-03-04T12:05:00Z
        let minute = MinuteWatch.civil(1_772_625_900, calendar)
        #expect(minute == Self.at(14, 5))
    }

    @Test("A schedule with a zone follows that zone, summer time included")
    func zone() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "Europe/Berlin"))
        // 2026-03-04T12:05:00Z and 2026-07-04T12:05:00Z
        #expect(MinuteWatch.civil(1_772_625_900, calendar).hour == 13)
        #expect(MinuteWatch.civil(1_783_166_700, calendar).hour == 14)
    }
}
