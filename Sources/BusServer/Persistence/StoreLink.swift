import BusCore
import BusSession
import BusStore
import Glibc
import NIOCore
import Synchronization

/// The store of the one broker: what the broker gathers goes in, and what the store's thread reports comes back to an
/// event loop, with at most one wake-up on its way.
final class StoreLink: Sendable {
    /// What the store has reported and no loop has taken yet.
    private struct News {
        var committed: UInt64 = 0
        var isFull = false
        var failure: String?
        var isPending = false
        var listener: (@Sendable () -> Void)?
    }

    /// Filled by the store's thread.
    private final class Mailbox: Sendable {
        let news = Mutex(News())

        func take(_ result: CommitResult) {
            let wake: (@Sendable () -> Void)? = self.news.withLock { news in
                switch result {
                case .committed(let number):
                    news.committed = number
                    news.isFull = false
                case .full: news.isFull = true
                case .failed(let message): news.failure = message
                }
                guard !news.isPending else { return nil }
                news.isPending = news.listener != nil
                return news.listener
            }
            wake?()
        }
    }

    private let store: BusStore
    private let mailbox: Mailbox
    /// What was found wrong on opening although the store could be opened.
    let notices: [String]
    /// Records that belong to nothing and were left out.
    let skippedCount: Int

    private init(_ store: BusStore, _ mailbox: Mailbox, skippedCount: Int) {
        self.store = store
        self.mailbox = mailbox
        self.notices = store.notices
        self.skippedCount = skippedCount
    }

    /// Opens the store in a directory and gives the broker, which has no clients yet, what is in it.
    static func open(directory: String, into broker: inout Broker) throws(StoreFailure) -> StoreLink {
        let mailbox = Mailbox()
        let store = try BusStore.open(directory: directory) { mailbox.take($0) }
        do throws(StoreFailure) {
            let now = LoopDriver.now()
            broker.attachStore(wallMilliseconds: Self.wallMilliseconds(), now: now)
            var loader = StoreLoader(now: now)
            try store.load { loader.take($0, into: &broker) }
            let skippedCount = loader.skippedCount
            loader.finish(into: &broker)
            return StoreLink(store, mailbox, skippedCount: skippedCount)
        } catch {
            store.close()
            throw error
        }
    }

    /// What the wall clock shows, in milliseconds since 1970.
    static func wallMilliseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// - Parameter wake: called on the store's thread when there is something for `settle`; must return at once.
    func listen(_ wake: @escaping @Sendable () -> Void) {
        self.mailbox.news.withLock { $0.listener = wake }
    }

    /// Takes the broker's changes. Called with the broker locked, so that the numbers of batches rise.
    func takeChanges(of broker: inout Broker) {
        guard let (changes, number) = broker.takeChanges() else { return }
        self.store.append(changes, number: number)
        if !self.store.hasRoom, broker.storeCondition == .sound {
            broker.setStore(.full, reason: "the disk does not keep up")
        }
    }

    /// Tells the broker what the store has reported since the last time.
    func settle(_ broker: inout Broker, now: Timestamp) {
        let news = self.mailbox.news.withLock { news in
            news.isPending = false
            return news
        }
        if let failure = news.failure {
            broker.setStore(.failed, reason: failure)
        } else if news.isFull {
            broker.setStore(.full, reason: "the disk is full")
        } else if self.store.hasRoom {
            broker.setStore(.sound)
        }
        broker.committed(upTo: news.committed, now: now)
    }

    /// Commits what was taken and lets the directory go.
    func close() {
        self.mailbox.news.withLock { $0.listener = nil }
        self.store.close()
    }
}
