/// The version of a function's code: `3`, `1.4.2` or a word.
///
/// Ordered as people count: `9` before `10`, `1.4.2` before `1.10`; words come after numbers.
package struct FunctionVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let description: String

    package init?(_ text: String) {
        guard (1...64).contains(text.utf8.count) else { return nil }
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
            default: false
            }
        }
        guard isPlain else { return nil }
        self.description = text
    }

    package static func < (left: FunctionVersion, right: FunctionVersion) -> Bool {
        let leftParts = left.description.split(separator: ".", omittingEmptySubsequences: false)
        let rightParts = right.description.split(separator: ".", omittingEmptySubsequences: false)
        for (leftPart, rightPart) in zip(leftParts, rightParts) where leftPart != rightPart {
            switch (Int(leftPart), Int(rightPart)) {
            case (let leftNumber?, let rightNumber?) where leftNumber != rightNumber: return leftNumber < rightNumber
            case (.some, nil): return true
            case (nil, .some): return false
            default: return leftPart < rightPart
            }
        }
        return leftParts.count < rightParts.count
    }
}
