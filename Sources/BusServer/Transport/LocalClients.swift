package import BusCore
import BusSession
package import BusWire
package import NIOCore
import Synchronization

/// Clients of the running broker in the broker's own process: packets as values on the way in, bytes on the way out.
///
/// To the broker they are clients like all others: they are admitted, authenticated, limited and counted. They belong
/// to the first event loop. What they have for the broker is gathered, and one wake-up of the loop takes all of it.
package final class LocalClients: Sendable {
    /// Takes bytes on the loop, and says whether the client is behind: then it is congested until `resume`.
    package typealias Deliver = @Sendable (_ bytes: ByteBuffer, _ closes: Bool) -> Bool

    /// Who they are to the rules of access.
    static let user = "fcbus-host"

    enum Input: Sendable {
        case open(ConnectionIdentifier, Deliver)
        case packets([Packet], ConnectionIdentifier)
        case resume(ConnectionIdentifier)
        case close(ConnectionIdentifier)
    }

    /// Where the broker is driven.
    struct Home: Sendable {
        var broker: SharedBroker
        var eventLoop: any EventLoop
        var driver: NIOLoopBound<LoopDriver>
        var origin: ConnectionOrigin
    }

    private struct State {
        /// `nil` before the broker runs, and after it.
        var home: Home?
        /// In the order in which they came; a wake-up is pending as long as there are any.
        var inputs: [Input] = []
    }

    private let state = Mutex(State())

    func settle(in home: Home) {
        self.state.withLock { $0.home = home }
    }

    /// The loops are about to end.
    func leave() {
        self.state.withLock { $0 = State() }
    }

    /// Opens a connection; `nil` where there is no room for it, or no broker yet or any more.
    package func open(deliver: @escaping Deliver) -> ConnectionIdentifier? {
        guard let home = self.state.withLock({ $0.home }) else { return nil }
        let opened = home.broker.withBroker { $0.open(home.origin, now: LoopDriver.now()) }
        guard let identifier = opened else { return nil }
        self.enqueue(.open(identifier, deliver))
        return identifier
    }

    /// Hands over packets in their order.
    package func send(_ packets: [Packet], from connection: ConnectionIdentifier) {
        self.enqueue(.packets(packets, connection))
    }

    /// The client has caught up.
    package func resume(_ connection: ConnectionIdentifier) {
        self.enqueue(.resume(connection))
    }

    /// The connection is gone, as when a socket closes.
    package func close(_ connection: ConnectionIdentifier) {
        self.enqueue(.close(connection))
    }

    private func enqueue(_ input: Input) {
        // The lock is held over the wake-up, so that none is asked of a loop that has ended.
        self.state.withLock { state in
            guard let home = state.home else { return }
            state.inputs.append(input)
            guard state.inputs.count == 1 else { return }
            home.eventLoop.execute { self.feed(home.driver.value) }
        }
    }

    private func feed(_ driver: LoopDriver) {
        let inputs = self.state.withLock { state in
            defer { state.inputs = [] }
            return state.inputs
        }
        for input in inputs {
            switch input {
            case .open(let identifier, let deliver): driver.openLocal(identifier, deliver)
            case .packets(let packets, let identifier): driver.receiveLocal(packets, from: identifier)
            case .resume(let identifier): driver.setCongested(false, on: identifier)
            case .close(let identifier): driver.closeLocal(identifier)
            }
        }
        driver.flush()
    }
}
