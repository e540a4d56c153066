import Foundation

/// A broker of its own for the measurement, on a free loopback port.
struct BrokerUnderneath {
    let port: Int
    private let process = Process()

    /// - Parameter binary: `fcbus`, or the port of a broker that runs already.
    init(_ binary: String) throws {
        if let port = Int(binary) {
            self.port = port
            return
        }
        let output = Pipe()
        self.process.executableURL = URL(filePath: binary)
        self.process.arguments = ["broker", "--port", "0", "--log-level", "error"]
        self.process.standardOutput = output
        try self.process.run()
        var line = ""
        while !line.contains("\n") {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw NoBroker() }
            line += String(decoding: data, as: UTF8.self)
        }
        guard let port = line.prefix(while: { $0 != "\n" }).split(separator: ":").last.flatMap({ Int($0) }) else {
            throw NoBroker()
        }
        self.port = port
    }

    func stop() {
        guard self.process.isRunning else { return }
        self.process.terminate()
        self.process.waitUntilExit()
    }

    /// It ended before it was ready.
    struct NoBroker: Error {}
}
