import BusCore
import BusSession
import Yams

/// Reads `fcbus.yaml`.
///
/// Every key has a default; an unknown key, a wrong type or a number out of range is an error that names file, line and
/// key. Values carry units: `5s`, `2m`, `64KiB`, `1MB`.
package struct ConfigurationFile {
    let name: String

    /// - Parameter name: the file's name, as messages say it.
    package init(name: String) {
        self.name = name
    }

    /// - Throws: `ConfigurationFailure` for the first thing that is wrong.
    package func read(_ text: String) throws(ConfigurationFailure) -> ServerConfiguration {
        var configuration = ServerConfiguration()
        guard let root = try self.parse(text) else { return configuration }
        let top = try self.section(
            root, path: "",
            keys: [
                "listeners", "allowInsecure", "allowAnonymous", "passwordFile", "tokens", "accessFile", "loops",
                "shutdown", "systemTopics", "persistence", "checkPayloadFormat", "limits",
            ])
        if let node = top["listeners"] { configuration.listeners = try self.listeners(node) }
        if let node = top["allowInsecure"] { configuration.allowsInsecure = try self.boolean(node, "allowInsecure") }
        if let node = top["loops"] { configuration.loops = try self.integer(node, "loops", in: 1...64) }
        if let node = top["shutdown"] {
            let keys = try self.section(node, path: "shutdown.", keys: ["drainTimeout"])
            if let node = keys["drainTimeout"] {
                configuration.drainTimeout = .milliseconds(try self.milliseconds(node, "shutdown.drainTimeout"))
            }
        }
        if let node = top["persistence"] { configuration.persistence = try self.persistence(node) }
        if let node = top["limits"] { try self.limits(node, into: &configuration) }
        if let node = top["systemTopics"] {
            configuration.systemIntervalSeconds = try self.seconds(node, "systemTopics", in: 0...86_400)
        }
        if let node = top["checkPayloadFormat"] {
            configuration.limits.session.checksPayloadFormat = try self.boolean(node, "checkPayloadFormat")
        }
        configuration.users = try self.users(top)
        for listener in configuration.listeners {
            guard let exposure = configuration.exposure(of: listener) else { continue }
            throw self.failure(
                top["listeners"],
                "listeners: \(listener) can be reached from other machines, \(exposure). "
                    + "Change that, listen on 127.0.0.1, or say `allowInsecure: true`.")
        }
        return configuration
    }

    private func parse(_ text: String) throws(ConfigurationFailure) -> Node? {
        do {
            return try Yams.compose(yaml: text)
        } catch {
            throw ConfigurationFailure("\(self.name): not valid YAML: \(error)")
        }
    }

    // MARK: Sections

    private func limits(_ node: Node, into configuration: inout ServerConfiguration) throws(ConfigurationFailure) {
        let path = "limits."
        let keys = try self.section(node, path: path, keys: Self.allLimitKeys.map(\.name))
        for key in Self.allLimitKeys {
            guard let node = keys[key.name] else { continue }
            let value =
                switch key.unit {
                case .count: try self.integer(node, path + key.name, in: key.range)
                case .bytes: try self.bytes(node, path + key.name, in: key.range)
                case .seconds: try self.seconds(node, path + key.name, in: key.range)
                case .memory: try self.memory(node, path + key.name, in: key.range)
                case .messageRate: try self.rate(node, path + key.name, example: "1000/s", Int.init)
                case .byteRate: try self.rate(node, path + key.name, example: "1MB/s", Quantity.bytes)
                }
            key.set(&configuration, value)
        }
    }
}

/// The configuration is wrong; the message names file, line and key and says what is expected.
package struct ConfigurationFailure: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
