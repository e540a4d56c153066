import Yams

/// A YAML file of the host while it is read: its values by key, and its mistakes with file and line.
///
/// Strict on purpose: an unknown key is an error, since a misspelt `timeout` that is silently ignored shows up as an
/// outage much later.
struct ManifestSource {
    let file: String

    /// The mapping that the whole file is.
    func root(_ text: String, keys: String) throws(ManifestError) -> Node.Mapping {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw self.failure(Self.line(of: error), "not valid YAML: \(Self.problem(of: error))")
        }
        guard let mapping = root?.mapping else {
            throw self.failure(1, "expected `key: value` lines, at least \(keys)")
        }
        return mapping
    }

    func address(_ root: Node.Mapping) throws(ManifestError) -> FunctionAddress {
        let service = try self.name(root, "service")
        let function = try self.name(root, "function")
        guard let address = FunctionAddress(service: service, function: function) else {
            preconditionFailure("both names were checked one by one")
        }
        return address
    }

    func required(_ mapping: Node.Mapping, _ key: String) throws(ManifestError) -> Node {
        guard let node = mapping[key] else { throw self.failure(1, "`\(key)` is missing") }
        return node
    }

    func name(_ mapping: Node.Mapping, _ key: String) throws(ManifestError) -> String {
        let node = try self.required(mapping, key)
        let name = try self.text(node, key)
        guard FunctionAddress.isName(name) else {
            throw self.failure(
                node, "\(key) \"\(name)\" must be a letter and then letters, digits, - or _ (at most 128 in all)")
        }
        return name
    }

    func text(_ node: Node, _ key: String) throws(ManifestError) -> String {
        guard case .scalar(let scalar) = node else { throw self.failure(node, "\(key) must be plain text") }
        return scalar.string
    }

    func flag(_ node: Node, _ key: String) throws(ManifestError) -> Bool {
        guard let value = node.bool else { throw self.failure(node, "\(key) must be true or false") }
        return value
    }

    func integer(
        _ node: Node, _ key: String, in range: ClosedRange<Int>
    ) throws(ManifestError) -> Int {
        let text = try self.text(node, key)
        guard let value = Int(text), range.contains(value) else {
            throw self.failure(
                node, "\(key) must be a whole number from \(range.lowerBound) to \(range.upperBound) (got \(text))")
        }
        return value
    }

    func positiveDuration(_ node: Node, _ key: String) throws(ManifestError) -> Duration {
        let text = try self.text(node, key)
        guard let value = Quantity.duration(text), value >= .milliseconds(1) else {
            throw self.failure(node, "\(key) must be a duration such as 250ms, 5s or 2m (got \(text))")
        }
        return value
    }

    /// - Parameter least: The smallest size, as text that people read and as bytes.
    func size(_ node: Node, _ key: String, least: (text: String, bytes: Int)) throws(ManifestError) -> Int {
        let text = try self.text(node, key)
        guard let value = Quantity.bytes(text) else {
            throw self.failure(node, "\(key) must be a size such as 256MB or 64MiB (got \(text))")
        }
        guard value >= least.bytes else {
            throw self.failure(node, "\(key) must be at least \(least.text) (got \(text))")
        }
        return value
    }

    func version(_ node: Node, _ key: String) throws(ManifestError) -> FunctionVersion {
        let text = try self.text(node, key)
        guard let version = FunctionVersion(text) else {
            throw self.failure(
                node, "\(key) \"\(text)\" must be 1 to 64 letters, digits, dots, - or _, such as 3 or 1.4.2")
        }
        return version
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ node: Node, _ key: String
    ) throws(ManifestError) -> Choice where Choice.RawValue == String {
        let text = try self.text(node, key)
        if let choice = Choice(rawValue: text) { return choice }
        let names = Choice.allCases.map(\.rawValue)
        let hint = NearestName.of(text, in: names).map { "; did you mean \($0)?" } ?? ""
        throw self.failure(node, "\(key) must be one of \(names.joined(separator: ", ")) (got \(text))\(hint)")
    }

    // MARK: Failures

    func refuseUnknown(
        _ mapping: Node.Mapping, keys: [String], in parent: String?
    ) throws(ManifestError) {
        for (key, _) in mapping {
            let name = key.scalar?.string ?? "?"
            guard !keys.contains(name) else { continue }
            let place = parent.map { "\($0)." } ?? ""
            let hint =
                NearestName.of(name, in: keys).map { "; did you mean \($0)?" }
                ?? "; known are \(keys.joined(separator: ", "))"
            throw self.failure(key, "unknown key \(place)\(name)\(hint)")
        }
    }

    func failure(_ node: Node?, _ message: String) -> ManifestError {
        self.failure(node?.mark?.line, message)
    }

    func failure(_ line: Int?, _ message: String) -> ManifestError {
        ManifestError(file: self.file, line: line, message: message)
    }

    private static func line(of error: any Error) -> Int? {
        switch error as? YamlError {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark.line
        case .duplicatedKeysInMapping(_, let context): context.mark.line
        default: nil
        }
    }

    private static func problem(of error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _): problem
        case .duplicatedKeysInMapping(let keys, _):
            "the key \(keys.sorted().joined(separator: ", ")) is given twice"
        default: "\(error)"
        }
    }

    static func folder(of file: String) -> String {
        guard let slash = file.lastIndex(of: "/") else { return "." }
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }
}
