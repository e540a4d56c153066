import BusContract
import Testing

@testable import FunctionBus

extension CallKey: ExpressibleByArrayLiteral {
    /// Correlation data; none of it for a request that cannot be told from others.
    public init(arrayLiteral elements: UInt8...) {
        self = elements.isEmpty ? .none : CallKey(correlation: CorrelationKey(elements), replyTopic: "r")
    }
}

@Suite("What tells requests from each other")
struct CallKeyTests {
    @Test("The same correlation data of another caller is another request; none is none")
    func keys() {
        let one = CallKey(correlation: CorrelationKey([1, 2]), replyTopic: "a")
        #expect(one == CallKey(correlation: CorrelationKey([1, 2]), replyTopic: "a"))
        #expect(one != CallKey(correlation: CorrelationKey([1, 2]), replyTopic: "b"))
        #expect(one != CallKey(correlation: CorrelationKey([1, 3]), replyTopic: "a"))
        #expect(one.hashValue == CallKey(correlation: CorrelationKey([1, 2]), replyTopic: "a").hashValue)
        #expect(CallKey.none.isNone)
        #expect(!CallKey(correlation: CorrelationKey([]), replyTopic: "").isNone)
        #expect(!CallKey(correlation: nil, replyTopic: "a/1").isNone)
    }

    @Test("Topics of requests are read once; those that carry an address of their own are not kept, nor all others")
    func topics() throws {
        var topics = KnownTopics()
        let name = try BusContract.FunctionName(parsing: "demo/echo")
        for _ in 0..<2 { #expect(topics.topic("fc/demo/echo/req") == .request(name, nil)) }
        #expect(topics.topic("fc/demo/echo/req/me/42") != nil)
        #expect(topics.topic("fc/_inst/i1") == .instance("i1"))
        #expect(topics.topic("fc/demo") == nil)
        #expect(topics.count == 1)
        for number in 0..<200 { _ = topics.topic("fc/demo/echo\(number)/req") }
        #expect(topics.count <= KnownTopics.countMax)
        #expect(topics.topic("fc/demo/echo/req") == .request(name, nil))
    }
}
