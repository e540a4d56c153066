import BusCalls
import BusContract
import BusSession
import BusTopics
import BusWire
import NIOCore

/// What instances say of themselves and of their functions, and when they come and go.
extension Broker {
    mutating func acceptCatalog(
        _ publish: Publish, of name: FunctionName, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        var descriptor: FunctionDescriptor?
        if publish.payloadLength > 0 {
            do {
                descriptor = try FunctionDescriptor(parsing: String(buffer: publish.payload))
            } catch {
                return .payloadFormatInvalid
            }
        }
        self.calls.catalogChanged(name, descriptor, now: now.nanoseconds, effects: &self.callEffects)
        return self.distribute(publish, along: route, from: session, now: now)
    }

    /// An instance speaks for itself only: its identifier is its client's, or that with a number behind a dot. An empty
    /// message says that it is gone.
    mutating func acceptPresence(
        _ publish: Publish, of identifier: String, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        guard Self.isInstance(identifier, of: self.sessions[session].clientIdentifier) else { return .notAuthorized }
        var descriptor: InstanceDescriptor?
        if publish.payloadLength > 0 {
            do {
                descriptor = try InstanceDescriptor(parsing: String(buffer: publish.payload))
            } catch {
                return .payloadFormatInvalid
            }
        }
        // A will comes when its client is gone, and its presence with it.
        if self.sessions[session].connection != nil {
            let isNoted = self.calls.presenceChanged(
                ClientHandle(rawValue: UInt32(session)), identifier, descriptor, now: now.nanoseconds,
                effects: &self.callEffects)
            guard isNoted else { return .quotaExceeded }
            if descriptor != nil { self.forgetAnnouncement(of: session) }
        }
        return self.distribute(publish, along: route, from: session, now: now)
    }

    private static func isInstance(_ identifier: String, of client: String) -> Bool {
        let own = ClientName.encode(client).utf8
        guard identifier.utf8.starts(with: own) else { return false }
        let rest = identifier.utf8.dropFirst(own.count)
        return rest.isEmpty || rest.first == UInt8(ascii: ".")
    }

    /// The session of the client that an instance is, or is one of.
    func session(ofInstance identifier: String) -> Int? {
        if let known = self.session(named: identifier) { return known }
        guard let dot = identifier.utf8.lastIndex(of: UInt8(ascii: ".")) else { return nil }
        return self.session(named: String(identifier[..<dot]))
    }

    private func session(named level: String) -> Int? {
        ClientName.decode(level).flatMap { self.sessionOfClient[ClientIdentifier($0)] }
    }

    // MARK: Subscriptions

    /// Whether a plain subscription makes its client an instance.
    static func servesCalls(_ filter: TopicFilter) -> Bool {
        if case .instance = CallFilter.role(of: filter) { true } else { false }
    }

    mutating func instanceArrived(_ filter: TopicFilter, session: Int, now: Timestamp) {
        guard let index = self.sessions[session].connection else { return }
        let terms = InstanceTerms(
            window: self.sessions[session].window.receiveMaximum,
            packetBytesMax: self.connections[index].maximumPacketSize,
            hasProperties: self.connections[index].isSpeakingV5)
        self.calls.instanceSubscribed(
            ClientHandle(rawValue: UInt32(session)), filter: filter, terms: terms, now: now.nanoseconds,
            effects: &self.callEffects)
        self.announceSoon(session, now: now)
    }

    mutating func instanceLeft(_ filter: TopicFilter, session: Int, now: Timestamp) {
        self.calls.instanceUnsubscribed(
            ClientHandle(rawValue: UInt32(session)), filter: filter, now: now.nanoseconds, effects: &self.callEffects)
        if self.announcements.made.contains(session) { self.announce(session, now: now) }
    }

    /// A resumed session serves again what it is subscribed to.
    mutating func instanceReturned(_ session: Int, now: Timestamp) {
        for record in self.sessions[session].subscriptions.records {
            self.instanceArrived(record.filter, session: session, now: now)
        }
        self.performCallEffects(now: now)
    }

    mutating func clientLeft(_ session: Int, now: Timestamp) {
        self.calls.clientLeft(
            ClientHandle(rawValue: UInt32(session)), hasSession: self.sessions[session].expirySeconds > 0,
            now: now.nanoseconds, effects: &self.callEffects)
        self.announcements.due.remove(session)
        self.retractAnnouncement(of: session, now: now)
        self.performCallEffects(now: now)
    }
}
