import BusContract
import Testing

@testable import FunctionBus

@Suite("What catalog and presence tell")
struct KnownFunctionsTests {
    private func catalog(_ name: String, _ text: String = "{}") -> ApplicationMessage {
        ApplicationMessage(topic: "fc/_catalog/\(name)", payload: Array(text.utf8), isRetained: true)
    }

    private func presence(
        _ instance: String, _ functions: [String], _ status: InstanceDescriptor.Status = .online
    )
        -> ApplicationMessage
    {
        var descriptor = InstanceDescriptor()
        descriptor.functions = functions
        descriptor.status = status
        return ApplicationMessage(topic: "fc/_inst/\(instance)", payload: Array(descriptor.text.utf8))
    }

    @Test("A function is served, known without an instance, or not announced at all")
    func standing() {
        var known = KnownFunctions()
        #expect(known.standing(of: "a/b") == .unannounced)
        _ = known.receive(self.catalog("a/b"))
        #expect(known.standing(of: "a/b") == .noInstance)
        #expect(known.receive(self.presence("i1", ["a/b", "a/c"])) == .online(functions: ["a/b", "a/c"]))
        #expect(known.standing(of: "a/b") == .served)
        #expect(known.standing(of: "a/c") == .served)
        _ = known.receive(self.catalog("a/d"))
        _ = known.receive(self.catalog("a/d", ""))
        #expect(known.standing(of: "a/d") == .unannounced)
    }

    @Test("An instance that drains takes no calls and has not lost any; one that is gone has")
    func leaving() {
        var known = KnownFunctions()
        _ = known.receive(self.catalog("a/b"))
        _ = known.receive(self.presence("i1", ["a/b"]))
        _ = known.receive(self.presence("i2", ["a/b"]))
        let draining = known.receive(self.presence("i1", ["a/b"], .draining))
        #expect(draining == .left(instance: "i1", functions: ["a/b"], isLost: false))
        #expect(known.standing(of: "a/b") == .served)
        // It had calls to finish.
        let gone = known.receive(ApplicationMessage(topic: "fc/_inst/i1", payload: []))
        #expect(gone == .left(instance: "i1", functions: ["a/b"], isLost: true))
        let will = ApplicationMessage(topic: "fc/_inst/i2", payload: [])
        #expect(known.receive(will) == .left(instance: "i2", functions: ["a/b"], isLost: true))
        #expect(known.standing(of: "a/b") == .noInstance)
        // Of one that was not known nothing follows for functions.
        #expect(known.receive(will) == .left(instance: "i2", functions: [], isLost: true))
    }

    @Test("A new connection learns everything anew", arguments: [true, false])
    func forgotten(_ wasComplete: Bool) {
        var known = KnownFunctions()
        known.isComplete = wasComplete
        _ = known.receive(self.presence("i1", ["a/b"]))
        known.forget()
        #expect(!known.isComplete)
        #expect(known.standing(of: "a/b") == .unannounced)
    }
}
