/// `Documentation/conformance.md`: every statement and the tests that show it. What stands above the mark is written by
/// hand, the rest is made from the tables and the test sources.
enum ConformancePage {
    static let path = "Documentation/conformance.md"
    static let mark = "<!-- Everything below is made by `make conformance`. -->"

    static var committed: String { Checkout.text(at: self.path) }

    static func made(from page: String) -> String {
        let head = page.split(separator: self.mark, omittingEmptySubsequences: false).first.map(String.init) ?? ""
        return head + self.mark + "\n" + Specification.all.map(self.section).joined()
    }

    private static func section(of specification: Specification) -> String {
        let statements = specification.statements
        let tested = statements.count { $0.reason == nil }
        var text = """

            ## \(specification.title)

            \(statements.count) statements: \(tested) shown by tests, \(statements.count - tested) that do not apply.

            """
        for chapter in self.chapters(of: statements) {
            text += "\n### \(chapter) \(specification.chapters[chapter] ?? "")\n\n"
            text += "| Statement | What it asks for | Shown by |\n|---|---|---|\n"
            for statement in statements where statement.chapter == chapter { text += self.row(of: statement) }
        }
        return text
    }

    private static func chapters(of statements: [Statement]) -> [String] {
        var chapters: [String] = []
        for statement in statements where chapters.last != statement.chapter { chapters.append(statement.chapter) }
        return chapters
    }

    private static func row(of statement: Statement) -> String {
        let tests = Citation.byStatement[statement.id, default: []]
        let shown = statement.reason.map { "*does not apply: \($0)*" } ?? tests.joined(separator: "<br>")
        return "| \(statement.id) | \(statement.summary) | \(shown) |\n"
    }
}
