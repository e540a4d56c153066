#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A folder of functions that is looked through again and again.
///
/// A look asks the system for the time, size and number of each file and reads only manifests that changed. A manifest
/// that became invalid counts as it was before, so that a slip of the pen takes no function down.
/// Polling rather than inotify: it sees what other machines write to a shared folder, folders that are swapped by a
/// symbolic link, and needs neither a watch per folder nor a limit on them; a look at 1 000 functions takes some tens
/// of milliseconds.
struct FunctionTree: Sendable {
    /// What one look found.
    struct Look: Sendable, Equatable {
        var plan = HostPlan()
        /// In the order of the files.
        var errors: [ManifestError] = []
    }

    private struct Cached<Value: Sendable>: Sendable {
        var stamp: FileStamp
        /// The last value that was valid.
        var value: Value?
        var error: ManifestError?
    }

    private struct Walk {
        var manifests: [FileEntry] = []
        var aliases: [FileEntry] = []
        /// Python files by the index of the manifest that they belong to.
        var python: [Int: [FileEntry]] = [:]
    }

    let folder: String
    private var manifests: [String: Cached<FunctionManifest>] = [:]
    private var aliases: [String: Cached<FunctionAlias>] = [:]
    private var settings: Cached<HostSettings>?
    /// As last found, for functions whose alias no longer fits.
    private var plans: [FunctionAddress: FunctionPlan] = [:]

    /// How deep below the folder a manifest may lie.
    private static let depthMax = 8
    private static let skipped: Set<String> = ["node_modules", "__pycache__"]

    init(_ folder: String) {
        self.folder = folder
    }

    mutating func look() -> Look {
        var walk = Walk()
        self.collect(self.folder, depth: 0, owner: nil, into: &walk)
        var look = Look()
        look.plan.settings = self.readSettings(&look.errors)
        var versions: [FunctionAddress: [(FunctionManifest, CodePrint)]] = [:]
        var files: [String: String] = [:]
        for (index, entry) in walk.manifests.enumerated() {
            let cached = Self.read(entry, self.manifests[entry.path]) { text throws(ManifestError) in
                try ManifestReader.read(text, file: entry.path)
            }
            self.manifests[entry.path] = cached
            if let error = cached.error { look.errors.append(error) }
            guard let manifest = cached.value else { continue }
            if let other = files.updateValue(entry.path, forKey: manifest.title) {
                files[manifest.title] = other
                let message = "\(manifest.title) is already defined in \(other)"
                look.errors.append(ManifestError(file: entry.path, line: nil, message: message))
                continue
            }
            let code = Self.code(manifest, entry, walk.python[index] ?? [])
            versions[manifest.address, default: []].append((manifest, code))
        }
        self.forget(walk)
        let aliases = self.readAliases(walk, versions, &look.errors)
        look.plan.functions = self.makePlans(versions, aliases, &look.errors)
        self.plans = Dictionary(look.plan.functions.map { ($0.address, $0) }) { first, _ in first }
        return look
    }

    // MARK: Files

    private func collect(_ folder: String, depth: Int, owner: Int?, into walk: inout Walk) {
        // An unreadable folder is the same as an empty one: the message about missing manifests names it.
        guard depth <= Self.depthMax, let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            return
        }
        var owner = owner
        let sorted = names.sorted()
        if sorted.contains(FunctionManifest.fileName), let entry = FileEntry("\(folder)/\(FunctionManifest.fileName)") {
            owner = walk.manifests.count
            walk.manifests.append(entry)
        }
        for name in sorted where !name.hasPrefix(".") && !Self.skipped.contains(name) {
            // What vanished between the listing and the look is seen as gone by the next one.
            guard let entry = FileEntry("\(folder)/\(name)") else { continue }
            if entry.isFolder {
                self.collect(entry.path, depth: depth + 1, owner: owner, into: &walk)
            } else if name == FunctionAlias.fileName {
                walk.aliases.append(entry)
            } else if name.hasSuffix(".py"), let owner {
                walk.python[owner, default: []].append(entry)
            }
        }
    }

    /// Data files do not count: a function may write into its own folder.
    private static func code(_ manifest: FunctionManifest, _ file: FileEntry, _ python: [FileEntry]) -> CodePrint {
        var code = CodePrint()
        code.files[file.path] = file.stamp
        switch manifest.runtime {
        case .python3:
            for entry in python { code.files[entry.path] = entry.stamp }
        case .swift, .exec:
            for word in manifest.handler {
                let path = word.hasPrefix("/") ? word : "\(manifest.folder)/\(word)"
                if let entry = FileEntry(path), !entry.isFolder { code.files[path] = entry.stamp }
            }
        }
        return code
    }

    private static func read<Value: Sendable>(
        _ entry: FileEntry, _ cached: Cached<Value>?, _ parse: (String) throws(ManifestError) -> Value
    ) -> Cached<Value> {
        if let cached, cached.stamp == entry.stamp { return cached }
        do throws(ManifestError) {
            // A manifest is a page of text; anything larger is some other file.
            guard let bytes = FileManager.default.contents(atPath: entry.path), bytes.count <= 1 << 20,
                let text = String(bytes: bytes, encoding: .utf8)
            else {
                throw ManifestError(
                    file: entry.path, line: nil, message: "cannot be read as UTF-8 text of at most 1 MiB")
            }
            return Cached(stamp: entry.stamp, value: try parse(text))
        } catch {
            return Cached(stamp: entry.stamp, value: cached?.value, error: error)
        }
    }

    private mutating func readSettings(_ errors: inout [ManifestError]) -> HostSettings {
        guard let entry = FileEntry("\(self.folder)/\(HostSettings.fileName)") else {
            self.settings = nil
            return HostSettings()
        }
        let cached = Self.read(entry, self.settings) { text throws(ManifestError) in
            try HostSettings.read(text, file: entry.path)
        }
        self.settings = cached
        if let error = cached.error { errors.append(error) }
        return cached.value ?? HostSettings()
    }

    private mutating func readAliases(
        _ walk: Walk, _ versions: [FunctionAddress: [(FunctionManifest, CodePrint)]], _ errors: inout [ManifestError]
    ) -> [FunctionAddress: FunctionAlias] {
        var aliases: [FunctionAddress: FunctionAlias] = [:]
        for entry in walk.aliases {
            let cached = Self.read(entry, self.aliases[entry.path]) { text throws(ManifestError) in
                try FunctionAlias.read(text, file: entry.path)
            }
            self.aliases[entry.path] = cached
            if let error = cached.error { errors.append(error) }
            guard let alias = cached.value else { continue }
            if let other = aliases[alias.address] {
                let message = "\(alias.address) is already split in \(other.file)"
                errors.append(ManifestError(file: alias.file, line: nil, message: message))
            } else if versions[alias.address] == nil {
                let message = "there is no function \(alias.address) to split"
                errors.append(ManifestError(file: alias.file, line: nil, message: message))
            } else {
                aliases[alias.address] = alias
            }
        }
        return aliases
    }

    private mutating func forget(_ walk: Walk) {
        let manifests = Set(walk.manifests.map(\.path))
        self.manifests = self.manifests.filter { manifests.contains($0.key) }
        let aliases = Set(walk.aliases.map(\.path))
        self.aliases = self.aliases.filter { aliases.contains($0.key) }
    }

    private func makePlans(
        _ versions: [FunctionAddress: [(FunctionManifest, CodePrint)]],
        _ aliases: [FunctionAddress: FunctionAlias], _ errors: inout [ManifestError]
    ) -> [FunctionPlan] {
        var plans: [FunctionPlan] = []
        for (address, manifests) in versions.sorted(by: { $0.key.description < $1.key.description }) {
            do throws(ManifestError) {
                plans.append(try FunctionPlan(manifests, alias: aliases[address]))
            } catch {
                errors.append(error)
                if let last = self.plans[address] { plans.append(last) }
            }
        }
        return plans
    }
}
