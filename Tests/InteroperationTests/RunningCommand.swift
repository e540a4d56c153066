import Foundation
import Synchronization
import Testing

/// A started program whose output is collected line by line.
final class RunningCommand: Sendable {
    struct TimedOut: Error, CustomStringConvertible {
        let description: String
    }

    private struct State {
        var lines: [String] = []
        var partial = Data()
        var errors = Data()
        /// Pipes that have not come to their end.
        var openPipes = 2
    }

    private let state = Mutex(State())
    private let process = Process()

    var processIdentifier: Int32 { self.process.processIdentifier }

    init(_ executable: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        let isPath = executable.contains("/")
        self.process.executableURL = URL(filePath: isPath ? executable : "/usr/bin/env")
        self.process.arguments = (isPath ? [] : [executable]) + arguments
        self.process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        let errors = Pipe()
        self.process.standardInput = FileHandle.nullDevice
        self.process.standardOutput = output
        self.process.standardError = errors
        // The threads that run tests block most signals, and a child inherits that: it would ignore SIGTERM.
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try self.process.run()
        self.collect(from: output.fileHandleForReading) { $0.take($1) }
        self.collect(from: errors.fileHandleForReading) { command, data in
            command.state.withLock { $0.errors.append(data) }
        }
    }

    /// Reads to the end on a thread of its own, which keeps the handle: a dispatch source on a descriptor that closes
    /// under it takes the whole test process down.
    private func collect(
        from handle: FileHandle, _ body: @escaping @Sendable (RunningCommand, Data) -> Void
    ) {
        Thread.detachNewThread { [weak self] in
            while true {
                let data = handle.availableData
                guard let self else { return }
                guard !data.isEmpty else {
                    self.state.withLock { $0.openPipes -= 1 }
                    return
                }
                body(self, data)
            }
        }
    }

    private func take(_ data: Data) {
        self.state.withLock { state in
            state.partial.append(data)
            while let end = state.partial.firstIndex(of: UInt8(ascii: "\n")) {
                state.lines.append(String(decoding: state.partial[state.partial.startIndex..<end], as: UTF8.self))
                state.partial = Data(state.partial[(end + 1)...])
            }
        }
    }

    var lines: [String] { self.state.withLock { $0.lines } }
    var errorText: String { self.state.withLock { String(decoding: $0.errors, as: UTF8.self) } }

    /// What a process wrote before it ended may still be in its pipes.
    private var hasSaidAll: Bool { !self.process.isRunning && self.state.withLock { $0.openPipes == 0 } }

    /// The first line of the output that fits; waits for it.
    func line(timeout seconds: Double, where fits: (String) -> Bool) async throws -> String {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while Date() < deadline {
            if let line = self.lines.first(where: fits) { return line }
            if self.hasSaidAll { break }
            try await Task.sleep(for: .milliseconds(5))
        }
        if let line = self.lines.first(where: fits) { return line }
        throw TimedOut(
            description: "no such line from \(self.process.arguments ?? []): \(self.lines) \(self.errorText)")
    }

    /// Waits until that many lines have come.
    func lines(count: Int, timeout seconds: Double) async throws -> [String] {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while Date() < deadline {
            let lines = self.lines
            if lines.count >= count { return lines }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw TimedOut(description: "\(self.lines.count) of \(count) lines: \(self.lines) \(self.errorText)")
    }

    /// Waits for the end; a program that does not end in time is killed and reported.
    func exitCode(timeout seconds: Double) async throws -> Int32 {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while self.process.isRunning {
            guard Date() < deadline else {
                kill(self.process.processIdentifier, SIGKILL)
                throw TimedOut(
                    description: "\(self.process.arguments ?? []) did not end: \(self.lines) \(self.errorText)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        // What was still in the pipes when the process ended; a child of its own may keep them open for ever.
        let drained = Date(timeIntervalSinceNow: 5)
        while Date() < drained, self.state.withLock({ $0.openPipes > 0 }) {
            try await Task.sleep(for: .milliseconds(2))
        }
        self.state.withLock { state in
            guard !state.partial.isEmpty else { return }
            state.lines.append(String(decoding: state.partial, as: UTF8.self))
            state.partial = Data()
        }
        return self.process.terminationStatus
    }

    func terminate() {
        if self.process.isRunning { kill(self.process.processIdentifier, SIGTERM) }
    }

    func kill9() {
        if self.process.isRunning { kill(self.process.processIdentifier, SIGKILL) }
    }
}

/// Runs a program to its end and gives its output.
func run(
    _ executable: String, _ arguments: [String], timeout: Double = 20, environment: [String: String] = [:]
) async throws -> (code: Int32, lines: [String], errors: String) {
    let command = try RunningCommand(executable, arguments, environment: environment)
    let code = try await command.exitCode(timeout: timeout)
    return (code, command.lines, command.errorText)
}
