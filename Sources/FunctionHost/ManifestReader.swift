import Yams

/// Reads one function.yaml.
///
/// Strict on purpose: an unknown key is an error, since a misspelt `timeout` that is silently ignored shows up as an
/// outage much later.
package struct ManifestReader {
    private let file: String
    private var line: Int?

    private static let keys = [
        "service", "function", "runtime", "handler", "description", "timeout", "memory", "concurrency", "workers",
        "run", "environment", "triggers",
    ]

    private init(file: String) {
        self.file = file
    }

    /// - Parameter file: The path for messages; its folder becomes the function's folder.
    package static func read(_ text: String, file: String) throws(ManifestError) -> FunctionManifest {
        let reader = ManifestReader(file: file)
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw reader.failure(Self.line(of: error), "not valid YAML: \(Self.problem(of: error))")
        }
        guard let mapping = root?.mapping else {
            throw reader.failure(1, "expected `key: value` lines, at least service, function, runtime and handler")
        }
        return try reader.manifest(mapping)
    }

    private func manifest(_ root: Node.Mapping) throws(ManifestError) -> FunctionManifest {
        try self.refuseUnknown(root, keys: Self.keys, in: nil)
        let service = try self.name(root, "service")
        let function = try self.name(root, "function")
        guard let address = FunctionAddress(service: service, function: function) else {
            preconditionFailure("both names were checked one by one")
        }
        let runtime: FunctionManifest.Runtime = try self.choice(self.required(root, "runtime"), "runtime")
        let handler = try self.handler(self.required(root, "handler"), runtime)
        var manifest = FunctionManifest(
            address: address, runtime: runtime, handler: handler, folder: Self.folder(of: self.file))
        if let node = root["description"] { manifest.description = try self.text(node, "description") }
        if let node = root["timeout"] { manifest.timeout = try self.positiveDuration(node, "timeout") }
        if let node = root["memory"] { manifest.memoryBytes = try self.memory(node) }
        if let node = root["concurrency"] {
            manifest.concurrency = try self.integer(node, "concurrency", in: 1...1_000)
        }
        if let node = root["run"] { manifest.run = try self.choice(node, "run") }
        if let node = root["workers"] { manifest.workers = try self.workers(node) }
        if let node = root["environment"] { manifest.environment = try self.environment(node) }
        if let node = root["triggers"] { manifest.triggers = try self.triggers(node) }
        if runtime == .exec, manifest.run == .continuous {
            throw self.failure(root["run"], "`run: continuous` needs a worker that stays; `runtime: exec` has none")
        }
        return manifest
    }

    // MARK: Parts

    private func handler(
        _ node: Node, _ runtime: FunctionManifest.Runtime
    ) throws(ManifestError) -> [String] {
        if runtime != .python3, let sequence = node.sequence {
            var words: [String] = []
            for word in sequence { words.append(try self.text(word, "handler")) }
            guard let first = words.first, !first.isEmpty else {
                throw self.failure(node, "handler needs at least the executable")
            }
            return words
        }
        let handler = try self.text(node, "handler")
        if runtime == .python3 {
            let parts = handler.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count >= 2, parts.allSatisfy({ !$0.isEmpty && !$0.contains("/") }) else {
                throw self.failure(
                    node, "handler of a python3 function is module.function such as index.handler (got \"\(handler)\")")
            }
        }
        guard !handler.isEmpty else { throw self.failure(node, "handler must not be empty") }
        return [handler]
    }

    private func workers(_ node: Node) throws(ManifestError) -> FunctionManifest.Workers {
        guard let mapping = node.mapping else {
            throw self.failure(node, "workers is a map such as { min: 0, max: 4, idle: 60s }")
        }
        try self.refuseUnknown(mapping, keys: ["min", "max", "idle"], in: "workers")
        var workers = FunctionManifest.Workers()
        if let node = mapping["max"] { workers.max = try self.integer(node, "workers.max", in: 1...1_000) }
        if let node = mapping["min"] { workers.min = try self.integer(node, "workers.min", in: 0...1_000) }
        if let node = mapping["idle"] { workers.idle = try self.positiveDuration(node, "workers.idle") }
        guard workers.min <= workers.max else {
            throw self.failure(node, "workers.min (\(workers.min)) must not exceed workers.max (\(workers.max))")
        }
        return workers
    }

    private func environment(_ node: Node) throws(ManifestError) -> [String: String] {
        guard let mapping = node.mapping else { throw self.failure(node, "environment is a map of NAME: value") }
        var environment: [String: String] = [:]
        for (key, value) in mapping {
            let name = try self.text(key, "environment")
            guard !name.isEmpty, !name.contains("="), !name.utf8.contains(0) else {
                throw self.failure(key, "environment: \"\(name)\" cannot be a variable's name")
            }
            environment[name] = try self.text(value, "environment.\(name)")
        }
        return environment
    }

    private func triggers(_ node: Node) throws(ManifestError) -> [FunctionManifest.Trigger] {
        guard let sequence = node.sequence else {
            throw self.failure(node, "triggers is a list of `- topic: FILTER` and `- schedule: \"* * * * *\"`")
        }
        var triggers: [FunctionManifest.Trigger] = []
        for item in sequence { triggers.append(try self.trigger(item)) }
        return triggers
    }

    private func trigger(_ node: Node) throws(ManifestError) -> FunctionManifest.Trigger {
        guard let mapping = node.mapping else { throw self.failure(node, "a trigger is `topic:` or `schedule:`") }
        try self.refuseUnknown(mapping, keys: ["topic", "raw", "schedule"], in: "triggers")
        switch (mapping["topic"], mapping["schedule"]) {
        case (let topic?, nil):
            let filter = try self.text(topic, "topic")
            if let problem = TriggerFilter.problem(with: filter) { throw self.failure(topic, problem) }
            let raw = try mapping["raw"].map { node throws(ManifestError) in try self.flag(node, "raw") } ?? false
            return .topic(filter: filter, raw: raw)
        case (nil, let schedule?):
            if let raw = mapping["raw"] { throw self.failure(raw, "raw belongs to a topic trigger") }
            let text = try self.text(schedule, "schedule")
            do {
                return .schedule(try CronSchedule(text))
            } catch {
                throw self.failure(schedule, "schedule \"\(text)\": \(error.message)")
            }
        case (nil, nil): throw self.failure(node, "a trigger needs `topic:` or `schedule:`")
        case (.some, .some): throw self.failure(node, "a trigger is either `topic:` or `schedule:`; write two of them")
        }
    }

    // MARK: Scalars

    private func required(_ mapping: Node.Mapping, _ key: String) throws(ManifestError) -> Node {
        guard let node = mapping[key] else { throw self.failure(1, "`\(key)` is missing") }
        return node
    }

    private func name(_ mapping: Node.Mapping, _ key: String) throws(ManifestError) -> String {
        let node = try self.required(mapping, key)
        let name = try self.text(node, key)
        guard FunctionAddress.isName(name) else {
            throw self.failure(
                node, "\(key) \"\(name)\" must be a letter and then letters, digits, - or _ (at most 128 in all)")
        }
        return name
    }

    private func text(_ node: Node, _ key: String) throws(ManifestError) -> String {
        guard case .scalar(let scalar) = node else { throw self.failure(node, "\(key) must be plain text") }
        return scalar.string
    }

    private func flag(_ node: Node, _ key: String) throws(ManifestError) -> Bool {
        guard let value = node.bool else { throw self.failure(node, "\(key) must be true or false") }
        return value
    }

    private func integer(
        _ node: Node, _ key: String, in range: ClosedRange<Int>
    ) throws(ManifestError) -> Int {
        let text = try self.text(node, key)
        guard let value = Int(text), range.contains(value) else {
            throw self.failure(
                node, "\(key) must be a whole number from \(range.lowerBound) to \(range.upperBound) (got \(text))")
        }
        return value
    }

    private func positiveDuration(_ node: Node, _ key: String) throws(ManifestError) -> Duration {
        let text = try self.text(node, key)
        guard let value = Quantity.duration(text), value >= .milliseconds(1) else {
            throw self.failure(node, "\(key) must be a duration such as 250ms, 5s or 2m (got \(text))")
        }
        return value
    }

    private func memory(_ node: Node) throws(ManifestError) -> Int {
        let text = try self.text(node, "memory")
        guard let value = Quantity.bytes(text) else {
            throw self.failure(node, "memory must be a size such as 256MB or 64MiB (got \(text))")
        }
        // Below this not even an interpreter starts, and the error would look like the function's own.
        guard value >= 16_000_000 else { throw self.failure(node, "memory must be at least 16MB (got \(text))") }
        return value
    }

    private func choice<Choice: RawRepresentable & CaseIterable>(
        _ node: Node, _ key: String
    ) throws(ManifestError) -> Choice where Choice.RawValue == String {
        let text = try self.text(node, key)
        if let choice = Choice(rawValue: text) { return choice }
        let names = Choice.allCases.map(\.rawValue)
        let hint = NearestName.of(text, in: names).map { "; did you mean \($0)?" } ?? ""
        throw self.failure(node, "\(key) must be one of \(names.joined(separator: ", ")) (got \(text))\(hint)")
    }

    // MARK: Failures

    private func refuseUnknown(
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

    private func failure(_ node: Node?, _ message: String) -> ManifestError {
        self.failure(node?.mark?.line, message)
    }

    private func failure(_ line: Int?, _ message: String) -> ManifestError {
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

    private static func folder(of file: String) -> String {
        guard let slash = file.lastIndex(of: "/") else { return "." }
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }
}
