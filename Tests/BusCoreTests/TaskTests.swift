import BusCore
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Asynchronous calls")
struct TaskTests {
    let network = TestNetwork()

    func client(_ name: String, _ filters: String...) -> ScriptedClient {
        let client = ScriptedClient(self.network)
        client.connect(name)
        for filter in filters { client.subscribe(filter, qos: .atLeastOnce) }
        return client
    }

    func answer(_ instance: ScriptedClient, _ request: Publish, status: String) {
        var properties: Properties = [.userProperty(name: "__stat", value: status)]
        if let correlation = request.properties.correlationData { properties.append(.correlationData(correlation)) }
        instance.publish(request.properties.responseTopic ?? "", "", qos: .atLeastOnce, properties: properties)
    }

    @Test("A one-way call is acknowledged, confirmed with its task and run")
    func accepted() throws {
        let instance = self.client("i", "$share/fc/fc/demo/mail/req/#")
        let sender = self.client("s", "fc/_reply/s/#")
        sender.publish("fc/demo/mail/async", "letter", qos: .atLeastOnce, properties: [.responseTopic("fc/_reply/s")])
        let confirmation = try #require(sender.takePublishes().first)
        #expect(confirmation.properties.firstUserProperty(named: "__stat") == "202")
        let task = try #require(confirmation.properties.firstUserProperty(named: "fc-task"))
        let request = try #require(instance.takePublishes().first)
        #expect(request.topic == "fc/demo/mail/req")
        #expect(request.text == "letter")
        #expect(request.properties.firstUserProperty(named: "fc-task") == task)
        #expect(self.network.broker.taskCount == 1)
        self.answer(instance, request, status: "200")
        #expect(self.network.broker.taskCount == 0)
        #expect(sender.takePublishes().isEmpty)
    }

    @Test("It waits for an instance without using up attempts")
    func waits() {
        let sender = self.client("s")
        sender.publish("fc/demo/mail/async", "letter", qos: .atLeastOnce)
        self.network.advance(seconds: 600)
        #expect(self.network.broker.taskCount == 1)
        // One that comes ends the wait, however long it would still have been.
        let instance = self.client("i", "$share/fc/fc/demo/mail/req/#")
        let requests = instance.takePublishes()
        #expect(requests.map { $0.properties.firstUserProperty(named: "fc-attempt") } == [nil])
    }

    @Test("Those with one key run on one instance, in order")
    func keyed() throws {
        let instances = ["i", "j"].map { self.client($0, "$share/fc/fc/demo/mail/req/#") }
        for instance in instances {
            instance.publish(
                "fc/_inst/\(instance === instances[0] ? "i" : "j")", #"{"status":"online","capacity":1}"#,
                qos: .atLeastOnce, isRetained: true)
        }
        let sender = self.client("s")
        for number in 0..<6 {
            sender.publish(
                "fc/demo/mail/async", "letter \(number)", qos: .atLeastOnce,
                properties: [.userProperty(name: "fc-key", value: "k")])
        }
        var ran: [String] = []
        for _ in 0..<6 {
            let requests = instances.flatMap { instance in instance.takePublishes().map { (instance, $0) } }
            let (instance, request) = try #require(requests.first)
            #expect(requests.count == 1)
            ran.append(request.text)
            self.answer(instance, request, status: "200")
        }
        #expect(ran == (0..<6).map { "letter \($0)" })
    }

    @Test("Three failures make a dead letter with the original payload")
    func dead() throws {
        let instance = self.client("i", "$share/fc/fc/demo/mail/req/#")
        let undertaker = self.client("u", "fc/+/+/dead")
        let sender = self.client("s")
        sender.publish("fc/demo/mail/async", "letter", qos: .atLeastOnce)
        for attempt in 1...3 {
            let request = try #require(instance.takePublishes().first)
            #expect(request.properties.firstUserProperty(named: "fc-attempt") == (attempt == 1 ? nil : "\(attempt)"))
            self.answer(instance, request, status: "500")
            #expect(undertaker.takePublishes().count == (attempt == 3 ? 1 : 0) || attempt < 3)
            self.network.advance(seconds: 10)
        }
        #expect(self.network.broker.taskCount == 0)
        #expect(instance.takePublishes().isEmpty)
    }

    @Test("A dead letter says why")
    func deadLetter() throws {
        let instance = self.client("i", "$share/fc/fc/demo/mail/req/#")
        let undertaker = self.client("u", "fc/+/+/dead")
        self.client("s").publish("fc/demo/mail/async", "letter", qos: .atLeastOnce)
        self.answer(instance, try #require(instance.takePublishes().first), status: "400")
        let letter = try #require(undertaker.takePublishes().first)
        #expect(letter.topic == "fc/demo/mail/dead")
        #expect(letter.text == "letter")
        #expect(letter.properties.firstUserProperty(named: "fc-last-status") == "400")
        #expect(letter.properties.firstUserProperty(named: "fc-attempts") == "1")
    }

    @Test("A greatest age ends a task that nobody runs")
    func expired() throws {
        let undertaker = self.client("u", "fc/+/+/dead")
        self.client("s").publish(
            "fc/demo/mail/async", "letter", qos: .atLeastOnce, properties: [.messageExpiryInterval(30)])
        self.network.advance(seconds: 40)
        #expect(undertaker.takePublishes().count == 1)
        #expect(self.network.broker.taskCount == 0)
    }
}
