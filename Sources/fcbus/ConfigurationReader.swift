import BusServer
import Foundation

/// Reads configuration files from disk; what is in them is the configuration's own business.
enum ConfigurationReader {
    static func read(_ path: String) throws -> ServerConfiguration {
        let text: String
        do {
            text = try String(contentsOf: URL(filePath: path), encoding: .utf8)
        } catch {
            throw CommandFailure(.configuration, "cannot read the configuration \(path): \(error.localizedDescription)")
        }
        do {
            return try ConfigurationFile(name: path).read(text)
        } catch {
            throw CommandFailure(.configuration, error.description)
        }
    }
}
