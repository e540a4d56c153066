package import BusTopics

/// A topic filter in a rule, with places for the client's own names: `devices/{client}/#`.
///
/// A place is a whole level or a part of one. What is put in is taken literally: a name can fill its place, but never
/// change the shape of the filter around it.
package struct TopicPattern: Sendable {
    private enum Part: Sendable {
        case text(String)
        case client
        case user
    }

    /// How the places are written.
    enum Notation {
        /// `{client}` and `{user}`.
        case braces
        /// `%c` and `%u`.
        case percent
        /// There are none.
        case plain
    }

    private let parts: [Part]
    private let callsApart: Bool
    /// Without places: the same for all, made once.
    private let fixed: FilledPattern?
    /// The shape: the filter with a letter in each place.
    package let shape: TopicFilter

    /// - Throws: what is wrong with the filter, or with the name in braces.
    package init(_ text: String) throws(AccessFailure) {
        try self.init(text, notation: .braces, callsApart: true)
    }

    /// - Parameter callsApart: whether topics of calls must be spelled.
    init(_ text: String, notation: Notation, callsApart: Bool) throws(AccessFailure) {
        self.parts = try Self.cut(text, notation)
        self.callsApart = callsApart
        let shape = self.parts.reduce(into: "") { shape, part in
            if case .text(let text) = part { shape += text } else { shape += "x" }
        }
        do {
            self.shape = try TopicFilter(shape, limits: Self.limits)
        } catch {
            throw AccessFailure("'\(text)' is not a topic filter: \(error.message)")
        }
        guard !self.shape.isShared else {
            throw AccessFailure("'\(text)': write the filter alone; a rule holds for shared subscriptions too")
        }
        let isFixed = self.parts.allSatisfy { if case .text = $0 { true } else { false } }
        self.fixed = isFixed ? FilledPattern(self.shape, callsApart: callsApart) : nil
    }

    /// The filter for one client; `nil` when one of its names must not stand in its place.
    ///
    /// A slash in a name would move the filter elsewhere in the tree, so that a right is not given then; what is denied
    /// stays denied.
    func filled(for identity: Identity, effect: AccessRule.Effect) -> FilledPattern? {
        if let fixed { return fixed }
        var text = ""
        for part in self.parts {
            let name: String
            switch part {
            case .text(let literal):
                text += literal
                continue
            case .client: name = identity.clientIdentifier
            case .user:
                guard let user = identity.user else { return nil }
                name = user
            }
            guard Self.mayStand(name, effect: effect) else { return nil }
            text += name
        }
        guard Self.isApart(text) == Self.isApart(self.shape.filter) else { return nil }
        do {
            let filter = try TopicFilter(text, limits: Self.limits)
            return filter.isShared ? nil : FilledPattern(filter, callsApart: self.callsApart)
        } catch {
            // A name with a null character: no topic has one.
            return nil
        }
    }

    // MARK: Parts

    /// As long as the protocol allows, whatever this broker is configured to: nothing denied may be too long to count.
    private static var limits: TopicLimits {
        var limits = TopicLimits()
        limits.byteCountMax = .max
        limits.levelCountMax = .max
        return limits
    }

    private static func mayStand(_ name: String, effect: AccessRule.Effect) -> Bool {
        guard !name.isEmpty else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "+"), UInt8(ascii: "#"): false
            case UInt8(ascii: "/"): effect == .deny
            default: true
            }
        }
    }

    /// Whether a text begins like topics that must be spelled: a client named `$SYS` does not spell them for its rule.
    private static func isApart(_ text: String) -> Bool {
        text.utf8.first == UInt8(ascii: "$") || CallSpace.isSpelled(by: text)
    }

    private static func cut(_ text: String, _ notation: Notation) throws(AccessFailure) -> [Part] {
        var parts: [Part] = []
        var literal: [UInt8] = []
        func close() {
            if !literal.isEmpty { parts.append(.text(String(decoding: literal, as: UTF8.self))) }
            literal = []
        }
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch notation {
            case .braces where byte == UInt8(ascii: "{"):
                if let end = rest.firstIndex(where: { !Self.isLetter($0) }), rest[end] == UInt8(ascii: "}") {
                    close()
                    parts.append(try Self.place(String(decoding: rest[..<end], as: UTF8.self), in: text))
                    rest = rest[(end + 1)...]
                    continue
                }
            case .percent where byte == UInt8(ascii: "%"):
                if let letter = rest.first, letter == UInt8(ascii: "c") || letter == UInt8(ascii: "u") {
                    close()
                    parts.append(letter == UInt8(ascii: "c") ? .client : .user)
                    rest = rest.dropFirst()
                    continue
                }
            case .braces, .percent, .plain: break
            }
            literal.append(byte)
        }
        close()
        return parts
    }

    private static func place(_ name: String, in text: String) throws(AccessFailure) -> Part {
        switch name {
        case "client": return .client
        case "user": return .user
        default: throw AccessFailure("'\(text)': {\(name)} is not known; {client} and {user} are")
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}
