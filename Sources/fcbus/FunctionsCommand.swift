import ArgumentParser
import Foundation
import FunctionBus

struct FunctionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "functions",
        abstract: "List the functions and who serves them.",
        discussion: """
            Reads the retained catalog and the presence of instances, so it works on every broker; fcbus also says how
            they fare: load, times from request to answer, the last error.

            EXAMPLES
              fcbus functions
              fcbus functions EdgeFC/helloworld        with its instances
              fcbus functions --json
            """, helpNames: .long)

    @Argument(help: "Only this function.")
    var function: String?

    @Flag(help: "Print a line of JSON for each function.")
    var json = false

    @OptionGroup var client: ClientOptions

    func run() async throws {
        let (directory, report) = try await self.client.withBus { bus in
            let directory = try await bus.directory()
            guard bus.isConnectedToFcbus, !self.json else { return (directory, BrokerReport?.none) }
            do {
                return (directory, try await BrokerReport.read(bus))
            } catch let error as BusError where error.code == .notAuthorized {
                // The list is for everybody, the figures are for operators.
                return (directory, nil)
            }
        }
        let entries = directory.filter { self.function == nil || $0.name.description == self.function }
        if let name = self.function, entries.isEmpty {
            throw CommandFailure(
                .unavailable, "no function \(name) is in the catalog; `fcbus functions` lists those there are")
        }
        if self.json {
            for entry in entries { Terminal.write(line: ReplyJSON.text(Self.object(entry))) }
        } else {
            let fares = Dictionary(
                (report?.functions ?? []).map { ($0.function, $0) }, uniquingKeysWith: { first, _ in first })
            var table = TextTable(["FUNCTION", "INSTANCES", "CAPACITY", "TIMEOUT", "SINCE", "DESCRIPTION"])
            for entry in entries { table.add(Self.row(entry)) }
            Terminal.write(line: table.text)
            guard let report else { return }
            var figures = TextTable(FunctionRow.heading)
            for entry in entries {
                if let fare = fares[entry.name.description] { figures.add(FunctionRow.cells(fare)) }
            }
            Terminal.write(line: "\n" + figures.text)
            guard let name = self.function, let function = report.functions.first(where: { $0.function == name }) else {
                return
            }
            var instances = TextTable(["INSTANCE", "STATUS", "BUSY", "SINCE"])
            for instance in function.instances {
                instances.add([
                    instance.instance, instance.status, "\(instance.outstanding)/\(instance.capacity)",
                    "\(Duration.milliseconds(instance.sinceMs).shortText) ago",
                ])
            }
            Terminal.write(line: "\n" + instances.text)
        }
    }

    private static func row(_ entry: DirectoryEntry) -> [String] {
        let since = entry.instances.compactMap(\.started).min()
        return [
            entry.name.description, "\(entry.instances.count)",
            entry.concurrency.map { "\($0 * max(1, entry.instances.count))" } ?? "-",
            entry.timeout?.formatted(.units(allowed: [.minutes, .seconds, .milliseconds], width: .narrow)) ?? "-",
            since.map { Date(timeIntervalSince1970: TimeInterval($0)).formatted(.iso8601) } ?? "-", entry.description,
        ]
    }

    private static func object(_ entry: DirectoryEntry) -> [String: Any] {
        [
            "function": entry.name.description, "description": entry.description, "version": entry.version,
            "instances": entry.instances.map { instance in
                [
                    "id": instance.identifier, "host": instance.host, "pid": instance.processIdentifier,
                    "status": instance.status,
                ] as [String: Any]
            },
        ]
    }
}
