import Testing

@testable import FunctionHost

@Suite("A pool among others")
struct WorkerPoolRoomTests {
    private static func pool(max: Int = 1) throws -> WorkerPool {
        WorkerPool(
            try #require(FunctionAddress("S/f")),
            WorkerPool.Limits(
                workersMin: 0, workersMax: max, concurrency: 1, waitingMax: 8, timeout: .seconds(60),
                idle: .seconds(60), isContinuous: false))
    }

    private static func lineage(_ identity: String, _ ancestors: String...) -> WorkerPool.Lineage {
        WorkerPool.Lineage(identity: identity, ancestors: Set(ancestors))
    }

    private static func loops(_ effects: [WorkerPool.Effect]) -> [UInt64] {
        effects.compactMap { if case .fail(let call, let failure) = $0, failure.status == 508 { call } else { nil } }
    }

    @Test("A call for which every slot's holder waits is refused as a loop")
    func loop() throws {
        var pool = try Self.pool()
        _ = pool.admit(1, deadline: nil, lineage: Self.lineage("a"), now: .zero)
        _ = pool.workerReady(1, now: .zero)
        #expect(Self.loops(pool.admit(2, deadline: nil, lineage: Self.lineage("c", "a", "b"), now: .zero)) == [2])
        // The slot's holder goes on.
        #expect(pool.finished(1, on: 1, now: .zero).isAwaited)
    }

    @Test("While one slot's holder waits for nothing here, calls wait for it")
    func noLoop() throws {
        var pool = try Self.pool(max: 2)
        for call: UInt64 in 1...2 { _ = pool.admit(call, deadline: nil, lineage: Self.lineage("\(call)"), now: .zero) }
        for worker in 1...2 { _ = pool.workerReady(worker, now: .zero) }
        #expect(Self.loops(pool.admit(3, deadline: nil, lineage: Self.lineage("3", "1"), now: .zero)) == [])
        // Now both wait: the newest is refused, and that frees the other.
        #expect(Self.loops(pool.admit(4, deadline: nil, lineage: Self.lineage("4", "2"), now: .zero)) == [4])
        #expect(pool.waiting.map(\.call) == [3])
    }

    @Test("Calls that cannot be told apart are never taken for a loop")
    func anonymous() throws {
        var pool = try Self.pool()
        _ = pool.admit(1, deadline: nil, now: .zero)
        _ = pool.workerReady(1, now: .zero)
        #expect(Self.loops(pool.admit(2, deadline: nil, now: .zero)) == [])
    }

    @Test("A handler whose caller gave up has its grace, and then costs its worker")
    func cancelGrace() throws {
        var pool = try Self.pool()
        _ = pool.admit(1, deadline: nil, now: .zero)
        _ = pool.workerReady(1, now: .zero)
        #expect(pool.cancel(1, now: .seconds(10)).last == .cancel(call: 1, worker: 1))
        #expect(pool.nextWakeUp(now: .seconds(10)) == .seconds(12))
        #expect(pool.tick(.seconds(11)) == [])
        #expect(pool.tick(.seconds(12)) == [.kill(worker: 1)])
    }

    @Test("A start that the host refuses leaves the call waiting; with room again it is made")
    func startRefused() throws {
        var pool = try Self.pool()
        #expect(pool.admit(1, deadline: .seconds(9), now: .zero) == [.start(worker: 1)])
        pool.startRefused(1)
        #expect(pool.isEmpty)
        #expect(pool.admit(2, deadline: nil, now: .zero) == [])
        #expect(pool.roomFreed(now: .seconds(1)) == [.start(worker: 2)])
        #expect(
            pool.workerReady(2, now: .seconds(2)) == [.dispatch(call: 1, worker: 2, timeout: .seconds(7))])
    }

    @Test("The longest idle worker leaves for another function; a busy one does not")
    func evict() throws {
        var pool = try Self.pool(max: 2)
        for call: UInt64 in 1...2 { _ = pool.admit(call, deadline: nil, now: .zero) }
        for worker in 1...2 { _ = pool.workerReady(worker, now: .zero) }
        #expect(pool.idleSince == nil)
        #expect(pool.evict(now: .zero) == [])
        _ = pool.finished(2, on: 2, now: .seconds(1))
        _ = pool.finished(1, on: 1, now: .seconds(2))
        #expect(pool.idleSince == .seconds(1))
        #expect(pool.evict(now: .seconds(3)) == [.stop(worker: 2)])
        #expect(pool.idleSince == .seconds(2))
    }

    @Test("A worker that is to be kept is not given away")
    func kept() throws {
        var limits = try Self.pool().limits
        limits.workersMin = 1
        var pool = WorkerPool(try #require(FunctionAddress("S/f")), limits)
        _ = pool.begin(now: .zero)
        _ = pool.workerReady(1, now: .zero)
        #expect(pool.evict(now: .seconds(9)) == [])
    }

    @Test("Warming brings up one worker, and only if there is none")
    func warm() throws {
        var pool = try Self.pool(max: 3)
        #expect(pool.warm(now: .zero) == [.start(worker: 1)])
        #expect(pool.warm(now: .zero) == [])
    }

    @Test("A spare worker is ready beyond the busy ones, and is neither sent away nor given away")
    func spare() throws {
        var limits = try Self.pool(max: 3).limits
        limits.workersSpare = 1
        var pool = WorkerPool(try #require(FunctionAddress("S/f")), limits)
        #expect(pool.begin(now: .zero) == [.start(worker: 1)])
        _ = pool.workerReady(1, now: .zero)
        #expect(pool.admit(1, deadline: nil, now: .zero).last == .start(worker: 2))
        _ = pool.workerReady(2, now: .zero)
        #expect(pool.admit(2, deadline: nil, now: .zero).last == .start(worker: 3))
        _ = pool.workerReady(3, now: .zero)
        #expect(pool.admit(3, deadline: nil, now: .zero).count == 1)
        for call: UInt64 in 1...3 { _ = pool.finished(call, on: Int(call), now: .seconds(1)) }
        #expect(pool.tick(.seconds(61)) == [.stop(worker: 3), .stop(worker: 2)])
        #expect(pool.evict(now: .seconds(61)) == [])
        #expect(pool.nextWakeUp(now: .seconds(61)) == .seconds(63))
    }
}
