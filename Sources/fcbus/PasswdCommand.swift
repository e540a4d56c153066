import ArgumentParser
import BusIdentity
import Foundation

struct PasswdCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "passwd",
        abstract: "Set, remove and list the users of a password file.",
        discussion: """
            Asks for the password twice, or reads it as one line with --stdin; it is never an argument, where other \
            processes could see it. The file is made where it is missing, for its owner's eyes only, and replaced as a \
            whole. Hashes are scrypt; lines that mosquitto_passwd wrote stay as they are. A running broker takes the \
            file over at SIGHUP.

            EXAMPLES
              fcbus passwd /etc/fcbus/passwords ann
              openssl rand -base64 24 | tee ann.txt | fcbus passwd /etc/fcbus/passwords ann --stdin
              fcbus passwd /etc/fcbus/passwords ann --delete
              fcbus passwd /etc/fcbus/passwords --list
            """)

    @Argument(help: "The password file.", completion: .file())
    var file: String

    @Argument(help: "The user whose password is set or who is removed.")
    var user: String?

    @Flag(help: "Read the password from the first line of stdin.")
    var stdin = false

    @Flag(help: "Remove the user.")
    var delete = false

    @Flag(help: "Print the users and how their passwords are hashed.")
    var list = false

    @Flag(help: "Print a line of JSON for each user of the list.")
    var json = false

    func validate() throws {
        guard [self.stdin, self.delete, self.list].count(where: \.self) <= 1 else {
            throw ValidationError("--stdin, --delete and --list exclude each other")
        }
        guard self.list || self.user != nil else {
            throw ValidationError("which user? `fcbus passwd FILE USER`, or `fcbus passwd FILE --list`")
        }
        guard !self.list || self.user == nil else { throw ValidationError("--list takes no user") }
        guard self.list || !self.json else { throw ValidationError("--json goes with --list") }
    }

    func run() throws {
        do {
            if self.list {
                try self.printUsers()
            } else if self.delete {
                try self.remove(self.user ?? "")
            } else {
                try self.set(self.user ?? "")
            }
        } catch let failure as IdentityFailure {
            let status = failure.kind == .userName ? ExitStatus.refusedInput : .configuration
            throw CommandFailure(status, failure.description)
        }
    }

    // MARK: Jobs

    private func printUsers() throws {
        let (text, warnings) = try PrivateFile(self.file, .passwords).readText()
        self.warn(warnings)
        let file = try PasswordFile(text, name: self.file)
        let rows = file.users.map { ($0, file.hash(of: $0)?.description ?? "") }
        if self.json {
            for (user, hash) in rows { print(ReplyJSON.text(["user": user, "hash": hash])) }
        } else {
            var table = TextTable(["USER", "HASH"])
            for (user, hash) in rows { table.add([user, hash]) }
            print(table.text)
        }
    }

    private func remove(_ user: String) throws {
        // Without this a missing file would be made in order to remove somebody from it.
        self.warn(try PrivateFile(self.file, .passwords).read().warnings)
        try PrivateFile(self.file, .passwords).update { text throws(IdentityFailure) in
            var file = try PasswordFile(text ?? "", name: self.file)
            guard file.remove(user) else {
                throw IdentityFailure(.userName, "\(self.file) has no user \(user); --list shows those it has")
            }
            return file.text
        }
    }

    private func set(_ user: String) throws {
        try self.check(user)
        let password = try self.password(for: user)
        let hash = try PasswordHash.make(password: password)
        try PrivateFile(self.file, .passwords).update { text throws(IdentityFailure) in
            var file = try PasswordFile(text ?? "", name: self.file)
            try file.set(user, hash)
            return file.text
        }
    }

    // MARK: Steps

    /// Finds out before the password is asked for whether it could be stored.
    private func check(_ user: String) throws {
        try PasswordFile.check(user)
        guard FileManager.default.fileExists(atPath: self.file) else { return }
        let (text, warnings) = try PrivateFile(self.file, .passwords).readText()
        self.warn(warnings)
        _ = try PasswordFile(text, name: self.file)
    }

    private func password(for user: String) throws -> [UInt8] {
        let password: [UInt8]
        if self.stdin {
            password = try PasswordPrompt.line()
        } else {
            guard let prompt = PasswordPrompt() else {
                throw CommandFailure(.usage, "no terminal to ask for the password; --stdin reads it from stdin")
            }
            password = try prompt.ask("Password for \(user): ")
            guard try prompt.ask("Again: ") == password else {
                throw CommandFailure(.refusedInput, "the two passwords differ; nothing was changed")
            }
        }
        guard !password.isEmpty else { throw CommandFailure(.refusedInput, "an empty password; nothing was changed") }
        if password.count < 8 { self.warn(["a password of less than 8 characters is soon guessed"]) }
        return password
    }

    private func warn(_ warnings: [String]) {
        for warning in warnings { Terminal.writeError(line: "fcbus: warning: \(warning)") }
    }
}
