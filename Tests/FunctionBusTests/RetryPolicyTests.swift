import Testing

@testable import FunctionBus

@Suite("When a call is made again")
struct RetryPolicyTests {
    private static func error(
        _ code: BusError.Code, _ status: Int, _ executed: BusError.Executed, isPermanent: Bool = false
    ) -> BusError {
        var error = BusError(code, status: status, executed: executed, "it failed")
        error.isPermanent = isPermanent
        return error
    }

    @Test(
        "Only what cannot have run, or what may run twice",
        arguments: [
            (Self.error(.noInstance, 503, .none), false, true),
            (Self.error(.overloaded, 429, .none), false, true),
            (Self.error(.noFunction, 404, .none), false, true),
            (Self.error(.disconnectedBeforeSend, 0, .none), false, true),
            (Self.error(.instanceLost, 502, .maybe), false, false),
            (Self.error(.instanceLost, 502, .maybe), true, true),
            (Self.error(.disconnectedAfterSend, 0, .maybe), true, true),
            (Self.error(.handlerError, 500, .yes), true, false),
            (Self.error(.notAuthorized, 403, .none), true, false),
            (Self.error(.invalidRequest, 400, .none), true, false),
            (Self.error(.tooLarge, 413, .none), true, false),
            (Self.error(.cancelled, 499, .maybe), true, false),
            (Self.error(.overloaded, 429, .none, isPermanent: true), true, false),
        ])
    func allows(_ error: BusError, _ isIdempotent: Bool, _ expected: Bool) {
        #expect(RetryPolicy().allowsRetry(after: error, attempt: 1, isIdempotent: isIdempotent) == expected)
    }

    @Test("Attempts are counted, and by default there is one")
    func attempts() {
        let error = Self.error(.noInstance, 503, .none)
        #expect(RetryPolicy().allowsRetry(after: error, attempt: 3, isIdempotent: false))
        #expect(!RetryPolicy().allowsRetry(after: error, attempt: 4, isIdempotent: false))
        #expect(!CallOptions().retry.allowsRetry(after: error, attempt: 1, isIdempotent: true))
    }

    @Test("Pauses double up to the longest, and vary by a fifth")
    func pauses() {
        let error = Self.error(.noInstance, 503, .none)
        let middle = (1...9).map { RetryPolicy().pause(after: error, attempt: $0, random: 0.5) }
        #expect(middle == [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000].map { .milliseconds($0) })
        #expect(RetryPolicy().pause(after: error, attempt: 1, random: 0) == .milliseconds(40))
        #expect(RetryPolicy().pause(after: error, attempt: 1, random: 1) == .milliseconds(60))
        #expect(RetryPolicy().pause(after: error, attempt: 1000, random: 0.5) == .seconds(5))
    }

    @Test("What the broker asks for takes the place of the guess, and is never cut short")
    func told() {
        var error = Self.error(.overloaded, 429, .none)
        error.retryAfter = .seconds(7)
        #expect(RetryPolicy().pause(after: error, attempt: 1, random: 0) == .seconds(7))
        #expect(RetryPolicy().pause(after: error, attempt: 5, random: 1) == .milliseconds(8400))
    }

    @Test("Ten repetitions without a success, then one for every ten successes")
    func budget() {
        var budget = RetryBudget()
        #expect((0..<12).map { _ in budget.take() } == Array(repeating: true, count: 10) + [false, false])
        for _ in 0..<9 { budget.succeeded() }
        #expect((0..<1).map { _ in budget.take() } == [false])
        // Eleven tenths: the sum of ten of them is not quite one.
        for _ in 0..<2 { budget.succeeded() }
        #expect((0..<2).map { _ in budget.take() } == [true, false])
    }
}
