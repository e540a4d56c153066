/// Every function below a folder, read once.
package enum ManifestTree {
    /// Reads all manifests.
    ///
    /// Folders whose name begins with a dot, and `node_modules` and `__pycache__`, are passed over.
    /// - Throws: Every problem of every file at once, so that one run shows all that needs mending.
    package static func read(_ folder: String) throws(ManifestErrors) -> HostPlan {
        var tree = FunctionTree(folder)
        return try self.plan(tree.look(), folder)
    }

    static func plan(_ look: FunctionTree.Look, _ folder: String) throws(ManifestErrors) -> HostPlan {
        var errors = look.errors
        if look.plan.functions.isEmpty, errors.isEmpty {
            let message = "no \(FunctionManifest.fileName) here or below; each function is a folder that holds one"
            errors.append(ManifestError(file: folder, line: nil, message: message))
        }
        guard errors.isEmpty else { throw ManifestErrors(all: errors) }
        return look.plan
    }
}

/// What is wrong with a tree of manifests; one line each.
package struct ManifestErrors: Error, Equatable, CustomStringConvertible {
    package var all: [ManifestError]

    package var description: String { self.all.map(\.description).joined(separator: "\n") }
}
