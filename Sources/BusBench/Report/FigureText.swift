import Foundation

/// Numbers as people read them in a table.
enum FigureText {
    /// Two decimals, or `-` for nothing.
    static func text(_ number: Double?) -> String { number.map { String(format: "%.2f", $0) } ?? "-" }

    /// Thousands apart, no decimals.
    static func whole(_ number: Double) -> String {
        let digits = String(format: "%.0f", abs(number))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return number < 0 && digits != "0" ? "-" + text : text
    }

    /// Nanoseconds as microseconds.
    static func microseconds(_ nanoseconds: UInt64?) -> String {
        guard let nanoseconds else { return "-" }
        let value = Double(nanoseconds) / 1000
        return value < 100 ? String(format: "%.1f", value) : Self.whole(value)
    }
}
