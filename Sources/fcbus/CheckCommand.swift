import ArgumentParser
import BusServer
import BusStore

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a configuration and the files that it names, or a store, without starting anything.",
        discussion: """
            Exits 0 when everything is right and 78 when it is not, with file, line and key. A store is looked at while no
            broker has it open; --repair saves what can be read from a damaged one and keeps that beside it.

            EXAMPLES
              fcbus check broker-config/fcbus.yaml
              fcbus check --data-dir /var/lib/fcbus
              fcbus check --repair --data-dir /var/lib/fcbus
            """)

    @Argument(help: "The configuration file.", completion: .file(extensions: ["yaml"]))
    var file: String?

    @Option(help: "The directory of a store.", completion: .directory)
    var dataDir: String?

    @Flag(help: "Put what can be read of a damaged store in its place.")
    var repair = false

    func validate() throws {
        guard self.file != nil || self.dataDir != nil else {
            throw ValidationError("say what to check: a configuration file, or --data-dir DIR")
        }
        guard !self.repair || self.dataDir != nil else { throw ValidationError("--repair needs --data-dir DIR") }
    }

    func run() async throws {
        if let file = self.file { try await self.check(file) }
        guard let directory = self.dataDir else { return }
        do {
            if self.repair { try self.repair(directory) } else { try self.check(store: directory) }
        } catch let failure as StoreFailure {
            throw CommandFailure(.configuration, failure.description)
        }
    }

    private func check(_ file: String) async throws {
        let configuration = try ConfigurationReader.read(file)
        do {
            try await configuration.checkFiles()
        } catch {
            throw CommandFailure(.configuration, error.description)
        }
        let listeners = configuration.listeners.map(\.description).joined(separator: ", ")
        print("\(file) is right: listens on \(listeners)")
    }

    private func check(store directory: String) throws {
        let report = try BusStore.verify(directory: directory)
        self.write(report, of: directory)
        guard report.isSound else {
            throw CommandFailure(
                .configuration, "\(directory) is not sound: \(report.problems.joined(separator: "; "))")
        }
    }

    private func repair(_ directory: String) throws {
        let report = try BusStore.repair(directory: directory)
        self.write(report.kept, of: directory)
        print("could not be read: \(report.unreadable); the damaged file is \(report.damagedFile)")
    }

    private func write(_ report: StoreReport, of directory: String) {
        print(
            """
            \(directory): \(report.sessions) sessions, \(report.subscriptions) subscriptions, \
            \(report.deliveries) messages to deliver, \(report.retained) retained messages, \
            \(report.tasks) tasks (\(report.deadTasks) dead); \(report.databaseBytes + report.logBytes) bytes
            """)
    }
}
