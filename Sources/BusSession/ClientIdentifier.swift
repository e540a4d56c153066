/// A client identifier as a key: two are the same when their bytes are.
///
/// Swift compares strings by canonical equivalence, which would make one client of `é` and of `e` with an accent.
package struct ClientIdentifier: Hashable, Sendable {
    package let string: String

    package init(_ string: String) {
        self.string = string
    }

    package static func == (left: ClientIdentifier, right: ClientIdentifier) -> Bool {
        left.string.utf8.elementsEqual(right.string.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        var text = self.string
        text.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
