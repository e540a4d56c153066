import BusBench
import Foundation

/// One run of `fcbus bench`: measures, prints, and remembers whether anything was wrong.
struct BenchSession {
    /// This program, which is also broker, host and function.
    private let binary: String
    private let printsJSON: Bool
    /// Whether the broker under test did everything right; what its peers do wrong is shown and nothing more.
    private(set) var isClean = true

    /// What could not be measured of the broker under test.
    private(set) var failures: [String] = []

    init(binary: String, printsJSON: Bool) {
        self.binary = binary
        self.printsJSON = printsJSON
    }

    mutating func runStandard(_ workloads: [Workload], _ contenders: [Contender], rounds: Int) throws {
        var report = Report()
        for workload in workloads {
            let times = StandardMatrix.onceOnly.contains(workload.name) ? 1 : rounds
            let taking =
                workload.kind == .hosted
                ? contenders.flatMap { FunctionHosting.ways(of: $0, binary: self.binary) } : contenders
            let outcome = try Comparison(workload, taking, rounds: times).run(progress: Self.progress)
            if self.printsJSON {
                for run in outcome.results.joined() { try self.printLine(run) }
            }
            report.add(outcome.results)
            report.note(failures: Array(outcome.failures.dropFirst().joined()))
            self.failures += outcome.failures.first ?? []
        }
        Self.progress("")
        if !self.printsJSON, !report.isEmpty { Terminal.write(line: report.text) }
        self.isClean = self.isClean && report.faults.isClean
    }

    /// What brokers cost that do nothing; of those that are started here.
    func runFacts(_ contenders: [Contender], isQuick: Bool) throws {
        var facts: [BrokerFacts] = []
        for case .started(let recipe) in contenders {
            Self.progress("\(recipe.name): start and idleness")
            facts.append(try BrokerFacts.measure(recipe, seconds: isQuick ? 2 : 5, starts: isQuick ? 1 : 5))
        }
        Self.progress("")
        guard !facts.isEmpty else { return }
        if self.printsJSON {
            for fact in facts { Terminal.write(line: try fact.line()) }
        } else {
            Terminal.write(line: "\n" + BrokerFacts.table(facts))
        }
    }

    mutating func runScaling(_ contenders: [Contender], isQuick: Bool) throws {
        var table = ScalingSeries.table
        for series in ScalingSeries.all(isQuick: isQuick) {
            for contender in contenders where series.points.allSatisfy({ contender.objection(to: $0.workload) == nil })
            {
                var points: [(size: Double, cost: Double)] = []
                for (size, workload) in series.points {
                    Self.progress("\(series.name) \(size): \(contender.name)")
                    let run = try contender.measure(workload.with { ($0.seconds, $0.warmUpSeconds) = (1, 0.3) })
                    if self.printsJSON { try self.printLine(run.renamed("\(series.name) \(size)")) }
                    self.isClean = self.isClean && run.faults.isClean
                    points.append((Double(size), run.brokerMicroseconds ?? 1e6 / max(1, run.rate)))
                }
                table.add(series.row(contender.name, points))
            }
        }
        Self.progress("")
        if !self.printsJSON { Terminal.write(line: table.text) }
    }

    private func printLine(_ result: BenchResult) throws {
        Self.progress("")
        Terminal.write(line: try ResultRecord(result).line())
    }

    /// What is under way, on a terminal only; an empty text takes the line away.
    private static func progress(_ text: String) {
        guard Terminal.isErrorInteractive else { return }
        Terminal.writeError(text: "\r\u{1B}[K" + text)
    }
}
