package import BusAccess
package import BusSession
import BusTopics
package import BusWire
import NIOCore

/// What a client says to prove who it is. The broker asks; the driver finds out and calls `authenticated`.
package struct AuthenticationRequest: Sendable {
    package let connection: ConnectionIdentifier
    package let origin: ConnectionOrigin
    package let clientIdentifier: String
    package let userName: String?
    package let password: [UInt8]?
}

package enum AuthenticationVerdict: Sendable {
    /// - Parameters:
    ///   - user: `nil` for an anonymous client.
    ///   - expiresAt: when what the client showed stops to count: its connection ends then.
    case accepted(user: String?, groups: Set<String>, expiresAt: Timestamp)
    case refused(ReasonCode, String)
}

/// A CONNECT that waits for its verdict, and what the client has sent since ([MQTT-3.1.4-5] lets it not wait).
struct PendingConnect: Sendable {
    var connect: Connect
    var deferred: [Packet] = []
    var byteCount = 0
}

extension Broker {
    /// Has the driver check who the client is, or lets it in where nobody is checked.
    mutating func authenticate(_ connect: Connect, on index: Int, now: Timestamp) {
        guard self.authenticates else {
            let user = self.connections[index].origin.certificateUser
            self.accept(connect, as: Login(user: user), on: index, now: now)
            return
        }
        self.connections[index].phase = .authenticating
        self.pendingConnects[index] = PendingConnect(connect: connect)
        let identifier = ConnectionIdentifier(index: index, generation: self.connections.generation(of: index))
        self.authenticationRequests.append(
            AuthenticationRequest(
                connection: identifier, origin: self.connections[index].origin,
                clientIdentifier: connect.clientIdentifier, userName: connect.userName,
                password: connect.password.map { Array($0.readableBytesView) }))
    }

    package mutating func takeAuthenticationRequests() -> [AuthenticationRequest] {
        guard !self.authenticationRequests.isEmpty else { return [] }
        defer { self.authenticationRequests = [] }
        return self.authenticationRequests
    }

    /// The driver has found out who the client is; what the client has sent meanwhile is looked at now.
    package mutating func authenticated(
        _ identifier: ConnectionIdentifier, _ verdict: AuthenticationVerdict, now: Timestamp
    ) {
        guard self.isOpen(identifier), let pending = self.pendingConnects.removeValue(forKey: identifier.index) else {
            // The client did not wait for the answer.
            return
        }
        let index = identifier.index
        guard self.connections[index].phase == .authenticating else { return }
        self.connections[index].phase = .awaitingConnect
        switch verdict {
        case .refused(let code, let message):
            self.end(index, .violation(code, message), now: now)
        case .accepted(let user, let groups, let expiresAt):
            let login = Login(user: user, groups: groups, expiresAt: expiresAt)
            self.accept(pending.connect, as: login, on: index, now: now)
            _ = self.receive(pending.deferred, from: identifier, now: now)
        }
    }

    /// Keeps what a client sends before it knows whether it is let in.
    mutating func postpone(_ packet: Packet, on index: Int, now: Timestamp) {
        if case .connect = packet {
            self.end(index, .violation(.protocolError, "a second CONNECT"), now: now)
            return
        }
        self.pendingConnects[index]?.deferred.append(packet)
        if case .publish(let publish) = packet {
            self.pendingConnects[index]?.byteCount += publish.storedByteCount
        }
        guard let pending = self.pendingConnects[index],
            pending.deferred.count > Self.deferredPacketsMax
                || pending.byteCount > self.limits.session.packetBytesMax
        else { return }
        self.end(index, .violation(.quotaExceeded, "too much was sent before CONNACK"), now: now)
    }

    private static let deferredPacketsMax = 256

    // MARK: Rights

    /// Puts new rules in force, for live clients as well (S03): subscriptions that are not allowed any more end, and
    /// what waits for a client that may not read it is dropped.
    ///
    /// - Parameter policy: `nil` where nothing is ruled and everything allowed.
    package mutating func setPolicy(_ policy: AccessPolicy?, now: Timestamp) {
        self.restricts = policy != nil
        let policy = policy ?? .open
        self.policy = policy
        self.policyGeneration += 1
        for session in self.sessions.indices {
            let rights = policy.rights(of: self.standings[session].identity)
            self.standings[session].rights = rights
            self.standings[session].permittedRoute = nil
            guard !rights.allowsEverything else { continue }
            let lost = self.sessions[session].subscriptions.records.filter { !rights.maySubscribe($0.filter) }
            for record in lost {
                _ = self.sessions[session].subscriptions.remove(record.filter)
                self.removeSubscription(record, session: session, now: now)
            }
            self.forgetStored(in: session) { message in !rights.mayReceive(message.publish.topic) }
            self.sessions[session].keepWaiting { message in rights.mayReceive(message.publish.topic) }
        }
        self.performCallEffects(now: now)
    }

    /// Ends the connections of users for whom `isKnown` says no; not of those whose certificate says who they are.
    package mutating func endConnections(now: Timestamp, unless isKnown: (Identity) -> Bool) {
        for index in self.connections.indices where self.connections[index].phase == .connected {
            guard self.connections[index].origin.certificateUser == nil,
                !isKnown(self.standings[self.connections[index].session].identity)
            else { continue }
            self.end(index, .violation(.notAuthorized, "the user is not known any more"), now: now)
        }
    }

    mutating func setStanding(_ standing: Standing, of session: Int) {
        while self.standings.count <= session { self.standings.append(.anyone) }
        self.standings[session] = standing
    }

    /// Whether a client may publish on the route's topic; asked once while it stays on one topic.
    mutating func mayPublish(_ session: Int, along route: Route) -> Bool {
        if self.standings[session].isUnrestricted || self.standings[session].permittedRoute === route {
            return true
        }
        // Answers are guarded by their one-shot grants.
        if case .reply = route.kind { return true }
        guard self.standings[session].rights.mayPublish(String(topic: route.topic)) else { return false }
        self.standings[session].permittedRoute = route
        return true
    }
}

/// Who a client has shown to be.
struct Login: Sendable {
    var user: String?
    var groups: Set<String> = []
    var expiresAt = Timestamp.never
}

extension String {
    /// The topic of a route, which was validated as UTF-8 when the route was made.
    init(topic: [UInt8]) {
        self = String(decoding: topic, as: UTF8.self)
    }
}
