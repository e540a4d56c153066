import BusCore
import BusSession
import NIOCore
import Synchronization

/// The one broker of the process and the loops that drive it.
///
/// Whichever loop has input locks the broker, feeds it, takes what is to be written and leaves. Outputs of another
/// loop's connections travel as one array, with at most one wake-up pending for each loop.
final class SharedBroker: Sendable {
    private let broker: Mutex<Broker>
    private let loops: Mutex<[Loop]>
    let store: StoreLink?

    private struct Loop {
        var eventLoop: any EventLoop
        var driver: NIOLoopBound<LoopDriver>
        var mail: [Output] = []
    }

    init(_ broker: consuming sending Broker, store: StoreLink? = nil) {
        self.broker = Mutex(broker)
        self.loops = Mutex([])
        self.store = store
    }

    /// Must be called on the driver's loop, in the order of the drivers' indices.
    func register(_ driver: LoopDriver) {
        let bound = NIOLoopBound(driver, eventLoop: driver.eventLoop)
        self.loops.withLock { $0.append(Loop(eventLoop: driver.eventLoop, driver: bound)) }
    }

    func withBroker<Result>(_ body: (inout sending Broker) -> sending Result) -> sending Result {
        self.broker.withLock(body)
    }

    /// Hands outputs to the loop that drives their connections.
    func post(_ outputs: [Output], to loop: Int) {
        let target: (any EventLoop, NIOLoopBound<LoopDriver>)? = self.loops.withLock { loops in
            let isFirst = loops[loop].mail.isEmpty
            loops[loop].mail += outputs
            return isFirst ? (loops[loop].eventLoop, loops[loop].driver) : nil
        }
        guard let (eventLoop, driver) = target else { return }
        eventLoop.execute { driver.value.takeMail() }
    }

    func takeMail(of loop: Int) -> [Output] {
        self.loops.withLock { loops in
            defer { loops[loop].mail = [] }
            return loops[loop].mail
        }
    }

    /// Runs on every loop, for a shutdown or a reload.
    func onEveryLoop(_ body: @escaping @Sendable (LoopDriver) -> Void) {
        let loops = self.loops.withLock { $0.map { ($0.eventLoop, $0.driver) } }
        for (eventLoop, driver) in loops {
            eventLoop.execute { body(driver.value) }
        }
    }
}
