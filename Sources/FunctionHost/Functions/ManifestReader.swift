import Yams

/// Reads one function.yaml.
package struct ManifestReader {
    private let source: ManifestSource

    private static let keys = [
        "service", "function", "version", "runtime", "handler", "description", "timeout", "memory", "limits",
        "concurrency", "workers", "run", "directory", "user", "environment", "triggers",
    ]

    /// - Parameter file: The path for messages; its folder becomes the function's folder.
    package static func read(_ text: String, file: String) throws(ManifestError) -> FunctionManifest {
        let reader = ManifestReader(source: ManifestSource(file: file))
        let root = try reader.source.root(text, keys: "service, function, runtime and handler")
        return try reader.manifest(root)
    }

    private func manifest(_ root: Node.Mapping) throws(ManifestError) -> FunctionManifest {
        try self.source.refuseUnknown(root, keys: Self.keys, in: nil)
        let address = try self.source.address(root)
        let runtime: FunctionManifest.Runtime = try self.source.choice(
            self.source.required(root, "runtime"), "runtime")
        let handler = try self.handler(self.source.required(root, "handler"), runtime)
        var manifest = FunctionManifest(
            address: address, runtime: runtime, handler: handler, folder: ManifestSource.folder(of: self.source.file))
        if let node = root["version"] { manifest.version = try self.source.version(node, "version") }
        if let node = root["description"] { manifest.description = try self.source.text(node, "description") }
        if let node = root["environment"] { manifest.environment = try self.environment(node) }
        if let node = root["triggers"] { manifest.triggers = try self.triggers(node) }
        try self.readBounds(root, into: &manifest)
        try self.readPlace(root, into: &manifest)
        return manifest
    }

    private func readBounds(_ root: Node.Mapping, into manifest: inout FunctionManifest) throws(ManifestError) {
        if let node = root["timeout"] { manifest.timeout = try self.source.positiveDuration(node, "timeout") }
        if let node = root["memory"] {
            // Below this not even an interpreter starts, and the error would look like the function's own.
            manifest.memoryBytes = try self.source.size(node, "memory", least: ("16MB", 16_000_000))
        }
        if let node = root["limits"] { manifest.limits = try self.limits(node) }
        if let node = root["concurrency"] {
            manifest.concurrency = try self.source.integer(node, "concurrency", in: 1...1_000)
        }
        if let node = root["workers"] { manifest.workers = try self.workers(node) }
    }

    private func readPlace(_ root: Node.Mapping, into manifest: inout FunctionManifest) throws(ManifestError) {
        if let node = root["run"] { manifest.run = try self.source.choice(node, "run") }
        if let node = root["directory"] { manifest.directory = try self.source.choice(node, "directory") }
        if let node = root["user"] {
            let name = try self.source.text(node, "user")
            guard !name.isEmpty, !name.utf8.contains(0) else {
                throw self.source.failure(node, "user must be the name of an account")
            }
            manifest.user = name
        }
        if manifest.runtime == .exec, manifest.run == .continuous {
            throw self.source.failure(
                root["run"], "`run: continuous` needs a worker that stays; `runtime: exec` has none")
        }
    }

    // MARK: Parts

    private func handler(
        _ node: Node, _ runtime: FunctionManifest.Runtime
    ) throws(ManifestError) -> [String] {
        if runtime != .python3, let sequence = node.sequence {
            var words: [String] = []
            for word in sequence { words.append(try self.source.text(word, "handler")) }
            guard let first = words.first, !first.isEmpty else {
                throw self.source.failure(node, "handler needs at least the executable")
            }
            return words
        }
        let handler = try self.source.text(node, "handler")
        if runtime == .python3 {
            let parts = handler.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count >= 2, parts.allSatisfy({ !$0.isEmpty && !$0.contains("/") }) else {
                throw self.source.failure(
                    node, "handler of a python3 function is module.function such as index.handler (got \"\(handler)\")")
            }
        }
        guard !handler.isEmpty else { throw self.source.failure(node, "handler must not be empty") }
        return [handler]
    }

    private func workers(_ node: Node) throws(ManifestError) -> FunctionManifest.Workers {
        guard let mapping = node.mapping else {
            throw self.source.failure(node, "workers is a map such as { min: 0, max: 4, idle: 60s }")
        }
        try self.source.refuseUnknown(mapping, keys: ["min", "spare", "max", "idle"], in: "workers")
        var workers = FunctionManifest.Workers()
        if let node = mapping["max"] { workers.max = try self.source.integer(node, "workers.max", in: 1...1_000) }
        if let node = mapping["min"] { workers.min = try self.source.integer(node, "workers.min", in: 0...1_000) }
        if let node = mapping["idle"] { workers.idle = try self.source.positiveDuration(node, "workers.idle") }
        if let node = mapping["spare"] {
            workers.spare = try self.source.integer(node, "workers.spare", in: 0...workers.max)
        }
        guard workers.min <= workers.max else {
            throw self.source.failure(
                node, "workers.min (\(workers.min)) must not exceed workers.max (\(workers.max))")
        }
        return workers
    }

    private func limits(_ node: Node) throws(ManifestError) -> FunctionManifest.Limits {
        guard let mapping = node.mapping else {
            throw self.source.failure(
                node, "limits is a map such as { cpu: 1h, files: 1024, processes: 64, output: 16MiB }")
        }
        try self.source.refuseUnknown(mapping, keys: ["cpu", "files", "processes", "output"], in: "limits")
        var limits = FunctionManifest.Limits()
        if let node = mapping["cpu"] {
            limits.cpu = try self.source.positiveDuration(node, "limits.cpu")
            // The system counts whole seconds.
            guard limits.cpu ?? .zero >= .seconds(1) else {
                throw self.source.failure(node, "limits.cpu must be at least 1s")
            }
        }
        if let node = mapping["files"] {
            limits.files = try self.source.integer(node, "limits.files", in: 32...1 << 20)
        }
        if let node = mapping["processes"] {
            limits.processes = try self.source.integer(node, "limits.processes", in: 1...1 << 16)
        }
        if let node = mapping["output"] {
            limits.outputBytes = try self.source.size(node, "limits.output", least: ("1B", 1))
            guard limits.outputBytes <= 16 << 20 else {
                throw self.source.failure(node, "limits.output must be at most 16MiB, the largest reply there is")
            }
        }
        return limits
    }

    private func environment(_ node: Node) throws(ManifestError) -> [String: String] {
        guard let mapping = node.mapping else {
            throw self.source.failure(node, "environment is a map of NAME: value")
        }
        var environment: [String: String] = [:]
        for (key, value) in mapping {
            let name = try self.source.text(key, "environment")
            guard !name.isEmpty, !name.contains("="), !name.utf8.contains(0) else {
                throw self.source.failure(key, "environment: \"\(name)\" cannot be a variable's name")
            }
            environment[name] = try self.source.text(value, "environment.\(name)")
        }
        return environment
    }

    private func triggers(_ node: Node) throws(ManifestError) -> [FunctionTrigger] {
        guard let sequence = node.sequence else {
            throw self.source.failure(node, "triggers is a list of `- topic: FILTER` and `- schedule: \"* * * * *\"`")
        }
        let reader = TriggerReader(source: self.source)
        var triggers: [FunctionTrigger] = []
        for item in sequence { triggers.append(try reader.trigger(item)) }
        return triggers
    }
}
