import BusContract
import Testing

@testable import FunctionBus

@Suite("Answers that were given")
struct AnswerCacheTests {
    private static let start = ContinuousClock.now

    private static func entry(
        _ text: String, digest: Int = 1, attempt: Int = 1, isSuccess: Bool = true, seconds: Int = 60
    ) -> AnswerCache.Entry {
        AnswerCache.Entry(
            digest: digest, answer: ApplicationMessage(topic: "r", payload: Array(text.utf8)), attempt: attempt,
            isSuccess: isSuccess, expiresAt: Self.start + .seconds(seconds), byteCount: 0)
    }

    private func text(_ finding: AnswerCache.Finding) -> String? {
        guard case .answer(let message) = finding else { return nil }
        return String(decoding: message.payload, as: UTF8.self)
    }

    @Test("The same request gets the same answer until its time is over; another payload does not fit")
    func kept() {
        var cache = AnswerCache()
        cache.keep(Self.entry("a", digest: 5), under: [1], of: "c", now: Self.start)
        let find = { (digest: Int, seconds: Int) in
            cache.find([1], of: "c", digest: digest, attempt: 1, now: Self.start + .seconds(seconds))
        }
        #expect(self.text(find(5, 59)) == "a")
        #expect(find(6, 1) == .mismatch)
        #expect(find(5, 60) == .unknown)
        #expect(cache.find([2], of: "c", digest: 5, attempt: 1, now: Self.start) == .unknown)
        #expect(cache.find([1], of: "d", digest: 5, attempt: 1, now: Self.start) == .unknown)
    }

    @Test(
        "A later attempt of the platform runs anew where the earlier one failed",
        arguments: [(true, 2, true), (false, 2, false), (false, 1, true)])
    func attempts(_ isSuccess: Bool, _ attempt: Int, _ isAnswered: Bool) {
        var cache = AnswerCache()
        cache.keep(Self.entry("a", isSuccess: isSuccess), under: [1], of: "c", now: Self.start)
        let finding = cache.find([1], of: "c", digest: 1, attempt: attempt, now: Self.start)
        #expect((finding != .unknown) == isAnswered)
    }

    @Test("A client that fills its share loses its own oldest answers, and nobody else's")
    func shares() {
        var cache = AnswerCache(clientBytesMax: 1000, bytesMax: 10_000)
        let large = String(repeating: "x", count: 200)
        cache.keep(Self.entry("other"), under: [9], of: "quiet", now: Self.start)
        for number in 0..<20 {
            cache.keep(Self.entry(large), under: [UInt8(number)], of: "loud", now: Self.start)
        }
        #expect(cache.count == 3)
        #expect(self.text(cache.find([19], of: "loud", digest: 1, attempt: 1, now: Self.start)) == large)
        #expect(cache.find([17], of: "loud", digest: 1, attempt: 1, now: Self.start) == .unknown)
        #expect(self.text(cache.find([9], of: "quiet", digest: 1, attempt: 1, now: Self.start)) == "other")
    }

    @Test("When all is full, whoever holds most gives up its oldest")
    func full() {
        var cache = AnswerCache(clientBytesMax: 1000, bytesMax: 1500)
        for number in 0..<4 { cache.keep(Self.entry(""), under: [UInt8(number)], of: "a", now: Self.start) }
        for number in 0..<4 { cache.keep(Self.entry(""), under: [UInt8(number)], of: "b", now: Self.start) }
        #expect(cache.byteCount <= 1500)
        #expect(cache.count == 7)
        #expect(cache.find([3], of: "b", digest: 1, attempt: 1, now: Self.start) != .unknown)
    }

    @Test("An answer that is larger than a share is not kept")
    func tooLarge() {
        var cache = AnswerCache(clientBytesMax: 1000, bytesMax: 1500)
        cache.keep(Self.entry(String(repeating: "x", count: 900)), under: [1], of: "a", now: Self.start)
        #expect(cache.count == 0)
        #expect(cache.byteCount == 0)
    }

    @Test("An answer that takes the place of another does not count twice")
    func replaced() {
        var cache = AnswerCache()
        cache.keep(Self.entry("first"), under: [1], of: "a", now: Self.start)
        let bytes = cache.byteCount
        cache.keep(Self.entry("later"), under: [1], of: "a", now: Self.start)
        #expect(cache.byteCount == bytes)
        #expect(self.text(cache.find([1], of: "a", digest: 1, attempt: 1, now: Self.start)) == "later")
    }

    @Test("Clients that come and go leave no answers behind, and those of others are found")
    func comeAndGo() {
        var cache = AnswerCache()
        for client in 0..<10 {
            cache.keep(
                Self.entry("\(client)", seconds: client.isMultiple(of: 2) ? 5 : 500), under: [1], of: "c\(client)",
                now: Self.start)
        }
        // Looked at now and then.
        for _ in 0..<1024 {
            cache.keep(Self.entry("x", seconds: 500), under: [2], of: "c1", now: Self.start + .seconds(10))
        }
        #expect(cache.count == 6)
        for client in 0..<10 {
            let found = cache.find([1], of: "c\(client)", digest: 1, attempt: 1, now: Self.start)
            #expect(self.text(found) == (client.isMultiple(of: 2) ? nil : "\(client)"))
        }
    }
}
