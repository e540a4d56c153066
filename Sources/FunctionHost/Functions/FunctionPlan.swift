/// What the folder says should be served: every function with its versions, and the host's own settings.
package struct HostPlan: Sendable, Equatable {
    package var settings = HostSettings()
    /// In the order of their addresses.
    package var functions: [FunctionPlan] = []

    /// Every version of every function.
    package var manifests: [FunctionManifest] { self.functions.flatMap { $0.versions.map(\.manifest) } }
}

/// One function: its versions and what part of the calls each gets.
package struct FunctionPlan: Sendable, Equatable {
    package struct Version: Sendable, Equatable {
        package var manifest: FunctionManifest
        package var code: CodePrint
        /// Per cent of the calls.
        package var share: Int
    }

    package var address: FunctionAddress
    /// The oldest first; never empty.
    package var versions: [Version]

    /// The version that most calls go to, the newest among equals: what the bus is told about the function.
    package var primary: FunctionManifest {
        guard let version = self.versions.reversed().max(by: { $0.share < $1.share }) else {
            preconditionFailure("a plan is made of at least one manifest")
        }
        return version.manifest
    }

    /// A function in one version only.
    package init(_ manifest: FunctionManifest, code: CodePrint = CodePrint()) {
        self.address = manifest.address
        self.versions = [Version(manifest: manifest, code: code, share: 100)]
    }

    /// - Parameter manifests: At least one, with different versions when there are several.
    init(_ manifests: [(FunctionManifest, CodePrint)], alias: FunctionAlias?) throws(ManifestError) {
        let sorted = manifests.sorted { Self.isOlder($0.0, $1.0) }
        guard let newest = sorted.last?.0 else { preconditionFailure("a function is grouped from its manifests") }
        self.address = newest.address
        guard let alias else {
            // Without a word about the split the newest version gets everything, as a new deployment does elsewhere.
            self.versions = sorted.map { manifest, code in
                Version(manifest: manifest, code: code, share: manifest.version == newest.version ? 100 : 0)
            }
            return
        }
        let known = Set(sorted.compactMap(\.0.version))
        if let missing = alias.split.keys.filter({ !known.contains($0) }).min() {
            let names = known.sorted().map(\.description).joined(separator: ", ")
            throw ManifestError(
                file: alias.file, line: alias.line,
                message: "split names version \(missing) of \(self.address); there is \(names.isEmpty ? "none" : names)"
            )
        }
        self.versions = sorted.map { manifest, code in
            Version(manifest: manifest, code: code, share: manifest.version.flatMap { alias.split[$0] } ?? 0)
        }
    }

    private static func isOlder(_ left: FunctionManifest, _ right: FunctionManifest) -> Bool {
        switch (left.version, right.version) {
        case (let left?, let right?): left < right
        case (nil, .some): true
        case (_, nil): false
        }
    }
}

/// The files that make a function's code, as they were when it was looked at.
package struct CodePrint: Sendable, Hashable {
    package var files: [String: FileStamp] = [:]

    package init() {}
}
