import Foundation
import Testing

@Suite("The table of statements")
struct StatementTests {
    static let identifiers = Set(Specification.all.flatMap(\.statements).map(\.id))

    @Test("has every statement of the appendices B, chapter by chapter")
    func counts() {
        let counts = Specification.all.map { specification in
            Dictionary(grouping: specification.statements) { $0.section.prefix { $0 != "." } }.mapValues(\.count)
        }
        #expect(counts[0] == ["1": 5, "2": 7, "3": 175, "4": 60, "6": 4])
        #expect(counts[1] == ["1": 3, "2": 9, "3": 95, "4": 27, "6": 4, "7": 4])
        #expect(Self.identifiers.count == 251 + 142)
    }

    @Test("numbers the statements of a section from 1, or from 2 where the specification does")
    func gaps() {
        for specification in Specification.all {
            for (section, statements) in Dictionary(grouping: specification.statements, by: \.section) {
                let numbers = statements.compactMap { $0.id.split(separator: "-").last.flatMap { Int($0) } }
                let first = specification.title == "MQTT 5.0" && section == "2.2.1" ? 2 : 1
                #expect(numbers == Array(first..<first + statements.count), "\(section)")
            }
        }
    }

    @Test("calls tested what a test cites, and nothing else", arguments: Specification.all)
    func coverage(_ specification: Specification) {
        for statement in specification.statements {
            let tests = Citation.byStatement[statement.id, default: []]
            if let reason = statement.reason {
                let isUncited = tests.isEmpty
                #expect(isUncited, "\(statement.id) is said not to apply (\(reason)) and is cited by \(tests)")
            } else {
                let isCited = !tests.isEmpty
                #expect(isCited, "\(statement.id) is cited by no test: \(statement.summary)")
            }
        }
    }

    @Test(
        "knows every statement that the code or a test cites",
        arguments: Checkout.swiftFiles(below: "Sources") + Checkout.swiftFiles(below: "Tests"))
    func knownIdentifiers(_ path: String) {
        for match in Checkout.text(at: path).matches(of: /MQTT(?:311)?-\d[\d.]*-\d[\d.]*(?:-\d+)?/) {
            let isKnown = Self.identifiers.contains(String(match.output))
            #expect(isKnown, "\(path) cites \(match.output)")
        }
    }

    @Test("is what Documentation/conformance.md shows; `make conformance` writes it anew")
    func page() throws {
        let made = ConformancePage.made(from: ConformancePage.committed)
        if ProcessInfo.processInfo.environment["FCBUS_WRITE_CONFORMANCE"] == "1" {
            try made.write(
                to: Checkout.top.appending(path: ConformancePage.path), atomically: true, encoding: .utf8)
        }
        let isSame = made == ConformancePage.committed
        #expect(isSame, "\(ConformancePage.path) is out of date: run `make conformance`")
    }

    @Test("reads citations from names and from the comments above tests")
    func reading() {
        let text = """
            @Suite("Things")
            struct Things {
                // [5-1.1.1-1]

                // [5-1.1.1-2]
                @Test("work [5-1.1.1-3] [3-1.1.1-4] (S01)", arguments: ["[x]"])
                func works() {}
            }
            """
        let found = Citation.citations(
            in: text.replacing("[5-", with: "[MQTT" + "-").replacing("[3-", with: "[MQTT" + "311-"))
        let expected = ["-1.1.1-2", "-1.1.1-3", "311-1.1.1-4"].map { "MQTT" + $0 }
        #expect(found.map(\.statement) == expected)
        #expect(Set(found.map(\.test)) == ["Things: work"])
    }
}
