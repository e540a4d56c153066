import Yams

/// What an alias.yaml says: how the calls of a function are split over its versions.
package struct FunctionAlias: Sendable, Equatable {
    package var address: FunctionAddress
    /// Per cent of the calls; they add up to 100.
    package var split: [FunctionVersion: Int]
    package var file: String
    /// Line of `split`, for messages about versions that are not there.
    package var line: Int?

    package static let fileName = "alias.yaml"

    package static func read(_ text: String, file: String) throws(ManifestError) -> FunctionAlias {
        let source = ManifestSource(file: file)
        let root = try source.root(text, keys: "service, function and split")
        try source.refuseUnknown(root, keys: ["service", "function", "split"], in: nil)
        let node = try source.required(root, "split")
        guard let mapping = node.mapping, !mapping.isEmpty else {
            throw source.failure(node, "split is a map of version: per cent such as { 3: 90, 4: 10 }")
        }
        var split: [FunctionVersion: Int] = [:]
        for (key, value) in mapping {
            let version = try source.version(key, "split")
            split[version] = try source.integer(value, "split.\(version)", in: 0...100)
        }
        let sum = split.values.reduce(0, +)
        guard sum == 100 else { throw source.failure(node, "the parts of split must add up to 100 (got \(sum))") }
        return FunctionAlias(
            address: try source.address(root), split: split, file: file, line: node.mark?.line)
    }
}
