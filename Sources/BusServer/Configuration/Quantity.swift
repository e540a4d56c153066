/// Numbers with units, as people write them in a configuration.
package enum Quantity {
    /// `500ms`, `5s`, `2m`, `1h`, `7d` in milliseconds; a bare number is refused, for nobody remembers its unit.
    package static func milliseconds(_ text: String) -> Int? {
        self.parse(text, units: [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)])
    }

    /// `512B`, `64KiB`, `8MiB`, `1GiB` in powers of 1024, `64KB`, `2MB`, `1GB` in powers of 1000, a bare number in bytes.
    package static func bytes(_ text: String) -> Int? {
        if let plain = Int(text) { return plain >= 0 ? plain : nil }
        return self.parse(
            text,
            units: [
                ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("KB", 1000), ("MB", 1_000_000),
                ("GB", 1_000_000_000), ("B", 1),
            ])
    }

    private static func parse(_ text: String, units: [(suffix: String, factor: Int)]) -> Int? {
        for (suffix, factor) in units where text.hasSuffix(suffix) {
            guard let number = Int(text.dropLast(suffix.count)), number >= 0 else { continue }
            let (value, overflow) = number.multipliedReportingOverflow(by: factor)
            return overflow ? nil : value
        }
        return nil
    }
}

/// Helps with misspelled words.
package enum Spelling {
    /// The word that is nearest to `word`, if it is near enough to be meant.
    package static func nearest(to word: String, in candidates: [String]) -> String? {
        let ranked = candidates.map { (name: $0, distance: self.distance(word.lowercased(), $0.lowercased())) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(2, word.count / 3) ? best.name : nil
    }

    /// Insertions, deletions and replacements between two words (Levenshtein).
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (index, character) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (right[column] == character ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[right.count]
    }
}
