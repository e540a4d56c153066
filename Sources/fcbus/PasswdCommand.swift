import ArgumentParser
import BusIdentity
import Foundation
import Glibc

struct PasswdCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "passwd",
        abstract: "Add, change, list or delete the users of a password file.",
        discussion: """
            Asks for the password twice, without showing it. The file is made when it is not there, readable by its owner \
            only. Running brokers take it up on SIGHUP. Files of mosquitto_passwd are read and kept; passwords that are set \
            here are hashed with scrypt.

            EXAMPLES
              fcbus passwd passwords ana
              pwgen 24 1 | tee device7.txt | fcbus passwd passwords device7 --stdin
              fcbus passwd passwords ana --delete
              fcbus passwd passwords --list
            """)

    @Argument(help: "The password file.", completion: .file())
    var file: String

    @Argument(help: "The user.")
    var user: String?

    @Flag(help: "Read the password from the first line of standard input.")
    var stdin = false

    @Flag(help: "Delete the user.")
    var delete = false

    @Flag(help: "List the users.")
    var list = false

    func validate() throws {
        guard [self.stdin, self.delete, self.list].count(where: \.self) <= 1 else {
            throw ValidationError("--stdin, --delete and --list exclude each other")
        }
        guard (self.user == nil) == self.list else {
            throw ValidationError(self.list ? "--list takes no user" : "a user is missing: fcbus passwd FILE USER")
        }
    }

    func run() throws {
        let url = URL(filePath: self.file)
        let isThere = FileManager.default.fileExists(atPath: url.path)
        var users = isThere ? try self.read(url) : PasswordFile()
        guard let user = self.user else {
            for user in users.users { print(user) }
            return
        }
        if self.delete {
            guard users.remove(user) else { throw CommandFailure(.usage, "\(self.file) has no user \(user)") }
        } else {
            let password = try self.password(of: user)
            do throws(IdentityFailure) {
                try users.set(user, try PasswordHash.make(Array(password.utf8)))
            } catch {
                throw CommandFailure(.usage, error.description)
            }
        }
        try self.write(users.text, to: url)
    }

    private func read(_ url: URL) throws -> PasswordFile {
        let text: String
        do {
            text = try String(contentsOf: url, encoding: .utf8)
        } catch {
            throw CommandFailure(.usage, "cannot read \(self.file): \(error.localizedDescription)")
        }
        do throws(IdentityFailure) {
            return try PasswordFile(text, name: self.file)
        } catch {
            throw CommandFailure(.configuration, error.description)
        }
    }

    private func password(of user: String) throws -> String {
        guard !self.stdin else {
            guard let line = readLine(), !line.isEmpty else {
                throw CommandFailure(.usage, "no password came on standard input")
            }
            return line
        }
        guard isatty(STDIN_FILENO) == 1 else {
            throw CommandFailure(.usage, "standard input is no terminal; give the password with --stdin")
        }
        let password = Self.ask("Password for \(user): ")
        guard !password.isEmpty else { throw CommandFailure(.usage, "the password must not be empty") }
        guard password == Self.ask("Again: ") else { throw CommandFailure(.usage, "the passwords differ") }
        return password
    }

    /// Reads a line from the terminal, which does not show it.
    private static func ask(_ prompt: String) -> String {
        FileHandle.standardError.write(Data(prompt.utf8))
        var before = termios()
        unsafe tcgetattr(STDIN_FILENO, &before)
        var quiet = before
        quiet.c_lflag &= ~tcflag_t(ECHO)
        unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet)
        defer {
            unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
            FileHandle.standardError.write(Data("\n".utf8))
        }
        return readLine() ?? ""
    }

    /// Puts the new file in the old one's place in one step, on disk before it counts, for its owner's eyes only.
    private func write(_ text: String, to url: URL) throws {
        let new = url.path + ".new"
        let descriptor = unsafe open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure(.usage, "cannot write \(new): \(Self.lastError)")
        }
        let bytes = Array(text.utf8)
        let written = unsafe Glibc.write(descriptor, bytes, bytes.count)
        let isSafe = written == bytes.count && fsync(descriptor) == 0
        close(descriptor)
        guard isSafe, unsafe rename(new, url.path) == 0 else {
            throw CommandFailure(.usage, "cannot write \(self.file): \(Self.lastError); the old file is untouched")
        }
    }

    private static var lastError: String { unsafe String(cString: strerror(errno)) }
}
