import BusSession
import BusTestKit
import BusWire
import NIOCore

/// The people of the call tests: callers, instances and observers who say every packet themselves.
struct CallClients {
    let network: TestNetwork

    init(_ network: TestNetwork = TestNetwork()) {
        self.network = network
    }

    func client(_ name: String, version: ProtocolVersion = .v5, properties: Properties = []) -> ScriptedClient {
        let client = ScriptedClient(self.network, version: version)
        client.connect(name, properties: version == .v5 ? properties : [])
        return client
    }

    /// A client that hears its own answers.
    func caller(
        _ name: String = "c", version: ProtocolVersion = .v5, properties: Properties = []
    ) -> ScriptedClient {
        let client = self.client(name, version: version, properties: properties)
        client.subscribe("fc/_reply/\(name)/#", qos: .atLeastOnce)
        return client
    }

    func instance(
        _ name: String = "i", function: String = "demo/echo", version: ProtocolVersion = .v5,
        filter: String? = nil, properties: Properties = []
    ) -> ScriptedClient {
        let client = self.client(name, version: version, properties: properties)
        client.subscribe(filter ?? "$share/fc/fc/\(function)/req/#", qos: .atLeastOnce)
        return client
    }

    /// Calls, and takes the code of the acknowledgement.
    @discardableResult
    func call(
        _ caller: ScriptedClient, at replyTopic: String = "fc/_reply/c", function: String = "demo/echo",
        id: String? = "1", payload: String = "hi", qos: QoS = .atLeastOnce, _ user: [(String, String)] = [],
        properties: Properties = []
    ) -> ReasonCode? {
        var all: Properties = [.responseTopic(replyTopic)]
        if let id { all.append(.correlationData(ByteBuffer(string: id))) }
        for (name, value) in user { all.append(.userProperty(name: name, value: value)) }
        for property in properties { all.append(property) }
        caller.publish("fc/\(function)/req", payload, qos: qos, properties: all)
        return caller.takeCodes().last
    }

    /// Answers as a client of MQTT 5 does.
    @discardableResult
    func answer(
        _ instance: ScriptedClient, _ request: Publish, _ text: String = "ho", _ user: [(String, String)] = [],
        echoes: Bool = true
    ) -> ReasonCode? {
        var all: Properties = []
        if echoes, let correlation = request.properties.correlationData { all.append(.correlationData(correlation)) }
        for (name, value) in user { all.append(.userProperty(name: name, value: value)) }
        instance.publish(request.properties.responseTopic ?? "", text, qos: .atLeastOnce, properties: all)
        return instance.takeCodes().last
    }

    func presence(_ instance: ScriptedClient, _ identifier: String, _ json: String) {
        instance.publish("fc/_inst/\(identifier)", json, qos: .atLeastOnce, isRetained: true)
    }

    func catalog(_ client: ScriptedClient, function: String = "demo/echo", _ json: String) {
        client.publish("fc/_catalog/\(function)", json, qos: .atLeastOnce, isRetained: true)
    }
}

extension ScriptedClient {
    /// The codes of acknowledgements that arrived, taken out.
    func takeCodes() -> [ReasonCode] {
        var codes: [ReasonCode] = []
        var others: [Packet] = []
        for packet in self.takeAll() {
            switch packet {
            case .pubAck(let acknowledgement), .pubRec(let acknowledgement): codes.append(acknowledgement.reasonCode)
            default: others.append(packet)
            }
        }
        self.putBack(others)
        return codes
    }

    /// The statuses of the answers that arrived.
    func takeStatuses() -> [String] { self.takePublishes().map { $0.user("__stat") ?? "200" } }
}

extension Publish {
    func user(_ name: String) -> String? { self.properties.firstUserProperty(named: name) }
}
