/// Durations and sizes as people write them in a manifest.
enum Quantity {
    /// `250ms`, `5s`, `1.5s`, `2m`, `1h`.
    static func duration(_ text: String) -> Duration? {
        guard let (number, unit) = split(text) else { return nil }
        let milliseconds: Double
        switch unit {
        case "ms": milliseconds = number
        case "s": milliseconds = number * 1_000
        case "m", "min": milliseconds = number * 60_000
        case "h": milliseconds = number * 3_600_000
        default: return nil
        }
        guard milliseconds <= 1e12 else { return nil }
        return .milliseconds(milliseconds)
    }

    /// `512B`, `64KiB`, `256MB`, `1GiB`: decimal and binary units are told apart.
    static func bytes(_ text: String) -> Int? {
        guard let (number, unit) = split(text) else { return nil }
        let factors: [String: Double] = [
            "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KIB": 1_024, "MIB": 1_048_576, "GIB": 1_073_741_824,
        ]
        guard let factor = factors[unit.uppercased()], number * factor <= 1e15 else { return nil }
        return Int(number * factor)
    }

    private static func split(_ text: String) -> (Double, String)? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }
        guard !digits.isEmpty, !unit.isEmpty, let number = Double(digits), number.isFinite else { return nil }
        return (number, String(unit))
    }
}

extension Duration {
    /// `5s`, `250ms`, `1.5s`: for messages.
    var text: String {
        let milliseconds = self.milliseconds
        if milliseconds < 1_000 { return "\(milliseconds)ms" }
        if milliseconds % 1_000 == 0 { return "\(milliseconds / 1_000)s" }
        return "\(Double(milliseconds) / 1_000)s"
    }

    /// Whole milliseconds, rounded down.
    var milliseconds: Int {
        let (seconds, attoseconds) = self.components
        return Int(seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}
