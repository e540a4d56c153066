import BusIdentity
import Dispatch
import Synchronization
import Testing

/// A clock that stands, and a costly step that counts.
private final class Laboratory: Sendable {
    struct Run: Equatable {
        var hash: PasswordHash
        var password: String
    }

    private let runs = Mutex<[Run]>([])
    private let clock = Mutex<UInt64>(1)
    /// Holds the costly step until it is told to go on.
    let gate: DispatchSemaphore?
    let arrivals = DispatchSemaphore(value: 0)

    init(isGated: Bool = false) {
        self.gate = isGated ? DispatchSemaphore(value: 0) : nil
    }

    var hashed: [Run] { self.runs.withLock { $0 } }

    func pass(_ duration: Duration) {
        self.clock.withLock { $0 += UInt64(duration.components.seconds) * 1_000_000_000 }
    }

    var surroundings: PasswordVerifier.Surroundings {
        PasswordVerifier.Surroundings(now: { self.clock.withLock { $0 } }) { hash, password in
            self.runs.withLock { $0.append(Run(hash: hash, password: String(decoding: password, as: UTF8.self))) }
            self.arrivals.signal()
            self.gate?.wait()
            return hash.verify(password)
        }
    }
}

private final class Answer: Sendable {
    let verdict = Mutex<PasswordVerifier.Verdict?>(nil)
}

extension PasswordVerifier {
    fileprivate func verdict(_ user: String, _ password: String) async -> Verdict {
        await withCheckedContinuation { continuation in
            self.verify(user: user, password: utf8(password)) { continuation.resume(returning: $0) }
        }
    }

    /// The answer, where it comes at once.
    fileprivate func immediateVerdict(_ user: String, _ password: String) -> Verdict? {
        let answer = Answer()
        self.verify(user: user, password: utf8(password)) { verdict in answer.verdict.withLock { $0 = verdict } }
        return answer.verdict.withLock { $0 }
    }
}

@Suite("Password verifier", .timeLimit(.minutes(1)))
struct PasswordVerifierTests {
    private static func file(_ users: [String: String]) throws -> PasswordFile {
        var file = try PasswordFile("", name: "passwords")
        for (user, password) in users.sorted(by: { $0.key < $1.key }) { try file.set(user, .cheap(password)) }
        return file
    }

    @Test("The right password is accepted, anything else rejected")
    func verdicts() async throws {
        let verifier = PasswordVerifier(file: try Self.file(["ann": "tulip", "bob": "rose", "empty": ""]))
        #expect(await verifier.verdict("ann", "tulip") == .accepted)
        #expect(await verifier.verdict("ann", "rose") == .rejected)
        #expect(await verifier.verdict("ann", "") == .rejected)
        #expect(await verifier.verdict("bob", "rose") == .accepted)
        #expect(await verifier.verdict("eve", "tulip") == .rejected)
        #expect(await verifier.verdict("", "") == .rejected)
        #expect(await verifier.verdict("empty", "") == .accepted)
    }

    @Test("A file without users lets nobody in", arguments: ["ann", ""])
    func noUsers(_ user: String) async throws {
        let laboratory = Laboratory()
        let verifier = PasswordVerifier(
            file: try PasswordFile("", name: "passwords"), surroundings: laboratory.surroundings)
        #expect(await verifier.verdict(user, "") == .rejected)
        #expect(laboratory.hashed.map(\.hash.description) == ["scrypt ln=15,r=8,p=1"])
    }

    @Test("An unknown user costs one hash of the kind that a known user costs, and the same one each time (S09)")
    func unknownUser() async throws {
        let laboratory = Laboratory()
        let file = try Self.file(["ann": "tulip", "bob": "rose"])
        let verifier = PasswordVerifier(file: file, surroundings: laboratory.surroundings)
        #expect(await verifier.verdict("ann", "wrong") == .rejected)
        for _ in 0..<3 { #expect(await verifier.verdict("eve", "wrong") == .rejected) }
        let runs = laboratory.hashed
        #expect(runs.map(\.password) == Array(repeating: "wrong", count: 4))
        #expect(runs[0].hash == file.hash(of: "ann"))
        #expect(file.hashes.contains(runs[1].hash))
        #expect(runs[1] == runs[2])
        #expect(runs[2] == runs[3])
    }

    @Test("The entries that stand in for unknown users are spread over the file")
    func decoysAreSpread() async throws {
        let laboratory = Laboratory()
        let file = try Self.file(["ann": "tulip", "bob": "rose"])
        let verifier = PasswordVerifier(file: file, surroundings: laboratory.surroundings)
        for number in 0..<64 { #expect(await verifier.verdict("nobody-\(number)", "wrong") == .rejected) }
        for hash in file.hashes { #expect(laboratory.hashed.contains { $0.hash == hash }) }
    }

    @Test("The password of the user whose entry stands in does not let an unknown user in")
    func decoyPassword() async throws {
        let laboratory = Laboratory()
        let verifier = PasswordVerifier(
            file: try Self.file(["ann": "tulip"]), surroundings: laboratory.surroundings)
        for _ in 0..<2 { #expect(await verifier.verdict("eve", "tulip") == .rejected) }
        #expect(laboratory.hashed.count == 2)
    }

    @Test("A success is remembered for five minutes and then checked again")
    func cache() async throws {
        let laboratory = Laboratory()
        let verifier = PasswordVerifier(
            file: try Self.file(["ann": "tulip"]), surroundings: laboratory.surroundings)
        #expect(await verifier.verdict("ann", "tulip") == .accepted)
        laboratory.pass(.seconds(299))
        #expect(verifier.immediateVerdict("ann", "tulip") == .accepted)
        #expect(laboratory.hashed.count == 1)
        laboratory.pass(.seconds(1))
        #expect(await verifier.verdict("ann", "tulip") == .accepted)
        #expect(laboratory.hashed.count == 2)
    }

    @Test("A wrong password is hashed every time, also beside a remembered success")
    func noNegativeCache() async throws {
        let laboratory = Laboratory()
        let verifier = PasswordVerifier(
            file: try Self.file(["ann": "tulip"]), surroundings: laboratory.surroundings)
        #expect(await verifier.verdict("ann", "tulip") == .accepted)
        for _ in 0..<3 { #expect(await verifier.verdict("ann", "rose") == .rejected) }
        #expect(laboratory.hashed.count == 4)
        #expect(verifier.immediateVerdict("ann", "tulip") == .accepted)
    }

    @Test("A user and a password that only look alike when run together are not taken for a remembered one")
    func boundary() async throws {
        let verifier = PasswordVerifier(file: try Self.file(["ab": "cd", "abc": "x"]))
        #expect(await verifier.verdict("ab", "cd") == .accepted)
        #expect(await verifier.verdict("abc", "d") == .rejected)
    }

    @Test("No more successes are remembered than the limit says; the oldest goes")
    func cacheLimit() async throws {
        let laboratory = Laboratory()
        var limits = PasswordVerifier.Limits()
        limits.cachedMax = 2
        let verifier = PasswordVerifier(
            file: try Self.file(["ann": "1", "bob": "2", "eve": "3"]), limits: limits,
            surroundings: laboratory.surroundings)
        for (user, password) in [("ann", "1"), ("bob", "2"), ("eve", "3")] {
            #expect(await verifier.verdict(user, password) == .accepted)
        }
        #expect(verifier.immediateVerdict("bob", "2") == .accepted)
        #expect(verifier.immediateVerdict("eve", "3") == .accepted)
        #expect(laboratory.hashed.count == 3)
        #expect(await verifier.verdict("ann", "1") == .accepted)
        #expect(laboratory.hashed.count == 4)
    }

    @Test("A new file counts at once, and remembered successes of the old one are forgotten")
    func replace() async throws {
        let verifier = PasswordVerifier(file: try Self.file(["ann": "tulip", "bob": "rose"]))
        #expect(await verifier.verdict("ann", "tulip") == .accepted)
        #expect(await verifier.verdict("bob", "rose") == .accepted)
        verifier.replace(file: try Self.file(["ann": "lily"]))
        #expect(await verifier.verdict("ann", "tulip") == .rejected)
        #expect(await verifier.verdict("ann", "lily") == .accepted)
        #expect(await verifier.verdict("bob", "rose") == .rejected)
        #expect(verifier.knows("ann"))
        #expect(!verifier.knows("bob"))
    }

    @Test("A check that was under way when the file changed answers by the new file and is not remembered by the old")
    func replaceDuringCheck() async throws {
        let laboratory = Laboratory(isGated: true)
        let verifier = PasswordVerifier(
            file: try Self.file(["ann": "tulip"]), surroundings: laboratory.surroundings)
        async let verdict = verifier.verdict("ann", "tulip")
        await laboratory.arrival()
        verifier.replace(file: try Self.file(["ann": "lily"]))
        laboratory.gate?.signal()
        laboratory.gate?.signal()
        #expect(await verdict == .rejected)
        #expect(laboratory.hashed.count == 2)
    }

    @Test("With the queue full the answer is busy at once, and whoever waits is still served")
    func busy() async throws {
        let laboratory = Laboratory(isGated: true)
        var limits = PasswordVerifier.Limits()
        limits.waitingMax = 2
        let verifier = PasswordVerifier(
            file: try Self.file(["ann": "tulip", "bob": "rose", "eve": "lily"]), limits: limits,
            surroundings: laboratory.surroundings)
        async let first = verifier.verdict("ann", "tulip")
        await laboratory.arrival()
        let waiting = Mutex<[PasswordVerifier.Verdict]>([])
        let served = DispatchSemaphore(value: 0)
        for (user, password) in [("bob", "rose"), ("eve", "tulip")] {
            verifier.verify(user: user, password: utf8(password)) { verdict in
                waiting.withLock { $0.append(verdict) }
                served.signal()
            }
        }
        #expect(verifier.immediateVerdict("dan", "x") == .busy)
        #expect(laboratory.hashed.count == 1)
        for _ in 0..<3 { laboratory.gate?.signal() }
        #expect(await first == .accepted)
        await wait(for: served)
        await wait(for: served)
        #expect(waiting.withLock { $0 } == [.accepted, .rejected])
        #expect(laboratory.hashed.map(\.password) == ["tulip", "rose", "tulip"])
    }

    @Test("Clients that share an account and wait in line pay for one hash together")
    func sharedAccount() async throws {
        let laboratory = Laboratory(isGated: true)
        let verifier = PasswordVerifier(
            file: try Self.file(["fleet": "tulip"]), surroundings: laboratory.surroundings)
        async let first = verifier.verdict("fleet", "tulip")
        await laboratory.arrival()
        async let second = verifier.verdict("fleet", "tulip")
        async let third = verifier.verdict("fleet", "tulip")
        laboratory.gate?.signal()
        #expect(await [first, second, third] == [.accepted, .accepted, .accepted])
        #expect(laboratory.hashed.count == 1)
    }

    @Test("As many checks run at a time as there are threads, and no more")
    func threads() async throws {
        let laboratory = Laboratory(isGated: true)
        var limits = PasswordVerifier.Limits()
        limits.threads = 2
        let verifier = PasswordVerifier(
            file: try Self.file(["ann": "1", "bob": "2", "eve": "3"]), limits: limits,
            surroundings: laboratory.surroundings)
        async let first = verifier.verdict("ann", "1")
        async let second = verifier.verdict("bob", "2")
        await laboratory.arrival()
        await laboratory.arrival()
        async let third = verifier.verdict("eve", "3")
        #expect(laboratory.hashed.count == 2)
        for _ in 0..<3 { laboratory.gate?.signal() }
        #expect(await [first, second, third] == [.accepted, .accepted, .accepted])
        #expect(laboratory.hashed.count == 3)
    }
}

/// Waits without holding a thread of the tests' own pool.
private func wait(for semaphore: DispatchSemaphore) async {
    await withCheckedContinuation { continuation in
        DispatchQueue.global().async {
            semaphore.wait()
            continuation.resume()
        }
    }
}

extension Laboratory {
    /// Until one more check has begun.
    func arrival() async { await wait(for: self.arrivals) }
}
