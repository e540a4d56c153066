import BusCore
import BusSession
import Yams

/// Reads `fcbus.yaml`.
///
/// Every key has a default; an unknown key, a wrong type or a number out of range is an error that names file, line and
/// key. Values carry units: `5s`, `2m`, `64KiB`, `1MB`.
package struct ConfigurationFile {
    private let name: String

    /// - Parameter name: the file's name, as messages say it.
    package init(name: String) {
        self.name = name
    }

    /// - Throws: `ConfigurationFailure` for the first thing that is wrong.
    package func read(_ text: String) throws(ConfigurationFailure) -> ServerConfiguration {
        var configuration = ServerConfiguration()
        guard let root = try self.parse(text) else { return configuration }
        let top = try self.section(root, path: "", keys: ["listeners", "allowInsecure", "loops", "shutdown", "limits"])
        if let node = top["listeners"] { configuration.listeners = try self.listeners(node) }
        if let node = top["allowInsecure"] { configuration.allowsInsecure = try self.boolean(node, "allowInsecure") }
        if let node = top["loops"] { configuration.loops = try self.integer(node, "loops", in: 1...64) }
        if let node = top["shutdown"] {
            let keys = try self.section(node, path: "shutdown.", keys: ["drainTimeout"])
            if let node = keys["drainTimeout"] {
                configuration.drainTimeout = .milliseconds(try self.milliseconds(node, "shutdown.drainTimeout"))
            }
        }
        if let node = top["limits"] { try self.limits(node, into: &configuration.limits) }
        for listener in configuration.listeners where !listener.isLoopback && !configuration.allowsInsecure {
            throw self.failure(
                top["listeners"],
                "listeners: \(listener.host):\(listener.port) can be reached from other machines, and clients need no "
                    + "password yet. Listen on 127.0.0.1, or say `allowInsecure: true`.")
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

    private func listeners(_ node: Node) throws(ConfigurationFailure) -> [ServerConfiguration.Listener] {
        guard let sequence = node.sequence, !sequence.isEmpty else {
            throw self.failure(node, "listeners: a list with at least one entry such as `- port: 1883`")
        }
        var listeners: [ServerConfiguration.Listener] = []
        for entry in sequence {
            let keys = try self.section(entry, path: "listeners.", keys: ["host", "port"])
            var listener = ServerConfiguration.Listener()
            if let node = keys["host"] { listener.host = try self.string(node, "listeners.host") }
            if let node = keys["port"] { listener.port = try self.integer(node, "listeners.port", in: 0...65_535) }
            listeners.append(listener)
        }
        return listeners
    }

    private func limits(_ node: Node, into limits: inout BrokerLimits) throws(ConfigurationFailure) {
        let path = "limits."
        let keys = try self.section(node, path: path, keys: Self.limitKeys.map(\.name))
        for key in Self.limitKeys {
            guard let node = keys[key.name] else { continue }
            let value =
                switch key.unit {
                case .count: try self.integer(node, path + key.name, in: key.range)
                case .bytes: try self.bytes(node, path + key.name, in: key.range)
                case .seconds: try self.seconds(node, path + key.name, in: key.range)
                }
            key.set(&limits, value)
        }
    }

    // MARK: Values

    private func section(
        _ node: Node, path: String, keys allowed: [String]
    ) throws(ConfigurationFailure) -> [String: Node] {
        guard let mapping = node.mapping else {
            throw self.failure(
                node, "\(path.isEmpty ? "the file" : String(path.dropLast())) must hold `key: value` lines")
        }
        var found: [String: Node] = [:]
        for (keyNode, value) in mapping {
            let key = keyNode.string ?? ""
            guard allowed.contains(key) else {
                let hint = Spelling.nearest(to: key, in: allowed).map { "; did you mean `\($0)`?" } ?? ""
                throw self.failure(keyNode, "\(path)\(key) is not a key that fcbus knows\(hint)")
            }
            found[key] = value
        }
        return found
    }

    private func string(_ node: Node, _ key: String) throws(ConfigurationFailure) -> String {
        guard let value = node.string, !value.isEmpty else { throw self.failure(node, "\(key) must be text") }
        return value
    }

    private func boolean(_ node: Node, _ key: String) throws(ConfigurationFailure) -> Bool {
        guard let value = node.bool else {
            throw self.failure(node, "\(key) must be true or false (got \(node.string ?? "a list"))")
        }
        return value
    }

    private func integer(
        _ node: Node, _ key: String, in range: ClosedRange<Int>
    ) throws(ConfigurationFailure) -> Int {
        guard let value = node.int, range.contains(value) else {
            throw self.failure(
                node,
                "\(key) must be a number from \(range.lowerBound) to \(range.upperBound) (got \(node.string ?? "a list"))"
            )
        }
        return value
    }

    private func bytes(_ node: Node, _ key: String, in range: ClosedRange<Int>) throws(ConfigurationFailure) -> Int {
        guard let value = node.string.flatMap(Quantity.bytes), range.contains(value) else {
            throw self.failure(node, "\(key) must be a size such as 64KiB or 2MB (got \(node.string ?? "a list"))")
        }
        return value
    }

    private func seconds(_ node: Node, _ key: String, in range: ClosedRange<Int>) throws(ConfigurationFailure) -> Int {
        let milliseconds = try self.milliseconds(node, key)
        guard milliseconds % 1000 == 0, range.contains(milliseconds / 1000) else {
            throw self.failure(
                node,
                "\(key) must be whole seconds from \(range.lowerBound)s to \(range.upperBound)s (got \(node.string ?? ""))"
            )
        }
        return milliseconds / 1000
    }

    private func milliseconds(_ node: Node, _ key: String) throws(ConfigurationFailure) -> Int {
        guard let value = node.string.flatMap(Quantity.milliseconds) else {
            throw self.failure(
                node, "\(key) must be a duration such as 500ms, 5s, 2m, 1h or 7d (got \(node.string ?? "a list"))")
        }
        return value
    }

    private func failure(_ node: Node?, _ message: String) -> ConfigurationFailure {
        let place = node?.mark.map { "\(self.name):\($0.line)" } ?? self.name
        return ConfigurationFailure("\(place): \(message)")
    }
}

/// The configuration is wrong; the message names file, line and key and says what is expected.
package struct ConfigurationFailure: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
