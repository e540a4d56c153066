/// A schedule of five fields: minute, hour, day of month, month, day of week.
///
/// Each field is `*`, a number, a range `1-5`, a step `*/10` or `8-18/2`, or a list of those; months and days of the
/// week may be named (`jan`, `mon`), Sunday is 0 or 7. As everywhere since Unix V7, when both day fields are
/// restricted a day needs to match only one of them.
/// `30 * * * *` is half past every hour; every 30 minutes is `*/30 * * * *`.
package struct CronSchedule: Sendable, Hashable, CustomStringConvertible {
    /// As written.
    package let description: String

    private let minutes: CronField
    private let hours: CronField
    private let daysOfMonth: CronField
    private let months: CronField
    private let daysOfWeek: CronField

    package init(_ text: String) throws(CronError) {
        let fields = text.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard fields.count == 5 else { throw .fieldCount(fields.count) }
        self.description = text
        self.minutes = try CronField(fields[0], .minute)
        self.hours = try CronField(fields[1], .hour)
        self.daysOfMonth = try CronField(fields[2], .dayOfMonth)
        self.months = try CronField(fields[3], .month)
        self.daysOfWeek = try CronField(fields[4], .dayOfWeek)
        guard self.hasPossibleDay else { throw .neverMatches }
    }

    package func matches(_ minute: CivilMinute) -> Bool {
        self.minutes.contains(minute.minute) && self.hours.contains(minute.hour)
            && self.months.contains(minute.month) && self.matchesDay(minute)
    }

    private func matchesDay(_ minute: CivilMinute) -> Bool {
        let dayOfMonth = self.daysOfMonth.contains(minute.day)
        let dayOfWeek = self.daysOfWeek.contains(minute.dayOfWeek)
        if self.daysOfMonth.isRestricted, self.daysOfWeek.isRestricted { return dayOfMonth || dayOfWeek }
        return dayOfMonth && dayOfWeek
    }

    /// False for dates that no calendar has, such as 30 February.
    private var hasPossibleDay: Bool {
        if self.daysOfWeek.isRestricted { return true }
        let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return lengths.enumerated().contains { index, length in
            self.months.contains(index + 1) && (1...length).contains(where: self.daysOfMonth.contains)
        }
    }
}

/// A minute on the wall clock of the place where the host runs.
package struct CivilMinute: Sendable, Hashable {
    package var month: Int
    package var day: Int
    /// 0 is Sunday.
    package var dayOfWeek: Int
    package var hour: Int
    package var minute: Int

    package init(month: Int, day: Int, dayOfWeek: Int, hour: Int, minute: Int) {
        self.month = month
        self.day = day
        self.dayOfWeek = dayOfWeek
        self.hour = hour
        self.minute = minute
    }
}

/// What is wrong with a schedule.
package enum CronError: Error, Equatable {
    case fieldCount(Int)
    case badField(name: String, text: String)
    case outOfRange(name: String, text: String, range: ClosedRange<Int>)
    case neverMatches

    package var message: String {
        switch self {
        case .fieldCount(let count):
            "expected five fields (minute hour day month weekday), got \(count)"
        case .badField(let name, let text):
            "\(name) \"\(text)\" is not *, a number, a range, a step or a list of those"
        case .outOfRange(let name, let text, let range):
            "\(name) \"\(text)\" is outside \(range.lowerBound)-\(range.upperBound)"
        case .neverMatches:
            "no calendar has such a day"
        }
    }
}
