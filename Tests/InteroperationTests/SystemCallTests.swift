import Foundation
import Testing

/// How many times the broker reads and writes for a message, as the kernel counts it. These are counts, not times: a
/// busy machine makes batches larger, never smaller.
@Suite("System calls", .enabled(if: RunningBroker.isAvailable), .serialized, .timeLimit(.minutes(2)))
struct SystemCallTests {
    /// Under load, messages travel in batches: the pinned counts are several times what is measured, and far below the
    /// two calls a message that one read and one write each would make.
    @Test(
        "Under load the broker makes few system calls for a message",
        arguments: [
            (["p2p", "--publishers", "4", "--window", "200"], 0.1),
            (["p2p", "--publishers", "4", "--window", "200", "--qos", "1"], 0.15),
            (["fanout", "--subscribers", "50", "--window", "50"], 0.15),
            (["call", "--callers", "4", "--in-flight", "32", "--qos", "1"], 1.5),
        ])
    func underLoad(_ arguments: [String], most: Double) async throws {
        let (code, results, errors) = try await BenchCommandTests.bench(
            arguments + ["--seconds", "1", "--warm-up", "0.3"])
        #expect(code == 0, "\(errors)")
        let calls = try #require(results.first?.brokerIOCalls)
        #expect(calls > 0, "the kernel counted nothing, so this shows nothing")
        #expect(calls <= most)
    }

    @Test("A lone call costs the broker its two reads and its two writes, and little more")
    func loneCall() async throws {
        let (code, results, errors) = try await BenchCommandTests.bench(["call", "--instances", "1", "--seconds", "1"])
        #expect(code == 0, "\(errors)")
        #expect(try #require(results.first?.brokerIOCalls) <= 4.5)
    }
}
