import BusContract
import Testing

@testable import BusCalls

/// Every bound of the call table and what happens there: never silence.
@Suite("Call limits")
struct LimitTests {
    @Test("A client has so many calls open and no more: 429")
    func callsPerCaller() throws {
        let scene = CallScene { $0.callsPerCallerMax = 3 }
        try scene.serve(10)
        for index in 0..<3 { try scene.call("\(index)") }
        _ = scene.take()
        _ = scene.takeEvents()
        #expect(try scene.call("x") == 0x97)
        #expect(scene.failures.first?.retryAfterMilliseconds != nil)
        #expect(scene.takeEvents() == ["overload demo/echo"])
        #expect(scene.take() == ["fail x 429/none"])
        #expect(try scene.call("x", caller: 2) == 0x00)
        scene.answer(10, "0")
        #expect(try scene.call("x") == 0x00)
    }

    @Test("A function has so many calls, running and waiting, and no more: 429")
    func callsPerFunction() throws {
        let scene = CallScene { $0.callsPerFunctionMax = 3 }
        try scene.serve(10, capacity: 2)
        for index in 0..<3 { try scene.call("\(index)") }
        _ = scene.take()
        #expect(try scene.call("x") == 0x97)
        #expect(scene.take() == ["fail x 429/none"])
    }

    @Test("An instance that says it takes 4,000 calls gets as many at once; before it says so, what exceeds 192 is 429")
    func announcedCapacity() throws {
        let scene = CallScene()
        try scene.subscribe(10, to: "$share/fc/fc/demo/echo/req/#", capacity: 65_535)
        func callAll(_ round: Int) throws -> Int {
            var refused = 0
            for index in 0..<4_000 where try scene.call("\(round).\(index)", caller: UInt32(index % 4 + 1)) != 0x00 {
                refused += 1
            }
            return refused
        }
        #expect(try callAll(1) == 4_000 - 64 - 128)
        scene.presence(10, .online, capacity: 4_000)
        scene.pass(milliseconds: 1_004)
        #expect(scene.table.openCount == 0)
        #expect(try callAll(2) == 0)
        #expect(scene.snapshot()?.running == 4_000)
        #expect(try callAll(3) == 4_000 - 96, "no function has more than 4,096 calls, running and waiting")
    }

    @Test("The queue takes 64 calls, or twice the capacity, or what the catalog says; 429 beyond")
    func queue() throws {
        for (capacity, catalog, room) in [(1, nil, 64), (50, nil, 100), (50, 3, 3), (1, 0, 0)] as [(Int, Int?, Int)] {
            let scene = CallScene()
            try scene.serve(10, capacity: capacity)
            if catalog != nil { try scene.catalog { $0.queueMax = catalog } }
            for index in 0..<capacity + room { #expect(try scene.call("\(index)") == 0x00) }
            _ = scene.take()
            #expect(try scene.call("x") == 0x97)
            #expect(scene.take() == ["fail x 429/none"])
            #expect(scene.snapshot()?.statistics.refused == 1)
        }
    }

    @Test("Calls that wait for a first instance are bounded like any queue")
    func parkedQueue() throws {
        let scene = CallScene()
        try scene.catalog { $0.queueMax = 2 }
        for id in ["a", "b"] { #expect(try scene.call(id) { $0.waitNanoseconds = .max } == 0x00) }
        #expect(try scene.call("c") { $0.waitNanoseconds = .max } == 0x97)
        #expect(scene.take() == ["fail c 429/none"])
    }

    @Test("The time to wait is what the calls ahead will take by the measured service time")
    func retryAfter() throws {
        let scene = CallScene()
        try scene.catalog { $0.queueMax = 4 }
        try scene.serve(10, capacity: 2)
        try scene.call("first")
        scene.pass(milliseconds: 100)
        scene.answer(10, "first")
        for index in 0..<6 { try scene.call("\(index)") }
        _ = scene.take()
        try scene.call("x")
        #expect(scene.failures.first?.retryAfterMilliseconds == 300)
    }

    @Test("The longest idle function is forgotten when another one comes, not one that is in use")
    func functionsKnown() throws {
        let scene = CallScene { $0.functionsKnownMax = 3 }
        try scene.serve(10, "demo/a")
        try scene.catalog("demo/b") { _ in }
        for (index, name) in ["demo/c", "demo/d", "demo/e"].enumerated() {
            scene.pass(milliseconds: 1)
            try scene.serve(20 + UInt32(index), name)
            scene.leave(20 + UInt32(index))
        }
        #expect(scene.table.snapshot.map(\.name.description) == ["demo/a", "demo/b", "demo/e"])
    }

    @Test("Functions that only a wildcard serves are forgotten too, and made again for their next call")
    func wildcardFunctions() throws {
        let scene = CallScene { $0.functionsKnownMax = 4 }
        try scene.subscribe(10, to: "$share/g/fc/+/+/req/#")
        for index in 0..<50 {
            scene.pass(milliseconds: 1)
            #expect(try scene.call("\(index)", "demo/f\(index)") == 0x00)
            scene.answer(10, "\(index)")
            #expect(scene.table.snapshot.count <= 4)
        }
        #expect(scene.table.functions.count <= 4)
        #expect(scene.table.instance(10)?.functions.count ?? 0 <= 4)
        #expect(try scene.call("again", "demo/f0") == 0x00)
        scene.leave(10)
        #expect(scene.table.hasInstances == false)
    }

    @Test("When all functions that may be known are in use, a call to another one is 429")
    func allFunctionsInUse() throws {
        let scene = CallScene { $0.functionsKnownMax = 2 }
        try scene.subscribe(10, to: "$share/g/fc/+/+/req/#")
        for index in 0..<2 { #expect(try scene.call("\(index)", "demo/f\(index)") == 0x00) }
        _ = scene.take()
        #expect(try scene.call("x", "demo/x") == 0x97)
        #expect(scene.take() == ["fail x 429/none"])
        scene.answer(10, "0")
        #expect(try scene.call("x", "demo/x") == 0x00)
    }

    @Test("A wildcard that comes after a function was forgotten does not serve its former row")
    func forgottenRow() throws {
        let scene = CallScene { $0.functionsKnownMax = 1 }
        try scene.serve(10, "demo/a")
        scene.leave(10)
        try scene.serve(11, "other/b")
        try scene.subscribe(12, to: "$share/g/fc/demo/+/req/#")
        _ = scene.take()
        #expect(try scene.call("x", "other/b") == 0x00)
        #expect(scene.take() == ["dispatch x to 11"])
        #expect(scene.table.instance(12)?.functions.isEmpty == true)
    }

    @Test("A queue whose calls end while they wait does not grow with them")
    func lazyQueue() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.call("running") { $0.timeoutNanoseconds = .max }
        try scene.call("first") { $0.timeoutNanoseconds = .max }
        for index in 0..<5_000 {
            try scene.call("\(index)")
            scene.cancel("\(index)")
        }
        #expect(scene.table.functions[0].queue.count < 100)
        _ = scene.take()
        try scene.call("last")
        scene.answer(10, "running")
        scene.answer(10, "first")
        #expect(scene.take() == ["dispatch first to 10", "dispatch last to 10"])
    }

    @Test("A caller's list of answers does not grow with those that were forgotten")
    func lazyAnswers() throws {
        let scene = CallScene { $0.replaySeconds = 1 }
        try scene.serve(10)
        try scene.call("first") { $0.timeoutNanoseconds = .max }
        scene.answer(10, "first")
        for index in 0..<2_000 {
            try scene.call("\(index)") { $0.timeoutNanoseconds = 1 + CallScene.millisecond }
            scene.answer(10, "\(index)")
            scene.pass(milliseconds: 10)
        }
        let known = scene.table.caller(1)
        let caller = try #require(known)
        #expect(caller.remembered.count < 110)
        #expect(caller.remembered.byteCount < 16_000)
    }

    @Test("A row has one timer, whoever uses it, and every call has its deadline all the same")
    func oneTimer() throws {
        let scene = CallScene()
        try scene.serve(10)
        for index in 0..<500 {
            try scene.call("\(index)") { $0.isRemembered = false }
            scene.answer(10, "\(index)")
            scene.pass(milliseconds: 1)
        }
        #expect(scene.table.size.timers == 1)
        try scene.call("long") { $0.timeoutNanoseconds = 2_000 * CallScene.millisecond }
        try scene.call("short") { $0.timeoutNanoseconds = 100 * CallScene.millisecond }
        _ = scene.take()
        scene.pass(milliseconds: 104)
        #expect(scene.take() == ["cancel short at 10", "fail short 408/maybe"])
        scene.pass(milliseconds: 1_890)
        #expect(scene.take().isEmpty)
        scene.pass(milliseconds: 10)
        #expect(scene.take() == ["cancel long at 10", "fail long 408/maybe"])
    }

    @Test("A timer that is older than its call comes too early for it, and then at its deadline")
    func inheritedTimer() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("first") { $0.isRemembered = false }
        scene.answer(10, "first")
        scene.pass(milliseconds: 500)
        try scene.call("second")
        _ = scene.take()
        scene.pass(milliseconds: 510)
        #expect(scene.take().isEmpty)
        scene.pass(milliseconds: 494)
        #expect(scene.take() == ["cancel second at 10", "fail second 408/maybe"])
    }

    @Test("Timers of calls that ended go within a turn of the wheel, however long their deadlines were")
    func timers() throws {
        let scene = CallScene()
        try scene.serve(10)
        for index in 0..<1_000 {
            try scene.call("\(index)") {
                $0.timeoutNanoseconds = .max
                $0.isRemembered = false
            }
            scene.answer(10, "\(index)")
        }
        scene.pass(milliseconds: 40_000)
        #expect(scene.table.nextDeadline == nil)
    }
}
