import BusCore
import BusTestKit
import BusWire

/// A network whose broker has a store, and clients that come to it.
struct StoredScene {
    let network = TestNetwork()

    /// - Parameter commitsAtOnce: whether every batch is on disk at once, or when the test says so.
    init(commitsAtOnce: Bool = true) {
        self.network.attachStore()
        self.network.commitsAtOnce = commitsAtOnce
    }

    var committed: StoredState { self.network.store?.committed ?? StoredState() }
    var latest: StoredState { self.network.store?.latest ?? StoredState() }

    /// A client whose session lasts an hour.
    func lasting(
        _ name: String, _ filters: String..., qos: QoS = .exactlyOnce, version: ProtocolVersion = .v5,
        cleanStart: Bool = false
    ) -> ScriptedClient {
        let client = ScriptedClient(self.network, version: version)
        client.connect(
            name, cleanStart: cleanStart, properties: version == .v5 ? [.sessionExpiryInterval(3600)] : [])
        for filter in filters { client.subscribe(filter, qos: qos) }
        return client
    }

    /// A client whose session ends with its connection.
    func passing(_ name: String, _ filters: String..., version: ProtocolVersion = .v5) -> ScriptedClient {
        let client = ScriptedClient(self.network, version: version)
        client.connect(name)
        for filter in filters { client.subscribe(filter) }
        return client
    }
}

extension ScriptedClient {
    /// The packets that arrived, by their types.
    func takeTypes() -> [PacketType] { self.takeAll().map(\.type) }
}
