import Testing

@testable import BusTopics

@Suite("Level table")
struct LevelTableTests {
    private static func retain(_ name: String, in table: inout LevelTable) -> UInt32 {
        name.withBytes { table.retain($0) }
    }

    private static func find(_ name: String, in table: LevelTable) -> UInt32 { name.withBytes { table.find($0) } }

    @Test("A name keeps its number until it was released as often as retained")
    func counting() {
        var table = LevelTable(hashing: ByteHash(seed: 1))
        let number = Self.retain("level", in: &table)
        #expect(Self.retain("level", in: &table) == number)
        table.release(number)
        #expect(Self.find("level", in: table) == number)
        table.release(number)
        #expect(Self.find("level", in: table) == LevelTable.none)
        #expect(table.count == 0)
    }

    @Test("Names survive the packing that the removal of others causes", arguments: UInt64(0)..<4)
    func packing(seed: UInt64) {
        var table = LevelTable(hashing: ByteHash(seed: seed))
        let numbers = (0..<5000).map { Self.retain("level number \($0)", in: &table) }
        for (index, number) in numbers.enumerated() where index % 10 != 0 { table.release(number) }
        #expect(table.count == 500)
        for index in stride(from: 0, to: 5000, by: 10) {
            #expect(Self.find("level number \(index)", in: table) == numbers[index])
            #expect(String(decoding: table.name(numbers[index]), as: UTF8.self) == "level number \(index)")
            #expect(Self.find("level number \(index + 1)", in: table) == LevelTable.none)
        }
    }

    @Test("Names of all lengths around a word of the hash are told apart")
    func lengths() {
        var table = LevelTable(hashing: ByteHash(seed: 9))
        let names = (0..<40).flatMap { count in
            [String(repeating: "x", count: count), String(repeating: "\0", count: count)]
        }
        for name in names { _ = Self.retain(name, in: &table) }
        #expect(table.count == Set(names).count)
    }

    @Test("Names short and long are found after any order of retains and releases", arguments: UInt64(1)...5)
    func names(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var table = LevelTable(hashing: ByteHash(seed: seed))
        // Up to 8 bytes a name lies in its entry, above that in the arena.
        let names = (0..<300).map { String(repeating: "n", count: $0 % 17) + "\($0)" }
        var model: [String: (number: UInt32, uses: Int)] = [:]
        for _ in 0..<6000 {
            let name = names[Int.random(in: 0..<names.count, using: &generator)]
            if let known = model[name], Bool.random(using: &generator) {
                table.release(known.number)
                model[name] = known.uses > 1 ? (known.number, known.uses - 1) : nil
            } else {
                let number = Self.retain(name, in: &table)
                if let known = model[name] { #expect(known.number == number) }
                model[name] = (number, (model[name]?.uses ?? 0) + 1)
            }
        }
        #expect(table.count == model.count)
        for name in names {
            #expect(Self.find(name, in: table) == model[name]?.number ?? LevelTable.none)
            if let known = model[name] { #expect(String(decoding: table.name(known.number), as: UTF8.self) == name) }
        }
    }

    @Test("Seeds give different hashes of the same name")
    func seeds() {
        let hashes = (UInt64(0)..<100).map { seed in "device".withBytes { ByteHash(seed: seed).hash($0) } }
        #expect(Set(hashes).count == 100)
    }

    @Test("Edges are found after any order of insertions and removals", arguments: UInt64(1)...5)
    func edges(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var table = EdgeTable(hashing: ByteHash(seed: seed))
        var model: [SIMD2<UInt32>: UInt32] = [:]
        for step in UInt32(0)..<3000 {
            let key = SIMD2(UInt32.random(in: 0..<20, using: &generator), UInt32.random(in: 0..<20, using: &generator))
            if model.removeValue(forKey: key) != nil {
                table.remove(parent: key.x, level: key.y)
            } else {
                table.insert(parent: key.x, level: key.y, child: step)
                model[key] = step
            }
        }
        #expect(table.count == model.count)
        for parent in UInt32(0)..<20 {
            for level in UInt32(0)..<20 {
                let expected = model[SIMD2(parent, level)] ?? EdgeTable.none
                #expect(table.child(of: parent, level: level) == expected)
            }
        }
    }
}
