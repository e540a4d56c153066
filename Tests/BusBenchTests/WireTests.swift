import BusWire
import NIOCore
import Testing

@testable import BusBench

@Suite("NATS parser")
struct NATSParserTests {
    static let stream =
        "INFO {\"server_id\":\"x\"}\r\nPING\r\n+OK\r\nMSG a.b 1 5\r\nhello\r\n"
        + "MSG a.b 12 _INBOX.1.2 3\r\n\r\n!\r\nPONG\r\n-ERR 'Unknown'\r\n"
    static let operations: [NATSOperation] = [
        .info, .ping, .ok,
        .message(subject: ByteBuffer(string: "a.b"), reply: nil, payload: ByteBuffer(string: "hello")),
        .message(
            subject: ByteBuffer(string: "a.b"), reply: ByteBuffer(string: "_INBOX.1.2"),
            payload: ByteBuffer(string: "\r\n!")), .pong, .error("-ERR 'Unknown'"),
    ]

    @Test("Operations come out as they went in, however the bytes are cut", arguments: [1, 2, 3, 7, 1000])
    func cuts(_ size: Int) throws {
        var rest = ByteBuffer(string: Self.stream)
        var pending = ByteBuffer()
        var found: [NATSOperation] = []
        while rest.readableBytes > 0 {
            let next = rest.readSlice(length: min(size, rest.readableBytes))
            var piece = try #require(next)
            pending.writeBuffer(&piece)
            while let operation = try NATSParser().next(in: &pending) { found.append(operation) }
        }
        #expect(found == Self.operations)
        #expect(pending.readableBytes == 0)
    }

    @Test(
        "What is no operation is refused",
        arguments: [
            "HELLO\r\n", "MSG a 1\r\n", "MSG a 1 x\r\n", "MSG a 1 b c 4\r\n", "MSG a 1 -4\r\n", "MSG a 1 999999999\r\n",
            "\r\n", "MSG a 1 99999999999999999999\r\n",
        ])
    func refused(_ text: String) {
        var bytes = ByteBuffer(string: text)
        #expect(throws: BenchFailure.self) { try NATSParser().next(in: &bytes) }
    }

    @Test("A line without an end is not kept for ever")
    func endless() {
        var bytes = ByteBuffer(repeating: UInt8(ascii: "x"), count: NATSParser.lineBytesMax + 1)
        #expect(throws: BenchFailure.self) { try NATSParser().next(in: &bytes) }
    }
}

@Suite("Payload stamp")
struct PayloadStampTests {
    static func payload(_ stamp: PayloadStamp, count: Int) -> ByteBuffer {
        var bytes = ByteBuffer(repeating: UInt8(ascii: "x"), count: count)
        stamp.write(at: 0, count: count, into: &bytes)
        return bytes
    }

    @Test("A stamp is read back from a payload of any size", arguments: [32, 33, 64, 5000])
    func roundTrip(_ count: Int) {
        let stamp = PayloadStamp(stream: 7, sequence: 1 << 33, time: 99)
        #expect(PayloadStamp(Self.payload(stamp, count: count), expectedBytes: count) == stamp)
    }

    @Test("A changed stream, sequence or check word is noticed", arguments: [0, 5, 9, 14, 15, 29, 31])
    func corruption(_ offset: Int) throws {
        var bytes = Self.payload(PayloadStamp(stream: 7, sequence: 12, time: 99), count: 32)
        let byte = try #require(bytes.getInteger(at: offset, as: UInt8.self))
        bytes.setInteger(byte ^ 0x40, at: offset)
        #expect(PayloadStamp(bytes, expectedBytes: 32) == nil)
    }

    @Test("A shorter or longer payload is noticed")
    func length() {
        let bytes = Self.payload(PayloadStamp(stream: 7, sequence: 12, time: 99), count: 40)
        #expect(PayloadStamp(bytes, expectedBytes: 39) == nil)
        #expect(PayloadStamp(bytes, expectedBytes: 41) == nil)
    }
}

@Suite("Message template")
struct MessageTemplateTests {
    @Test(
        "A copy is the message with its own number and identifier", arguments: [ProtocolVersion.v5, .v3_1_1],
        [QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
    func publish(_ version: ProtocolVersion, _ qos: QoS) throws {
        for payloadBytes in [32, 100, 200, 20_000] {
            let template = MessageTemplate(topic: "a/b", qos: qos, payloadBytes: payloadBytes, version: version)
            let stamp = PayloadStamp(stream: 3, sequence: 4, time: 5)
            var bytes = ByteBuffer(string: "before")
            _ = template.append(to: &bytes, stamp, identifier: qos == .atMostOnce ? nil : 513)
            bytes.moveReaderIndex(forwardBy: 6)
            var decoder = PacketDecoder(role: .server, maximumPacketSize: 1 << 20, version: version)
            guard case .publish(let publish) = try decoder.next(in: &bytes) else {
                Issue.record("no PUBLISH")
                return
            }
            #expect(publish.topic == "a/b")
            #expect(publish.packetIdentifier?.rawValue == (qos == .atMostOnce ? nil : 513))
            #expect(PayloadStamp(publish.payload, expectedBytes: payloadBytes) == stamp)
            #expect(bytes.readableBytes == 0)
        }
    }

    @Test("A request carries its caller and number as correlation data")
    func request() throws {
        let template = MessageTemplate(
            topic: "a/b", responseTopic: "reply/to/me", qos: .atLeastOnce, payloadBytes: 64, version: .v5)
        var bytes = ByteBuffer()
        let start = template.append(to: &bytes, PayloadStamp(stream: 1, sequence: 2, time: 3), identifier: 9)
        template.setCall(77, caller: 5, at: start, in: &bytes)
        var decoder = PacketDecoder(role: .server, maximumPacketSize: 1 << 20, version: .v5)
        guard case .publish(let publish) = try decoder.next(in: &bytes) else {
            Issue.record("no PUBLISH")
            return
        }
        #expect(publish.properties.responseTopic == "reply/to/me")
        #expect(publish.properties.correlationData == Caller.correlation(5, 77))
    }

    @Test("A NATS request has its number in the subject for the answer")
    func natsRequest() throws {
        let template = MessageTemplate(subject: "s.t", inbox: "_INBOX.1.", payloadBytes: 32)
        var bytes = ByteBuffer()
        let start = template.append(to: &bytes, PayloadStamp(stream: 1, sequence: 2, time: 3), identifier: nil)
        template.setCall(42, caller: 0, at: start, in: &bytes)
        #expect(String(buffer: bytes).hasPrefix("PUB s.t _INBOX.1.0000000042 32\r\n"))
        #expect(String(buffer: bytes).hasSuffix("\r\n"))
    }

    @Test("Digits fill their place")
    func digits() {
        var bytes = ByteBuffer(string: "d0000000!")
        MessageTemplate.writeDigits(4012, count: 7, at: 1, in: &bytes)
        #expect(String(buffer: bytes) == "d0004012!")
    }
}

@Suite("Packet identifiers")
struct PacketIdentifierPoolTests {
    @Test("Each is given out once until it comes back, and as late as possible again")
    func order() throws {
        var pool = PacketIdentifierPool(capacity: 3)
        let first3 = [pool.take(), pool.take(), pool.take()]
        #expect(first3 == [1, 2, 3])
        #expect(pool.freeCount == 0)
        let second = try #require(PacketIdentifier(2))
        let first = try #require(PacketIdentifier(1))
        let areTaken = (pool.giveBack(second), pool.giveBack(first))
        #expect(areTaken == (true, true))
        let again = [pool.take(), pool.take()]
        #expect(again == [2, 1])
    }

    @Test("One that is not under way is refused")
    func unknown() throws {
        var pool = PacketIdentifierPool(capacity: 2)
        _ = pool.take()
        let first = try #require(PacketIdentifier(1))
        let third = try #require(PacketIdentifier(3))
        let answers = [pool.giveBack(third), pool.giveBack(first), pool.giveBack(first)]
        #expect(answers == [false, true, false])
    }
}

@Suite("Traffic plan")
struct TrafficPlanTests {
    static let shapes: [Workload] = [
        Workload("w", .p2p).with { $0.publishers = 3 }, Workload("w", .fanout).with { $0.subscribers = 4 },
        Workload("w", .fanin).with { $0.publishers = 5 }, Workload("w", .p2p).with { $0.extraLevels = 4 },
        Workload("w", .shared).with { ($0.publishers, $0.subscribers) = (2, 3) },
    ]

    /// Matches by levels; enough for the filters of the plan.
    static func matches(_ filter: String, _ topic: String) -> Bool {
        var filter = filter.split(separator: "/", omittingEmptySubsequences: false)
        if filter.first == "$share" { filter.removeFirst(2) }
        let topic = topic.split(separator: "/", omittingEmptySubsequences: false)
        for (index, level) in filter.enumerated() {
            if level == "#" { return true }
            guard index < topic.count, level == "+" || level == topic[index] else { return false }
        }
        return filter.count == topic.count
    }

    @Test("Each publisher's topic matches the filters of just those that its stream is for", arguments: Self.shapes)
    func filters(_ workload: Workload) {
        let plan = TrafficPlan(workload, prefix: "p")
        for publisher in 0..<plan.publisherCount {
            for subscriber in 0..<plan.subscriberCount {
                let isMatch = Self.matches(plan.filter(0, ofSubscriber: subscriber), plan.topic(ofPublisher: publisher))
                #expect(isMatch == (plan.tracker(ofStream: publisher, subscriber: subscriber) != nil))
            }
            for number in 0..<9 { #expect(!Self.matches(plan.idleFilter(number), plan.topic(ofPublisher: publisher))) }
        }
    }

    @Test(
        "Each topic of the wildcard workload matches one filter of one subscriber", arguments: [0, 1, 7, 9_999, 10_000])
    func wildcard(_ item: Int) throws {
        let workload = Workload("w", .wildcard).with { ($0.filters, $0.subscribers, $0.publishers) = (20_000, 4, 2) }
        let plan = TrafficPlan(workload, prefix: "p")
        let template = MessageTemplate(
            topic: plan.topic(ofPublisher: 0), qos: .atMostOnce, payloadBytes: 32, version: .v5)
        var bytes = ByteBuffer()
        let start = template.append(to: &bytes, PayloadStamp(stream: 0, sequence: 0, time: 0), identifier: nil)
        let offset = start + template.topicOffset
        MessageTemplate.writeDigits(item / 10_000, count: 3, at: offset + plan.itemOffsets.group, in: &bytes)
        MessageTemplate.writeDigits(item, count: 7, at: offset + plan.itemOffsets.item, in: &bytes)
        let topic = try #require(bytes.getString(at: offset, length: plan.topic(ofPublisher: 0).utf8.count))
        let holders = (0..<4).flatMap { subscriber in
            (0..<plan.filterCount(ofSubscriber: subscriber)).filter {
                Self.matches(plan.filter($0, ofSubscriber: subscriber), topic)
            }.map { (subscriber, $0) }
        }
        #expect(holders.count == 1)
        #expect(holders.first.map { $0.1 * 4 + $0.0 } == item)
    }

    @Test("The filters of the wildcard workload are dealt out without a rest")
    func dealing() {
        let workload = Workload("w", .wildcard).with { ($0.filters, $0.subscribers) = (10_001, 4) }
        let plan = TrafficPlan(workload, prefix: "p")
        #expect((0..<4).map { plan.filterCount(ofSubscriber: $0) } == [2501, 2500, 2500, 2500])
    }
}

@Suite("Process usage")
struct ProcessUsageTests {
    @Test("A field is the number behind its name at the beginning of a line")
    func field() {
        let text = "Name:\tx\nnonvoluntary_ctxt_switches:\t9\nvoluntary_ctxt_switches:\t12\nVmRSS:\t  345 kB\n"
        #expect(ProcessUsage.field("voluntary_ctxt_switches:", of: text) == 12)
        #expect(ProcessUsage.field("VmRSS:", of: text) == 345)
        #expect(ProcessUsage.field("syscr:", of: text) == 0)
    }

    @Test("A thread that ended takes nothing away from the others, and a new one counts from its beginning")
    func threads() {
        var before = ProcessUsage.zero
        before.threads = ["1": .init(processorTime: 500, voluntarySwitches: 5), "2": .init(processorTime: 9_000)]
        var after = ProcessUsage.zero
        after.threads = ["1": .init(processorTime: 700, voluntarySwitches: 7), "3": .init(processorTime: 100)]
        let difference = UsageDifference(before, after)
        #expect(difference.voluntarySwitches == 2)
        #expect(abs(difference.processorSeconds - 300e-9) < 1e-12)
    }

    @Test("A process that is gone is an error, not a zero")
    func gone() {
        #expect(throws: BenchFailure.self) { try ProcessUsage([Int32.max]) }
    }
}
