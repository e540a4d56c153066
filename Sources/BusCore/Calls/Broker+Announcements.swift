import BusCalls
import BusContract
import BusSession
import BusWire
import NIOCore

/// The presences that the broker publishes itself.
struct Announcements: Sendable {
    /// So long may an instance that has subscribed take to speak for itself, in nanoseconds.
    static let patience: UInt64 = 500_000_000

    /// Sessions by their places: those that are looked at soon, and those for which a presence stands.
    var due: Set<Int> = []
    var made: Set<Int> = []
}

/// Instances that say nothing of themselves, such as stock clients that subscribe to requests: the broker says for them
/// what they serve, so that whoever looks at presences sees every instance there is.
extension Broker {
    /// The instance has come, or what it serves has changed.
    mutating func announceSoon(_ session: Int, now: Timestamp) {
        guard self.calls.isInstance(ClientHandle(rawValue: UInt32(session))),
            self.announcements.due.insert(session).inserted
        else { return }
        let due = Timestamp(nanoseconds: now.nanoseconds + Announcements.patience)
        self.timers.arm(self.timerEntry(.announcement, session: session, due: due))
    }

    mutating func announce(_ session: Int, now: Timestamp) {
        self.announcements.due.remove(session)
        guard let functions = self.calls.functionsOfSilent(ClientHandle(rawValue: UInt32(session))) else {
            self.retractAnnouncement(of: session, now: now)
            return
        }
        var descriptor = InstanceDescriptor()
        descriptor.functions = functions.map(\.description)
        self.announcements.made.insert(session)
        self.publishPresence(of: session, descriptor.text, now: now)
    }

    /// The instance is gone.
    mutating func retractAnnouncement(of session: Int, now: Timestamp) {
        guard self.announcements.made.remove(session) != nil else { return }
        self.publishPresence(of: session, "", now: now)
    }

    /// The instance speaks for itself: what it says takes the place of what was said for it.
    mutating func forgetAnnouncement(of session: Int) {
        guard self.announcements.made.remove(session) != nil else { return }
        _ = self.system.store(self.presence(of: session, ""), limits: self.limits)
    }

    private mutating func publishPresence(of session: Int, _ text: String, now: Timestamp) {
        let presence = self.presence(of: session, text)
        _ = self.system.store(presence, limits: self.limits)
        var live = presence.publish
        live.isRetained = false
        self.publish(live, from: nil, now: now)
    }

    private func presence(of session: Int, _ text: String) -> RetainedMessage {
        let instance = ClientName.encode(self.sessions[session].clientIdentifier)
        let publish = Publish(
            topic: CallTopic.instance(instance).string, qos: .atLeastOnce, isRetained: true,
            payload: ByteBuffer(string: text))
        return RetainedMessage(publish: publish, expiresAt: .never, publisher: nil)
    }
}
