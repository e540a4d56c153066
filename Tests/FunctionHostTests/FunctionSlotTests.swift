import Synchronization
import Testing

@testable import FunctionHost

@Suite("Versions behind one name")
struct FunctionSlotTests {
    /// A function that answers with its name, or says that it is leaving.
    private final class Stub: HostedFunction {
        let manifest: FunctionManifest
        let isDraining = Atomic(false)

        init(_ name: String) throws {
            let address = try #require(FunctionAddress("S/f"))
            self.manifest = FunctionManifest(address: address, runtime: .exec, handler: [name], folder: ".")
        }

        func call(_ request: HostedCall) async throws(CallFailure) -> HostedReply {
            if self.isDraining.load(ordering: .relaxed) { throw .draining(self.manifest.address) }
            return HostedReply(payload: Array((self.manifest.handler.first ?? "").utf8))
        }

        func prepare() async {}
        func run() async {}
        func drain(within limit: Duration) async { self.isDraining.store(true, ordering: .relaxed) }

        func live(_ share: Int) -> FunctionSlot.Live {
            FunctionSlot.Live(
                version: FunctionPlan.Version(manifest: self.manifest, code: CodePrint(), share: share), function: self)
        }
    }

    private static func slot() throws -> FunctionSlot { FunctionSlot(try #require(FunctionAddress("S/f"))) }

    private static func answer(_ slot: FunctionSlot) async throws -> String {
        let reply = try await slot.call(HostedCall(payload: [], requestIdentifier: "r"))
        return String(decoding: reply.payload, as: UTF8.self)
    }

    @Test(
        "Of any hundred calls each version gets its per cent exactly",
        arguments: [(90, 10), (50, 50), (100, 0), (1, 99)])
    func split(_ first: Int, _ second: Int) async throws {
        let slot = try Self.slot()
        _ = slot.replace(with: [try Stub("a").live(first), try Stub("b").live(second)])
        var answers: [String] = []
        for _ in 0..<300 { answers.append(try await Self.answer(slot)) }
        for start in [0, 37, 150] {
            #expect(answers[start..<start + 100].count { $0 == "a" } == first)
        }
    }

    @Test("A call that meets a version on its way out goes to the one that took its place")
    func caughtInChange() async throws {
        let (old, new) = (try Stub("old"), try Stub("new"))
        let slot = try Self.slot()
        _ = slot.replace(with: [old.live(50), new.live(50)])
        await old.drain(within: .zero)
        var answers: Set<String> = []
        for _ in 0..<10 { answers.insert(try await Self.answer(slot)) }
        #expect(answers == ["new"])
    }

    @Test("What is replaced is handed back, what stays is not")
    func replace() throws {
        let (old, kept) = (try Stub("old"), try Stub("kept"))
        let slot = try Self.slot()
        _ = slot.replace(with: [old.live(50), kept.live(50)])
        let retired = slot.replace(with: [kept.live(100)])
        #expect(retired.map { $0.manifest.handler } == [["old"]])
    }

    @Test("A closed slot refuses calls, which were not executed")
    func closed() async throws {
        let slot = try Self.slot()
        _ = slot.replace(with: [try Stub("a").live(100)])
        await slot.close()
        let failure = await #expect(throws: CallFailure.self) { try await Self.answer(slot) }
        #expect(failure?.code == "DRAINING")
        #expect(failure?.executed == CallFailure.Executed.none)
    }

    @Test("A call that is nested too deep is taken for a loop")
    func hops() async throws {
        let slot = try Self.slot()
        _ = slot.replace(with: [try Stub("a").live(100)])
        var request = HostedCall(payload: [], requestIdentifier: "r")
        request.hops = 16
        _ = try await slot.call(request)
        request.hops = 17
        let deep = request
        let failure = await #expect(throws: CallFailure.self) { try await slot.call(deep) }
        #expect(failure?.status == 508)
    }
}
