package import BusCore
import BusSession
package import BusWire
import NIOCore
import Synchronization

/// A whole broker of its own, without sockets and without a store: it lives as long as somebody holds it.
///
/// Whoever has something for it locks it, feeds it, puts what comes out aside for its clients and leaves: there is no
/// thread. One sleeping task keeps its time.
package final class OwnBroker: BrokerDoor {
    private struct State: ~Copyable {
        var broker: Broker
        var clients: [ConnectionIdentifier: Deliver] = [:]
        /// When its time keeper is set to wake.
        var wakeUp = Timestamp.never
        var keeper: Task<Void, Never>?
    }

    private let state: Mutex<State>
    private let start = ContinuousClock.now

    package init(limits: BrokerLimits = BrokerLimits()) {
        var limits = limits
        // Nobody pulls a cable in here.
        limits.session.keepAliveSecondsMax = 0
        let seed = UInt64.random(in: 0 ... .max)
        self.state = Mutex(State(broker: Broker(limits: limits, seed: seed)))
    }

    deinit {
        self.state.withLock { $0.keeper?.cancel() }
    }

    private var now: Timestamp {
        // From one second on: an instant of zero could not be preceded.
        let elapsed = ContinuousClock.now - self.start + .seconds(1)
        let (seconds, attoseconds) = elapsed.components
        return Timestamp(nanoseconds: UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000))
    }

    // MARK: Clients

    package func open(deliver: @escaping Deliver) -> ConnectionIdentifier? {
        self.state.withLock { state in
            let origin = ConnectionOrigin(remoteAddress: "in process")
            guard let identifier = state.broker.open(origin, now: self.now) else { return nil }
            state.clients[identifier] = deliver
            self.settle(&state)
            return identifier
        }
    }

    package func send(_ packets: [Packet], from connection: ConnectionIdentifier) {
        self.state.withLock { state in
            state.broker.receive(packets, from: connection, now: self.now)
            self.settle(&state)
        }
    }

    package func resume(_ connection: ConnectionIdentifier) {
        self.state.withLock { state in
            state.broker.setCongested(false, on: connection, now: self.now)
            self.settle(&state)
        }
    }

    package func close(_ connection: ConnectionIdentifier) {
        self.state.withLock { state in
            state.clients[connection] = nil
            state.broker.close(connection, now: self.now)
            self.settle(&state)
        }
    }

    /// Puts aside for its clients what the broker has written, until nothing moves.
    private func settle(_ state: inout State) {
        var outputs: [Output] = []
        while state.broker.hasOutputs || state.broker.hasStarved {
            outputs.removeAll(keepingCapacity: true)
            state.broker.takeOutputs(into: &outputs)
            for output in outputs {
                let isBehind = state.clients[output.connection]?(output.bytes, output.closes) ?? false
                if isBehind { state.broker.setCongested(true, on: output.connection, now: self.now) }
                guard output.closes else { continue }
                state.clients[output.connection] = nil
                state.broker.close(output.connection, now: self.now)
            }
            if state.broker.hasStarved { state.broker.feedStarved(now: self.now) }
        }
        _ = state.broker.takeEvents()
        self.keepTime(&state)
    }

    // MARK: Time

    private func keepTime(_ state: inout State) {
        let next = state.broker.nextWakeUp
        guard next < state.wakeUp else { return }
        state.keeper?.cancel()
        state.wakeUp = next
        let pause = Duration.nanoseconds(Int64(clamping: next.nanoseconds(since: self.now)))
        state.keeper = Task { [weak self] in
            // A cancelled sleep means that something is due earlier, or that the broker is gone.
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            self?.advance()
        }
    }

    private func advance() {
        self.state.withLock { state in
            state.wakeUp = .never
            state.broker.advance(to: self.now)
            self.settle(&state)
        }
    }
}
