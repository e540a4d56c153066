import ArgumentParser
import BusServer

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a configuration and the files that it names without starting anything.",
        discussion: """
            Exits 0 when the file is right and 78 when it is not, with file, line and key.

            EXAMPLE
              fcbus check broker-config/fcbus.yaml
            """)

    @Argument(help: "The configuration file.", completion: .file(extensions: ["yaml"]))
    var file: String

    func run() async throws {
        let configuration = try ConfigurationReader.read(self.file)
        do {
            try await configuration.checkFiles()
        } catch {
            throw CommandFailure(.configuration, error.description)
        }
        let listeners = configuration.listeners.map(\.description).joined(separator: ", ")
        print("\(self.file) is right: listens on \(listeners)")
    }
}
