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

    /// Puts a text in the place of what the screen shows.
    static func redraw(_ text: String) {
        self.write(line: "\u{1B}[H\u{1B}[2J" + text)
    }

    static var isInteractive: Bool { isatty(1) == 1 }
    static var isErrorInteractive: Bool { isatty(2) == 1 }
}
