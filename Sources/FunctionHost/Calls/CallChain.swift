/// The calls that a call is nested in, the outermost first.
///
/// It travels from host to host in a user property, so that a host can tell a call that waits for itself from a call
/// that merely waits, and can name the way it came.
package struct CallChain: Hashable, Sendable {
    package struct Link: Hashable, Sendable {
        package var function: FunctionAddress
        package var call: String
    }

    /// As many as calls can be nested; what is further out is left off.
    private static let linksMax = CallFailure.hopsMax + 1

    package private(set) var links: [Link] = []

    package init() {}

    /// Reads `S/f#call S/g#call`; what is none of that is passed over, since any client may send the property.
    package init(text: String) {
        for part in text.utf8.count > 8_192 ? [] : text.split(separator: " ").suffix(Self.linksMax) {
            let pieces = part.split(separator: "#", omittingEmptySubsequences: false)
            guard pieces.count == 2, !pieces[1].isEmpty, let function = FunctionAddress(String(pieces[0])) else {
                continue
            }
            self.links.append(Link(function: function, call: String(pieces[1])))
        }
    }

    /// For the wire.
    package var text: String { self.links.map { "\($0.function)#\($0.call)" }.joined(separator: " ") }

    /// For people: `S/f -> S/g`.
    package var path: String { self.links.map(\.function.description).joined(separator: " -> ") }

    package func appending(_ function: FunctionAddress, call: String) -> CallChain {
        // An identifier that would break the form is of no use to anybody.
        guard !call.isEmpty, !call.contains(" "), !call.contains("#") else { return self }
        var chain = self
        chain.links.append(Link(function: function, call: call))
        if chain.links.count > Self.linksMax { chain.links.removeFirst() }
        return chain
    }
}
