import ArgumentParser
import BusBench
import Foundation

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure the broker beside another one, in turns.",
        discussion: """
            Both brokers are started on free loopback ports and given the same work alternately, so that a busy machine \
            harms both. Ratios are worth more than rates: `rate ratio` is ours by theirs, `CPU ratio` theirs by ours.

            EXAMPLES
              fcbus bench                            the standard matrix against mosquitto
              fcbus bench --only '1 to 1' --rounds 5 --seconds 3
            """)

    @Option(help: "Only the rows whose name contains this.")
    var only: String = ""

    @Option(help: "Rounds of every row; medians are printed.")
    var rounds = 3

    @Option(help: "Seconds of each measurement.")
    var seconds = 2.0

    @Option(help: "The other broker: mosquitto.")
    var against = "mosquitto"

    func validate() throws {
        guard self.against == "mosquitto" else {
            throw ValidationError("--against knows mosquitto only (got \(self.against))")
        }
        guard self.rounds > 0, self.seconds > 0 else {
            throw ValidationError("--rounds and --seconds must be positive")
        }
    }

    func run() async throws {
        let scenarios = Scenario.standard.filter { self.only.isEmpty || $0.name.contains(self.only) }
        guard !scenarios.isEmpty else { throw ValidationError("no row is named like '\(self.only)'") }
        var report = Report()
        for scenario in scenarios {
            var ours: [BenchResult] = []
            var peer: [BenchResult] = []
            for round in 1...self.rounds {
                Self.progress("\(scenario.name): round \(round) of \(self.rounds)")
                ours.append(try await self.measure(scenario) { try await .fcbus(binary: Self.ownBinary) })
                peer.append(try await self.measure(scenario) { try await .mosquitto() })
            }
            report.add(ours: ours, peer: peer)
        }
        Self.progress("")
        print(report.text)
    }

    private func measure(
        _ scenario: Scenario, start: () async throws -> BrokerProcess
    ) async throws -> BenchResult {
        let broker = try await start()
        defer { broker.stop() }
        return try await LoadGenerator(broker.address).run(scenario, seconds: self.seconds)
    }

    private static var ownBinary: String { "/proc/self/exe".resolvingLink }

    private static func progress(_ text: String) {
        guard Terminal.isErrorInteractive else {
            if !text.isEmpty { Terminal.writeError(line: text) }
            return
        }
        Terminal.writeError(text: "\r\u{1B}[K" + text)
    }
}

extension String {
    fileprivate var resolvingLink: String { URL(filePath: self).resolvingSymlinksInPath().path }
}
