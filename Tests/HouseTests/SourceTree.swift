import Foundation

/// The files of this checkout, read once.
struct SourceTree {
    struct File: CustomStringConvertible {
        /// From the top of the checkout, such as `Sources/BusWire/QoS.swift`.
        var path: String
        var lines: [String]

        var description: String { self.path }

        /// The folder below `Sources` or `Tests`.
        var room: String { self.path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

        /// Module names after `import`, without kinds and access levels.
        var imports: [String] {
            self.lines.compactMap { line in
                var words = line.split(separator: " ").map(String.init)
                words.removeAll { ["public", "package", "internal", "private", "fileprivate"].contains($0) }
                words.removeAll { $0.hasPrefix("@") }
                guard words.first == "import", words.count > 1 else { return nil }
                let name =
                    words.count > 2 && ["struct", "class", "enum", "func", "protocol"].contains(words[1])
                    ? words[2] : words[1]
                return name.split(separator: ".").first.map(String.init)
            }
        }
    }

    static let top = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static let sources = files(under: "Sources", extension: "swift")
    static let tests = files(under: "Tests", extension: "swift")

    static func files(under folder: String, extension suffix: String) -> [File] {
        let start = self.top.appending(path: folder)
        guard let walk = FileManager.default.enumerator(at: start, includingPropertiesForKeys: nil) else { return [] }
        return walk.compactMap { item in
            guard let url = item as? URL, url.pathExtension == suffix,
                let text = try? String(contentsOf: url, encoding: .utf8)
            else { return nil }
            let path = String(url.path.dropFirst(self.top.path.count + 1))
            return File(path: path, lines: text.components(separatedBy: "\n"))
        }
    }
}
