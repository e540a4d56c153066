import BusWire
import Foundation

/// A broker started for a measurement, on free loopback ports, and ended with it.
package final class BrokerProcess {
    package private(set) var address: BrokerAddress
    /// From the start of the program to the moment it takes connections, and has said so where it says so.
    package let startSeconds: Double
    private var servers: [ServerProcess]
    private let folder: MeasurementFolder
    private var functions: MeasurementFolder?

    private init(_ address: BrokerAddress, startSeconds: Double, server: ServerProcess, folder: MeasurementFolder) {
        self.address = address
        self.startSeconds = startSeconds
        self.servers = [server]
        self.folder = folder
    }

    package static func start(_ recipe: BrokerRecipe, withStore: Bool = false) throws -> BrokerProcess {
        try self.start(recipe, withStore: withStore, arguments: recipe.arguments)
    }

    /// A broker and a host with one function, in one process or in two.
    package static func start(_ hosting: FunctionHosting, _ workload: Workload) throws -> BrokerProcess {
        let functions = try MeasurementFolder()
        var isStarted = false
        defer { if !isStarted { functions.remove() } }
        try hosting.writeFunction(of: workload, to: functions)
        let broker: BrokerProcess
        switch hosting.way {
        case .together(let recipe):
            broker = try self.start(recipe, withStore: false) { file, _ in
                ["up", "--config", file, "--functions", functions.url.path]
            }
        case .apart(let recipe):
            broker = try self.start(recipe)
            do {
                try broker.add(hosting.startHost(functions, port: broker.address.port))
            } catch {
                broker.stop()
                throw error
            }
        }
        isStarted = true
        broker.functions = functions
        broker.address.name = hosting.name
        // A command that is run for each call is gone before anybody could look at it.
        broker.address.hasWorkers = workload.runtime != .exec
        return broker
    }

    private static func start(
        _ recipe: BrokerRecipe, withStore: Bool, arguments: (String, BrokerRecipe.Ports) -> [String]
    ) throws -> BrokerProcess {
        guard FileManager.default.isExecutableFile(atPath: recipe.binary) else {
            throw BenchFailure("\(recipe.binary) is not there: apt-get install \(recipe.package)")
        }
        let folder = try MeasurementFolder()
        let ports = BrokerRecipe.Ports(mqtt: try FreePort.next(), nats: try FreePort.next())
        let path = folder.url.path
        let configuration = recipe.configuration(ports, path) + (withStore ? recipe.store(path) : "")
        let file = try folder.write(configuration, to: recipe.configurationName)
        let server = try ServerProcess(recipe.binary, arguments(file, ports), in: folder.url)
        do {
            try server.awaitPorts([ports.mqtt] + (recipe.speaksNATS ? [ports.nats] : []), of: recipe.name)
        } catch {
            server.end()
            folder.remove()
            throw error
        }
        if recipe.announcesReady { server.awaitReadyLine() }
        let seconds = Double(MonotonicClock.now() - server.started) / 1e9
        var address = BrokerAddress(
            name: recipe.name, host: "127.0.0.1", port: ports.mqtt, processes: [server.identifier])
        address.version = recipe.version
        address.natsPort = recipe.speaksNATS ? ports.nats : nil
        return BrokerProcess(address, startSeconds: seconds, server: server, folder: folder)
    }

    private func add(_ server: ServerProcess) {
        self.servers.append(server)
        self.address.processes.append(server.identifier)
    }

    /// What came last goes first: a host says goodbye to its broker.
    package func stop() {
        for server in self.servers.reversed() { server.end() }
        self.folder.remove()
        self.functions?.remove()
    }
}
