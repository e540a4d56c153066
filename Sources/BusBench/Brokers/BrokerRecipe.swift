import BusWire

/// How a broker is started for a measurement: with limits that let it take what the workloads offer.
package struct BrokerRecipe: Sendable {
    struct Ports: Sendable {
        var mqtt: Int
        var nats: Int
    }

    package let name: String
    package let binary: String
    /// What brings the binary.
    let package: String
    let version: ProtocolVersion
    let speaksNATS: Bool
    /// It prints a line that begins with `ready` once it takes connections.
    let announcesReady: Bool
    let configurationName: String
    let configuration: @Sendable (_ ports: Ports, _ folder: String) -> String
    /// Further lines with which it keeps what it acknowledges.
    let store: @Sendable (_ folder: String) -> String
    let arguments: @Sendable (_ file: String, _ ports: Ports) -> [String]

    /// Whether it takes one-way calls and runs them, whatever happens meanwhile.
    var keepsCalls: Bool { self.package == "fcbus" }

    /// This program's own broker.
    package static func fcbus(binary: String) -> BrokerRecipe {
        BrokerRecipe(
            name: "fcbus", binary: binary, package: "fcbus", version: .v5, speaksNATS: false,
            announcesReady: true, configurationName: "fcbus.yaml",
            configuration: { ports, _ in
                """
                listeners:
                  - host: 127.0.0.1
                    port: \(ports.mqtt)
                limits:
                  connectionsMax: 1000000
                  connectionsPerAddressMax: 1000000
                  connectionsPerUserMax: 1000000
                  keepAliveMax: 0s
                  receiveMaximumIn: 65535
                  queuedMessagesMax: 1000000
                  queuedBytesMax: 4GiB
                  subscriptionsPerClientMax: 10000000
                  subscriptionsMax: 100000000

                """
            },
            store: { "persistence: { directory: \($0)/store }\n" },
            arguments: { file, _ in ["broker", "--config", file] })
    }

    /// Debian's mosquitto; with a store it writes that every half an hour, which is its default, and at its end.
    package static let mosquitto = Self.mosquitto(named: "mosquitto", saving: "")
    /// The same, told to write its store at every change.
    package static let mosquittoSaving = Self.mosquitto(
        named: "mosquitto-saving", saving: "autosave_on_changes true\nautosave_interval 1\n")

    private static func mosquitto(named name: String, saving: String) -> BrokerRecipe {
        BrokerRecipe(
            name: name, binary: "/usr/sbin/mosquitto", package: "mosquitto", version: .v5, speaksNATS: false,
            announcesReady: false, configurationName: "mosquitto.conf",
            configuration: { ports, _ in
                """
                listener \(ports.mqtt) 127.0.0.1
                allow_anonymous true
                max_queued_messages 1000000
                max_inflight_messages 0
                set_tcp_nodelay true
                log_type none

                """
            },
            // Started by the superuser it would become a user who may not write there.
            store: { "persistence true\npersistence_location \($0)/\nuser root\n" + saving },
            arguments: { file, _ in ["-c", file] })
    }

    /// Debian's NATS server: MQTT 3.1.1, which needs its store, and for calls its own protocol.
    package static let nats = BrokerRecipe(
        name: "nats", binary: "/usr/sbin/nats-server", package: "nats-server", version: .v3_1_1, speaksNATS: true,
        announcesReady: false, configurationName: "nats.conf",
        configuration: { ports, folder in
            """
            server_name: bench
            listen: 127.0.0.1:\(ports.nats)
            jetstream { store_dir: "\(folder)/store" }
            mqtt {
              listen: 127.0.0.1:\(ports.mqtt)
              max_ack_pending: 65535
            }

            """
        },
        store: { _ in "" },
        arguments: { file, _ in ["-c", file] })
}
