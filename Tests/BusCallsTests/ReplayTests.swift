import BusContract
import Testing

@testable import BusCalls

/// The same request again.
@Suite("Repeated requests")
struct ReplayTests {
    @Test("A repeated request joins the call that runs or waits (protocol §7)")
    func joins() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        for id in ["a", "b", "a", "b"] { #expect(try scene.call(id) == 0x00) }
        #expect(scene.take() == ["dispatch a to 10"])
        #expect(scene.table.openCount == 2)
    }

    @Test("A repeated request is answered once more from memory for 60 seconds")
    func replays() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a")
        scene.answer(10, "a")
        scene.pass(milliseconds: 59_000)
        _ = scene.take()
        try scene.call("a")
        #expect(scene.take() == ["replay answer"])
        #expect(scene.snapshot()?.statistics.replayed == 1)
        scene.pass(milliseconds: 1_010)
        try scene.call("a")
        #expect(scene.take() == ["dispatch a to 10"])
    }

    @Test("An answer is kept until the deadline if that is later")
    func keptUntilDeadline() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a") { $0.timeoutNanoseconds = 100_000 * CallScene.millisecond }
        scene.answer(10, "a")
        scene.pass(milliseconds: 99_000)
        _ = scene.take()
        try scene.call("a")
        #expect(scene.take() == ["replay answer"])
        scene.pass(milliseconds: 1_010)
        #expect(scene.table.callerCount == 0)
        #expect(scene.table.named.count == 0)
    }

    @Test("The same address with another payload or function is 409")
    func mismatch() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.serve(10, "demo/other")
        try scene.call("a")
        _ = scene.take()
        #expect(try scene.call("a") { $0.digest = 2 } == 0x00)
        try scene.call("a", "demo/other")
        #expect(scene.take() == Array(repeating: "fail a 409/none", count: 2))
        #expect(scene.table.openCount == 1, "the first call goes on")
    }

    @Test("Failures of the broker's that are final are repeated too")
    func failureReplayed() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a")
        try scene.call("b")
        scene.cancel("a")
        scene.pass(milliseconds: 1004)
        _ = scene.take()
        try scene.call("a")
        try scene.call("b")
        #expect(scene.take() == ["fail a 499/maybe replay", "fail b 408/maybe replay"])
    }

    @Test("After a failure that invites another attempt, the same request is a new call")
    func retries() throws {
        let scene = CallScene { $0.attemptsMax = 1 }
        try scene.catalog {
            $0.queueMax = 0
            $0.isIdempotent = true
        }
        try scene.call("a")
        try scene.serve(10, capacity: 1)
        try scene.call("a")
        try scene.call("b")
        #expect(scene.take() == ["fail a 503/none", "dispatch a to 10", "fail b 429/none"])
        scene.leave(10)
        try scene.serve(11, capacity: 1)
        try scene.call("a")
        #expect(scene.take() == ["fail a 502/maybe", "dispatch a to 11"])
        scene.refuse(11, "a")
        try scene.call("a")
        #expect(scene.take() == ["dispatch a to 11"])
    }

    @Test("A call that may not run twice and was lost is not run again by a repeated request")
    func lostIsFinal() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a")
        scene.leave(10)
        try scene.serve(11)
        _ = scene.take()
        try scene.call("a")
        #expect(scene.take() == ["fail a 502/maybe replay"])
    }

    @Test("A client's answers are kept within its bytes, the oldest go first; other clients keep theirs")
    func byteLimit() throws {
        let scene = CallScene { $0.replayBytesPerClientMax = 10_000 }
        try scene.serve(10)
        try scene.call("other", caller: 2)
        scene.answer(10, "other", caller: 2)
        for index in 0..<8 {
            try scene.call("\(index)")
            scene.answer(10, "\(index)", byteCount: 3_000)
        }
        let known = scene.table.caller(1)
        let kept = try #require(known)
        #expect(kept.remembered.byteCount <= 10_000)
        #expect(kept.remembered.count >= 2)
        _ = scene.take()
        try scene.call("7")
        try scene.call("other", caller: 2)
        try scene.call("0")
        #expect(scene.take() == ["replay answer", "replay answer", "dispatch 0 to 10"])
    }

    @Test("An answer larger than a client's share is not kept")
    func tooLargeToKeep() throws {
        let scene = CallScene { $0.replayBytesPerClientMax = 10_000 }
        try scene.serve(10)
        try scene.call("a")
        scene.answer(10, "a", byteCount: 10_001)
        #expect(scene.table.callerCount == 0)
        _ = scene.take()
        try scene.call("a")
        #expect(scene.take() == ["dispatch a to 10"])
    }

    @Test("The request of a finished call is not kept beside its answer")
    func requestDropped() throws {
        let scene = CallScene()
        try scene.serve(10)
        weak var kept: Note?
        do {
            let note = Note("large")
            kept = note
            try scene.call("a") { $0.message = note }
        }
        _ = scene.take()
        #expect(kept != nil)
        scene.answer(10, "a")
        #expect(kept == nil)
    }

    @Test("A call that is not to be remembered leaves nothing")
    func notRemembered() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a") { $0.isRemembered = false }
        scene.answer(10, "a")
        #expect(scene.table.callerCount == 0)
        #expect(scene.table.named.count == 0)
        #expect(scene.table.freeCalls.count == scene.table.calls.count)
    }

    @Test("The answers of a client without a session go with it")
    func goneWithClient() throws {
        let scene = CallScene()
        try scene.serve(10)
        for index in 0..<200 {
            try scene.call("\(index)")
            scene.answer(10, "\(index)")
        }
        scene.leave(1)
        #expect(scene.table.callerCount == 0)
        #expect(scene.table.named.count == 0)
    }
}
