import BusContract
import Testing

@testable import BusCalls

/// How instances answer, refuse and drain.
@Suite("Replies")
struct ReplyTests {
    @Test("Only the instance that has the call answers it, and once")
    func grant() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a")
        #expect(scene.answer(11, "a") == .noCall)
        #expect(scene.answer(10, "b") == .noCall)
        #expect(scene.answer(10, "a").caller == 1)
        #expect(scene.answer(10, "a") == .late)
        #expect(scene.answer(11, "a") == .noCall)
    }

    @Test("A handler's failure is its answer, counted and reported")
    func failed() throws {
        let scene = CallScene()
        try scene.serve(10)
        _ = scene.takeEvents()
        try scene.call("a")
        #expect(scene.answer(10, "a", status: .failed).caller == 1)
        #expect(scene.takeEvents() == ["failed demo/echo"])
        #expect(scene.snapshot()?.statistics.failed == 1)
    }

    @Test("Interim replies reach a caller that accepts them, and the call goes on")
    func interim() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a") { $0.acceptsProgress = true }
        try scene.call("b")
        #expect(scene.answer(10, "a", isInterim: true).interimCaller == 1)
        #expect(scene.answer(10, "b", isInterim: true) == .swallowed)
        #expect(scene.answer(10, "a").caller == 1)
        #expect(scene.answer(10, "a", isInterim: true) == .late)
        #expect(scene.table.openCount == 1)
    }

    // MARK: Refusals

    @Test(
        "An instance that refuses unread is passed over; the caller hears of it when all have", arguments: [429, 503])
    func refusal(_ status: Int) throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.serve(11)
        try scene.call("a")
        #expect(scene.refuse(10, "a", status: CallStatus(rawValue: status)) == .swallowed)
        #expect(scene.take() == ["dispatch a to 10", "dispatch a to 11 attempt 2"])
        #expect(scene.refuse(11, "a", status: CallStatus(rawValue: status)).caller == 1)
        #expect(scene.table.openCount == 0)
    }

    @Test("A status of overload from a handler that ran is an answer like any other")
    func executedOverload() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.serve(11)
        try scene.call("a")
        #expect(scene.answer(10, "a", status: .overloaded).caller == 1)
    }

    @Test("A refused call waits for an instance that is busy, and holds up none that the idle one can take")
    func refusedWaits() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.serve(11, capacity: 1)
        for id in ["a", "b", "c", "d"] { try scene.call(id) }
        #expect(scene.take() == ["dispatch a to 10", "dispatch b to 11"])
        #expect(scene.refuse(10, "a") == .swallowed)
        #expect(scene.take() == ["dispatch c to 10"])
        scene.answer(10, "c")
        #expect(scene.take() == ["dispatch d to 10"])
        scene.answer(11, "b")
        #expect(scene.take() == ["dispatch a to 11 attempt 2"])
    }

    @Test("An instance that refused one call is offered the next")
    func nextAfterRefusal() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.call("a")
        try scene.call("b")
        _ = scene.take()
        #expect(scene.refuse(10, "a").caller == 1)
        #expect(scene.take() == ["dispatch b to 10"])
    }

    @Test("A call waits no longer when the last instance that has not refused it leaves")
    func hopeLeaves() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.serve(11, capacity: 1)
        try scene.call("a")
        try scene.call("b")
        scene.refuse(10, "a")
        _ = scene.take()
        scene.leave(11)
        #expect(scene.take() == ["fail b 502/maybe", "fail a 429/none"])
    }

    // MARK: Presence

    @Test(
        "A draining instance finishes what it has and gets nothing new",
        arguments: [InstanceDescriptor.Status.draining, .offline])
    func draining(_ status: InstanceDescriptor.Status) throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a")
        try scene.serve(11)
        scene.presence(10, status)
        for id in ["b", "c"] { try scene.call(id) }
        #expect(scene.take() == ["dispatch a to 10", "dispatch b to 11", "dispatch c to 11"])
        #expect(scene.answer(10, "a").caller == 1)
        scene.presence(10, .online)
        try scene.call("d")
        #expect(scene.take() == ["dispatch d to 10"])
    }

    @Test("When the last instance drains, what waits ends like any call that finds nobody")
    func lastDrains() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.call("a")
        try scene.call("b")
        try scene.call("c") { $0.waitNanoseconds = 900 * CallScene.millisecond }
        _ = scene.take()
        scene.presence(10, .draining)
        #expect(scene.take() == ["fail b 503/none"])
        try scene.serve(11)
        #expect(scene.take() == ["dispatch c to 11"])
    }

    @Test("The keys of a draining instance move to another one")
    func keysMove() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.serve(11, capacity: 1)
        try scene.call("a1") { $0.key = "a" }
        let home = try #require(scene.take().first).hasSuffix("10") ? 10 : 11 as UInt32
        try scene.call("a2") { $0.key = "a" }
        #expect(scene.take().isEmpty)
        scene.presence(home, .draining)
        #expect(scene.take().isEmpty, "a1 still runs, and a2 must not overtake it")
        scene.answer(home, "a1")
        #expect(scene.take() == ["dispatch a2 to \(21 - home)"])
    }

    @Test("The capacity that an instance registers counts, however much it claims")
    func registeredCapacity() throws {
        let scene = CallScene()
        scene.presence(10, .online, capacity: 1)
        try scene.serve(10)
        for id in ["a", "b", "c"] { try scene.call(id) }
        _ = scene.take()
        scene.presence(10, .online, capacity: 2)
        #expect(scene.take() == ["dispatch b to 10"])
        scene.presence(10, .online, capacity: 0)
        scene.answer(10, "a")
        #expect(scene.take().isEmpty, "one call still runs, and one is the least capacity")
        scene.answer(10, "b")
        #expect(scene.take() == ["dispatch c to 10"])
        try scene.serve(11)
        for instance: UInt32 in [10, 11] { scene.presence(instance, .online, capacity: .max) }
        for index in 0..<50 { #expect(try scene.call("\(index)") == 0x00) }
        #expect(scene.take().count == 50)
    }

    @Test("Without a word of its own an instance has its window, at most 64")
    func defaultCapacity() throws {
        for (window, capacity) in [(0, 1), (1, 1), (20, 20), (65_535, 64)] {
            let scene = CallScene()
            try scene.serve(10, capacity: window)
            for index in 0..<100 { try scene.call("\(index)") }
            #expect(scene.take().count { $0.hasPrefix("dispatch") } == capacity)
        }
    }

    @Test("Presence of a client that serves nothing is ignored")
    func strangerPresence() throws {
        let scene = CallScene()
        scene.presence(10, .online, capacity: 5)
        #expect(scene.table.hasInstances == false)
    }

    // MARK: Uncorrelated calls

    @Test("Calls without correlation data are answered in the order in which their instance got them (protocol §4)")
    func uncorrelated() throws {
        let scene = CallScene()
        try scene.serve(10)
        let address = CallAddress(replyTopic: "answers", correlation: Correlation())
        for id in ["a", "b"] { try scene.call(id) { $0.address = address } }
        #expect(scene.take() == ["dispatch a to 10", "dispatch b to 10"])
        let elsewhere = CallAddress(replyTopic: "elsewhere", correlation: Correlation())
        #expect(scene.answer(10, at: elsewhere) == .noCall)
        #expect(scene.answer(10, at: address).caller == 1)
        #expect(scene.table.calls.firstIndex { $0.state == .running } == 1, "the first is done, the second runs")
        #expect(scene.answer(10, at: address).caller == 1)
        #expect(scene.answer(10, at: address) == .late)
        #expect(scene.table.callerCount == 0)
    }

    @Test("The reply topic of the topic form tells calls apart by itself")
    func topicForm() throws {
        let scene = CallScene()
        try scene.serve(10)
        let address = CallAddress(replyTopic: "fc/_reply/c1/7", correlation: Correlation(), isTopicForm: true)
        for _ in 0..<2 { try scene.call("a") { $0.address = address } }
        #expect(scene.take() == ["dispatch a to 10"])
        #expect(scene.answer(10, at: address).caller == 1)
        #expect(scene.answer(10, at: address) == .late)
    }
}
