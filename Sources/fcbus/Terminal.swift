import Foundation
import FunctionBus
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

    /// A payload as it is; text gets an end of line, for people.
    static func write(_ payload: Payload) {
        FileHandle.standardOutput.write(Data(payload.bytes))
        if payload.text?.hasSuffix("\n") == false { FileHandle.standardOutput.write(Data("\n".utf8)) }
    }

    static func writeError(line: String) {
        self.writeError(text: line + "\n")
    }

    static func writeError(text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }

    static var isErrorInteractive: Bool { isatty(2) == 1 }
}
