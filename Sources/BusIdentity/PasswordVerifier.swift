import Dispatch
import Synchronization

/// Checks passwords away from the event loops, a bounded number at a time.
///
/// A hash costs 70 to 140 ms of CPU, so a worker thread does it and a queue of stated length waits for it; beyond it the
/// answer is `.busy` at once. A user that does not exist costs the same as one that does: the password is hashed against
/// the entry of another user, and refused whatever comes out. Which one is the same each time and spread over the file,
/// so that in a file of mixed kinds unknown users take as long as known ones do.
package final class PasswordVerifier: Sendable {
    package enum Verdict: Sendable {
        case accepted
        case rejected
        /// The queue is full; nothing was checked.
        case busy
    }

    package struct Limits: Equatable, Sendable {
        /// Threads that hash at a time.
        package var threads = 1
        /// Checks that wait for a thread.
        package var waitingMax = 64
        /// Users whose last success is remembered; 0 remembers none.
        package var cachedMax = 10_000
        package var cacheLifetime = Duration.seconds(300)

        package init() {}
    }

    /// What the verifier needs from outside.
    package struct Surroundings: Sendable {
        /// Nanoseconds on a clock that never goes back.
        package var now: @Sendable () -> UInt64
        /// The costly step.
        package var matches: @Sendable (PasswordHash, [UInt8]) -> Bool

        package init(
            now: @escaping @Sendable () -> UInt64 = Self.uptime,
            matches: @escaping @Sendable (PasswordHash, [UInt8]) -> Bool = { $0.verify($1) }
        ) {
            self.now = now
            self.matches = matches
        }

        package static let uptime: @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds }
    }

    private struct Check: Sendable {
        var user: String
        var password: [UInt8]
        var seal: PasswordCache.Seal
        var completion: @Sendable (Verdict) -> Void
    }

    private struct State {
        var file: PasswordFile
        /// Entries that stand in for users who do not exist.
        var decoys: [PasswordHash]
        /// Counts the files, so that a check that began with an old one is not taken for one of the new.
        var generation = 0
        var cache: PasswordCache
        var waiting: [Check] = []
        var workers = 0

        mutating func next() -> Check? {
            guard !self.waiting.isEmpty else {
                self.workers -= 1
                return nil
            }
            return self.waiting.removeFirst()
        }
    }

    /// For a file without users: what `fcbus passwd` would write.
    private static let lonelyDecoy = PasswordHash.scrypt(
        .standard, salt: Array(repeating: 0, count: 16), digest: Array(repeating: 0, count: 32))

    private let limits: Limits
    private let surroundings: Surroundings
    private let state: Mutex<State>
    private let queue = DispatchQueue(label: "fcbus.passwords", attributes: .concurrent)

    package init(file: PasswordFile, limits: Limits = Limits(), surroundings: Surroundings = Surroundings()) {
        self.limits = limits
        self.surroundings = surroundings
        let cache = PasswordCache(countMax: limits.cachedMax, lifetime: limits.cacheLifetime.nanosecondsClamped)
        self.state = Mutex(State(file: file, decoys: Self.decoys(of: file), cache: cache))
    }

    /// Checks a password.
    ///
    /// - Parameter completion: called once: before this returns for a remembered success and for `.busy`, else from a
    ///   worker thread.
    package func verify(user: String, password: [UInt8], completion: @escaping @Sendable (Verdict) -> Void) {
        let now = self.surroundings.now()
        let (verdict, needsWorker) = self.state.withLock { state -> (Verdict?, Bool) in
            let seal = state.cache.seal(user: user, password: password)
            if state.cache.holds(seal, now: now) { return (.accepted, false) }
            let needsWorker = state.workers < self.limits.threads
            guard needsWorker || state.waiting.count < self.limits.waitingMax else { return (.busy, false) }
            state.waiting.append(Check(user: user, password: password, seal: seal, completion: completion))
            if needsWorker { state.workers += 1 }
            return (nil, needsWorker)
        }
        if let verdict { completion(verdict) }
        if needsWorker { self.queue.async { self.work() } }
    }

    /// From now on this file counts, for checks that are under way as well; remembered successes are forgotten.
    package func replace(file: PasswordFile) {
        let decoys = Self.decoys(of: file)
        self.state.withLock { state in
            state.file = file
            state.decoys = decoys
            state.generation += 1
            state.cache.removeAll()
        }
    }

    /// Whether there is such a user now.
    package func knows(_ user: String) -> Bool {
        self.state.withLock { $0.file.hash(of: user) != nil }
    }

    private static func decoys(of file: PasswordFile) -> [PasswordHash] {
        let hashes = file.hashes
        return hashes.isEmpty ? [self.lonelyDecoy] : hashes
    }

    /// A worker thread's life: until nobody waits.
    private func work() {
        while let check = self.state.withLock({ $0.next() }) { check.completion(self.verdict(on: check)) }
    }

    private func verdict(on check: Check) -> Verdict {
        while true {
            let (hash, isKnown, generation) = self.state.withLock { state -> (PasswordHash?, Bool, Int) in
                // Somebody with the same password may have waited ahead of this one: fleets share accounts.
                if state.cache.holds(check.seal, now: self.surroundings.now()) { return (nil, true, state.generation) }
                let hash = state.file.hash(of: check.user)
                let decoy = state.decoys[state.cache.choice(for: check.user, below: state.decoys.count)]
                return (hash ?? decoy, hash != nil, state.generation)
            }
            guard let hash else { return .accepted }
            let isAccepted = self.surroundings.matches(hash, check.password) && isKnown
            let isCurrent = self.state.withLock { state in
                guard state.generation == generation else { return false }
                if isAccepted { state.cache.insert(check.seal, now: self.surroundings.now()) }
                return true
            }
            // Otherwise the file was replaced meanwhile, and what it says now is what counts.
            if isCurrent { return isAccepted ? .accepted : .rejected }
        }
    }
}
