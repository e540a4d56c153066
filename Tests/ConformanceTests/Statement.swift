import Foundation

/// One numbered rule of a specification, in our own words.
struct Statement {
    enum Role: String {
        case server, client, both
    }

    var id: String
    var role: Role
    var summary: String
    /// Why no test of ours can show it; `nil` where tests do.
    var reason: String?

    /// `3.1.2` of `MQTT-3.1.2-22`.
    var section: Substring { self.id.drop { $0 != "-" }.dropFirst().prefix { $0 != "-" } }

    /// `3.1`.
    var chapter: String { self.section.split(separator: ".").prefix(2).joined(separator: ".") }
}

/// All statements of one version of MQTT, in the order of its appendix B.
struct Specification: CustomStringConvertible {
    var title: String
    /// What each chapter is about.
    var chapters: [String: String]
    var statements: [Statement]

    var description: String { self.title }

    static let all = [v5, v3]

    static let v5 = Specification(
        title: "MQTT 5.0", table: "statements-5.0.tsv",
        chapters: shared.merging(
            [
                "2.1": "Fixed header", "2.2": "Packet identifiers and properties", "3.15": "AUTH",
                "4.8": "Shared subscriptions", "4.9": "Flow control", "4.12": "Enhanced authentication",
                "4.13": "Errors",
            ], uniquingKeysWith: { $1 }))

    static let v3 = Specification(
        title: "MQTT 3.1.1", table: "statements-3.1.1.tsv",
        chapters: shared.merging(
            [
                "2.2": "Fixed header", "2.3": "Packet identifiers", "4.8": "Errors", "7.0": "Conformance",
                "7.1": "Conformance targets",
            ], uniquingKeysWith: { $1 }))

    private static let shared = [
        "1.5": "Data representation", "3.1": "CONNECT", "3.2": "CONNACK", "3.3": "PUBLISH", "3.4": "PUBACK",
        "3.5": "PUBREC", "3.6": "PUBREL", "3.7": "PUBCOMP", "3.8": "SUBSCRIBE", "3.9": "SUBACK",
        "3.10": "UNSUBSCRIBE", "3.11": "UNSUBACK", "3.12": "PINGREQ", "3.14": "DISCONNECT", "4.1": "Session state",
        "4.2": "Network connections", "4.3": "Quality of service", "4.4": "Sending again",
        "4.5": "Taking a message over", "4.6": "Order", "4.7": "Topics", "6.0": "WebSocket",
    ]

    private init(title: String, table: String, chapters: [String: String]) {
        self.title = title
        self.chapters = chapters
        self.statements = Checkout.text(at: "Tests/ConformanceTests/\(table)").split(separator: "\n").dropFirst()
            .map { line in
                let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
                guard fields.count == 4, let role = Statement.Role(rawValue: fields[1]) else {
                    preconditionFailure("\(table): not id, role, summary and status: \(line)")
                }
                let reason = fields[3].split(separator: ": ", maxSplits: 1)
                guard fields[3] == "tested" || reason.first == "not applicable" && reason.count == 2 else {
                    preconditionFailure("\(table): neither tested nor not applicable with a reason: \(line)")
                }
                return Statement(
                    id: fields[0], role: role, summary: fields[2],
                    reason: reason.count == 2 ? String(reason[1]) : nil)
            }
    }
}

/// The files of this checkout.
enum Checkout {
    static let top = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static func text(at path: String) -> String {
        // A file that is missing shows as an empty one, which no test takes for complete.
        (try? String(contentsOf: self.top.appending(path: path), encoding: .utf8)) ?? ""
    }

    /// Paths of all Swift files below a folder, sorted.
    static func swiftFiles(below folder: String) -> [String] {
        let start = self.top.appending(path: folder)
        guard let walk = FileManager.default.enumerator(at: start, includingPropertiesForKeys: nil) else { return [] }
        return walk.compactMap { ($0 as? URL)?.path }.filter { $0.hasSuffix(".swift") }
            .map { String($0.dropFirst(self.top.path.count + 1)) }.sorted()
    }
}
