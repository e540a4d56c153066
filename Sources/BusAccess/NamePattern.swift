/// A name in which `*` stands for any text, the empty one too: `sensor-*`, `*-gateway`, `*`.
package struct NamePattern: Hashable, Sendable {
    private static let star = UInt8(ascii: "*")

    private let bytes: [UInt8]

    package init(_ text: String) {
        self.bytes = Array(text.utf8)
    }

    /// Linear in practice and never worse than the product of the lengths: on a mismatch only the last star takes one
    /// byte more.
    func matches(_ name: String) -> Bool {
        let utf8 = name.utf8
        let name = utf8.span
        var place = 0
        var index = 0
        var retry: (place: Int, index: Int)?
        while index < name.count {
            if place < self.bytes.count, self.bytes[place] == Self.star {
                place += 1
                retry = (place, index)
            } else if place < self.bytes.count, self.bytes[place] == name[index] {
                place += 1
                index += 1
            } else if let last = retry {
                place = last.place
                index = last.index + 1
                retry = (place, index)
            } else {
                return false
            }
        }
        return self.bytes[place...].allSatisfy { $0 == Self.star }
    }
}
