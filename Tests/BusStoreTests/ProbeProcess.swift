import Foundation
import Testing

/// A `StoreProbe` that appends to a store until it is killed, and what it said was committed.
final class ProbeProcess {
    private let identifier: pid_t
    var processIdentifier: Int { Int(self.identifier) }
    private let output: FileHandle
    private var text = ""
    private var isEnded = false

    /// Lies beside the tests.
    static let binary = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appending(path: "StoreProbe").path

    init(appendingTo directory: String, seed: UInt64) throws {
        let pipe = Pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, pipe.fileHandleForWriting.fileDescriptor, 1)
        let words: [String] = ["StoreProbe", "append", directory, "\(seed)"]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var identifier: pid_t = 0
        let result = posix_spawn(&identifier, Self.binary, &actions, nil, arguments, environ)
        try #require(result == 0 as Int32, "cannot start \(Self.binary): error \(result)")
        self.identifier = identifier
        self.output = pipe.fileHandleForReading
        try pipe.fileHandleForWriting.close()
    }

    deinit {
        if !self.isEnded { self.kill() }
    }

    /// The highest number said so far; reads on until it reaches `number`, or to the end of the output.
    func committed(atLeast number: UInt64) -> UInt64 {
        while self.latest < number {
            let data = self.output.availableData
            guard !data.isEmpty else { break }
            self.text += String(decoding: data, as: UTF8.self)
        }
        return self.latest
    }

    /// The last whole line.
    private var latest: UInt64 {
        let lines = self.text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.dropLast().last.flatMap { UInt64($0) } ?? 0
    }

    /// Stops it between two instructions.
    func freeze() {
        Foundation.kill(self.identifier, SIGSTOP)
        var status: Int32 = 0
        waitpid(self.identifier, &status, WUNTRACED)
    }

    func thaw() {
        Foundation.kill(self.identifier, SIGCONT)
    }

    func kill() {
        Foundation.kill(self.identifier, SIGKILL)
        var status: Int32 = 0
        waitpid(self.identifier, &status, 0)
        self.isEnded = true
    }
}
