import Yams

/// The values of keys, each with the sentence that says what is wrong with it.
extension ConfigurationFile {
    func section(
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

    func string(_ node: Node, _ key: String) throws(ConfigurationFailure) -> String {
        guard let value = node.string, !value.isEmpty else { throw self.failure(node, "\(key) must be text") }
        return value
    }

    func strings(_ node: Node, _ key: String) throws(ConfigurationFailure) -> [String] {
        guard let sequence = node.sequence else { throw self.failure(node, "\(key) must be a list of texts") }
        var strings: [String] = []
        for entry in sequence { strings.append(try self.string(entry, key)) }
        return strings
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ node: Node, _ key: String
    ) throws(ConfigurationFailure) -> Choice where Choice.RawValue == String {
        guard let choice = node.string.flatMap(Choice.init(rawValue:)) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw self.failure(node, "\(key) must be one of \(names) (got \(node.string ?? "a list"))")
        }
        return choice
    }

    func boolean(_ node: Node, _ key: String) throws(ConfigurationFailure) -> Bool {
        guard let value = node.bool else {
            throw self.failure(node, "\(key) must be true or false (got \(node.string ?? "a list"))")
        }
        return value
    }

    func integer(
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

    func bytes(_ node: Node, _ key: String, in range: ClosedRange<Int>) throws(ConfigurationFailure) -> Int {
        guard let value = node.string.flatMap(Quantity.bytes), range.contains(value) else {
            throw self.failure(node, "\(key) must be a size such as 64KiB or 2MB (got \(node.string ?? "a list"))")
        }
        return value
    }

    func memory(_ node: Node, _ key: String, in range: ClosedRange<Int>) throws(ConfigurationFailure) -> Int {
        guard let text = node.string, text.hasSuffix("%") else { return try self.bytes(node, key, in: range) }
        guard let percent = Int(text.dropLast()), (1...100).contains(percent) else {
            throw self.failure(node, "\(key) must be a size, or from 1% to 100% of the machine's memory (got \(text))")
        }
        return ProcessMemory.total / 100 * percent
    }

    /// A number per second; `off` is 0.
    func rate(
        _ node: Node, _ key: String, example: String, _ parse: (String) -> Int?
    ) throws(ConfigurationFailure) -> Int {
        if node.string == "off" || node.bool == false { return 0 }
        guard let text = node.string, text.hasSuffix("/s"), let rate = parse(String(text.dropLast(2))), rate > 0 else {
            throw self.failure(
                node, "\(key) must be a rate such as \(example), or off (got \(node.string ?? "a list"))")
        }
        return rate
    }

    func seconds(_ node: Node, _ key: String, in range: ClosedRange<Int>) throws(ConfigurationFailure) -> Int {
        let milliseconds = try self.milliseconds(node, key)
        guard milliseconds % 1000 == 0, range.contains(milliseconds / 1000) else {
            throw self.failure(
                node,
                "\(key) must be whole seconds from \(range.lowerBound)s to \(range.upperBound)s (got \(node.string ?? ""))"
            )
        }
        return milliseconds / 1000
    }

    func milliseconds(_ node: Node, _ key: String) throws(ConfigurationFailure) -> Int {
        guard let value = node.string.flatMap(Quantity.milliseconds) else {
            throw self.failure(
                node, "\(key) must be a duration such as 500ms, 5s, 2m, 1h or 7d (got \(node.string ?? "a list"))")
        }
        return value
    }

    func failure(_ node: Node?, _ message: String) -> ConfigurationFailure {
        let place = node?.mark.map { "\(self.name):\($0.line)" } ?? self.name
        return ConfigurationFailure("\(place): \(message)")
    }
}
