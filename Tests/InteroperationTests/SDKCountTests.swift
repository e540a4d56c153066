import Foundation
import Testing

/// The release build of `SDKProbe` that `make test` makes and names.
enum SDKProbe {
    static let path = ProcessInfo.processInfo.environment["FCBUS_SDK_PROBE"]
    static var isThere: Bool { Self.path.map(FileManager.default.isExecutableFile(atPath:)) ?? false }
}

/// What a call costs the SDK beyond what libmosquitto does for it, in counts that a busy machine does not change.
@Suite("SDK counts", .enabled(if: SDKProbe.isThere), .timeLimit(.minutes(2)))
struct SDKCountTests {
    /// 98 of libmosquitto, which do not change; our 43 may grow by a third.
    @Test("A call, both ends of it, makes the SDK allocate no more than this")
    func allocations() async throws {
        let bare = try await self.allocations(of: "bare")
        let bus = try await self.allocations(of: "bus")
        #expect(bare > 50, "libmosquitto allocates for each packet")
        #expect(bus - bare > 5, "an allocator that nobody calls counts nothing")
        #expect(bus - bare <= 58)
    }

    /// For each of the calls of one side, sixteen at a time.
    private func allocations(of side: String) async throws -> Double {
        let probe = try #require(SDKProbe.path)
        let fcbus = try #require(ProcessInfo.processInfo.environment["FCBUS_BINARY"])
        let (code, lines, errors) = try await run(probe, [fcbus, "8000", side, "16"], timeout: 60)
        #expect(code == 0, "\(errors)")
        let words = try #require(lines.last).split(separator: " ")
        let counts = zip(words, words.dropFirst()).filter { $1 == "allocations" }.compactMap { Double($0.0) }
        return try #require(counts.first { !$0.isNaN }, "\(lines)")
    }
}
