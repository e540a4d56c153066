import Foundation
import Testing

enum NATSServer {
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: "/usr/sbin/nats-server") }
}

/// `fcbus bench` as users run it: each workload against a broker of its own, for a moment.
@Suite("fcbus bench", .enabled(if: RunningBroker.isAvailable), .serialized, .timeLimit(.minutes(5)))
struct BenchCommandTests {
    struct Result: Decodable {
        var work: String
        var broker: String
        var count: Int
        var perSecond: Double
        var brokerMicroseconds: Double?
        var brokerIOCalls: Double?
        var latencyMicroseconds: [String: Double]?
        var faults: [String: Int]
        var figures: [String: Double]
    }

    static func bench(_ arguments: [String]) async throws -> (code: Int32, results: [Result], errors: String) {
        let binary = try #require(RunningBroker.binary)
        let (code, lines, errors) = try await run(binary, ["bench"] + arguments + ["--json"], timeout: 120)
        return (code, try lines.map { try JSONDecoder().decode(Result.self, from: Data($0.utf8)) }, errors)
    }

    static let workloads: [[String]] = [
        ["p2p", "--publishers", "3"], ["p2p", "--qos", "2", "--depth", "6", "--filters", "20", "--sessions", "5"],
        ["fanout", "--subscribers", "20", "--qos", "1"], ["fanin", "--publishers", "10", "--qos", "1"],
        ["shared", "--qos", "1"], ["wildcard", "--filters", "500"],
        ["call", "--callers", "3", "--in-flight", "4", "--qos", "1"], ["call", "--mode", "share"],
        ["call", "--rate", "200"], ["latency", "--rate", "500"], ["connections", "--connections", "50"],
        ["durable", "--count", "500", "--subscribers", "3"],
        ["commit", "--count", "500", "--publishers", "8", "--window", "1"],
        // More than a socket takes at once: what is written while a write is under way comes in its turn, once.
        ["durable", "--count", "1000", "--size", "6000"],
    ]

    @Test("A workload is measured, and nothing is lost, doubled, out of order or damaged", arguments: Self.workloads)
    func workload(_ arguments: [String]) async throws {
        let (code, results, errors) = try await Self.bench(arguments + ["--seconds", "1", "--warm-up", "0.1"])
        #expect(code == 0, "\(errors)")
        let result = try #require(results.first)
        #expect(results.count == 1)
        #expect(result.work == arguments[0] && result.broker == "fcbus")
        #expect(result.count > 0 && result.perSecond > 0)
        #expect(try #require(result.brokerMicroseconds) > 0)
        #expect(result.faults.values.allSatisfy { $0 == 0 }, "\(result.faults)")
    }

    @Test(
        "A hosted function is called in one process and in two, and what its workers take is told apart",
        arguments: ["python3", "swift", "exec"])
    func hosted(_ runtime: String) async throws {
        let (code, results, errors) = try await Self.bench(
            ["hosted", "--runtime", runtime, "--callers", "3", "--rounds", "1", "--seconds", "0.5", "--warm-up", "0.5"])
        #expect(code == 0, "\(errors)")
        #expect(results.map(\.broker) == ["fcbus up", "broker, host"])
        for result in results {
            #expect(result.count > 0)
            #expect(try #require(result.brokerMicroseconds) > 0)
            #expect((result.figures["worker CPU us"] ?? 0 > 0) == (runtime != "exec"))
            #expect(result.faults.values.allSatisfy { $0 == 0 }, "\(result.broker): \(result.faults)")
        }
    }

    @Test("Another broker gets the same work in turns, and the table says the ratio")
    func against() async throws {
        let binary = try #require(RunningBroker.binary)
        let arguments = [
            "bench", "p2p", "--against", "mosquitto", "--rounds", "2", "--seconds", "0.3", "--warm-up", "0.1",
        ]
        let (code, lines, errors) = try await run(binary, arguments, timeout: 60)
        #expect(code == 0, "\(errors)")
        #expect(lines.count >= 3)
        #expect(lines[0].hasPrefix("work") && lines[0].hasSuffix("CPU ratio"))
        #expect(lines[1].contains("fcbus") && lines[2].contains("mosquitto") && lines[2].contains("x ("))
        #expect(errors.isEmpty, "progress belongs on a terminal only: \(errors)")
    }

    @Test(
        "The NATS server gets calls in its own protocol and messages by MQTT 3.1.1",
        .enabled(if: NATSServer.isInstalled),
        arguments: [["call", "--callers", "2", "--in-flight", "4"], ["p2p", "--qos", "1", "--publishers", "2"]])
    func nats(_ arguments: [String]) async throws {
        let (code, results, errors) = try await Self.bench(
            arguments + ["--against", "nats", "--rounds", "1", "--seconds", "0.5", "--warm-up", "0.1"])
        #expect(code == 0, "\(errors)")
        #expect(results.map(\.broker) == ["fcbus", "nats"])
        for result in results {
            #expect(result.count > 0)
            #expect(result.faults.values.allSatisfy { $0 == 0 }, "\(result.broker): \(result.faults)")
        }
    }

    @Test("A latency is counted from when a message was due: it is never shorter than the way there")
    func latency() async throws {
        let (_, results, _) = try await Self.bench(["latency", "--rate", "300", "--seconds", "1"])
        let latency = try #require(results.first?.latencyMicroseconds)
        let p50 = try #require(latency["p50"])
        #expect(try #require(latency["p99"]) >= p50 && p50 > 0)
        #expect(abs(try #require(results.first).perSecond - 300) < 30)
    }

    @Test("A broker that runs already is measured by its address, with its process known")
    func runningBroker() async throws {
        try await RunningBroker.with { broker in
            let (code, results, errors) = try await Self.bench([
                "p2p", "--broker", "mqtt://127.0.0.1:\(broker.port)", "--pid", "\(broker.processIdentifier)",
                "--seconds", "0.5", "--qos", "1",
            ])
            #expect(code == 0, "\(errors)")
            #expect(try #require(results.first?.brokerMicroseconds) > 0)
        }
    }

    @Test("Where no broker answers there is no measurement: exit 69")
    func nobody() async throws {
        let port = try TestSocket.freePort()
        let (code, _, errors) = try await Self.bench(["p2p", "--broker", "mqtt://127.0.0.1:\(port)"])
        #expect(code == 69)
        #expect(errors.contains("no broker answers at 127.0.0.1:\(port)"))
    }

    @Test(
        "Wrong options are refused with exit 64",
        arguments: [
            ["nosuch"], ["p2p", "--qos", "3"], ["p2p", "--size", "8"], ["p2p", "--pid", "1"],
            ["scaling", "--qos", "1"],
            ["--standard", "p2p"], ["--only", "no-such-row"], ["call", "--mode", "other"],
            ["hosted", "--runtime", "perl"], ["hosted", "--mode", "task"],
            ["hosted", "--broker", "mqtt://127.0.0.1:1"],
        ])
    func usage(_ arguments: [String]) async throws {
        let binary = try #require(RunningBroker.binary)
        let (code, _, errors) = try await run(binary, ["bench"] + arguments, timeout: 20)
        #expect(code == 64, "\(errors)")
    }
}
