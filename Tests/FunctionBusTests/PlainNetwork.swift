import BusContract
import BusTopics
import FunctionBus
import Synchronization

/// A broker in memory without shared subscriptions: it passes messages on in one order for all.
final class PlainNetwork: Sendable {
    /// How it says that it has no shared subscriptions.
    enum Word: Sendable, CaseIterable {
        case connack, suback, disconnect
    }

    private struct Client {
        var filters: Set<String> = []
        var events: AsyncStream<[TransportEvent]>.Continuation
    }

    private struct State {
        var clients: [String: Client] = [:]
        var retained: [String: ApplicationMessage] = [:]
        var sharedCount = 0
        var packet: Int32 = 0
    }

    private let word: Word
    private let keepsRetained: Bool
    private let state = Mutex(State())

    /// - Parameter keepsRetained: `false` for a cluster that knows retained messages on another node only.
    init(_ word: Word = .connack, keepsRetained: Bool = true) {
        self.word = word
        self.keepsRetained = keepsRetained
    }

    /// How often somebody asked for a shared subscription.
    var sharedCount: Int { self.state.withLock { $0.sharedCount } }

    func filters(of client: String) -> Set<String> { self.state.withLock { $0.clients[client]?.filters ?? [] } }

    func transport(_ client: String) -> any Transport { PlainTransport(client: client, network: self) }

    /// Ends a client's connection; it connects again at once.
    func cut(_ client: String) {
        self.state.withLock { self.cut(client, &$0) }
    }

    private func cut(_ client: String, _ state: inout State) {
        state.clients[client]?.filters = []
        state.clients[client]?.events.yield([.disconnected(reason: "cut"), self.connected])
        self.route(ApplicationMessage(topic: "fc/_inst/\(client)", payload: [], isRetained: true), &state)
    }

    private var connected: TransportEvent {
        .connected(isFcbus: false, hasSharedSubscriptions: self.word != .connack)
    }

    // MARK: What clients do

    fileprivate func enter(_ client: String, _ events: AsyncStream<[TransportEvent]>.Continuation) {
        self.state.withLock { $0.clients[client] = Client(events: events) }
        events.yield([self.connected])
    }

    fileprivate func leave(_ client: String) {
        self.state.withLock { $0.clients.removeValue(forKey: client)?.events.finish() }
    }

    fileprivate func publish(_ message: ApplicationMessage, from client: String) -> Int32 {
        self.state.withLock { state in
            state.packet += 1
            let count = self.route(message, &state)
            state.clients[client]?.events.yield(
                [.published(packet: state.packet, reasonCode: message.qos > 0 && count == 0 ? 0x10 : 0)])
            return state.packet
        }
    }

    @discardableResult
    private func route(_ message: ApplicationMessage, _ state: inout State) -> Int {
        if message.isRetained, self.keepsRetained {
            state.retained[message.topic] = message.payload.isEmpty ? nil : message
        }
        var copy = message
        copy.isRetained = false
        var count = 0
        for client in state.clients.values where client.filters.contains(where: { Self.matches($0, message.topic) }) {
            client.events.yield([.message(copy)])
            count += 1
        }
        return count
    }

    fileprivate func subscribe(_ filter: String, _ client: String, qos: Int) -> Int32 {
        self.state.withLock { state in
            state.packet += 1
            guard !filter.hasPrefix("$share/") else {
                state.sharedCount += 1
                if self.word == .suback {
                    state.clients[client]?.events.yield([.subscribed(packet: state.packet, reasonCode: 0x9E)])
                } else {
                    state.clients[client]?.events.yield([.dismissed(reasonCode: 0x9E)])
                    self.cut(client, &state)
                }
                return state.packet
            }
            state.clients[client]?.filters.insert(filter)
            state.clients[client]?.events.yield([.subscribed(packet: state.packet, reasonCode: qos)])
            for message in state.retained.values where Self.matches(filter, message.topic) {
                state.clients[client]?.events.yield([.message(message)])
            }
            return state.packet
        }
    }

    fileprivate func unsubscribe(_ filter: String, _ client: String) -> Int32 {
        self.state.withLock { state in
            state.packet += 1
            // As ejabberd 23.01: who takes back what it does not have takes it from the others.
            if state.clients[client]?.filters.remove(filter) == nil {
                for other in state.clients.keys { state.clients[other]?.filters.remove(filter) }
            }
            state.clients[client]?.events.yield([.unsubscribed(packet: state.packet)])
            return state.packet
        }
    }

    private static func matches(_ filter: String, _ topic: String) -> Bool {
        guard let filter = try? TopicFilter(filter), let topic = try? TopicName(topic) else { return false }
        return filter.matches(topic)
    }
}

private struct PlainTransport: Transport {
    let client: String
    let network: PlainNetwork

    func start(_ receive: @escaping @Sendable ([TransportEvent]) -> Void) throws(TransportFailure) {
        let (stream, events) = AsyncStream.makeStream(of: [TransportEvent].self)
        Task { for await batch in stream { receive(batch) } }
        self.network.enter(self.client, events)
    }

    func publish(_ message: ApplicationMessage) throws(TransportFailure) -> Int32 {
        self.network.publish(message, from: self.client)
    }

    func subscribe(_ filter: String, qos: Int) throws(TransportFailure) -> Int32 {
        self.network.subscribe(filter, self.client, qos: qos)
    }

    func unsubscribe(_ filter: String) throws(TransportFailure) -> Int32 {
        self.network.unsubscribe(filter, self.client)
    }

    func close() async {
        self.network.leave(self.client)
    }
}
