import BusContract
import Testing

@testable import BusCalls

/// Who gets a call.
@Suite("Dispatch")
struct DispatchTests {
    @Test("A call goes to the instance of its function, and its answer to the caller (protocol §7)")
    func answered() throws {
        let scene = CallScene()
        try scene.serve(10)
        #expect(try scene.call("a") == 0x00)
        #expect(scene.take() == ["dispatch a to 10"])
        #expect(scene.answer(10, "a").caller == 1)
        #expect(scene.take().isEmpty)
        #expect(scene.table.openCount == 0)
        #expect(scene.snapshot()?.statistics.succeeded == 1)
    }

    @Test("The instance is told the time that remains")
    func remaining() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.call("a")
        try scene.call("b") { $0.timeoutNanoseconds = 700 * CallScene.millisecond }
        scene.pass(milliseconds: 200)
        scene.effects.removeAll()
        scene.answer(10, "a")
        guard case .dispatch(let dispatch) = try #require(scene.effects.first), dispatch.attempt == 1 else {
            Issue.record("no dispatch")
            return
        }
        #expect(dispatch.remainingNanoseconds == 500 * CallScene.millisecond)
    }

    @Test("Equal instances take turns")
    func turns() throws {
        let scene = CallScene()
        for instance: UInt32 in [10, 11, 12] { try scene.serve(instance) }
        for id in ["a", "b", "c"] { try scene.call(id) }
        #expect(scene.take() == ["dispatch a to 10", "dispatch b to 11", "dispatch c to 12"])
    }

    @Test("The instance with the least work for its capacity is chosen")
    func leastLoad() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 2)
        try scene.serve(11, capacity: 8)
        for index in 0..<10 { try scene.call("\(index)") }
        let chosen = scene.take()
        #expect(chosen.count { $0.hasSuffix("to 10") } == 2)
        #expect(chosen.count { $0.hasSuffix("to 11") } == 8)
        #expect(chosen.prefix(5).count { $0.hasSuffix("to 11") } == 4, "shares follow capacities all along")
    }

    @Test("Beyond its capacity an instance gets nothing, and the queue is served in order")
    func capacity() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        for id in ["a", "b", "c"] { #expect(try scene.call(id) == 0x00) }
        #expect(scene.take() == ["dispatch a to 10"])
        scene.answer(10, "a")
        #expect(scene.take() == ["dispatch b to 10"])
        scene.answer(10, "b")
        #expect(scene.take() == ["dispatch c to 10"])
    }

    @Test("Two functions that share an instance share it fairly: the longest waiting call is next")
    func sharedInstance() throws {
        let scene = CallScene()
        try scene.serve(10, "demo/f", capacity: 1)
        try scene.serve(10, "demo/g", capacity: 1)
        try scene.call("0", "demo/f")
        for (id, function) in [("1", "demo/f"), ("2", "demo/g"), ("3", "demo/f"), ("4", "demo/g")] {
            try scene.call(id, function)
        }
        var order = scene.take()
        for id in ["0", "1", "2", "3"] {
            scene.answer(10, id)
            order += scene.take()
        }
        #expect(order == (0...4).map { "dispatch \($0) to 10" })
    }

    @Test("An instance that comes takes what waits")
    func newcomer() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        for id in ["a", "b", "c"] { try scene.call(id) }
        _ = scene.take()
        try scene.serve(11, capacity: 1)
        #expect(scene.take() == ["dispatch b to 11"])
        #expect(scene.snapshot()?.queued == 1)
    }

    // MARK: Keys

    @Test("A key stays with its instance while that is there, and moves when it leaves")
    func stickiness() throws {
        let scene = CallScene()
        for instance: UInt32 in 10..<20 { try scene.serve(instance) }
        var first: [String: String] = [:]
        for round in 0..<3 {
            for key in 0..<30 {
                try scene.call("\(round).\(key)") { $0.key = "k\(key)" }
                let target = try #require(scene.take().first?.split(separator: " ").last.map(String.init))
                #expect(first["k\(key)", default: target] == target)
                first["k\(key)"] = target
            }
        }
        #expect(Set(first.values).count > 4, "keys spread over the instances")
        scene.leave(10)
        _ = scene.take()
        for key in 0..<30 {
            try scene.call("last.\(key)") { $0.key = "k\(key)" }
            let target = try #require(scene.take().first?.split(separator: " ").last.map(String.init))
            #expect(first["k\(key)"] == "10" ? target != "10" : target == first["k\(key)"])
        }
    }

    @Test("Calls of one key stay in order, and others pass the one that waits for its instance")
    func keyOrder() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.serve(11, capacity: 1)
        try scene.call("a1") { $0.key = "a" }
        let home = try #require(scene.take().first).hasSuffix("10") ? 10 : 11 as UInt32
        try scene.call("a2") { $0.key = "a" }
        try scene.call("a3") { $0.key = "a" }
        try scene.call("x")
        #expect(scene.take() == ["dispatch x to \(21 - home)"])
        scene.answer(home, "a1")
        #expect(scene.take() == ["dispatch a2 to \(home)"])
        scene.answer(home, "a2")
        #expect(scene.take() == ["dispatch a3 to \(home)"])
    }

    @Test("A new call does not overtake one of its key that an instance refused")
    func keyAfterRefusal() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.serve(11, capacity: 1)
        try scene.call("a1") { $0.key = "a" }
        let home = try #require(scene.take().first).hasSuffix("10") ? 10 : 11 as UInt32
        try scene.call("x")
        #expect(scene.take() == ["dispatch x to \(21 - home)"])
        #expect(scene.refuse(home, "a1") == .swallowed)
        try scene.call("a2") { $0.key = "a" }
        #expect(scene.take().isEmpty)
        scene.answer(21 - home, "x")
        #expect(scene.take() == ["dispatch a1 to \(21 - home) attempt 2"])
        scene.answer(21 - home, "a1")
        #expect(scene.take() == ["dispatch a2 to \(21 - home)"], "the key has moved with its call")
    }

    @Test("When a call that holds up its key is cancelled, the next of the key goes on")
    func keyUnblocked() throws {
        let scene = CallScene()
        try scene.serve(10, capacity: 1)
        try scene.serve(11, capacity: 1)
        try scene.call("a1") { $0.key = "a" }
        let home = try #require(scene.take().first).hasSuffix("10") ? 10 : 11 as UInt32
        try scene.call("x")
        scene.refuse(home, "a1")
        try scene.call("a2") { $0.key = "a" }
        _ = scene.take()
        scene.cancel("a1")
        #expect(scene.take() == ["fail a1 499/none", "dispatch a2 to \(home)"])
    }

    // MARK: Many functions

    @Test("A shared subscription with wildcards serves every function that it matches, known or not (protocol §3)")
    func wildcards() throws {
        let scene = CallScene()
        try scene.subscribe(10, to: "$share/g/fc/demo/+/req/#")
        #expect(try scene.call("a", "demo/one") == 0x00)
        #expect(try scene.call("b", "demo/two") == 0x00)
        #expect(try scene.call("c", "other/one") == 0x10)
        #expect(scene.take() == ["dispatch a to 10", "dispatch b to 10", "fail c 404/none"])
    }

    @Test("An observer is no instance", arguments: ["fc/#", "fc/+/+/req", "fc/demo/+/req/#", "other/topic"])
    func observer(_ filter: String) throws {
        let scene = CallScene()
        try scene.subscribe(10, to: filter)
        #expect(scene.table.hasInstances == false)
        #expect(try scene.call("a") == 0x10)
    }

    @Test("A plain subscription to the requests of one function is an instance")
    func plainInstance() throws {
        let scene = CallScene()
        try scene.subscribe(10, to: "fc/demo/echo/req")
        try scene.call("a")
        #expect(scene.take() == ["dispatch a to 10"])
    }

    @Test("An instance with two subscriptions to a function serves it until both are gone")
    func twoSubscriptions() throws {
        let named = "$share/fc/fc/demo/echo/req/#"
        let wild = "$share/g/fc/+/+/req/#"
        for (first, second) in [(named, wild), (wild, named), (named, "fc/demo/echo/req")] {
            let scene = CallScene()
            try scene.subscribe(10, to: first)
            try scene.subscribe(10, to: second)
            #expect(scene.snapshot()?.instances.count ?? 1 == 1)
            try scene.unsubscribe(10, from: first)
            #expect(try scene.call("a") == 0x00)
            #expect(scene.answer(10, "a").caller == 1)
            try scene.unsubscribe(10, from: second)
            #expect(try scene.call("b") == 0x10)
            #expect(scene.table.hasInstances == false)
        }
    }

    @Test("One that unsubscribes keeps the calls that it has, and gets no others")
    func unsubscribed() throws {
        let scene = CallScene()
        try scene.serve(10)
        try scene.call("a")
        try scene.unsubscribe(10, from: "$share/fc/fc/demo/echo/req/#")
        #expect(try scene.call("b") == 0x10)
        #expect(scene.take() == ["dispatch a to 10", "fail b 503/none"])
        #expect(scene.answer(10, "a").caller == 1)
        #expect(scene.table.hasInstances == false)
    }

    @Test("To unsubscribe from what it does not serve changes nothing")
    func strangerUnsubscribes() throws {
        let scene = CallScene()
        try scene.serve(10)
        _ = scene.takeEvents()
        try scene.unsubscribe(11, from: "$share/fc/fc/demo/echo/req/#")
        #expect(scene.takeEvents().isEmpty)
        #expect(scene.snapshot()?.instances.map(\.client.rawValue) == [10])
    }
}
