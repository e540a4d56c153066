import Testing

@testable import FunctionBus

@Suite("Messages that wait for their reader")
struct MessageQueueTests {
    private func message(_ text: String) -> BusMessage {
        BusMessage(
            topic: "t", payload: Payload(text), qos: 0, isRetained: false, contentType: nil, userProperties: [])
    }

    private func texts(_ messages: [BusMessage]) -> [String?] { messages.map(\.payload.text) }

    @Test("All that wait come at once, in their order")
    func batch() async {
        let queue = MessageQueue()
        queue.append([self.message("1"), self.message("2")])
        queue.append([self.message("3")])
        #expect(self.texts(await queue.take()) == ["1", "2", "3"])
    }

    @Test("A reader that waits is woken once")
    func woken() async {
        let queue = MessageQueue()
        let reader = Task { await queue.take() }
        queue.append([self.message("1")])
        #expect(self.texts(await reader.value) == ["1"])
    }

    @Test("Beyond a number or a size the newest are lost, and counted")
    func bounds() async {
        let few = MessageQueue(messagesMax: 2)
        few.append((1...5).map { self.message("\($0)") })
        #expect(self.texts(await few.take()) == ["1", "2"])
        #expect(few.droppedCount == 3)
        let small = MessageQueue(bytesMax: 10)
        small.append(["1234", "567890", "9"].map(self.message))
        #expect(self.texts(await small.take()) == ["1234", "9"])
        #expect(small.droppedCount == 1)
    }

    @Test("At the end what waits is still read")
    func finished() async {
        let queue = MessageQueue()
        queue.append([self.message("1")])
        queue.finish()
        var texts: [String?] = []
        for await message in BusMessages(queue: queue) { texts.append(message.payload.text) }
        #expect(texts == ["1"])
    }

    @Test("A cancelled reader waits no longer")
    func cancelled() async {
        let queue = MessageQueue()
        let reader = Task { await queue.take() }
        reader.cancel()
        #expect(await reader.value.isEmpty)
        queue.append([self.message("1")])
        #expect(await queue.take().count == 1)
    }
}
