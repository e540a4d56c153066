import BusContract
import Testing

@testable import BusCalls

/// How much an instance takes of each function, and in all.
@Suite("Seats")
struct SeatTests {
    @Test("Capacity is that of a function at an instance: one function's calls do not fill another's seat")
    func perFunction() throws {
        let scene = CallScene()
        for function in ["demo/a", "demo/b"] {
            try scene.serve(10, function)
            try scene.catalog(function) { $0.concurrency = 2 }
        }
        for index in 0..<3 { try scene.call("a\(index)", "demo/a") }
        for index in 0..<3 { try scene.call("b\(index)", "demo/b") }
        #expect(scene.take() == ["a0", "a1", "b0", "b1"].map { "dispatch \($0) to 10" })
    }

    @Test("A catalog entry that comes later changes the seats that are there")
    func laterCatalog() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.catalog { $0.concurrency = 3 }
        for index in 0..<4 { try scene.call("\(index)") }
        #expect(scene.take() == ["dispatch 0 to 10"], "no more than its Receive Maximum")
        try scene.subscribe(10, to: "$share/fc/fc/demo/echo/req/#", terms: InstanceTerms(window: 10))
        scene.answer(10, "0")
        #expect(scene.take() == (1...3).map { "dispatch \($0) to 10" })
    }

    @Test("A capacity that is registered for everything bounds everything together")
    func bound() throws {
        let scene = CallScene()
        scene.presence(10, .online, capacity: 3)
        for function in ["demo/a", "demo/b"] { try scene.serve(10, function) }
        for index in 0..<3 { try scene.call("a\(index)", "demo/a") }
        for index in 0..<3 { try scene.call("b\(index)", "demo/b") }
        #expect(scene.take().count == 3)
    }

    @Test("The load of an instance counts when it serves several functions")
    func sharedLoad() throws {
        let scene = CallScene()
        for instance: UInt32 in [10, 11] {
            scene.presence(instance, .online, capacity: 10)
            try scene.serve(instance, "demo/b")
        }
        try scene.serve(10, "demo/a")
        for index in 0..<4 { try scene.call("a\(index)", "demo/a") }
        _ = scene.take()
        for index in 0..<4 { try scene.call("b\(index)", "demo/b") }
        #expect(scene.take().allSatisfy { $0.hasSuffix("to 11") })
    }

    @Test("Presences that are taken back, or are too many, say nothing")
    func presences() throws {
        let scene = CallScene { $0.presencesPerClientMax = 2 }
        try scene.serve(10)
        for identifier in ["a", "b", "c"] {
            scene.presence(10, .online, capacity: 1, functions: ["demo/echo"], identifier: identifier)
        }
        for index in 0..<4 { try scene.call("\(index)") }
        #expect(scene.take().count == 2)
        scene.table.presenceChanged(
            ClientHandle(rawValue: 10), "a", nil, now: scene.now, effects: &scene.effects)
        scene.table.presenceChanged(
            ClientHandle(rawValue: 10), "b", nil, now: scene.now, effects: &scene.effects)
        #expect(scene.take().count == 2, "without a word the usual capacity counts")
        scene.leave(10)
        #expect(scene.table.presences.isEmpty)
    }

    @Test("An instance drains for the functions that its presence names, the others go on")
    func drainsPartly() throws {
        let scene = CallScene()
        for function in ["demo/a", "demo/b"] { try scene.serve(10, function) }
        scene.presence(10, .draining, functions: ["demo/a"])
        try scene.call("1", "demo/a")
        try scene.call("2", "demo/b")
        #expect(scene.take() == ["fail 1 503/none", "dispatch 2 to 10"])
    }

    @Test("What an operator drains stays so, whatever the instance says, until it subscribes anew")
    func operatorDrains() throws {
        let scene = CallScene()
        try scene.serve(10)
        let count = scene.table.drain(service: nil, client: nil, now: scene.now, effects: &scene.effects)
        #expect(count == 1)
        scene.presence(10, .online, capacity: 5)
        try scene.call("a")
        #expect(scene.take() == ["fail a 503/none"])
        try scene.unsubscribe(10, from: "$share/fc/fc/demo/echo/req/#")
        try scene.serve(10)
        try scene.call("a")
        #expect(scene.take() == ["dispatch a to 10"])
    }

    // MARK: Forms

    @Test("A client without properties serves only where the topic carries the reply address (protocol §3)")
    func forms() throws {
        let old = InstanceTerms(window: 10, hasProperties: false)
        for (filter, isInstance) in [
            ("fc/demo/echo/req", false), ("$share/g/fc/demo/echo/req", false), ("fc/demo/echo/req/#", true),
            ("$share/g/fc/demo/echo/req/+/+", true), ("$share/g/fc/demo/+/req", false), ("$share/g/fc/#", true),
            ("$share/g/fc/demo/echo/req/me/#", false),
        ] {
            let scene = CallScene()
            try scene.subscribe(10, to: filter, terms: old)
            #expect(scene.table.hasInstances == isInstance, "\(filter)")
            try scene.unsubscribe(10, from: filter)
            #expect(scene.table.hasInstances == false)
        }
    }

    @Test("An instance is told the forms that its subscriptions make together")
    func mergedForms() throws {
        let scene = CallScene()
        try scene.subscribe(10, to: "$share/g/fc/demo/echo/req/+/+")
        try scene.subscribe(10, to: "fc/demo/echo/req")
        try scene.call("a")
        guard case .dispatch(let dispatch) = try #require(scene.effects.last) else {
            Issue.record("no dispatch")
            return
        }
        #expect(dispatch.forms == [.properties, .topic])
    }

    @Test("A call is answered under the name by which its instance knows it, and not twice")
    func alias() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a") { $0.isIdempotent = true }
        guard case .dispatch(let first) = try #require(scene.effects.last) else {
            Issue.record("no dispatch")
            return
        }
        scene.table.setAlias("fc/_reply/c1/x", of: first.call)
        try scene.serve(11)
        scene.leave(10)
        let alias = CallAddress(replyTopic: "fc/_reply/c1/x", correlation: Correlation())
        #expect(scene.answer(11, at: alias) == .noCall, "the name went with the instance")
        guard case .dispatch(let second) = try #require(scene.effects.last) else {
            Issue.record("no second dispatch")
            return
        }
        scene.table.setAlias("fc/_reply/c1/y", of: second.call)
        let other = CallAddress(replyTopic: "fc/_reply/c1/y", correlation: Correlation())
        #expect(scene.answer(12, at: other) == .noCall)
        #expect(scene.answer(11, at: other).caller == 1)
        #expect(scene.answer(11, at: other) == .late)
        #expect(scene.table.callOfAlias.isEmpty)
    }

    // MARK: Sizes

    @Test("A call goes only where its packet fits; 413 at once where it fits nowhere, and nobody else waits for it")
    func sizes() throws {
        let scene = CallScene()
        let filter = "$share/fc/fc/demo/echo/req/#"
        try scene.subscribe(10, to: filter, terms: InstanceTerms(window: 1, packetBytesMax: 100))
        try scene.subscribe(11, to: filter, terms: InstanceTerms(window: 1, packetBytesMax: 1_000))
        for id in ["a", "b"] { try scene.call(id) { $0.packetBytes = 500 } }
        try scene.call("c") { $0.packetBytes = 100 }
        #expect(try scene.call("d") { $0.packetBytes = 1_001 } == 0x97)
        #expect(scene.take() == ["dispatch a to 11", "dispatch c to 10", "fail d 413/none"])
        scene.leave(11)
        #expect(scene.take() == ["fail a 502/maybe", "fail b 413/none"])
    }

    // MARK: Keys

    @Test("Keys whose calls have ended are forgotten beyond their number, the longest idle first")
    func keyLimit() throws {
        let scene = CallScene { $0.keysPerFunctionMax = 16 }
        for instance: UInt32 in 10..<20 { try scene.serve(instance) }
        for index in 0..<500 {
            try scene.call("\(index)") { $0.key = "k\(index)" }
            guard case .dispatch(let dispatch) = try #require(scene.effects.last) else { continue }
            scene.answer(dispatch.instance.rawValue, "\(index)")
            #expect(scene.table.functions[0].keys.count <= 17)
        }
        #expect(scene.table.functions[0].keys["k499"] != nil)
        #expect(scene.table.functions[0].keys["k0"] == nil)
    }

    @Test("A key stays with its instance when others join")
    func keyStays() throws {
        let scene = CallScene()
        try scene.serve(10)
        for key in 0..<30 { try scene.call("\(key)") { $0.key = "k\(key)" } }
        for instance: UInt32 in 11..<20 { try scene.serve(instance) }
        _ = scene.take()
        for key in 0..<30 { try scene.call("again \(key)") { $0.key = "k\(key)" } }
        #expect(scene.take().allSatisfy { $0.hasSuffix("to 10") })
    }

    @Test("Calls of a key that come back from a dead instance go on together and in order")
    func keyMovesTogether() throws {
        let scene = CallScene()
        try scene.serve(10)
        for id in ["a", "b", "c"] {
            try scene.call(id) {
                $0.key = "k"
                $0.isIdempotent = id != "b"
            }
        }
        for instance: UInt32 in [11, 12] { try scene.serve(instance) }
        _ = scene.take()
        scene.leave(10)
        let words = scene.take()
        #expect(words.first == "fail b 502/maybe")
        let home = words[1].split(separator: " ")[3]
        #expect(words.dropFirst() == ["dispatch a to \(home) attempt 2", "dispatch c to \(home) attempt 2"])
    }

    // MARK: Time

    @Test("The function's own timeout bounds an attempt; the instance has a little longer to say so itself")
    func attemptTimeout() throws {
        let scene = CallScene { $0.timeoutGraceMilliseconds = 100 }
        try scene.serve(10, capacity: 1)
        try scene.catalog { $0.timeoutMilliseconds = 500 }
        for id in ["a", "b"] { try scene.call(id) { $0.timeoutNanoseconds = 60_000 * CallScene.millisecond } }
        #expect(scene.take() == ["dispatch a to 10"])
        scene.pass(milliseconds: 590)
        #expect(scene.take().isEmpty)
        scene.pass(milliseconds: 20)
        #expect(scene.failures.first?.blamed == .executionTimeout(milliseconds: 500))
        #expect(scene.take() == ["cancel a at 10", "fail a 408/maybe", "dispatch b to 10"])
        scene.pass(milliseconds: 400)
        #expect(scene.answer(10, "b").caller == 1)
        scene.pass(milliseconds: 1_000)
        #expect(scene.take().isEmpty)
    }

    @Test("A call whose time is up when it comes is 408/none at once")
    func noTime() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a") { $0.timeoutNanoseconds = 0 }
        #expect(scene.take() == ["fail a 408/none"])
        #expect(scene.table.openCount == 0)
    }

    // MARK: Ended calls

    @Test("Late answers to calls that nothing remembers are known for a minute, and so many of them")
    func ended() throws {
        let scene = CallScene { $0.endedCallsMax = 3 }
        try scene.serve(10)
        for index in 0..<5 {
            let address = CallAddress(replyTopic: "t\(index)", correlation: Correlation())
            try scene.call("\(index)") { $0.address = address }
            scene.answer(10, at: address, caller: nil)
        }
        func again(_ index: Int) -> CallTable.Disposition {
            scene.answer(
                10, at: CallAddress(replyTopic: "t\(index)", correlation: Correlation([1])), caller: nil)
        }
        #expect(again(1) == .noCall)
        #expect(again(4) == .late)
        #expect(scene.table.mayAnswerAnywhere(ClientHandle(rawValue: 10)) == true)
        #expect(scene.snapshot()?.statistics.late == 1)
        scene.pass(milliseconds: 60_001)
        #expect(again(4) == .noCall)
        #expect(scene.table.mayAnswerAnywhere(ClientHandle(rawValue: 10)) == false)
    }
}
