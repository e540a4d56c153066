import BusCore
import BusSession
import BusTestKit
import BusWire
import Foundation
import NIOCore
import Testing

/// Conversations spoiled from seeds. `FCBUS_FUZZ_SEED=7` runs one, `FCBUS_FUZZ_SEEDS=100000` as many instead of the
/// usual number.
@Suite("Spoiled conversations")
struct FuzzTests {
    static let seedCount = Self.number("FCBUS_FUZZ_SEEDS") ?? 1200
    static let single = Self.number("FCBUS_FUZZ_SEED")
    static let blockCount = 10

    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init)
    }

    private static var seeds: [Int] { self.single.map { [$0] } ?? Array(1...self.seedCount) }

    @Test("harm nobody else, grow nothing past its limit, and end with a reason", arguments: 0..<Self.blockCount)
    func broker(_ block: Int) {
        var connected = 0
        var refused = 0
        for seed in Self.seeds where seed % Self.blockCount == block {
            let world = FuzzWorld(seed: UInt64(seed))
            world.run()
            if let problem = world.problem {
                Issue.record("FCBUS_FUZZ_SEED=\(seed): \(problem)")
                return
            }
            connected += world.connectedCount
            refused += world.refusedCount
        }
        let runs = Self.seeds.count / Self.blockCount
        #expect(connected > 2 * runs, "strangers hardly ever get in")
        #expect(refused > runs / 3, "strangers hardly ever do harm")
    }

    @Test("are decoded alike however the bytes are cut, up to the same refusal", arguments: 0..<Self.blockCount)
    func decoder(_ block: Int) {
        for seed in Self.seeds where seed % Self.blockCount == block {
            var random = SeededGenerator(seed: UInt64(seed))
            var corpus = Corpus(random.pick([.v3_1, .v3_1_1, .v5]), random: SeededGenerator(seed: random.next()))
            let bytes = Mutation.spoil(corpus.conversation(), count: 3, random: &random).flatMap(\.self)
            let whole = Self.decode(bytes, sizes: [bytes.count])
            let torn = Self.decode(bytes, sizes: (1...5).map { _ in random.number(in: 1...40) })
            #expect(whole.packets == torn.packets, "FCBUS_FUZZ_SEED=\(seed)")
            #expect(whole.failure == torn.failure, "FCBUS_FUZZ_SEED=\(seed)")
        }
    }

    /// - Parameter sizes: of the reads, again and again.
    private static func decode(_ bytes: [UInt8], sizes: [Int]) -> (packets: [Packet], failure: DecodingFailure?) {
        var reader = PacketReader(limits: FuzzWorld.limits.session)
        var packets: [Packet] = []
        var rest = bytes[...]
        var turn = 0
        while !rest.isEmpty {
            let size = min(rest.count, sizes[turn % sizes.count])
            turn += 1
            reader.append(ByteBuffer(bytes: rest.prefix(size)))
            rest = rest.dropFirst(size)
            do throws(DecodingFailure) {
                while try reader.read(upTo: 3, into: &packets) {}
            } catch {
                return (packets, error)
            }
            reader.compact()
        }
        return (packets, nil)
    }
}
