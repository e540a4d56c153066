import BusWire
import NIOCore

/// What a workload hears from its clients.
protocol ClientUser: AnyObject {
    func received(_ message: ReceivedMessage, by client: BenchClient)
    /// The broker has taken a message for good; `isError` when it refused it.
    func acknowledged(_ identifier: PacketIdentifier, isError: Bool, by client: BenchClient)
    func closed(_ client: BenchClient)
}

/// An application message, whatever protocol brought it.
struct ReceivedMessage {
    var payload: ByteBuffer
    /// Where an answer goes, and what it carries so that it is known again; looked at by calls only.
    var publish: Publish?
    var replySubject: ByteBuffer?
}

/// One client of a workload: connects, subscribes, answers what the protocol asks for.
class BenchClient: LinkOwner {
    enum Role: String {
        case publisher = "p"
        case subscriber = "s"
        case caller = "c"
        case instance = "i"
        case bystander = "b"
    }

    let role: Role
    let index: Int
    let subscriptions: SubscriptionList
    unowned let user: any ClientUser
    var link: Link?
    private(set) var isReady = false
    /// The end is wanted, so it is no fault.
    var expectsClose = false

    init(_ role: Role, index: Int, subscriptions: SubscriptionList, user: any ClientUser) {
        self.role = role
        self.index = index
        self.subscriptions = subscriptions
        self.user = user
    }

    func becameReady() {
        guard !self.isReady else { return }
        self.isReady = true
        self.link?.loop.readyCount += 1
        self.link?.loop.progressCount += 1
    }

    func linkOpened(_ link: Link) {}

    func linkReceived(_ bytes: inout ByteBuffer, on link: Link) throws(BenchFailure) {}

    func linkClosed(_ link: Link) {
        self.isReady = false
        self.user.closed(self)
    }

    /// Says goodbye; the connection ends once it is written.
    func disconnect() {
        self.expectsClose = true
    }
}

/// Filters by number, made when they are sent: a million of them need not be in memory at once.
struct SubscriptionList: Sendable {
    var count: Int
    var filter: @Sendable (Int) -> String

    static let none = SubscriptionList(count: 0) { _ in "" }

    static func one(_ filter: String) -> SubscriptionList {
        SubscriptionList(count: 1) { _ in filter }
    }
}
