import Foundation

/// A folder of functions that a test writes and that goes away with it.
final class FunctionFolder: Sendable {
    let path: String

    init() throws {
        self.path = FileManager.default.temporaryDirectory.appending(path: "fcbus-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    }

    deinit {
        // A leftover in the temporary folder is no failure of a test.
        try? FileManager.default.removeItem(atPath: self.path)
    }

    func write(_ text: String, to name: String, executable: Bool = false) throws {
        let file = URL(filePath: self.path).appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        if executable { try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path) }
    }

    /// A python3 function `T/<name>` with this code and these further lines of its manifest.
    func python(_ name: String, _ code: String, _ manifest: String = "") throws {
        try self.write(code, to: "\(name)/index.py")
        try self.write(
            "service: T\nfunction: \(name)\nruntime: python3\nhandler: index.handler\n\(manifest)\n",
            to: "\(name)/function.yaml")
    }
}
