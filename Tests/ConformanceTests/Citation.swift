import Foundation

/// A test that names a statement, in its name or in the comment above it.
struct Citation {
    var statement: String
    /// The suite and the test, as a reader knows them.
    var test: String

    /// Of all tests of this checkout, by statement, in the order of files and lines.
    static let byStatement: [String: [String]] = Dictionary(
        grouping: Checkout.swiftFiles(below: "Tests").flatMap { Citation.citations(in: Checkout.text(at: $0)) },
        by: { $0.statement }
    ).mapValues { citations in citations.map(\.test) }

    static func citations(in text: String) -> [Citation] {
        var found: [Citation] = []
        var suite = ""
        var comment = ""
        // The lines from `@Test` to the function, while one is being read.
        var attribute: String?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let code = line.drop { $0 == " " }
            if code.hasPrefix("@Suite") { suite = self.title(of: String(code)) }
            if code.hasPrefix("@Test") { attribute = comment }
            comment = code.hasPrefix("//") ? comment + code + "\n" : ""
            guard let lines = attribute else { continue }
            guard code.prefixMatch(of: #/(\w+ )*func /#) != nil else {
                attribute = lines + code + "\n"
                continue
            }
            attribute = nil
            let name = self.title(of: lines.split(separator: "\n").filter { !$0.hasPrefix("//") }.joined())
            for statement in self.identifiers(in: lines) {
                found.append(Citation(statement: statement, test: suite.isEmpty ? name : "\(suite): \(name)"))
            }
        }
        return found
    }

    /// Everything in brackets that may be the id of a statement, each once.
    static func identifiers(in text: String) -> [String] {
        var found: [String] = []
        for match in text.matches(of: /\[(MQTT(?:311)?-[0-9.]+-[0-9]+)\]/) where !found.contains(String(match.1)) {
            found.append(String(match.1))
        }
        return found
    }

    /// The first text in quotation marks, without ids in brackets and parentheses at its end.
    private static func title(of attribute: String) -> String {
        guard let match = attribute.firstMatch(of: /"((?:[^"\\]|\\.)*)"/) else { return "" }
        return String(match.1).replacing(#/ ?\[M[QT]+[^\]]*\]/#, with: "").replacing(#/ \([A-Z]\d+\)$/#, with: "")
            .replacing("\\\"", with: "\"").replacing("|", with: "\\|")
    }
}
