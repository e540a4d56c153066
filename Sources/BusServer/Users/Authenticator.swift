import BusAccess
import BusCore
import BusIdentity
import BusSession
import BusWire
import FoundationEssentials
import Synchronization

/// Finds out whether a client is who it says: by its certificate, its password, or a token.
final class Authenticator: Sendable {
    private struct State {
        var tokens: TokenVerifier?
        var passwords: PasswordVerifier?
        var logins = LoginGuard()
        var flaps: FlapGuard
    }

    private let state: Mutex<State>
    /// Whether each listener lets clients in that give no name.
    private let allowsAnonymous: [Bool]
    private let log: EventLog

    init(_ directory: UserDirectory, _ configuration: ServerConfiguration, log: EventLog) {
        self.allowsAnonymous = configuration.listeners.map(configuration.allowsAnonymous)
        self.log = log
        self.state = Mutex(
            State(
                tokens: directory.tokens, passwords: directory.passwords.map { PasswordVerifier(file: $0) },
                flaps: FlapGuard(perMinute: configuration.connectsPerMinuteMax)))
    }

    /// Users, passwords and keys from now on.
    func replace(_ directory: UserDirectory) {
        self.state.withLock { state in
            state.tokens = directory.tokens
            guard let file = directory.passwords else {
                state.passwords = nil
                return
            }
            if let verifier = state.passwords {
                verifier.replace(file: file)
            } else {
                state.passwords = PasswordVerifier(file: file)
            }
        }
    }

    /// Whether somebody who is connected could still log in, as far as that shows without a password. Users of tokens
    /// are on nobody's list.
    func knows(_ identity: Identity) -> Bool {
        guard let user = identity.user else { return true }
        return self.state.withLock { state in
            guard state.tokens == nil, let passwords = state.passwords else { return true }
            return passwords.knows(user)
        }
    }

    /// `completion` is called once, on any thread.
    func check(
        _ request: AuthenticationRequest, now: Timestamp,
        completion: @escaping @Sendable (AuthenticationVerdict) -> Void
    ) {
        let wait = self.state.withLock { state in
            request.clientIdentifier.isEmpty
                ? 0 : state.flaps.connected(request.clientIdentifier, now: now.nanoseconds)
        }
        guard wait == 0 else {
            completion(.refused(.banned, "connects too often; try again in \(wait / 1_000_000_000 + 1) s"))
            return
        }
        if let user = request.origin.certificateUser {
            completion(.accepted(user: user, groups: [], expiresAt: .never))
            return
        }
        let (ban, tokens, passwords) = self.state.withLock { state in
            (state.logins.remainingBan(of: request.source, now: now.nanoseconds), state.tokens, state.passwords)
        }
        guard request.userName != nil || request.password != nil else {
            completion(
                self.allowsAnonymous[request.origin.listener]
                    ? .accepted(user: nil, groups: [], expiresAt: .never)
                    : .refused(.notAuthorized, "a user name and a password are needed here"))
            return
        }
        guard ban == 0 else {
            completion(.refused(.banned, "too many failed logins; try again in \(ban / 1_000_000_000 + 1) s"))
            return
        }
        if let tokens, let password = request.password, TokenVerifier.isToken(password) {
            self.check(token: String(decoding: password, as: UTF8.self), tokens, request, now, completion)
        } else if let passwords, let user = request.userName {
            self.check(user, passwords, request, now, completion)
        } else if passwords == nil, tokens == nil, self.allowsAnonymous[request.origin.listener] {
            // Nobody can prove a name here: it counts for nothing.
            completion(.accepted(user: nil, groups: [], expiresAt: .never))
        } else {
            completion(self.reject(request, "no such user or password", now))
        }
    }

    private func check(
        _ user: String, _ passwords: PasswordVerifier, _ request: AuthenticationRequest, _ now: Timestamp,
        _ completion: @escaping @Sendable (AuthenticationVerdict) -> Void
    ) {
        passwords.verify(user: user, password: request.password ?? []) { verdict in
            switch verdict {
            case .accepted:
                self.state.withLock { $0.logins.succeeded(request.source) }
                completion(.accepted(user: user, groups: [], expiresAt: .never))
            case .rejected: completion(self.reject(request, "no such user or password", now))
            case .busy: completion(.refused(.serverBusy, "too many logins at a time"))
            }
        }
    }

    private func check(
        token: String, _ tokens: TokenVerifier, _ request: AuthenticationRequest, _ now: Timestamp,
        _ completion: @escaping @Sendable (AuthenticationVerdict) -> Void
    ) {
        let wallClock = Date().timeIntervalSince1970
        Task {
            do {
                let identity = try await tokens.verify(token: token, user: request.userName, now: wallClock)
                let seconds = UInt64(max(0, min(identity.expiresAt - wallClock, 1e9)))
                self.state.withLock { $0.logins.succeeded(request.source) }
                completion(
                    .accepted(user: identity.user, groups: identity.groups, expiresAt: now.adding(seconds: seconds)))
            } catch {
                completion(self.reject(request, "\(error)", now))
            }
        }
    }

    /// The client is told no more than that it failed; the log is told why.
    private func reject(_ request: AuthenticationRequest, _ reason: String, _ now: Timestamp) -> AuthenticationVerdict {
        let ban = self.state.withLock { $0.logins.failed(request.source, now: now.nanoseconds) }
        self.log.loginFailed(
            user: request.userName ?? "", address: request.origin.remoteAddress, reason: reason,
            banSeconds: ban / 1_000_000_000)
        return .refused(.badUserNameOrPassword, "user name or password is wrong")
    }
}

extension AuthenticationRequest {
    /// Whom a failed login is held against: the address; on this machine, which all its clients share, the address and
    /// the user that was tried, lest one with a wrong password keeps out the others.
    fileprivate var source: String {
        let address = self.origin.address
        guard address.isEmpty || address == "::1" || address.hasPrefix("127.") else { return address }
        return "\(address) \(self.userName ?? "")"
    }
}
