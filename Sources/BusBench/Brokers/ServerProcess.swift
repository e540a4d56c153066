import Foundation
import Glibc

/// A program started for a measurement and ended with it, by its process identifier.
final class ServerProcess {
    /// In nanoseconds of the monotonic clock.
    let started: UInt64
    private let process: Process
    /// What it prints; kept, since a program whose output nobody holds is ended when it prints again.
    private let output: Pipe

    init(_ binary: String, _ arguments: [String], in folder: URL) throws {
        self.process = Process()
        self.process.executableURL = URL(filePath: binary)
        self.process.arguments = arguments
        self.process.currentDirectoryURL = folder
        self.process.standardInput = FileHandle.nullDevice
        self.output = Pipe()
        self.process.standardOutput = self.output
        self.process.standardError = FileHandle.nullDevice
        self.started = MonotonicClock.now()
        try Self.withDefaultSignals { try self.process.run() }
    }

    var identifier: Int32 { self.process.processIdentifier }

    /// Waits until ports answer, looked at every half millisecond.
    ///
    /// - Throws: when it ends before, or takes longer than ten seconds.
    func awaitPorts(_ ports: [Int], of name: String) throws {
        while !ports.allSatisfy(FreePort.isTaken) {
            guard self.process.isRunning, MonotonicClock.now() < self.started + 10_000_000_000 else {
                throw BenchFailure("\(name) did not start on port \(ports[0])")
            }
            usleep(500)
        }
    }

    /// Waits for the line that begins with `ready`; an end of the output ends the wait too.
    ///
    /// - Returns: whether there was such a line.
    @discardableResult
    func awaitReadyLine() -> Bool {
        var text = ""
        while !text.contains("ready ") {
            let data = self.output.fileHandleForReading.availableData
            guard !data.isEmpty else { return false }
            text += String(decoding: data, as: UTF8.self)
        }
        return true
    }

    func end() {
        if self.process.isRunning { self.process.terminate() }
        let deadline = MonotonicClock.now() + 8_000_000_000
        while self.process.isRunning, MonotonicClock.now() < deadline { usleep(2000) }
        if self.process.isRunning { kill(self.process.processIdentifier, SIGKILL) }
        self.process.waitUntilExit()
    }

    /// The threads that run Swift tasks block most signals, and a child inherits that: it would ignore SIGTERM.
    private static func withDefaultSignals(_ body: () throws -> Void) throws {
        var none = sigset_t()
        var before = sigset_t()
        unsafe sigemptyset(&none)
        unsafe pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        try body()
    }
}

/// A folder of a measurement, which goes away with it.
struct MeasurementFolder {
    let url: URL

    init() throws {
        self.url = FileManager.default.temporaryDirectory.appending(path: "fcbus-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.url, withIntermediateDirectories: true)
    }

    /// Returns the path of the file.
    func write(_ text: String, to name: String) throws -> String {
        let file = self.url.appending(path: name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    func remove() {
        // A leftover in the temporary folder harms nobody.
        try? FileManager.default.removeItem(at: self.url)
    }
}
