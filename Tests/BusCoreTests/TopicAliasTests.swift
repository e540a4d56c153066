import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Topic aliases towards clients")
struct TopicAliasTests {
    let network = TestNetwork()

    private func reader(aliases: UInt16, packetSize: UInt32? = nil) -> ScriptedClient {
        let client = ScriptedClient(self.network)
        var properties: Properties = [.topicAliasMaximum(aliases)]
        if let packetSize { properties.append(.maximumPacketSize(packetSize)) }
        client.connect("reader", properties: properties)
        client.subscribe("#")
        return client
    }

    private func writer() -> ScriptedClient {
        let client = ScriptedClient(self.network)
        client.connect("writer")
        return client
    }

    @Test("The first message of a topic sets its alias, the next ones leave the topic out [MQTT-3.3.2-8]")
    func sets() {
        let reader = self.reader(aliases: 2)
        let writer = self.writer()
        for topic in ["a", "b", "a", "b", "a"] { writer.publish(topic, topic, qos: .atLeastOnce) }
        let arrived = reader.takePublishes()
        #expect(arrived.map(\.topic) == ["a", "b", "", "", ""])
        #expect(arrived.map(\.properties.topicAlias) == [1, 2, 1, 2, 1])
    }

    @Test("No alias goes above the client's Topic Alias Maximum [MQTT-3.1.2-26] [MQTT-3.1.2-27]", arguments: [0, 1])
    func maximum(_ maximum: UInt16) {
        let reader = self.reader(aliases: maximum)
        let writer = self.writer()
        for topic in ["a", "b", "b"] { writer.publish(topic, topic) }
        let arrived = reader.takePublishes()
        #expect(arrived.map(\.topic) == ["a", "b", "b"])
        #expect(arrived.compactMap(\.properties.topicAlias) == (maximum == 0 ? [] : [1]))
    }

    @Test("Aliases end with their network connection [MQTT-3.3.2-7]")
    func newConnection() {
        let reader = self.reader(aliases: 5)
        let writer = self.writer()
        writer.publish("a", "1")
        reader.drop()
        let again = self.reader(aliases: 5)
        writer.publish("a", "2")
        #expect(again.takePublishes().map(\.topic) == ["a"])
    }

    @Test("An alias that would make the packet too large for the client is left out [MQTT-3.1.2-24]")
    func packetSize() {
        // 2 bytes of header, 3 of topic, 1 of properties, 10 of payload.
        let reader = self.reader(aliases: 5, packetSize: 16)
        let writer = self.writer()
        writer.publish("a", "0123456789")
        let arrived = reader.takePublishes()
        #expect(arrived.map(\.topic) == ["a"])
        #expect(arrived.compactMap(\.properties.topicAlias).isEmpty)
    }
}
