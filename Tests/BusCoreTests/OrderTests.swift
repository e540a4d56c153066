import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Order")
struct OrderTests {
    @Test("A QoS 0 message that had to wait is not overtaken by a later one of its topic [MQTT-4.6.0-5]")
    func waitingQoS0() {
        let network = TestNetwork()
        let publisher = ScriptedClient(network)
        publisher.connect("p")
        for topic in ["r/1", "r/2"] { publisher.publish(topic, "old", qos: .atLeastOnce, isRetained: true) }
        var subscriber = ScriptedClient(network)
        subscriber.connect("s", properties: [.receiveMaximum(1), .sessionExpiryInterval(100)])
        subscriber.acknowledgesPublishes = false
        // The second retained message waits for the acknowledgement of the first, and all else waits behind it.
        subscriber.subscribe("r/#", "t", qos: .atLeastOnce)
        publisher.publish("t", "QoS 1", qos: .atLeastOnce)
        publisher.publish("t", "first")
        subscriber.drop()
        subscriber = ScriptedClient(network)
        subscriber.acknowledgesPublishes = false
        subscriber.connect("s", cleanStart: false, properties: [.receiveMaximum(1), .sessionExpiryInterval(100)])
        var seen: [String] = []
        for number in 0..<6 {
            let arrived = subscriber.takePublishes()
            seen += arrived.filter { $0.topic == "t" }.map(\.text)
            subscriber.send(
                contentsOf: arrived.compactMap(\.packetIdentifier).map {
                    .pubAck(Acknowledgement(packetIdentifier: $0))
                })
            if number == 1 { publisher.publish("t", "second") }
        }
        #expect(seen == ["QoS 1", "first", "second"])
    }
}
