import BusSession
import BusWire
import Testing

@Suite("An instant")
struct TimestampTests {
    @Test("does not go past never", arguments: [UInt64(0), 1, .max - 1, .max])
    func saturation(_ nanoseconds: UInt64) {
        let instant = Timestamp(nanoseconds: nanoseconds)
        #expect(instant.adding(seconds: .max) == .never)
        #expect(instant.adding(milliseconds: .max) == .never)
        #expect(instant.adding(seconds: 0) == instant)
    }

    @Test(
        "counts the seconds left up, so that what still lives says at least 1",
        arguments: [
            (UInt64(0), UInt32(0)), (1, 1), (999_999_999, 1), (1_000_000_000, 1), (1_000_000_001, 2), (.max, .max),
        ])
    func secondsLeft(_ nanoseconds: UInt64, _ seconds: UInt32) {
        let now = Timestamp(nanoseconds: 0)
        #expect(Timestamp(nanoseconds: nanoseconds).secondsLeft(at: now) == seconds)
    }

    @Test("is never before itself")
    func since() {
        let early = Timestamp(nanoseconds: 5)
        let late = Timestamp(nanoseconds: 9)
        #expect(late.nanoseconds(since: early) == 4)
        #expect(early.nanoseconds(since: late) == 0)
    }
}

@Suite("Subscription options")
struct SubscriptionOptionsTests {
    static func options(
        _ qos: QoS = .atMostOnce, noLocal: Bool = false, retainAsPublished: Bool = false
    ) -> SubscriptionOptions {
        SubscriptionOptions(
            Subscription(filter: "a", maximumQoS: qos, noLocal: noLocal, retainAsPublished: retainAsPublished))
    }

    @Test("keep all wishes in one byte", arguments: [RetainHandling.sendOnSubscribe, .sendIfNew, .doNotSend])
    func packing(_ handling: RetainHandling) {
        for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] {
            for flags in 0..<8 {
                let options = SubscriptionOptions(
                    Subscription(
                        filter: "a", maximumQoS: qos, noLocal: flags & 1 != 0, retainAsPublished: flags & 2 != 0,
                        retainHandling: handling),
                    isInstance: flags & 4 != 0)
                #expect(options.maximumQoS == qos && options.retainHandling == handling)
                #expect(options.noLocal == (flags & 1 != 0) && options.retainAsPublished == (flags & 2 != 0))
                #expect(options.isInstance == (flags & 4 != 0))
            }
        }
    }

    @Test("of overlapping subscriptions are the highest QoS and what all or any of them wish")
    func merging() {
        var options = Self.options(.atLeastOnce, noLocal: true)
        options.merge(Self.options(.exactlyOnce, noLocal: true, retainAsPublished: true))
        #expect(options.maximumQoS == .exactlyOnce && options.noLocal && options.retainAsPublished)
        options.merge(Self.options(.atMostOnce))
        #expect(options.maximumQoS == .exactlyOnce && !options.noLocal && options.retainAsPublished)
    }
}

@Suite("Client identifiers")
struct ClientIdentifierTests {
    @Test("are the same when their bytes are, not when they look the same")
    func bytes() {
        let composed = ClientIdentifier("\u{E9}")
        let decomposed = ClientIdentifier("e\u{301}")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed, ClientIdentifier("\u{E9}")]).count == 2)
    }
}

@Suite("A rate limit")
struct RateLimitTests {
    static func limit(messages: Int = 0, bytes: Int = 0) -> RateLimit {
        var rates = RateLimit.Rates()
        rates.messages = messages
        rates.bytes = bytes
        return RateLimit(rates, now: Timestamp(nanoseconds: 0))
    }

    static let second: UInt64 = 1_000_000_000

    @Test("lets through one second's worth at once, and then asks for a pause as long as the debt")
    func burst() {
        var limit = Self.limit(messages: 10)
        let now = Timestamp(nanoseconds: 0)
        #expect(limit.spend(messages: 10, bytes: 0, now: now) == nil)
        #expect(limit.spend(messages: 5, bytes: 0, now: now) == Timestamp(nanoseconds: Self.second / 2))
    }

    @Test("fills again with time, up to one second's worth")
    func refill() {
        var limit = Self.limit(messages: 10)
        #expect(limit.spend(messages: 10, bytes: 0, now: Timestamp(nanoseconds: 0)) == nil)
        #expect(limit.spend(messages: 5, bytes: 0, now: Timestamp(nanoseconds: Self.second / 2)) == nil)
        let late = Timestamp(nanoseconds: 100 * Self.second)
        #expect(limit.spend(messages: 10, bytes: 0, now: late) == nil)
        #expect(limit.spend(messages: 1, bytes: 0, now: late) != nil)
    }

    @Test("counts messages and bytes each for themselves; the longer pause counts")
    func both() {
        var limit = Self.limit(messages: 10, bytes: 100)
        let now = Timestamp(nanoseconds: 0)
        #expect(limit.spend(messages: 11, bytes: 300, now: now) == Timestamp(nanoseconds: 2 * Self.second))
        var unlimited = Self.limit()
        #expect(unlimited.spend(messages: .max, bytes: .max, now: now) == nil)
    }
}
