import Foundation
import Glibc

/// Asks for a password on the terminal, without showing it.
struct PasswordPrompt {
    private static let bytesMax = 65_535
    private static let controlC: UInt8 = 3

    private let terminal: FileHandle

    /// Returns `nil` where nobody sits at a terminal. Stdin may be something else then: the terminal is asked itself.
    init?() {
        guard let terminal = FileHandle(forUpdatingAtPath: "/dev/tty") else { return nil }
        self.terminal = terminal
    }

    /// - Throws: `CommandFailure` when the person gives up with Ctrl-C or Ctrl-D.
    func ask(_ question: String) throws -> [UInt8] {
        let descriptor = self.terminal.fileDescriptor
        var before = termios()
        guard unsafe tcgetattr(descriptor, &before) == 0 else {
            throw CommandFailure(
                .usage, "this terminal cannot hide what is typed; --stdin reads the password from stdin")
        }
        var hidden = before
        // Ctrl-C must not leave the terminal silent: here it is no signal, but a byte that ends the line.
        hidden.c_lflag &= ~tcflag_t(ECHO | ISIG)
        hidden.c_cc.11 = Self.controlC  // VEOL
        guard unsafe tcsetattr(descriptor, TCSAFLUSH, &hidden) == 0 else {
            throw CommandFailure(
                .usage, "this terminal cannot hide what is typed; --stdin reads the password from stdin")
        }
        defer { unsafe tcsetattr(descriptor, TCSAFLUSH, &before) }
        // Only now: what is typed before the terminal is silent would be shown, and then thrown away.
        try self.terminal.write(contentsOf: Data(question.utf8))
        let line = try Self.line(of: self.terminal)
        try self.terminal.write(contentsOf: Data("\n".utf8))
        guard let line, line.last != Self.controlC else {
            throw CommandFailure(.refusedInput, "given up; nothing was changed")
        }
        return line
    }

    /// The first line of stdin.
    static func line() throws -> [UInt8] {
        guard let line = try self.line(of: .standardInput) else {
            throw CommandFailure(.refusedInput, "stdin is empty; nothing was changed")
        }
        return line
    }

    /// One line without its end, `nil` at the end of input. Byte by byte, since what follows is somebody else's.
    private static func line(of input: FileHandle) throws -> [UInt8]? {
        var line: [UInt8] = []
        while let byte = try input.read(upToCount: 1)?.first {
            if byte == 0x0A { return line.last == 0x0D ? line.dropLast() : line }
            line.append(byte)
            if byte == self.controlC { return line }
            guard line.count <= self.bytesMax else {
                throw CommandFailure(.refusedInput, "a password has at most \(self.bytesMax) bytes")
            }
        }
        return line.isEmpty ? nil : line
    }
}
