import BusTestKit

/// Ways to spoil a conversation.
enum Mutation: CaseIterable {
    case flip, set, insert, delete, truncate, duplicate, swap, length, splice, noise

    /// The conversation with up to `count` things wrong.
    static func spoil(_ packets: [[UInt8]], count: Int, random: inout SeededGenerator) -> [[UInt8]] {
        var packets = packets
        for _ in 0..<count { random.pick(Self.allCases).apply(to: &packets, random: &random) }
        return packets
    }

    private func apply(to packets: inout [[UInt8]], random: inout SeededGenerator) {
        let index = random.number(below: packets.count)
        var packet = packets[index]
        guard !packet.isEmpty else { return }
        let place = random.number(below: packet.count)
        switch self {
        case .flip: packet[place] ^= 1 << UInt8(random.number(below: 8))
        case .set: packet[place] = random.pick([0, 1, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &random)])
        case .insert: packet.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case .delete: packet.remove(at: place)
        case .truncate: packet.removeLast(random.number(below: packet.count))
        case .length:
            let length = random.pick([0, 1, 127, 128, 16_383, 16_384, 2_097_151, 268_435_455])
            packet.replaceSubrange(1..<min(2, packet.count), with: Self.variableLength(length))
        case .splice: packet += packets[random.number(below: packets.count)].suffix(place)
        case .noise: packet = (0..<random.number(in: 1...40)).map { _ in UInt8.random(in: 0...255, using: &random) }
        case .duplicate:
            packets.insert(packet, at: random.number(below: packets.count))
            return
        case .swap:
            packets.swapAt(index, random.number(below: packets.count))
            return
        }
        packets[index] = packet
    }

    private static func variableLength(_ length: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = length
        repeat {
            bytes.append(UInt8(rest % 128) | (rest >= 128 ? 0x80 : 0))
            rest /= 128
        } while rest > 0
        return bytes
    }
}
