import Foundation
import FunctionBus
import Testing

/// Documentation/guarantees.md says of every broker what is found when the row is tried on it.
@Suite("Guarantees", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(3)))
struct GuaranteeTests {
    private static let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Documentation/guarantees.md")
    private static let mark = "<!-- Everything below is made by `make pages`. -->"

    /// All rows at a time: most of them wait.
    private static func found(at place: GuaranteePlace) async throws -> [String] {
        try await withThrowingTaskGroup(of: (Int, String).self) { group in
            for (number, row) in GuaranteeRows.all.enumerated() {
                group.addTask { (number, await Self.found(of: row, at: place)) }
            }
            return try await group.reduce(into: Array(repeating: "", count: GuaranteeRows.all.count)) {
                $0[$1.0] = $1.1
            }
        }
    }

    /// A row that finds nothing is ended, long after all the deadlines in it.
    private static func found(of row: Guarantee, at place: GuaranteePlace) async -> String {
        await withTaskGroup(of: String.self) { group in
            group.addTask {
                do {
                    return try await row.find(place)
                } catch {
                    return "no: \(error)"
                }
            }
            group.addTask {
                // It ends early where the row has ended.
                try? await Task.sleep(for: .seconds(30))
                return "no: nothing happens"
            }
            let found = await group.next() ?? ""
            group.cancelAll()
            return found
        }
    }

    private static func made(from page: String, _ found: [[String]]) -> String {
        let head = page.components(separatedBy: self.mark).first ?? ""
        var text =
            "\(head)\(self.mark)\n\n| promise | \(GuaranteePlace.Name.allCases.map(\.rawValue).joined(separator: " | ")) |\n|---|---|---|---|\n"
        for (number, row) in GuaranteeRows.all.enumerated() {
            text += "| \(row.promise) | \(found.map { $0[number] }.joined(separator: " | ")) |\n"
        }
        return text
    }

    @Test("The page says what is found")
    func page() async throws {
        let page = try String(contentsOf: Self.page, encoding: .utf8)
        var found: [[String]] = []
        for name in GuaranteePlace.Name.allCases {
            found.append(try await GuaranteePlace.with(name) { try await Self.found(at: $0) })
        }
        let text = Self.made(from: page, found)
        if ProcessInfo.processInfo.environment["FCBUS_WRITE_PAGES"] != nil {
            try text.write(to: Self.page, atomically: true, encoding: .utf8)
        } else {
            let differences = zip(text.split(separator: "\n"), page.split(separator: "\n")).filter { $0 != $1 }
            #expect(differences.map { "found \($0), shown \($1)" } == [], "Documentation/guarantees.md: make pages")
            #expect(text == page)
        }
    }
}
