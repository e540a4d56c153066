/// One field of a schedule: a set of small numbers as bits.
struct CronField: Sendable, Hashable {
    struct Kind {
        let name: String
        let range: ClosedRange<Int>
        let names: [String]

        static let minute = Kind(name: "minute", range: 0...59, names: [])
        static let hour = Kind(name: "hour", range: 0...23, names: [])
        static let dayOfMonth = Kind(name: "day", range: 1...31, names: [])
        static let month = Kind(
            name: "month", range: 1...12,
            names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
        static let dayOfWeek = Kind(
            name: "weekday", range: 0...7, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"])
    }

    private var bits: UInt64 = 0
    /// False for `*` and `*/step`: what the rule about the two day fields looks at.
    let isRestricted: Bool

    init(_ text: Substring, _ kind: Kind) throws(CronError) {
        self.isRestricted = !text.hasPrefix("*")
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            try self.insert(part, kind)
        }
    }

    func contains(_ value: Int) -> Bool { value >= 0 && value < 64 && self.bits & (1 << UInt64(value)) != 0 }

    private mutating func insert(_ part: Substring, _ kind: Kind) throws(CronError) {
        let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
        guard pieces.count <= 2 else { throw .badField(name: kind.name, text: String(part)) }
        var step = 1
        if pieces.count == 2 {
            guard let value = Int(pieces[1]), value > 0 else { throw .badField(name: kind.name, text: String(part)) }
            step = value
        }
        let bounds = try Self.bounds(pieces[0], kind, hasStep: pieces.count == 2)
        for value in stride(from: bounds.lowerBound, through: bounds.upperBound, by: step) {
            // Sunday may be written 0 or 7; it is kept as 0.
            let bit = kind.range == 0...7 && value == 7 ? 0 : value
            self.bits |= 1 << UInt64(bit)
        }
    }

    private static func bounds(
        _ text: Substring, _ kind: Kind, hasStep: Bool
    ) throws(CronError) -> ClosedRange<Int> {
        if text == "*" { return kind.range == 0...7 ? 0...6 : kind.range }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2 else { throw .badField(name: kind.name, text: String(text)) }
        let low = try Self.value(ends[0], kind)
        // `5/10` means from 5 to the end in steps of 10, as in the cron that most systems have.
        guard ends.count == 2 else { return low...(hasStep ? kind.range.upperBound : low) }
        var high = try Self.value(ends[1], kind)
        // `fri-sun`: Sunday as the end of a range is the seventh day.
        if kind.range == 0...7, high == 0, low > 0 { high = 7 }
        guard low <= high else { throw .badField(name: kind.name, text: String(text)) }
        return low...high
    }

    private static func value(_ text: Substring, _ kind: Kind) throws(CronError) -> Int {
        if let index = kind.names.firstIndex(of: text.lowercased()) { return index + kind.range.lowerBound }
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let value = Int(text) else {
            throw .badField(name: kind.name, text: String(text))
        }
        guard kind.range.contains(value) else {
            throw .outOfRange(name: kind.name, text: String(text), range: kind.range)
        }
        return value
    }
}
