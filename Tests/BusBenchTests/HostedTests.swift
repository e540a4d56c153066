import BusWire
import Foundation
import Testing

@testable import BusBench

@Suite("Hosted calls")
struct HostedTests {
    private static func ways(_ recipe: BrokerRecipe) -> [Contender] {
        FunctionHosting.ways(of: .started(recipe), binary: "/bin/fcbus")
    }

    @Test("Ours is measured in one process and in two, others with the host beside them")
    func ways() {
        #expect(Self.ways(.fcbus(binary: "/bin/fcbus")).map(\.name) == ["fcbus up", "broker, host"])
        #expect(Self.ways(.mosquitto).map(\.name) == ["mosquitto, host"])
    }

    @Test("A broker that the host cannot use, and one that runs already, are not asked")
    func objections() throws {
        let workload = Workload("w", .hosted)
        for contender in Self.ways(.nats) { #expect(contender.objection(to: workload) != nil) }
        for contender in Self.ways(.mosquitto) { #expect(contender.objection(to: workload) == nil) }
        let running = Contender.running(try BrokerAddress(url: "mqtt://127.0.0.1:1"))
        #expect(running.objection(to: workload) != nil)
        #expect(FunctionHosting.ways(of: running, binary: "").count == 1)
    }

    @Test("Hosted calls go by the call protocol, at QoS 1")
    func workload() {
        #expect(Workload("w", .hosted).objection == nil)
        #expect(Workload("w", .hosted).qos == .atLeastOnce)
        for mode in [Workload.CallMode.share, .task] {
            #expect(Workload("w", .hosted).with { $0.mode = mode }.objection != nil)
        }
    }

    @Test(
        "The function that is called has as many workers as it shall have, ready before the first call",
        arguments: Workload.FunctionRuntime.allCases)
    func function(_ runtime: Workload.FunctionRuntime) throws {
        let folder = try MeasurementFolder()
        defer { folder.remove() }
        let hosting = FunctionHosting(.apart(.mosquitto), binary: "/with space/fcbus")
        try hosting.writeFunction(
            of: Workload("w", .hosted).with { ($0.runtime, $0.instances) = (runtime, 3) }, to: folder)
        let manifest = try String(contentsOf: folder.url.appending(path: "echo/function.yaml"), encoding: .utf8)
        #expect(manifest.contains("runtime: \(runtime.rawValue)\n"))
        #expect(manifest.contains("max: 3 }"))
        switch runtime {
        case .python3:
            #expect(manifest.contains("min: 3,"))
            #expect(FileManager.default.fileExists(atPath: folder.url.appending(path: "echo/index.py").path))
        case .swift: #expect(manifest.contains("handler: [\"/with space/fcbus\", bench-worker]"))
        case .exec: #expect(manifest.contains("min: 0,"))
        }
    }

    @Test("What several processes use is counted together, and what they have started is found")
    func processes() throws {
        let child = Process()
        child.executableURL = URL(filePath: "/bin/sleep")
        child.arguments = ["60"]
        try child.run()
        defer { child.terminate() }
        let own = ProcessInfo.processInfo.processIdentifier
        #expect(ProcessUsage.children(of: [own]).contains(child.processIdentifier))
        #expect(ProcessUsage.children(of: [child.processIdentifier]).isEmpty)
        let (alone, together) = (
            try ProcessUsage([child.processIdentifier]), try ProcessUsage([own, child.processIdentifier])
        )
        #expect(alone.threads.count == 1)
        #expect(together.threads.keys.contains("\(child.processIdentifier)"))
        #expect(together.threads.keys.contains("\(own)"))
        #expect(together.residentBytes > alone.residentBytes)
    }
}
