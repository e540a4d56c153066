import BusAccess
import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Access")
struct AccessTests {
    let network = TestNetwork()

    init() throws {
        self.network.broker.authenticates = true
        try self.rule(publish: ["up/{client}/#", "open/#"], subscribe: ["up/#", "open/#"])
    }

    private func rule(
        publish: [String] = [], subscribe: [String] = [], call: [String] = [], serve: [String] = [],
        denied: [String] = []
    ) throws {
        var rules = try publish.map { AccessRule(.everyone, .allow, try .publish(to: $0)) }
        rules += try subscribe.map { AccessRule(.everyone, .allow, try .subscribe(to: $0)) }
        rules += try call.map { AccessRule(.everyone, .allow, try .call(of: $0)) }
        rules += try serve.map { AccessRule(.everyone, .allow, try .serve(of: $0)) }
        rules += try denied.map { AccessRule(.everyone, .deny, try .subscribe(to: $0)) }
        self.network.setPolicy(AccessPolicy(rules: rules, groups: [:]))
    }

    private func client(
        _ name: String, cleanStart: Bool = true, will: Will? = nil, properties: Properties = []
    ) -> ScriptedClient {
        let client = ScriptedClient(self.network)
        client.logIn(name, as: "user of \(name)", cleanStart: cleanStart, will: will, properties: properties)
        return client
    }

    @Test("What is not allowed is not published, and 5.0 is told 0x87", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func publish(_ qos: QoS) {
        let reader = self.client("r")
        reader.subscribe("up/#")
        let writer = self.client("w")
        writer.publish("up/w/x", "fine", qos: qos)
        writer.publish("up/r/x", "not mine", qos: qos)
        let codes = writer.takeAll().compactMap { packet -> ReasonCode? in
            switch packet {
            case .pubAck(let acknowledgement), .pubRec(let acknowledgement): acknowledgement.reasonCode
            default: nil
            }
        }
        #expect(codes == [.success, .notAuthorized])
        #expect(reader.takePublishes().map(\.text) == ["fine"])
        #expect(self.network.broker.statistics.deniedPublishes == 1)
    }

    @Test("A filter is allowed only where all that it matches is, shared ones by their inner filter (S05)")
    func subscribe() {
        let client = self.client("c")
        let codes = client.subscribe("up/+/x", "up/#", "#", "other", "$share/g/up/#", "$share/g/#", qos: .atLeastOnce)
        let (yes, no) = (ReasonCode.grantedQoS1, ReasonCode.notAuthorized)
        #expect(codes == [yes, yes, no, no, yes, no])
    }

    @Test("A denied topic inside an allowed filter does not come, live or retained, alone or shared")
    func holes() throws {
        let writer = self.client("w")
        writer.publish("open/secret", "old", isRetained: true)
        try self.rule(publish: ["open/#"], subscribe: ["open/#"], denied: ["open/secret"])
        let reader = self.client("r")
        let member = self.client("m")
        reader.subscribe("open/#")
        member.subscribe("$share/g/open/#")
        writer.publish("open/secret", "new", qos: .atLeastOnce)
        writer.publish("open/door", "wide", qos: .atLeastOnce)
        #expect(reader.takePublishes().map(\.text) == ["wide"])
        #expect(member.takePublishes().map(\.text) == ["wide"])
    }

    @Test("A right that is taken away stops at once: subscriptions, shared ones, queues of absent clients (S03)")
    func revoked() throws {
        let reader = self.client("r")
        reader.subscribe("open/#")
        let member = self.client("m")
        member.subscribe("$share/g/open/#")
        let absent = self.client("a", properties: [.sessionExpiryInterval(1000)])
        absent.subscribe("open/#", "up/#", qos: .atLeastOnce)
        absent.drop()
        let writer = self.client("w")
        writer.publish("open/x", "before", qos: .atLeastOnce)
        writer.publish("up/w/x", "fine", qos: .atLeastOnce)
        #expect(reader.takePublishes().count == 1)
        _ = member.takePublishes()

        try self.rule(publish: ["up/{client}/#", "open/#"], subscribe: ["up/#"])
        writer.publish("open/x", "after", qos: .atLeastOnce)
        #expect(reader.takePublishes().isEmpty)
        #expect(member.takePublishes().isEmpty)
        let returned = self.client("a", cleanStart: false)
        #expect(returned.takePublishes().map(\.text) == ["fine"])
        #expect(self.network.broker.subscriptionCount == 1)
    }

    @Test("Between PUBREC and PUBREL a revoked right changes nothing: the message was accepted (S03)")
    func revokedInExchange() throws {
        let writer = self.client("w")
        writer.acknowledgesPublishes = false
        let reader = self.client("r")
        reader.subscribe("open/#")
        let identifier = try #require(writer.publish("open/x", "accepted", qos: .exactlyOnce))
        try self.rule(subscribe: ["open/#"])
        writer.send(.pubRel(Acknowledgement(packetIdentifier: identifier)))
        let last = try #require(writer.takeAll().last)
        #expect(last == .pubComp(Acknowledgement(packetIdentifier: identifier)))
        #expect(reader.takePublishes().map(\.text) == ["accepted"])
    }

    @Test("A retained message whose publisher may not publish it any more is not delivered (S04)")
    func retainedSource() throws {
        self.client("w").publish("open/x", "kept", isRetained: true)
        try self.rule(publish: ["up/#"], subscribe: ["open/#"])
        let reader = self.client("r")
        reader.subscribe("open/#")
        #expect(reader.takePublishes().isEmpty)
    }

    @Test("A will is checked when it is published, not when it was left (S06)")
    func will() throws {
        let reader = self.client("r")
        reader.subscribe("up/#")
        let will = Will(
            topic: "up/w/gone", payload: ByteBuffer(string: "bye"), qos: .atLeastOnce, isRetained: false, properties: []
        )
        self.client("w", will: will).drop()
        #expect(reader.takePublishes().map(\.text) == ["bye"])
        let second = self.client("w", will: will)
        try self.rule(subscribe: ["up/#"])
        second.drop()
        #expect(reader.takePublishes().isEmpty)
    }

    @Test("A caller without the right is told 403 and 0x87, before it learns whether the function exists")
    func call() throws {
        try self.rule(call: ["math/*"])
        let caller = self.client("c")
        caller.subscribe("fc/_reply/c/#")
        for function in ["math/add", "secret/add"] {
            caller.publish(
                "fc/\(function)/req", "1", qos: .atLeastOnce,
                properties: [.responseTopic("fc/_reply/c"), .correlationData(ByteBuffer(string: function))])
        }
        let statuses = caller.takePublishes().compactMap { $0.properties.firstUserProperty(named: "__stat") }
        #expect(statuses == ["404", "403"])
    }

    @Test("Only who may serve a function is its instance, and answers by its one-shot grant alone (S08)")
    func serve() throws {
        try self.rule(call: ["math/*"], serve: ["math/add"])
        let instance = self.client("i")
        let codes = instance.subscribe("$share/fc/fc/math/add/req/#", "$share/fc/fc/math/sub/req/#", qos: .atLeastOnce)
        #expect(codes == [.grantedQoS1, .notAuthorized])
        let caller = self.client("c")
        caller.subscribe("fc/_reply/c/#")
        caller.publish(
            "fc/math/add/req", "1", qos: .atLeastOnce,
            properties: [.responseTopic("fc/_reply/c"), .correlationData(ByteBuffer(string: "n"))])
        #expect(instance.takePublishes().map(\.text) == ["1"])
        for _ in 0..<2 {
            instance.publish(
                "fc/_reply/c", "2", qos: .atLeastOnce, properties: [.correlationData(ByteBuffer(string: "n"))])
        }
        #expect(caller.takePublishes().map(\.text) == ["2"])
    }

    @Test("A Response Topic outside the reply space needs the caller's own right to write there (S08)")
    func confusedDeputy() throws {
        try self.rule(publish: ["mine/#"], call: ["math/*"])
        let caller = self.client("c")
        for topic in ["mine/answers", "theirs/answers"] {
            caller.publish(
                "fc/math/add/req", "1", qos: .atLeastOnce,
                properties: [.responseTopic(topic), .correlationData(ByteBuffer(string: "n"))])
        }
        let codes = caller.takeAll().compactMap { packet -> ReasonCode? in
            if case .pubAck(let acknowledgement) = packet { acknowledgement.reasonCode } else { nil }
        }
        #expect(codes == [.noMatchingSubscribers, .notAuthorized])
    }
}
