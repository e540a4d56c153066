import Foundation
import FunctionBus
import Testing

/// Documentation/guarantees.md says of every broker what is found when the row is tried on it.
@Suite("Guarantees", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(3)))
struct GuaranteeTests {
    private static let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Documentation/guarantees.md")
    private static let mark = "<!-- Everything below is made by `make pages`. -->"

    /// What is found of each row, on a broker of this name that is started for it. All rows at a time: most of them wait.
    private static func found(
        at name: GuaranteePlace.Name, rows: [Int] = Array(GuaranteeRows.all.indices)
    ) async throws -> [Int: String] {
        try await GuaranteePlace.with(name) { place in
            await withTaskGroup(of: (Int, String).self) { group in
                for row in rows {
                    group.addTask { (row, await Self.found(of: GuaranteeRows.all[row], at: place)) }
                }
                return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
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

    /// What the page says of a row.
    private static func shown(_ row: Int, _ name: GuaranteePlace.Name, on page: String) -> String? {
        let lines = page.components(separatedBy: self.mark).last?.split(separator: "\n") ?? []
        // A head and a rule stand before the rows, a promise before the words.
        guard let column = GuaranteePlace.Name.allCases.firstIndex(of: name), row + 2 < lines.count else { return nil }
        let cells = lines[row + 2].components(separatedBy: " | ")
        guard column + 1 < cells.count else { return nil }
        return cells[column + 1].replacing(" |", with: "")
    }

    @Test("The page says what is found")
    func page() async throws {
        let page = try String(contentsOf: Self.page, encoding: .utf8)
        var found: [[String]] = []
        let isWriting = ProcessInfo.processInfo.environment["FCBUS_WRITE_PAGES"] != nil
        for name in GuaranteePlace.Name.allCases {
            var words = try await Self.found(at: name)
            // What two nodes disagree about for microseconds may show once in many runs, and not twice in one.
            let doubtful = isWriting ? [] : words.keys.filter { words[$0] != Self.shown($0, name, on: page) }
            if !doubtful.isEmpty { words.merge(try await Self.found(at: name, rows: doubtful)) { $1 } }
            found.append(GuaranteeRows.all.indices.map { words[$0] ?? "" })
        }
        let text = Self.made(from: page, found)
        if isWriting {
            try text.write(to: Self.page, atomically: true, encoding: .utf8)
        } else {
            let differences = zip(text.split(separator: "\n"), page.split(separator: "\n")).filter { $0 != $1 }
            #expect(differences.map { "found \($0), shown \($1)" } == [], "Documentation/guarantees.md: make pages")
            #expect(text == page)
        }
    }
}
