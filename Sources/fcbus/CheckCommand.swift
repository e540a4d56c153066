import ArgumentParser
import BusServer

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a configuration without starting anything.",
        discussion: """
            Exits 0 when the file is right and 78 when it is not, with file, line and key.

            EXAMPLE
              fcbus check broker-config/fcbus.yaml
            """)

    @Argument(help: "The configuration file.", completion: .file(extensions: ["yaml"]))
    var file: String

    func run() throws {
        let configuration = try ConfigurationReader.read(self.file)
        let listeners = configuration.listeners.map(\.description).joined(separator: ", ")
        print("\(self.file) is right: listens on \(listeners)")
    }
}
