/// How fast a client may publish: a bucket of messages and one of bytes that fill at their rates and hold one second's
/// worth. A client that has spent more than a bucket holds is not read until the debt is paid: back-pressure, nothing
/// is dropped.
package struct RateLimit: Sendable {
    package struct Rates: Sendable, Equatable {
        /// Per second; 0: unlimited.
        package var messages = 0
        package var bytes = 0

        package init() {}

        package var isUnlimited: Bool { self.messages == 0 && self.bytes == 0 }
    }

    private let rates: Rates
    /// When the buckets will be full again; a bucket is empty when that is one second away.
    private var messagesFullAt: Timestamp
    private var bytesFullAt: Timestamp

    package init(_ rates: Rates, now: Timestamp) {
        self.rates = rates
        self.messagesFullAt = now
        self.bytesFullAt = now
    }

    /// Takes what a read has brought; returns until when the client must not be read, `nil` when it may go on.
    package mutating func spend(messages: Int, bytes: Int, now: Timestamp) -> Timestamp? {
        let first = Self.spend(messages, of: self.rates.messages, &self.messagesFullAt, now: now)
        let second = Self.spend(bytes, of: self.rates.bytes, &self.bytesFullAt, now: now)
        let resume = max(first, second)
        return resume > now ? resume : nil
    }

    /// The instant at which the bucket is no longer in debt.
    private static func spend(_ count: Int, of rate: Int, _ fullAt: inout Timestamp, now: Timestamp) -> Timestamp {
        guard rate > 0 else { return now }
        let second: UInt64 = 1_000_000_000
        let cost = UInt64(count).multipliedReportingOverflow(by: second).partialValue / UInt64(rate)
        fullAt = Timestamp(nanoseconds: max(fullAt, now).nanoseconds + cost)
        let debt = fullAt.nanoseconds(since: now)
        return debt > second ? Timestamp(nanoseconds: now.nanoseconds + debt - second) : now
    }
}
