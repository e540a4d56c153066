#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Every function below a folder.
package enum ManifestTree {
    /// How deep below the given folder a manifest may lie.
    private static let depthMax = 8

    /// Reads all manifests, in the order of their paths.
    ///
    /// Folders whose name begins with a dot, and `node_modules` and `__pycache__`, are passed over.
    /// - Throws: Every problem of every manifest at once, so that one run shows all that needs mending.
    package static func read(_ folder: String) throws(ManifestErrors) -> [FunctionManifest] {
        var errors: [ManifestError] = []
        var manifests: [FunctionManifest] = []
        var files: [String: String] = [:]
        for file in self.files(below: folder, depth: 0) {
            do throws(ManifestError) {
                let manifest = try self.manifest(file)
                let name = manifest.address.description
                if let other = files[name] {
                    throw ManifestError(file: file, line: nil, message: "\(name) is already defined in \(other)")
                }
                files[name] = file
                manifests.append(manifest)
            } catch {
                errors.append(error)
            }
        }
        if manifests.isEmpty, errors.isEmpty {
            let message = "no \(FunctionManifest.fileName) here or below; each function is a folder that holds one"
            errors.append(ManifestError(file: folder, line: nil, message: message))
        }
        guard errors.isEmpty else { throw ManifestErrors(all: errors) }
        return manifests
    }

    private static func manifest(_ file: String) throws(ManifestError) -> FunctionManifest {
        // A manifest is a page of text; anything larger is some other file.
        guard let bytes = FileManager.default.contents(atPath: file), bytes.count <= 1 << 20,
            let text = String(bytes: bytes, encoding: .utf8)
        else {
            throw ManifestError(file: file, line: nil, message: "cannot be read as UTF-8 text of at most 1 MiB")
        }
        return try ManifestReader.read(text, file: file)
    }

    private static func files(below folder: String, depth: Int) -> [String] {
        // An unreadable folder is the same as an empty one: the message about missing manifests names it.
        guard depth <= self.depthMax, let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            return []
        }
        var found: [String] = []
        if names.contains(FunctionManifest.fileName) { found.append("\(folder)/\(FunctionManifest.fileName)") }
        for name in names.sorted() where !name.hasPrefix(".") && name != "node_modules" && name != "__pycache__" {
            var isFolder = false
            let path = "\(folder)/\(name)"
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder else { continue }
            found += self.files(below: path, depth: depth + 1)
        }
        return found
    }
}

/// What is wrong with a tree of manifests; one line each.
package struct ManifestErrors: Error, Equatable, CustomStringConvertible {
    package var all: [ManifestError]

    package var description: String { self.all.map(\.description).joined(separator: "\n") }
}
