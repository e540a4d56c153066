import Crypto
import Foundation
import Synchronization

/// Checks passwords on a thread of its own: a hash that is hard to guess takes a tenth of a second, which no event loop
/// has.
///
/// Bounded: when too many wait, the next is told `busy` at once. A success is remembered for five minutes, as an HMAC
/// with a key that only this process knows, so that clients which reconnect cost nothing.
package final class PasswordVerifier: Sendable {
    package enum Verdict: Sendable, Equatable {
        case accepted, rejected
        /// Too many others wait; the client may try again.
        case busy
    }

    private struct Job {
        var user: String
        var password: [UInt8]
        var completion: @Sendable (Verdict) -> Void
    }

    private struct State {
        var file: PasswordFile
        /// Rises with each file: a check that began with an older one is not remembered.
        var generation = 0
        var waiting: [Job] = []
        var known: [Data: ContinuousClock.Instant] = [:]
        var isClosed = false
    }

    private let state: Mutex<State>
    private let wake = DispatchSemaphore(value: 0)
    private let key = SymmetricKey(size: .bits256)
    private let waitingMax: Int
    private static let knownMax = 10_000
    private static let knownTime = Duration.seconds(300)
    /// What unknown users are checked against where the file has no user at all.
    private static let decoy = try? PasswordHash.make(Array("decoy".utf8)).decoy

    /// - Parameter waitingMax: checks that may wait for the thread.
    package init(file: PasswordFile, waitingMax: Int = 64) {
        self.state = Mutex(State(file: file))
        self.waitingMax = waitingMax
        Thread.detachNewThread { [weak self, wake = self.wake] in
            while true {
                wake.wait()
                guard let self, self.work() else { return }
            }
        }
    }

    deinit {
        self.wake.signal()
    }

    /// `completion` is called once: here where the answer is known at once, else on the verifier's thread.
    package func verify(user: String, password: [UInt8], completion: @escaping @Sendable (Verdict) -> Void) {
        let tag = self.tag(user, password)
        let answer: Verdict? = self.state.withLock { state in
            if let until = state.known[tag] {
                if until > .now { return .accepted }
                state.known[tag] = nil
            }
            guard state.waiting.count < self.waitingMax else { return .busy }
            state.waiting.append(Job(user: user, password: password, completion: completion))
            return nil
        }
        guard let answer else {
            self.wake.signal()
            return
        }
        completion(answer)
    }

    /// New users are in force for the next check; nothing is remembered of the old ones.
    package func replace(file: PasswordFile) {
        self.state.withLock { state in
            state.file = file
            state.generation += 1
            state.known = [:]
        }
    }

    package func knows(_ user: String) -> Bool {
        self.state.withLock { $0.file.hash(of: user) != nil }
    }

    /// One check; `false` when the thread may go.
    private func work() -> Bool {
        let next = self.state.withLock { state -> (Job, PasswordHash?, isKnown: Bool, generation: Int)? in
            guard !state.waiting.isEmpty else { return nil }
            let job = state.waiting.removeFirst()
            let hash = state.file.hash(of: job.user)
            return (job, hash ?? state.file.sample?.decoy ?? Self.decoy, hash != nil, state.generation)
        }
        guard let (job, hash, isKnown, generation) = next else { return true }
        // An unknown user costs what a known one does: nobody learns from the time which names exist (S09).
        let fits = hash?.verify(job.password) ?? false
        let isAccepted = fits && isKnown
        if isAccepted { self.remember(job, generation: generation) }
        job.completion(isAccepted ? .accepted : .rejected)
        return true
    }

    private func remember(_ job: Job, generation: Int) {
        let tag = self.tag(job.user, job.password)
        self.state.withLock { state in
            guard state.generation == generation else { return }
            if state.known.count >= Self.knownMax { state.known.removeAll(keepingCapacity: true) }
            state.known[tag] = .now + Self.knownTime
        }
    }

    private func tag(_ user: String, _ password: [UInt8]) -> Data {
        var code = HMAC<SHA256>(key: self.key)
        code.update(data: Data(SHA256.hash(data: Data(user.utf8))))
        code.update(data: password)
        return Data(code.finalize())
    }
}
