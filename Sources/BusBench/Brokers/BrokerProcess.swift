import BusWire
import Foundation
import Glibc

/// A broker started for a measurement, on free loopback ports, and ended with it by its process identifier.
package final class BrokerProcess {
    package let address: BrokerAddress
    /// From the start of the program to the moment it takes connections, and has said so where it says so.
    package let startSeconds: Double
    private let process: Process
    private let folder: URL
    /// What it prints; kept, since a program whose output nobody holds is ended when it prints again.
    private let output: Pipe

    private init(_ address: BrokerAddress, startSeconds: Double, process: Process, output: Pipe, folder: URL) {
        self.address = address
        self.startSeconds = startSeconds
        self.process = process
        self.output = output
        self.folder = folder
    }

    package static func start(_ recipe: BrokerRecipe, withStore: Bool = false) throws -> BrokerProcess {
        guard FileManager.default.isExecutableFile(atPath: recipe.binary) else {
            throw BenchFailure("\(recipe.binary) is not there: apt-get install \(recipe.package)")
        }
        let folder = FileManager.default.temporaryDirectory.appending(path: "fcbus-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let ports = BrokerRecipe.Ports(mqtt: try FreePort.next(), nats: try FreePort.next())
        let file = folder.appending(path: recipe.configurationName)
        let configuration = recipe.configuration(ports, folder.path) + (withStore ? recipe.store(folder.path) : "")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(filePath: recipe.binary)
        process.arguments = recipe.arguments(file.path, ports)
        process.currentDirectoryURL = folder
        process.standardInput = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        let started = MonotonicClock.now()
        try Self.withDefaultSignals { try process.run() }
        // Until its ports answer, looked at every half millisecond.
        while !(FreePort.isTaken(ports.mqtt) && (!recipe.speaksNATS || FreePort.isTaken(ports.nats))) {
            guard process.isRunning, MonotonicClock.now() < started + 10_000_000_000 else {
                Self.end(process, folder)
                throw BenchFailure("\(recipe.name) did not start on port \(ports.mqtt)")
            }
            usleep(500)
        }
        if recipe.announcesReady { Self.awaitReadyLine(output) }
        let seconds = Double(MonotonicClock.now() - started) / 1e9
        var address = BrokerAddress(
            name: recipe.name, host: "127.0.0.1", port: ports.mqtt, process: process.processIdentifier)
        address.version = recipe.version
        address.natsPort = recipe.speaksNATS ? ports.nats : nil
        return BrokerProcess(address, startSeconds: seconds, process: process, output: output, folder: folder)
    }

    /// Its port answers already, so the line is there or about to come; an end of the output ends the wait too.
    private static func awaitReadyLine(_ output: Pipe) {
        var text = ""
        while !text.contains("ready ") {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { return }
            text += String(decoding: data, as: UTF8.self)
        }
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
        Self.end(self.process, self.folder)
    }

    private static func end(_ process: Process, _ folder: URL) {
        if process.isRunning { process.terminate() }
        let deadline = MonotonicClock.now() + 8_000_000_000
        while process.isRunning, MonotonicClock.now() < deadline { usleep(2000) }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        // A leftover in the temporary folder harms nobody.
        try? FileManager.default.removeItem(at: folder)
    }
}
