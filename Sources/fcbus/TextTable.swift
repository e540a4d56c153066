/// Rows under a heading, in columns that align.
struct TextTable {
    private var rows: [[String]]

    init(_ heading: [String]) {
        self.rows = [heading]
    }

    mutating func add(_ row: [String]) {
        self.rows.append(row)
    }

    var text: String {
        let widths = self.rows[0].indices.map { column in self.rows.map { $0[column].count }.max() ?? 0 }
        return self.rows.map { row in
            let cells = row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            return cells.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
