/// A name that equals another one byte by byte.
///
/// Why: strings are equal by canonical equivalence, and whoever registers the other spelling of a user's name must not
/// become that user.
struct ExactName: Hashable, Sendable {
    let string: String

    init(_ string: String) {
        self.string = string
    }

    static func == (left: ExactName, right: ExactName) -> Bool {
        left.string.utf8.elementsEqual(right.string.utf8)
    }

    func hash(into hasher: inout Hasher) {
        for byte in self.string.utf8 { hasher.combine(byte) }
        // The end, so that two names one after the other are not the same as one long name.
        hasher.combine(UInt8.max)
    }
}
