/// Why a rule is none; the sentence says what is expected.
package struct AccessFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// In an access list of mosquitto's form, from 1.
    package let line: Int?
    package let message: String

    package init(_ message: String, line: Int? = nil) {
        self.message = message
        self.line = line
    }

    package var description: String { self.line.map { "line \($0): \(self.message)" } ?? self.message }
}
