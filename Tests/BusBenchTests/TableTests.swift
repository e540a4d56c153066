import BusWire
import Testing

@testable import BusBench

@Suite("Report")
struct ReportTests {
    @Test("Words stand to the left, numbers to the right, and no line ends in a blank")
    func alignment() {
        var table = BenchTable(["work", "rate"], wordColumns: 1)
        table.add(["a", "1000"])
        table.add(["longer", "7"])
        table.add(["short"])
        #expect(table.text == "work    rate\na       1000\nlonger     7\nshort")
    }

    @Test("Figures are written for people")
    func figures() {
        #expect(FigureText.whole(1_234_567.4) == "1,234,567")
        #expect(FigureText.whole(999) == "999")
        #expect(FigureText.whole(-1234) == "-1,234")
        #expect(FigureText.text(nil) == "-")
        #expect(FigureText.microseconds(1_500) == "1.5")
        #expect(FigureText.microseconds(123_456_789) == "123,457")
    }

    static func result(_ broker: String, rate: Int, cpu: Double, faults: Faults = Faults()) -> BenchResult {
        var result = BenchResult(
            work: "p2p", broker: broker, unit: "messages", seconds: 1, count: rate, clientSeconds: 0.1)
        var before = ProcessUsage.zero
        before.threads["1"] = ProcessUsage.ThreadUsage(processorTime: 1_000_000_000)
        var after = before
        after.threads["1"]?.processorTime += UInt64(cpu * 1e9)
        result.usage = UsageDifference(before, after)
        result.faults = faults
        return result
    }

    @Test("The peer's line says how many times as fast and as frugal the first is")
    func ratios() {
        var report = Report()
        report.add([
            [Self.result("ours", rate: 2000, cpu: 0.5)], [Self.result("theirs", rate: 1000, cpu: 0.5)],
        ])
        let lines = report.text.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[1].contains("250.00"))
        #expect(lines[2].hasSuffix("2.00x      2.00x"))
        #expect(report.faults.isClean)
    }

    @Test("A fault of the first counts, a fault of its peer is only told")
    func faults() {
        var faults = Faults()
        faults.lost = 3
        var report = Report()
        report.add([[Self.result("ours", rate: 1, cpu: 1)], [Self.result("theirs", rate: 1, cpu: 1, faults: faults)]])
        #expect(report.faults.isClean)
        #expect(report.text.contains("p2p, theirs: 3 lost"))
        report.add([[Self.result("ours", rate: 1, cpu: 1, faults: faults)], []])
        #expect(report.faults.lost == 3)
    }

    @Test("A generator that was busy all the time says so")
    func saturation() {
        var result = Self.result("ours", rate: 10, cpu: 1)
        result.clientSeconds = 0.95
        var report = Report()
        report.add([[result]])
        #expect(report.text.contains("the generator was saturated (95 % of a CPU"))
    }

    @Test("A line of JSON has the rate, the cost and every fault")
    func json() throws {
        let line = try ResultRecord(Self.result("ours", rate: 1000, cpu: 0.5)).line()
        #expect(!line.contains("\n"))
        for part in [
            #""perSecond":1000"#, #""brokerMicroseconds":500"#, #""lost":0"#, #""corrupted":0"#, #""work":"p2p""#,
        ] {
            #expect(line.contains(part), "\(part) is not in \(line)")
        }
    }
}

@Suite("Standard matrix")
struct StandardMatrixTests {
    @Test("Every row can be done, and no two have the same name")
    func rows() {
        let rows = StandardMatrix.rows + StandardMatrix.further
        for row in rows { #expect(row.objection == nil, "\(row.name)") }
        #expect(Set(rows.map(\.name)).count == rows.count)
        #expect(StandardMatrix.onceOnly.isSubset(of: rows.map(\.name)))
    }

    @Test("A call row has as many calls under way as its name says", arguments: [1, 16, 256])
    func concurrency(_ count: Int) {
        let row = StandardMatrix.call(concurrency: count)
        #expect(row.callers * row.inFlight == count)
    }

    @Test("Sizes of every scaling series grow, and each can be done", arguments: [true, false])
    func scaling(_ isQuick: Bool) {
        for series in ScalingSeries.all(isQuick: isQuick) {
            #expect(series.points.map(\.size) == series.points.map(\.size).sorted())
            for point in series.points { #expect(point.workload.objection == nil, "\(series.name) \(point.size)") }
        }
    }

    @Test(
        "What cannot be done is refused with the reason",
        arguments: [
            Workload("w", .p2p).with { $0.payloadBytes = 31 }, Workload("w", .p2p).with { $0.window = 0 },
            Workload("w", .p2p).with { $0.seconds = 0 }, Workload("w", .latency).with { $0.rate = -1 },
            Workload("w", .durable).with { $0.qos = .atMostOnce }, Workload("w", .commit).with { $0.qos = .atMostOnce },
            Workload("w", .call).with { ($0.mode, $0.qos) = (.task, .atMostOnce) },
            Workload("w", .wildcard).with { ($0.filters, $0.subscribers) = (3, 4) },
        ])
    func objections(_ workload: Workload) {
        #expect(workload.objection != nil)
    }

    @Test(
        "Brokers get a store for the work that shows what they keep, and for no other",
        arguments: Workload.Kind.allCases)
    func stores(_ kind: Workload.Kind) {
        let workload = Workload("w", kind)
        #expect(workload.needsStore == (kind == .durable || kind == .commit))
        #expect(!workload.needsStore || workload.qos == .atLeastOnce)
        #expect(workload.with { $0.mode = .task }.needsStore == (workload.needsStore || kind == .call))
    }

    @Test("Every broker that is told to keep what it acknowledges keeps it in the folder of the measurement")
    func folders() {
        for recipe in [BrokerRecipe.fcbus(binary: "fcbus"), .mosquitto, .mosquittoSaving] {
            #expect(recipe.store("/folder").contains("/folder/"), "\(recipe.name)")
        }
        #expect(BrokerRecipe.mosquittoSaving.store("/folder").contains("autosave_interval 1"))
    }

    @Test("A broker that cannot do a work says why")
    func capabilities() {
        var nats = BrokerAddress(name: "nats", host: "127.0.0.1", port: 1)
        nats.version = .v3_1_1
        nats.natsPort = 2
        #expect(nats.objection(to: Workload("c", .call)) == nil)
        #expect(nats.objection(to: Workload("s", .shared)) != nil)
        #expect(nats.objection(to: Workload("q", .p2p).with { $0.qos = .exactlyOnce }) != nil)
        #expect(nats.objection(to: Workload("q", .p2p)) == nil)
        nats.natsPort = nil
        #expect(nats.objection(to: Workload("c", .call)) != nil)
    }

    @Test(
        "A broker is named by its URL",
        arguments: [("mqtt://gateway:1884", "gateway", 1884), ("10.0.0.1", "10.0.0.1", 1883), ("tcp://a/", "a", 1883)])
    func address(_ url: String, host: String, port: Int) throws {
        let address = try BrokerAddress(url: url)
        #expect((address.host, address.port) == (host, port))
    }

    @Test(
        "What is no URL of a broker is refused",
        arguments: ["", "mqtts://a:8883", "mqtt://a:b", "a:70000", "mqtt://u@a", "a:1:2"])
    func badAddress(_ url: String) {
        #expect(throws: BenchFailure.self) { try BrokerAddress(url: url) }
    }
}
