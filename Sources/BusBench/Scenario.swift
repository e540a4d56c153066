package import BusWire

/// One kind of work for a broker: who publishes to whom, how, and how much may be under way.
package struct Scenario: Sendable, Equatable {
    package enum Shape: Sendable, Equatable {
        /// `count` publishers, each to a subscriber of its own.
        case pairs(count: Int)
        /// One publisher, `count` subscribers of its one topic.
        case fanOut(count: Int)
        /// `count` publishers, one subscriber of all their topics.
        case fanIn(count: Int)
        /// `publishers` to one shared subscription of `members`.
        case shared(publishers: Int, members: Int)
    }

    package var name: String
    package var shape: Shape
    package var qos: QoS
    /// At least 16: sequence number and publisher travel in the payload.
    package var payloadBytes: Int
    /// Messages that one publisher may have under way, until every subscriber has them.
    package var window: Int

    package init(_ name: String, _ shape: Shape, qos: QoS = .atMostOnce, payloadBytes: Int = 64, window: Int) {
        self.name = name
        self.shape = shape
        self.qos = qos
        self.payloadBytes = max(16, payloadBytes)
        self.window = window
    }

    package var publisherCount: Int {
        switch self.shape {
        case .pairs(let count), .fanIn(let count): count
        case .fanOut: 1
        case .shared(let publishers, _): publishers
        }
    }

    package var subscriberCount: Int {
        switch self.shape {
        case .pairs(let count), .fanOut(let count): count
        case .fanIn: 1
        case .shared(_, let members): members
        }
    }

    /// How many copies of one message are delivered.
    package var copies: Int {
        if case .fanOut(let count) = self.shape { count } else { 1 }
    }

    package func topic(ofPublisher index: Int) -> String { "bench/\(index)" }

    package func filter(ofSubscriber index: Int) -> String {
        switch self.shape {
        case .pairs: "bench/\(index)"
        case .fanOut: "bench/0"
        case .fanIn: "bench/+"
        case .shared: "$share/bench/bench/+"
        }
    }

    /// What `make bench` compares brokers by.
    package static let standard = [
        Scenario("1 to 1, QoS 0", .pairs(count: 1), window: 1000),
        Scenario("1 to 1, QoS 1", .pairs(count: 1), qos: .atLeastOnce, window: 1000),
        Scenario("1 to 1, QoS 2", .pairs(count: 1), qos: .exactlyOnce, window: 60),
        Scenario("8 pairs, QoS 0", .pairs(count: 8), window: 100),
        Scenario("8 pairs, QoS 1", .pairs(count: 8), qos: .atLeastOnce, window: 100),
        Scenario("1 to 100, QoS 0", .fanOut(count: 100), window: 20),
        Scenario("1 to 100, QoS 1", .fanOut(count: 100), qos: .atLeastOnce, window: 20),
        Scenario("100 to 1, QoS 0", .fanIn(count: 100), window: 20),
        Scenario("shared 4 to 8, QoS 1", .shared(publishers: 4, members: 8), qos: .atLeastOnce, window: 100),
    ]
}
