/// Rows under a heading: words to the left, numbers to the right.
package struct BenchTable: Sendable {
    private let wordColumns: Int
    private var rows: [[String]]

    /// - Parameter wordColumns: how many of the first columns are words.
    package init(_ heading: [String], wordColumns: Int) {
        self.rows = [heading]
        self.wordColumns = wordColumns
    }

    /// A row that is short of cells has empty ones at its end.
    package mutating func add(_ row: [String]) {
        self.rows.append(row + Array(repeating: "", count: max(0, self.rows[0].count - row.count)))
    }

    package var isEmpty: Bool { self.rows.count == 1 }

    package var text: String {
        let widths = self.rows[0].indices.map { column in self.rows.map { $0[column].count }.max() ?? 0 }
        return self.rows.map { row in
            var line = row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column < self.wordColumns ? row[column] + padding : padding + row[column]
            }.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}
