import Foundation
import Logging

/// Writes each event as one line of JSON on stderr: `time`, `level`, `logger`, `message`, and the event's own fields.
struct JSONLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel = Logger.Level.info
    private let label: String

    init(label: String) {
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields: [(String, String)] = [
            ("time", Date().formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))),
            ("level", event.level.rawValue), ("logger", self.label), ("message", "\(event.message)"),
        ]
        let own = self.metadata.merging(event.metadata ?? [:]) { $1 }
        fields += own.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let line = fields.map { "\(Self.quote($0)):\(Self.quote($1))" }.joined(separator: ",")
        FileHandle.standardError.write(Data("{\(line)}\n".utf8))
    }

    /// A JSON string (RFC 8259, section 7).
    private static func quote(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
