import BusSession
import Testing

@Suite("Rate of a client")
struct RateLimitTests {
    private func limit(messages: Int = 0, bytes: Int = 0) -> RateLimit {
        var rates = RateLimit.Rates()
        rates.messages = messages
        rates.bytes = bytes
        return RateLimit(rates, now: self.at(0))
    }

    private func at(_ milliseconds: UInt64) -> Timestamp {
        Timestamp(nanoseconds: 1_000_000_000 + milliseconds * 1_000_000)
    }

    @Test("Without rates nobody waits")
    func unlimited() {
        var limit = self.limit()
        let resume = limit.spend(messages: 1_000_000, bytes: 1 << 40, now: self.at(0))
        #expect(resume == nil)
    }

    @Test("One second's worth may come at once, the rest is paid for in time")
    func messages() {
        var limit = self.limit(messages: 100)
        let resumes = [100, 50].map { limit.spend(messages: $0, bytes: 0, now: self.at(0)) }
        #expect(resumes == [nil, self.at(500)])
        let later = limit.spend(messages: 1, bytes: 0, now: self.at(1500))
        #expect(later == nil)
    }

    @Test("Over a long time a client has its rate, however it sends")
    func longRun() {
        var limit = self.limit(bytes: 1000)
        var now: UInt64 = 0
        var sent = 0
        while now < 100_000 {
            let resume = limit.spend(messages: 1, bytes: 700, now: self.at(now))
            sent += 700
            now = resume.map { ($0.nanoseconds - 1_000_000_000) / 1_000_000 } ?? now + 1
        }
        #expect((100_000...102_000).contains(sent))
    }

    @Test("The dearer of both decides")
    func both() {
        var limit = self.limit(messages: 10, bytes: 1000)
        let resume = limit.spend(messages: 15, bytes: 4000, now: self.at(0))
        #expect(resume == self.at(3000))
    }
}
