import BusContract
import Testing

@testable import BusCalls

/// How calls end that are not answered well: the rows of protocol §7.
@Suite("Endings")
struct EndingTests {
    @Test("No such function: 404/none at once, and the acknowledgement says 0x10")
    func noFunction() throws {
        let scene = CallScene()
        #expect(try scene.call("a") == 0x10)
        #expect(scene.take() == ["fail a 404/none"])
        #expect(scene.table.openCount == 0)
    }

    @Test("A function that is known without an instance: 503/none at once")
    func noInstance() throws {
        let scene = CallScene()
        try scene.serve(10)
        scene.leave(10)
        #expect(try scene.call("a") == 0x10)
        #expect(scene.take() == ["fail a 503/none"])
    }

    @Test("With fc-wait-ms a call waits for an instance, and that gets it")
    func parked() throws {
        let scene = CallScene()
        try scene.catalog { _ in }
        #expect(try scene.call("a") { $0.waitNanoseconds = 500 * CallScene.millisecond } == 0x00)
        scene.pass(milliseconds: 400)
        #expect(scene.take().isEmpty)
        try scene.serve(10)
        #expect(scene.take() == ["dispatch a to 10"])
    }

    @Test("A wait that ends without an instance is 503/none, one that reaches the deadline 408/none")
    func waitEnds() throws {
        let scene = CallScene()
        try scene.catalog { _ in }
        try scene.call("a") { $0.waitNanoseconds = 100 * CallScene.millisecond }
        try scene.call("b") { $0.waitNanoseconds = 60_000 * CallScene.millisecond }
        scene.pass(milliseconds: 104)
        #expect(scene.take() == ["fail a 503/none"])
        scene.pass(milliseconds: 900)
        #expect(scene.take() == ["fail b 408/none"])
        #expect(scene.table.openCount == 0)
    }

    @Test("The host of an on-demand function is woken, whether the call waits or not")
    func wake() throws {
        let scene = CallScene()
        try scene.catalog { $0.activation = .onDemand }
        try scene.call("a")
        #expect(scene.take() == ["wake demo/echo", "fail a 503/none"])
        try scene.call("b") { $0.waitNanoseconds = .max }
        #expect(scene.take() == ["wake demo/echo"])
        try scene.serve(10)
        #expect(scene.take() == ["dispatch b to 10"])
    }

    @Test("When the last instance leaves, calls that would wait for another one do, and wake the host; others end")
    func lastLeaves() throws {
        let scene = CallScene()
        try scene.catalog { $0.activation = .onDemand }
        try scene.serve(10, capacity: 1)
        try scene.call("a")
        try scene.call("b")
        try scene.call("c") { $0.waitNanoseconds = 500 * CallScene.millisecond }
        _ = scene.take()
        scene.leave(10)
        #expect(scene.take() == ["fail a 502/maybe", "fail b 503/none", "wake demo/echo"])
        scene.pass(milliseconds: 504)
        #expect(scene.take() == ["fail c 503/none"])
    }

    // MARK: Loss

    @Test("An instance that dies loses its calls: 502/maybe at once")
    func lost() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.serve(11)
        try scene.call("a")
        _ = scene.take()
        scene.leave(10)
        #expect(scene.take() == ["fail a 502/maybe"])
        #expect(scene.answer(10, "a").caller == nil)
    }

    @Test("A call that may run twice goes to another instance, counted, as often as the limit says")
    func attempts() throws {
        let scene = CallScene()
        for instance: UInt32 in [10, 11, 12] { try scene.serve(instance, capacity: 1) }
        try scene.call("x")
        try scene.call("y")
        try scene.call("a") { $0.isIdempotent = true }
        scene.answer(10, "x")
        scene.leave(12)
        scene.answer(11, "y")
        scene.leave(10)
        try scene.serve(13)
        #expect(
            scene.take().suffix(3) == ["dispatch a to 12", "dispatch a to 10 attempt 2", "dispatch a to 11 attempt 3"])
        scene.leave(11)
        #expect(scene.take() == ["fail a 502/maybe"])
    }

    @Test("The catalog says whether a function may run twice, and a call may say otherwise")
    func idempotentByCatalog() throws {
        let scene = CallScene()
        try scene.catalog { $0.isIdempotent = true }
        try scene.serve(10)
        try scene.call("a")
        try scene.call("b") { $0.isIdempotent = false }
        try scene.serve(11)
        _ = scene.take()
        scene.leave(10)
        #expect(scene.take() == ["dispatch a to 11 attempt 2", "fail b 502/maybe"])
    }

    @Test("Without another instance or without time a call that may run twice is lost all the same")
    func nobodyElse() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a") { $0.isIdempotent = true }
        _ = scene.take()
        scene.leave(10)
        #expect(scene.take() == ["fail a 502/maybe"])
    }

    @Test("Calls that come back from a dead instance are ahead of younger ones, in their order")
    func requeuedInOrder() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 3)
        for id in ["a", "b", "c"] { try scene.call(id) { $0.isIdempotent = true } }
        try scene.serve(11, capacity: 1)
        try scene.call("x")
        try scene.call("y")
        _ = scene.take()
        scene.leave(10)
        #expect(scene.take().isEmpty)
        var order: [String] = []
        for id in ["x", "a", "b", "c"] {
            scene.answer(11, id)
            order += scene.take()
        }
        #expect(
            order == [
                "dispatch a to 11 attempt 2", "dispatch b to 11 attempt 2", "dispatch c to 11 attempt 2",
                "dispatch y to 11",
            ])
    }

    @Test("A call that came back from a dead instance may have run, however it ends")
    func mayHaveRun() throws {
        let scene = CallScene { $0.callsPerFunctionMax = 10 }
        try scene.serve(10, capacity: 4)
        for id in ["a", "b", "c", "d"] { try scene.call(id) { $0.isIdempotent = true } }
        try scene.serve(11, capacity: 1)
        try scene.call("x") { $0.timeoutNanoseconds = 5_000 * CallScene.millisecond }
        _ = scene.take()
        scene.leave(10)
        scene.cancel("a")
        #expect(scene.take() == ["fail a 499/maybe"])
        scene.answer(11, "x")
        #expect(scene.take() == ["dispatch b to 11 attempt 2"])
        #expect(scene.refuse(11, "b") == .swallowed)
        #expect(scene.take() == ["fail b 502/maybe", "dispatch c to 11 attempt 2"])
        scene.presence(11, .draining)
        #expect(scene.take() == ["fail d 503/maybe"])
        scene.pass(milliseconds: 1_004)
        #expect(scene.take() == ["cancel c at 11", "fail c 408/maybe"])
    }

    // MARK: Deadlines

    @Test("A deadline that passes while the call waits: 408/none")
    func expiredQueued() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.call("a") { $0.timeoutNanoseconds = 5_000 * CallScene.millisecond }
        try scene.call("b")
        _ = scene.take()
        scene.pass(milliseconds: 1004)
        #expect(scene.takeEvents() == ["expired demo/echo"])
        #expect(scene.take() == ["fail b 408/none"])
        #expect(scene.snapshot()?.queued == 0)
    }

    @Test("A deadline that passes while the call runs: 408/maybe, a cancel, and the late answer is an event")
    func expiredRunning() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.call("a")
        try scene.call("b") { $0.timeoutNanoseconds = 5_000 * CallScene.millisecond }
        _ = scene.take()
        scene.pass(milliseconds: 1004)
        #expect(scene.take() == ["cancel a at 10", "fail a 408/maybe", "dispatch b to 10"])
        #expect(scene.answer(10, "a") == .late)
        #expect(scene.takeEvents() == ["late demo/echo"])
        #expect(scene.snapshot()?.statistics.late == 1)
    }

    @Test("A call whose time is up is not dispatched, even before its timer comes")
    func expiredBetweenTicks() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.call("a")
        try scene.call("b") { $0.timeoutNanoseconds = 100 }
        _ = scene.take()
        scene.now += 200
        scene.answer(10, "a")
        #expect(scene.take() == ["fail b 408/none"])
        try scene.call("c") { $0.timeoutNanoseconds = 0 }
        scene.pass(milliseconds: 5)
        #expect(scene.take() == ["fail c 408/none"])
    }

    @Test("Without a timeout of its own a call has that of the catalog, else 10 seconds, and at most a day")
    func timeouts() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a") { $0.timeoutNanoseconds = nil }
        try scene.catalog { $0.timeoutMilliseconds = 50 }
        try scene.call("b") { $0.timeoutNanoseconds = nil }
        try scene.catalog { $0.timeoutMilliseconds = .max }
        try scene.call("c") { $0.timeoutNanoseconds = nil }
        try scene.call("d") {
            $0.timeoutNanoseconds = .max
            $0.waitNanoseconds = .max
        }
        let remaining = scene.effects.compactMap { effect -> UInt64? in
            if case .dispatch(let dispatch) = effect {
                dispatch.remainingNanoseconds / CallScene.millisecond
            } else {
                nil
            }
        }
        #expect(remaining == [10_000, 50, 86_400_000, 86_400_000])
    }

    // MARK: Cancellation

    @Test("Cancelled while it waits: 499/none, and no instance hears of it")
    func cancelledQueued() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.call("a")
        try scene.call("b")
        _ = scene.take()
        scene.cancel("b")
        #expect(scene.take() == ["fail b 499/none"])
        scene.answer(10, "a")
        #expect(scene.take().isEmpty)
    }

    @Test("Cancelled while it runs: 499/maybe at once and a cancel to its instance")
    func cancelledRunning() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a")
        _ = scene.take()
        scene.cancel("a")
        #expect(scene.take() == ["cancel a at 10", "fail a 499/maybe"])
        #expect(scene.answer(10, "a") == .late)
        scene.cancel("a")
        #expect(scene.take().isEmpty)
    }

    @Test("With fc-cancel: wait only the instance is told, and its own answer ends the call")
    func cancelWaits() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a")
        _ = scene.take()
        scene.cancel("a", waits: true)
        #expect(scene.take() == ["cancel a at 10"])
        #expect(scene.answer(10, "a", status: .cancelled).caller == 1)
    }

    @Test("Nobody but its caller cancels a call")
    func foreignCancel() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a")
        _ = scene.take()
        scene.table.cancel(
            by: ClientHandle(rawValue: 2), CallScene.address("a", caller: 1), waits: false, now: scene.now,
            effects: &scene.effects)
        #expect(scene.take().isEmpty)
        #expect(scene.table.openCount == 1)
    }

    @Test("A caller that goes without a session cancels its calls; one with a session gets its answers")
    func callerGone() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a")
        try scene.call("b", caller: 2)
        _ = scene.take()
        scene.leave(1, hasSession: false)
        scene.leave(2, hasSession: true)
        #expect(scene.take() == ["cancel a at 10", "fail a 499/maybe"])
        #expect(scene.answer(10, "b", caller: 2).caller == 2)
        #expect(scene.table.callerCount == 1)
    }
}
