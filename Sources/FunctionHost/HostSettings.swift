import Yams

/// What a host.yaml at the top of the functions' folder says about the host as a whole.
package struct HostSettings: Sendable, Equatable {
    /// Worker processes of all functions that may live at a time.
    package var workersMax = 64
    /// How often the folder is looked through for changes; `nil` for never.
    package var watch: Duration? = .seconds(1)

    package static let fileName = "host.yaml"

    package init() {}

    package static func read(_ text: String, file: String) throws(ManifestError) -> HostSettings {
        let source = ManifestSource(file: file)
        let root = try source.root(text, keys: "one of workersMax and watch")
        try source.refuseUnknown(root, keys: ["workersMax", "watch"], in: nil)
        var settings = HostSettings()
        if let node = root["workersMax"] {
            settings.workersMax = try source.integer(node, "workersMax", in: 1...100_000)
        }
        if let node = root["watch"] {
            settings.watch = try source.text(node, "watch") == "off" ? nil : source.positiveDuration(node, "watch")
        }
        return settings
    }
}
