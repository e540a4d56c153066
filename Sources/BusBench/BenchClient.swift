import BusWire
import NIOCore

/// One client of the load generator: connects, subscribes if it is a subscriber, then counts and acknowledges.
final class BenchClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Role {
        case publisher(index: Int)
        case subscriber(index: Int, filter: String)
    }

    private let role: Role
    private let name: String
    private let qos: QoS
    private let flows: [Flow]
    private let ready: EventLoopPromise<Void>
    private var decoder = PacketDecoder(role: .client, maximumPacketSize: 16 << 20, version: .v5)
    private var pending = ByteBuffer()
    private var answers = ByteBuffer()
    private var touched: Set<Int> = []

    init(_ role: Role, name: String, qos: QoS, flows: [Flow], ready: EventLoopPromise<Void>) {
        self.role = role
        self.name = name
        self.qos = qos
        self.flows = flows
        self.ready = ready
    }

    func channelActive(context: ChannelHandlerContext) {
        let connect = Connect(
            version: .v5, cleanStart: true, keepAliveSeconds: 0, clientIdentifier: self.name,
            properties: [.receiveMaximum(.max)], will: nil, userName: nil, password: nil)
        self.send(.connect(connect), context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        if self.pending.readableBytes == 0 { self.pending = bytes } else { self.pending.writeBuffer(&bytes) }
        do throws(DecodingFailure) {
            while let packet = try self.decoder.next(in: &self.pending) { self.receive(packet, context) }
        } catch {
            self.ready.fail(BenchFailure("the broker sent a malformed packet: \(error.message)"))
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if self.answers.readableBytes > 0 {
            context.writeAndFlush(self.wrapOutboundOut(self.answers), promise: nil)
            self.answers = ByteBuffer()
        }
        for flow in self.touched { self.flows[flow].pump() }
        self.touched.removeAll(keepingCapacity: true)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.ready.fail(BenchFailure("the broker closed the connection of \(self.name)"))
    }

    private func receive(_ packet: Packet, _ context: ChannelHandlerContext) {
        switch packet {
        case .connAck(let acknowledgement):
            self.connected(acknowledgement, context)
        case .subAck(let acknowledgement):
            if let refused = acknowledgement.reasonCodes.first(where: \.isError) {
                self.ready.fail(BenchFailure("the broker refused the subscription: \(refused)"))
            } else {
                self.ready.succeed()
            }
        case .publish(let publish):
            self.receive(publish)
        case .pubRec(let acknowledgement):
            self.answer(.pubRel(Acknowledgement(packetIdentifier: acknowledgement.packetIdentifier)))
        case .pubAck, .pubComp:
            if case .publisher(let index) = self.role {
                self.flows[index].acknowledged()
                self.touched.insert(index)
            }
        case .pubRel(let acknowledgement):
            self.answer(.pubComp(Acknowledgement(packetIdentifier: acknowledgement.packetIdentifier)))
        case .disconnect(let disconnect):
            self.ready.fail(BenchFailure("the broker disconnected \(self.name): \(disconnect.reasonCode)"))
        default:
            break
        }
    }

    private func connected(_ acknowledgement: ConnAck, _ context: ChannelHandlerContext) {
        guard !acknowledgement.reasonCode.isError else {
            self.ready.fail(BenchFailure("the broker refused the connection: \(acknowledgement.reasonCode)"))
            return
        }
        guard case .subscriber(_, let filter) = self.role, let identifier = PacketIdentifier(rawValue: 1) else {
            if case .publisher(let index) = self.role, let maximum = acknowledgement.properties.receiveMaximum {
                self.flows[index].receiveMaximum = Int(maximum)
            }
            self.ready.succeed()
            return
        }
        let subscription = Subscription(
            filter: filter, maximumQoS: self.qos, noLocal: false, retainAsPublished: false,
            retainHandling: .sendOnSubscribe)
        self.send(
            .subscribe(Subscribe(packetIdentifier: identifier, subscriptions: [subscription], properties: [])), context)
    }

    private func receive(_ publish: Publish) {
        guard case .subscriber(let index, _) = self.role else { return }
        let payload = publish.payload
        if let sequence = payload.getInteger(at: payload.readerIndex, as: UInt64.self),
            let flow = payload.getInteger(at: payload.readerIndex + 8, as: UInt64.self), flow < self.flows.count
        {
            self.flows[Int(flow)].received(sequence: sequence, by: index)
            self.touched.insert(Int(flow))
        }
        guard let identifier = publish.packetIdentifier else { return }
        let acknowledgement = Acknowledgement(packetIdentifier: identifier)
        self.answer(publish.qos == .exactlyOnce ? .pubRec(acknowledgement) : .pubAck(acknowledgement))
    }

    private func answer(_ packet: Packet) {
        self.answers.writePacket(packet, version: .v5)
    }

    private func send(_ packet: Packet, _ context: ChannelHandlerContext) {
        var bytes = ByteBuffer()
        bytes.writePacket(packet, version: .v5)
        context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
    }
}

/// A measurement could not be made.
package struct BenchFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
