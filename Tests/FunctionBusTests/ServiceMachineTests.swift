import BusContract
import Testing

@testable import FunctionBus

@Suite("A function that is served")
struct ServiceMachineTests {
    private static let start = ContinuousClock.now

    private let function: FunctionHandler

    init() throws {
        self.function = try Sample.handler()
    }

    private func machine(concurrency: Int = 1, queue: Int = 1) -> ServiceMachine {
        var options = ServeOptions()
        options.concurrency = concurrency
        options.queueLimit = queue
        options.timeout = .seconds(5)
        return ServiceMachine(self.function.name.contract, options)
    }

    private func arrival(_ key: UInt8, payload: String = "x", seconds: Int = 10) -> ServiceMachine.Arrival {
        let message = ApplicationMessage(topic: "t", payload: Array(payload.utf8))
        let deadline = Self.start + .seconds(seconds)
        return ServiceMachine.Arrival(
            request: Request(
                function: self.function.name, payload: Payload(payload), message, deadline: deadline, identifier: nil),
            reply: ReplyAddress(topic: "r", isTopicForm: false, deadline: deadline, instance: AnsweringInstance("i")),
            key: [key],
            digest: payload.hashValue, scope: CallScope(deadline: deadline, hops: 0))
    }

    /// What became of a request, in a word.
    private func word(_ admission: ServiceMachine.Admission) -> String {
        switch admission {
        case .run(let number): "run \(number)"
        case .queued: "queued"
        case .joined: "joined"
        case .answered(let message): "answered \(String(decoding: message.payload, as: UTF8.self))"
        case .refused(let failure): "refused \(failure.status)"
        }
    }

    private func admit(_ arrival: ServiceMachine.Arrival, _ machine: inout ServiceMachine) -> String {
        self.word(machine.admit(arrival, now: Self.start))
    }

    @Test("So many run, so many wait, the rest is refused with 429 and with a time to come back")
    func bounds() throws {
        var machine = self.machine(concurrency: 2, queue: 1)
        let words = (1...4).map { self.admit(self.arrival($0), &machine) }
        #expect(words == ["run 1", "run 2", "queued", "refused 429"])
        guard case .refused(let failure) = machine.admit(self.arrival(9), now: Self.start) else {
            Issue.record("there is no place")
            return
        }
        #expect(try #require(failure.retryAfterMilliseconds) >= 10)
        let succession = machine.ended(1, now: Self.start)
        #expect(succession.next?.number == 3)
        #expect(succession.next?.arrival.key == [3])
        #expect(self.admit(self.arrival(5), &machine) == "queued")
        #expect(machine.counts.refused == 2)
    }

    @Test("The same request joins the one that waits or runs; another payload under its name is 409")
    func duplicates() {
        var machine = self.machine()
        #expect(self.admit(self.arrival(1), &machine) == "run 1")
        #expect(self.admit(self.arrival(1), &machine) == "joined")
        #expect(self.admit(self.arrival(1, payload: "y"), &machine) == "refused 409")
        #expect(self.admit(self.arrival(2), &machine) == "queued")
        #expect(self.admit(self.arrival(2), &machine) == "joined")
        #expect(self.admit(self.arrival(2, payload: "y"), &machine) == "refused 409")
    }

    @Test(
        "What was answered is answered again, unless it is not known to have run",
        arguments: [
            (nil, "answered done"), (Failure.handlerError("no paper"), "answered done"),
            (Failure(.deadline, .deadline, executed: .maybe, "too late"), "run 2"),
            (Failure(.cancelled, .cancelled, executed: .none, "never mind"), "run 2"),
        ] as [(Failure?, String)])
    func replay(_ failure: Failure?, _ expected: String) throws {
        var machine = self.machine()
        #expect(self.admit(self.arrival(1), &machine) == "run 1")
        let answered = machine.answer(1)
        let arrival = try #require(answered)
        machine.answered(
            arrival, with: ApplicationMessage(topic: "r", payload: Array("done".utf8)), failure, now: Self.start)
        _ = machine.ended(1, now: Self.start)
        #expect(self.admit(self.arrival(1), &machine) == expected)
    }

    @Test("A handler that takes too long is answered for once, and keeps its place until it ends")
    func overdue() {
        var machine = self.machine()
        _ = machine.admit(self.arrival(1), now: Self.start)
        _ = machine.admit(self.arrival(2), now: Self.start)
        #expect(machine.nextLimit == Self.start + .seconds(5))
        #expect(machine.overdue(at: Self.start + .seconds(4)).isEmpty)
        let overdue = machine.overdue(at: Self.start + .seconds(5))
        #expect(overdue.map(\.number) == [1])
        #expect(overdue.first?.failure.blamed?.name == "ExecutionTimeout")
        #expect(machine.answer(1) == nil)
        #expect(machine.overdue(at: Self.start + .seconds(6)).isEmpty)
        #expect(machine.running.count == 1)
        #expect(machine.ended(1, now: Self.start + .seconds(6)).next?.arrival.key == [2])
    }

    @Test("The caller's own deadline is told as such")
    func callersDeadline() {
        var machine = self.machine()
        _ = machine.admit(self.arrival(1, seconds: 2), now: Self.start)
        #expect(machine.overdue(at: Self.start + .seconds(2)).first?.failure.blamed?.name == "MessageExpiry")
    }

    @Test("Whoever waited past its deadline does not run any more")
    func expired() {
        var machine = self.machine(queue: 3)
        _ = machine.admit(self.arrival(1), now: Self.start)
        _ = machine.admit(self.arrival(2, seconds: 1), now: Self.start)
        _ = machine.admit(self.arrival(3), now: Self.start)
        let succession = machine.ended(1, now: Self.start + .seconds(2))
        #expect(succession.expired.map(\.key) == [[2]])
        #expect(succession.next?.arrival.key == [3])
    }

    @Test("A cancellation takes out what waits, and names the handler of what runs")
    func cancellation() {
        var machine = self.machine()
        _ = machine.admit(self.arrival(1), now: Self.start)
        _ = machine.admit(self.arrival(2), now: Self.start)
        guard case .waiting(let arrival) = machine.cancel([2]), case .running(1) = machine.cancel([1]),
            case .unknown = machine.cancel([3]), case .unknown = machine.cancel([])
        else {
            Issue.record("one of them was taken for something else")
            return
        }
        #expect(arrival.key == [2])
        #expect(machine.queue.isEmpty)
    }

    @Test("Draining refuses what is new and finishes what is there")
    func draining() {
        var machine = self.machine()
        _ = machine.admit(self.arrival(1), now: Self.start)
        _ = machine.admit(self.arrival(2), now: Self.start)
        machine.drain()
        #expect(self.admit(self.arrival(3), &machine) == "refused 503")
        #expect(self.admit(self.arrival(1), &machine) == "joined")
        let succession = machine.ended(1, now: Self.start)
        #expect(succession.next?.arrival.key == [2])
        #expect(!succession.isIdle)
        #expect(machine.ended(2, now: Self.start).isIdle)
    }

    @Test("What is left when draining takes too long is given up, and answered once")
    func abandoned() {
        var machine = self.machine()
        _ = machine.admit(self.arrival(1), now: Self.start)
        _ = machine.admit(self.arrival(2), now: Self.start)
        let left = machine.abandon()
        #expect(left.running.map(\.arrival.key) == [[1]])
        #expect(left.waiting.map(\.key) == [[2]])
        #expect(machine.answer(1) == nil)
        #expect(machine.ended(1, now: Self.start).isIdle)
    }

    @Test("The measured time of a call decides when to come back")
    func retryAfter() {
        var machine = self.machine(queue: 0)
        _ = machine.admit(self.arrival(1), now: Self.start)
        _ = machine.ended(1, now: Self.start + .milliseconds(800))
        _ = machine.admit(self.arrival(2), now: Self.start)
        guard case .refused(let failure) = machine.admit(self.arrival(3), now: Self.start) else {
            Issue.record("there is no place")
            return
        }
        #expect(failure.retryAfterMilliseconds == 800)
    }
}
