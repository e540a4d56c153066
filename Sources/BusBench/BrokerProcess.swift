import Foundation
import Glibc

/// A broker started for a measurement, on a free loopback port, and ended with it.
package final class BrokerProcess {
    package let address: BrokerAddress
    private let process: Process
    private let folder: URL

    private init(name: String, process: Process, port: Int, folder: URL) {
        self.address = BrokerAddress(name: name, host: "127.0.0.1", port: port, process: process.processIdentifier)
        self.process = process
        self.folder = folder
    }

    /// This program's own broker.
    package static func fcbus(binary: String) async throws -> BrokerProcess {
        try await Self.start("fcbus", binary) { port, _ in ["broker", "--port", "\(port)"] }
    }

    /// mosquitto, with limits that let it take what the scenarios offer.
    package static func mosquitto(binary: String = "/usr/sbin/mosquitto") async throws -> BrokerProcess {
        guard FileManager.default.isExecutableFile(atPath: binary) else {
            throw BenchFailure("\(binary) is not there: apt-get install mosquitto")
        }
        return try await Self.start("mosquitto", binary) { port, folder in
            let file = folder.appending(path: "mosquitto.conf")
            let text = """
                listener \(port) 127.0.0.1
                allow_anonymous true
                max_queued_messages 100000
                max_inflight_messages 0
                set_tcp_nodelay true
                log_type none

                """
            try text.write(to: file, atomically: true, encoding: .utf8)
            return ["-c", file.path]
        }
    }

    private static func start(
        _ name: String, _ binary: String, arguments: (Int, URL) throws -> [String]
    ) async throws -> BrokerProcess {
        let folder = FileManager.default.temporaryDirectory.appending(path: "fcbus-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let port = try FreePort.next()
        let process = Process()
        process.executableURL = URL(filePath: binary)
        process.arguments = try arguments(port, folder)
        process.currentDirectoryURL = folder
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try Self.withDefaultSignals { try process.run() }
        let broker = BrokerProcess(name: name, process: process, port: port, folder: folder)
        for _ in 0..<250 {
            if FreePort.isTaken(port) { return broker }
            guard process.isRunning else { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        broker.stop()
        throw BenchFailure("\(name) did not start on port \(port)")
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

    package func stop() {
        if self.process.isRunning { self.process.terminate() }
        self.process.waitUntilExit()
        // A leftover in the temporary folder harms nobody.
        try? FileManager.default.removeItem(at: self.folder)
    }
}
