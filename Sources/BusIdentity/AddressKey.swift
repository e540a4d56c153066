/// Who counts as one and the same sender: an IPv4 address, or the /64 of an IPv6 address.
///
/// A home or a phone gets a whole /64, so counting single IPv6 addresses would count nothing.
enum AddressKey: Hashable, Sendable {
    case ipv4(UInt32)
    case ipv6Network(UInt64)
    /// What is no IP address, such as the path of a local socket.
    case other(String)

    /// - Parameter text: an address without a port; a zone (`%eth0`) and brackets are passed over.
    init(_ text: String) {
        var address = text[...]
        if address.hasPrefix("["), address.hasSuffix("]") { address = address.dropFirst().dropLast() }
        address = address.prefix { $0 != "%" }
        if let four = Self.ipv4(address) {
            self = .ipv4(four)
        } else if let groups = Self.ipv6(address) {
            // ::ffff:0:0/96 is IPv4 as a dual-stack socket shows it.
            if groups.prefix(6) == [0, 0, 0, 0, 0, 0xFFFF] {
                self = .ipv4(UInt32(groups[6]) << 16 | UInt32(groups[7]))
            } else {
                self = .ipv6Network(groups.prefix(4).reduce(0) { $0 << 16 | UInt64($1) })
            }
        } else {
            self = .other(String(text.prefix(128)))
        }
    }

    private static func ipv4(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard part.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let byte = UInt8(part) else { return nil }
            address = address << 8 | UInt32(byte)
        }
        return address
    }

    private static func ipv6(_ text: Substring) -> [UInt16]? {
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        guard halves.count <= 2, let head = halves.first.flatMap(Self.groups) else { return nil }
        guard halves.count == 2 else { return head.count == 8 ? head : nil }
        guard let tail = Self.groups(halves[1]), head.count + tail.count < 8 else { return nil }
        return head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    private static func groups(_ text: Substring) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, let four = self.ipv4(part) {
                groups += [UInt16(four >> 16), UInt16(four & 0xFFFF)]
            } else {
                guard (1...4).contains(part.utf8.count), part.first != "+", let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }
}
