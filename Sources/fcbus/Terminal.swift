import Foundation
import Glibc

/// Results go to stdout, chatter to stderr.
enum Terminal {
    /// The one line by which scripts know that a server takes connections.
    static func ready(_ url: String) {
        print("ready \(url)")
        // A pipe buffers whole blocks; whoever waits for the line waits for it now.
        fflush(nil)
    }

    static func write(line: String) {
        print(line)
        fflush(nil)
    }

    static func writeError(line: String) {
        self.writeError(text: line + "\n")
    }

    static func writeError(text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }

    static var isErrorInteractive: Bool { isatty(2) == 1 }
}
