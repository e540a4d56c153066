import Foundation

/// Files that decide who gets in: read only when nobody else could have written them, or read them where they are secret.
package enum SecretFile {
    /// - Parameter isSecret: whether others must not be able to read it either.
    package static func read(_ path: String, isSecret: Bool) throws(ServerFailure) -> String {
        let mode: Int
        let text: String
        do {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0o777
            text = try String(contentsOf: URL(filePath: path), encoding: .utf8)
        } catch {
            throw ServerFailure("cannot read \(path): \(error.localizedDescription)")
        }
        let forbidden = isSecret ? 0o006 : 0o002
        guard mode & forbidden == 0 else {
            throw ServerFailure(
                "\(path) can be \(mode & 0o002 != 0 ? "written" : "read") by every user of this machine; "
                    + "`chmod o= \(path)` mends it")
        }
        return text
    }
}
