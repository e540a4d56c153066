import BusContract
import BusCore
import BusWire
import NIOCore

/// Says how often the pure core allocates for a message, in a release build: `CountProbe WORK MESSAGES`.
///
/// Prints the allocations of all messages after a warm-up. Run under a tool that counts instructions, with two numbers
/// of messages, the difference of the totals is what the messages between cost.
@main
enum CountProbe {
    /// Sends one batch.
    private typealias Round = (inout CoreScene) -> Void

    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        var scene = CoreScene()
        guard arguments.count == 2, let round = arguments.first.flatMap({ Self.work($0, &scene) }),
            let count = arguments.last.flatMap({ Int($0) }), count > 0
        else {
            print("CountProbe publish-q0|publish-q1|fanout-100|call MESSAGES")
            return
        }
        // Tables and buffers grow to the size that they then keep.
        for _ in 0..<64 { round(&scene) }
        let before = scene.allocations
        let rounds = (count + CoreScene.batch - 1) / CoreScene.batch
        for _ in 0..<rounds { round(&scene) }
        print("\(scene.allocations - before) allocations for \(rounds * CoreScene.batch) messages")
    }

    // MARK: Works

    private static func work(_ name: String, _ scene: inout CoreScene) -> Round? {
        switch name {
        case "publish-q0": self.publish(.atMostOnce, &scene)
        case "publish-q1": self.publish(.atLeastOnce, &scene)
        case "fanout-100": self.fanOut(&scene)
        case "call": self.call(&scene)
        default: nil
        }
    }

    private static func publish(_ qos: QoS, _ scene: inout CoreScene) -> Round {
        let subscriber = scene.connect("subscriber", subscribing: "a/b", qos: qos)
        let publisher = scene.connect("publisher")
        let bytes = Self.batch { index in
            Publish(
                topic: "a/b", qos: qos,
                packetIdentifier: qos == .atMostOnce ? nil : PacketIdentifier(UInt16(index + 1)),
                payload: ByteBuffer(repeating: 0x78, count: 64))
        }
        return { scene in
            let outputs = scene.feed(ByteBuffer(bytes: bytes.readableBytesView), from: publisher)
            guard qos != .atMostOnce else { return }
            let acknowledgements = Self.answers(to: outputs, of: subscriber) { publish in
                publish.packetIdentifier.map { .pubAck(Acknowledgement(packetIdentifier: $0)) }
            }
            _ = scene.feed(acknowledgements, from: subscriber)
        }
    }

    private static func fanOut(_ scene: inout CoreScene) -> Round {
        for index in 0..<100 { _ = scene.connect("subscriber\(index)", subscribing: "a/b") }
        let publisher = scene.connect("publisher")
        let bytes = Self.batch { _ in Publish(topic: "a/b", payload: ByteBuffer(repeating: 0x78, count: 64)) }
        return { _ = $0.feed(ByteBuffer(bytes: bytes.readableBytesView), from: publisher) }
    }

    /// A message is a call here: its request, its dispatch, its reply and the delivery of that.
    private static func call(_ scene: inout CoreScene) -> Round {
        // The text is fixed, so the error would only say that this line is wrong.
        guard let name = try? FunctionName(parsing: "count/echo") else {
            preconditionFailure("this is a function's name")
        }
        let instance = scene.connect("instance", subscribing: CallFilter.requests(of: name))
        let caller = scene.connect("caller", subscribing: CallFilter.replies(to: "caller"))
        let replyTopic = CallTopic.reply(client: "caller", call: nil, errorStatus: nil).string
        var number: UInt64 = 0
        return { scene in
            let requests = Self.batch { _ in
                number += 1
                var correlation = ByteBuffer()
                correlation.writeInteger(number)
                return Publish(
                    topic: CallTopic.request(name, nil).string,
                    properties: [.responseTopic(replyTopic), .correlationData(correlation)],
                    payload: ByteBuffer(repeating: 0x78, count: 64))
            }
            let dispatched = scene.feed(requests, from: caller)
            let replies = Self.answers(to: dispatched, of: instance) { request in
                guard let correlation = request.properties.correlationData,
                    let topic = request.properties.responseTopic
                else { return nil }
                return .publish(
                    Publish(topic: topic, properties: [.correlationData(correlation)], payload: request.payload))
            }
            let answered = scene.feed(replies, from: instance)
            precondition(!answered.isEmpty, "every call of the scene is answered")
        }
    }

    // MARK: Bytes

    private static func batch(_ message: (Int) -> Publish) -> ByteBuffer {
        var bytes = ByteBuffer()
        for index in 0..<CoreScene.batch { bytes.writePacket(.publish(message(index)), version: .v5) }
        return bytes
    }

    /// What a client says to the messages that the broker wrote to it.
    private static func answers(
        to outputs: [Output], of client: ConnectionIdentifier, _ answer: (Publish) -> Packet?
    ) -> ByteBuffer {
        var answers = ByteBuffer()
        var decoder = PacketDecoder(role: .client, maximumPacketSize: 1 << 20, version: .v5)
        for output in outputs where output.connection == client {
            var bytes = output.bytes
            do throws(DecodingFailure) {
                while let packet = try decoder.next(in: &bytes) {
                    guard case .publish(let publish) = packet, let packet = answer(publish) else { continue }
                    answers.writePacket(packet, version: .v5)
                }
            } catch {
                preconditionFailure("the broker writes what the codec reads: \(error)")
            }
        }
        precondition(answers.readableBytes > 0, "the broker delivers what the scene sends")
        return answers
    }
}
