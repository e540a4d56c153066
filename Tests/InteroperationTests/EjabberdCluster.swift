import Foundation
import Testing

/// Debian's ejabberd (mod_mqtt) as a cluster of two nodes on loopback: all of it in a folder of its own, on free ports,
/// with no port mapper, ended by its process identifiers. It shares nothing with an ejabberd of the system.
final class EjabberdCluster: Sendable {
    /// Of the MQTT listeners, one for each node.
    let ports: [Int]
    private let nodes: [RunningCommand]
    private let folder: URL

    private init(ports: [Int], nodes: [RunningCommand], folder: URL) {
        self.ports = ports
        self.nodes = nodes
        self.folder = folder
    }

    /// Runs `body` with a cluster and ends it afterwards, whatever happens.
    static func with<Result>(_ body: (EjabberdCluster) async throws -> Result) async throws -> Result {
        let cluster = try await Self.start()
        do {
            let result = try await body(cluster)
            try await cluster.end()
            return result
        } catch {
            try await cluster.end()
            throw error
        }
    }

    private static func start() async throws -> EjabberdCluster {
        let folder = FileManager.default.temporaryDirectory.appending(path: "ejabberd-\(UUID().uuidString)")
        let setting = Setting(
            folder: folder, cookie: UUID().uuidString, distributionPort: try TestSocket.freePort(),
            mapperPort: try TestSocket.freePort(), library: try Self.library())
        var nodes: [RunningCommand] = []
        do {
            var ports: [Int] = []
            for number in 1...2 {
                ports.append(try TestSocket.freePort())
                nodes.append(try setting.start(number, port: ports[number - 1]))
                _ = try await nodes[number - 1].line(timeout: 30) { $0 == "ready: \(number) of \(number)" }
            }
            return EjabberdCluster(ports: ports, nodes: nodes, folder: folder)
        } catch {
            try await EjabberdCluster(ports: [], nodes: nodes, folder: folder).end()
            throw error
        }
    }

    /// Nothing in it is worth a shutdown in order, which takes seconds.
    private func end() async throws {
        for node in self.nodes { node.kill9() }
        for node in self.nodes { _ = try await node.exitCode(timeout: 10) }
        try FileManager.default.removeItem(at: self.folder)
    }

    /// Where Debian has it on this architecture.
    private static func library() throws -> String {
        for folder in try FileManager.default.contentsOfDirectory(atPath: "/usr/lib") {
            let path = "/usr/lib/\(folder)"
            // Most of what is there is no folder.
            let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            if entries.contains(where: { $0.hasPrefix("ejabberd-") }) { return path }
        }
        throw RunningCommand.TimedOut(description: "ejabberd is not installed")
    }

    /// What both nodes have in common.
    private struct Setting {
        let folder: URL
        let cookie: String
        /// The nodes find each other by it, on 127.0.0.1 and 127.0.0.2.
        let distributionPort: Int
        /// Nobody listens there: the port mapper of the system is not asked.
        let mapperPort: Int
        let library: String

        /// The first node; or the second, which joins it.
        func start(_ number: Int, port: Int) throws -> RunningCommand {
            let home = self.folder.appending(path: "\(number)")
            try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
            let configuration = home.appending(path: "ejabberd.yml").path
            try Self.configuration(port: port).write(toFile: configuration, atomically: true, encoding: .utf8)
            let join = number == 1 ? "" : "ok = ejabberd_cluster:join('\(Self.name(1))'), "
            let ready = "io:format(\"ready: \(number) of ~p~n\", [length(ejabberd_cluster:get_nodes())])."
            return try RunningCommand(
                "/usr/bin/erl",
                [
                    "-name", Self.name(number), "-setcookie", self.cookie, "-start_epmd", "false",
                    "-erl_epmd_port", "\(self.distributionPort)", "-kernel", "inet_dist_use_interface",
                    "{127,0,0,\(number)}", "-mnesia", "dir", "\"\(home.appending(path: "mnesia").path)\"",
                    "+sbwt", "none", "-noinput", "-s", "ejabberd", "-eval", join + ready,
                ],
                environment: [
                    "HOME": home.path, "ERL_LIBS": self.library, "ERL_EPMD_PORT": "\(self.mapperPort)",
                    "ERL_CRASH_DUMP": home.appending(path: "crash").path, "EJABBERD_CONFIG_PATH": configuration,
                    "EJABBERD_LOG_PATH": home.appending(path: "ejabberd.log").path,
                ])
        }

        private static func name(_ number: Int) -> String { "fcbus\(number)@127.0.0.\(number)" }

        /// Anybody may log in, under any name of the host.
        private static func configuration(port: Int) -> String {
            """
            hosts: [localhost]
            loglevel: warning
            auth_method: anonymous
            anonymous_protocol: both
            allow_multiple_connections: true
            listen:
              - port: \(port)
                ip: 127.0.0.1
                module: mod_mqtt
                backlog: 1000
            modules:
              mod_mqtt: {}

            """
        }
    }
}
