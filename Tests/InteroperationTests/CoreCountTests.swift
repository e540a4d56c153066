import Foundation
import Testing

/// The release build of `CountProbe`, without symbols, that `make test` makes and names; and what counts instructions.
enum CountingTools {
    static let probe = ProcessInfo.processInfo.environment["FCBUS_COUNT_PROBE"]
    static var hasProbe: Bool { Self.probe.map(FileManager.default.isExecutableFile(atPath:)) ?? false }
    static let valgrind = "/usr/bin/valgrind"
    static var hasValgrind: Bool { FileManager.default.isExecutableFile(atPath: Self.valgrind) }
}

/// What a message costs the pure core, in counts that a busy machine does not change: allocations, and instructions
/// where valgrind is installed. Counted in a release build, since an unoptimised one allocates for its own reasons.
@Suite("Core counts", .enabled(if: CountingTools.hasProbe), .timeLimit(.minutes(5)))
struct CoreCountTests {
    /// About four thirds of what is measured: 0.4, 2.9, 37.5 and 3.8 allocations; a count that grows past them has a
    /// cause worth a look.
    @Test(
        "A message makes the core allocate no more than this",
        arguments: [("publish-q0", 0.6), ("publish-q1", 4), ("fanout-100", 50), ("call", 5)])
    func allocations(_ work: String, most: Double) async throws {
        let probe = try #require(CountingTools.probe)
        let (code, lines, errors) = try await run(probe, [work, "16000"], timeout: 60)
        #expect(code == 0, "\(errors)")
        let numbers = lines.first?.split(separator: " ").compactMap { Double($0) } ?? []
        try #require(numbers.count == 2, "\(lines)")
        #expect(numbers[0] > 0, "an allocator that nobody calls counts nothing")
        #expect(numbers[0] / numbers[1] <= most)
    }

    /// Four thirds of what is measured (3 830, 11 700, 113 000, 43 500); the scene's clients are in it.
    @Test(
        "A message makes the core execute no more instructions than this",
        .enabled(if: CountingTools.hasValgrind),
        arguments: [("publish-q0", 5_200), ("publish-q1", 15_700), ("fanout-100", 151_000), ("call", 58_000)])
    func instructions(_ work: String, most: Double) async throws {
        let few = try await self.instructions(work, messages: 1600)
        let many = try await self.instructions(work, messages: 3200)
        let each = (many - few) / 1600
        #expect(each > 100, "a message costs something")
        #expect(each <= most)
    }

    /// Of a whole run of the probe: start and warm-up are in it, and cancel out in a difference.
    private func instructions(_ work: String, messages: Int) async throws -> Double {
        let probe = try #require(CountingTools.probe)
        let (code, _, errors) = try await run(
            CountingTools.valgrind,
            ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", probe, work, "\(messages)"],
            timeout: 120)
        #expect(code == 0, "\(errors)")
        let line = try #require(
            errors.split(separator: "\n").first { $0.contains("I   refs:") || $0.contains("I refs:") })
        let digits = line.split(separator: ":").last.map { $0.filter(\.isNumber) } ?? ""
        return try #require(Double(digits))
    }
}
