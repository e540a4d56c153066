import Testing

@testable import FunctionHost

@Suite("The pool of workers")
struct WorkerPoolTests {
    private static func address() throws -> FunctionAddress {
        try #require(FunctionAddress("S/f"))
    }

    private static func pool(
        min: Int = 0, max: Int = 2, concurrency: Int = 1, waiting: Int = 4, isContinuous: Bool = false
    ) throws -> WorkerPool {
        try WorkerPool(
            self.address(),
            WorkerPool.Limits(
                workersMin: min, workersMax: max, concurrency: concurrency, waitingMax: waiting, timeout: .seconds(5),
                idle: .seconds(60), isContinuous: isContinuous))
    }

    /// A pool with one worker that is ready.
    private static func warm(max: Int = 2, concurrency: Int = 1) throws -> WorkerPool {
        var pool = try self.pool(max: max, concurrency: concurrency)
        _ = pool.admit(100, deadline: nil, now: .zero)
        _ = pool.workerReady(1, now: .zero)
        _ = pool.finished(100, on: 1, now: .zero)
        return pool
    }

    private static func status(_ effects: [WorkerPool.Effect], of call: UInt64) -> String? {
        for case .fail(call, let failure) in effects { return "\(failure.status) \(failure.code) \(failure.executed)" }
        return nil
    }

    @Test("The first call starts a worker and is handed over when that is ready")
    func coldStart() throws {
        var pool = try Self.pool()
        #expect(pool.begin(now: .zero) == [])
        #expect(pool.admit(1, deadline: nil, now: .zero) == [.start(worker: 1)])
        #expect(pool.workerReady(1, now: .seconds(1)) == [.dispatch(call: 1, worker: 1, timeout: .seconds(5))])
        #expect(pool.finished(1, on: 1, now: .seconds(2)).isAwaited)
    }

    @Test("Workers start up to the maximum, further calls wait in order")
    func scaleUp() throws {
        var pool = try Self.pool()
        #expect(pool.admit(1, deadline: nil, now: .zero) == [.start(worker: 1)])
        #expect(pool.admit(2, deadline: nil, now: .zero) == [.start(worker: 2)])
        #expect(pool.admit(3, deadline: nil, now: .zero) == [])
        _ = pool.workerReady(1, now: .zero)
        _ = pool.workerReady(2, now: .zero)
        #expect(
            pool.finished(2, on: 2, now: .zero).effects == [.dispatch(call: 3, worker: 2, timeout: .seconds(5))])
    }

    @Test("A worker takes as many calls at a time as its concurrency says, and then another one starts")
    func concurrency() throws {
        var pool = try Self.warm(concurrency: 2)
        #expect(pool.admit(1, deadline: nil, now: .zero) == [.dispatch(call: 1, worker: 1, timeout: .seconds(5))])
        #expect(pool.admit(2, deadline: nil, now: .zero) == [.dispatch(call: 2, worker: 1, timeout: .seconds(5))])
        #expect(pool.admit(3, deadline: nil, now: .zero) == [.start(worker: 2)])
        #expect(pool.admit(4, deadline: nil, now: .zero) == [])
    }

    @Test("Beyond the bound of waiting calls a call is refused as overloaded")
    func overload() throws {
        var pool = try Self.pool(max: 1, waiting: 2)
        for call: UInt64 in 1...2 { _ = pool.admit(call, deadline: nil, now: .zero) }
        #expect(Self.status(pool.admit(3, deadline: nil, now: .zero), of: 3) == "429 OVERLOADED none")
    }

    @Test("The handler gets what is left of the caller's deadline, at most the function's timeout")
    func remaining() throws {
        var pool = try Self.pool()
        _ = pool.admit(1, deadline: .seconds(3), now: .zero)
        #expect(pool.workerReady(1, now: .seconds(1)) == [.dispatch(call: 1, worker: 1, timeout: .seconds(2))])
    }

    @Test("A deadline that passes while the call waits ends it; it was not executed")
    func waitingDeadline() throws {
        var pool = try Self.pool()
        _ = pool.admit(1, deadline: .seconds(1), now: .zero)
        #expect(pool.nextWakeUp(now: .zero) == .seconds(1))
        #expect(Self.status(pool.tick(.seconds(1)), of: 1) == "408 DEADLINE none")
        #expect(pool.workerReady(1, now: .seconds(2)) == [])
    }

    @Test("A deadline that passes in the handler ends the call and keeps the worker")
    func runningDeadline() throws {
        var pool = try Self.warm(max: 1)
        _ = pool.admit(1, deadline: .seconds(1), now: .zero)
        let effects = pool.tick(.seconds(1))
        #expect(Self.status(effects, of: 1) == "408 DEADLINE maybe")
        #expect(effects.last == .cancel(call: 1, worker: 1))
        // The slot is taken until the handler is done; its late reply is nobody's.
        #expect(pool.admit(2, deadline: nil, now: .seconds(1)) == [])
        let late = pool.finished(1, on: 1, now: .seconds(2))
        #expect(!late.isAwaited)
        #expect(late.effects == [.dispatch(call: 2, worker: 1, timeout: .seconds(5))])
    }

    @Test("R20: a handler beyond the function's timeout costs its worker, and the next one starts")
    func timeout() throws {
        var pool = try Self.warm(max: 1)
        _ = pool.admit(1, deadline: nil, now: .zero)
        _ = pool.admit(2, deadline: nil, now: .zero)
        #expect(pool.nextWakeUp(now: .zero) == .seconds(5))
        let effects = pool.tick(.seconds(5))
        #expect(Self.status(effects, of: 1) == "408 DEADLINE maybe")
        #expect(effects.last == .kill(worker: 1))
        #expect(pool.exited(1, "killed", now: .seconds(5)) == [.start(worker: 2)])
        #expect(
            pool.workerReady(2, now: .seconds(6)) == [.dispatch(call: 2, worker: 2, timeout: .seconds(5))])
    }

    @Test("The other calls of a condemned worker may finish before it is killed")
    func condemned() throws {
        var pool = try Self.warm(max: 1, concurrency: 2)
        _ = pool.admit(1, deadline: nil, now: .zero)
        _ = pool.admit(2, deadline: nil, now: .seconds(3))
        #expect(!pool.tick(.seconds(5)).contains(.kill(worker: 1)))
        let finished = pool.finished(2, on: 1, now: .seconds(6))
        #expect(finished.isAwaited)
        #expect(finished.effects == [.kill(worker: 1)])
    }

    @Test("R19: a worker that dies loses its calls, which may have run")
    func death() throws {
        var pool = try Self.warm()
        _ = pool.admit(1, deadline: nil, now: .zero)
        let effects = pool.exited(1, "it was ended by signal 9", now: .seconds(1))
        #expect(Self.status(effects, of: 1) == "502 INSTANCE_LOST maybe")
        #expect(pool.admit(2, deadline: nil, now: .seconds(1)) == [.start(worker: 2)])
    }

    @Test("A function that cannot be loaded tells its callers why, and is not started again at once")
    func loadFailure() throws {
        var pool = try Self.pool()
        _ = pool.admit(1, deadline: nil, now: .zero)
        let effects = pool.loadFailed(1, "ImportError: no module named x", now: .seconds(1))
        #expect(effects.first == .kill(worker: 1))
        #expect(Self.status(effects, of: 1) == "500 INTERNAL none")
        #expect(pool.exited(1, "exited", now: .seconds(1)) == [])
        #expect(Self.status(pool.admit(2, deadline: nil, now: .seconds(1.1)), of: 2) == "500 INTERNAL none")
        #expect(pool.admit(3, deadline: nil, now: .seconds(2)) == [.start(worker: 2)])
    }

    @Test("A start that takes too long is given up")
    func slowStart() throws {
        var pool = try Self.pool()
        _ = pool.admit(1, deadline: nil, now: .zero)
        #expect(pool.nextWakeUp(now: .zero) == .seconds(30))
        let effects = pool.tick(.seconds(30))
        #expect(effects.first == .kill(worker: 1))
        #expect(Self.status(effects, of: 1) == "500 INTERNAL none")
    }

    @Test("A continuous function may load for ever: its top level is its work")
    func continuousStart() throws {
        var pool = try Self.pool(isContinuous: true)
        #expect(pool.begin(now: .zero) == [.start(worker: 1)])
        #expect(pool.tick(.seconds(3_600)) == [])
    }

    @Test("A continuous function is restarted with growing pauses")
    func continuousRestart() throws {
        var pool = try Self.pool(max: 1, isContinuous: true)
        _ = pool.begin(now: .zero)
        #expect(pool.exited(1, "it exited with code 1", now: .seconds(1)) == [])
        #expect(pool.nextWakeUp(now: .seconds(1)) == .milliseconds(1_200))
        #expect(pool.tick(.milliseconds(1_200)) == [.start(worker: 2)])
        _ = pool.exited(2, "it exited with code 1", now: .seconds(2))
        #expect(pool.nextWakeUp(now: .seconds(2)) == .milliseconds(2_400))
    }

    @Test("Idle workers above the minimum are asked to leave, and killed when they do not")
    func idle() throws {
        var pool = try Self.warm()
        #expect(pool.nextWakeUp(now: .zero) == .seconds(60))
        #expect(pool.tick(.seconds(59)) == [])
        #expect(pool.tick(.seconds(60)) == [.stop(worker: 1)])
        #expect(pool.tick(.seconds(61)) == [])
        #expect(pool.tick(.seconds(62)) == [.kill(worker: 1)])
        #expect(pool.exited(1, "killed", now: .seconds(62)) == [])
        #expect(pool.isEmpty)
    }

    @Test("The minimum of workers is started at once and kept")
    func minimum() throws {
        var pool = try Self.pool(min: 1)
        #expect(pool.begin(now: .zero) == [.start(worker: 1)])
        _ = pool.workerReady(1, now: .zero)
        #expect(pool.tick(.seconds(3_600)) == [])
        #expect(pool.nextWakeUp(now: .zero) == nil)
    }

    @Test("A call that is cancelled while it waits was not executed")
    func cancelWaiting() throws {
        var pool = try Self.pool()
        _ = pool.admit(1, deadline: nil, now: .zero)
        #expect(Self.status(pool.cancel(1, now: .zero), of: 1) == "499 CANCELLED none")
        #expect(pool.workerReady(1, now: .zero) == [])
    }

    @Test("A call that is cancelled in the handler may have run, and is answered once only")
    func cancelRunning() throws {
        var pool = try Self.warm()
        _ = pool.admit(1, deadline: nil, now: .zero)
        #expect(Self.status(pool.cancel(1, now: .zero), of: 1) == "499 CANCELLED maybe")
        #expect(pool.cancel(1, now: .zero) == [])
        #expect(!pool.finished(1, on: 1, now: .zero).isAwaited)
    }

    @Test("D11: draining refuses what waits, lets running calls finish and sends the workers away")
    func drain() throws {
        var pool = try Self.warm(max: 1)
        _ = pool.admit(1, deadline: nil, now: .zero)
        _ = pool.admit(2, deadline: nil, now: .zero)
        #expect(Self.status(pool.drain(now: .zero), of: 2) == "503 DRAINING none")
        #expect(Self.status(pool.admit(3, deadline: nil, now: .zero), of: 3) == "503 DRAINING none")
        let finished = pool.finished(1, on: 1, now: .seconds(1))
        #expect(finished.isAwaited)
        #expect(finished.effects == [.stop(worker: 1)])
    }

    @Test("Late words of workers that are gone change nothing")
    func leftovers() throws {
        var pool = try Self.warm()
        _ = pool.exited(1, "gone", now: .zero)
        #expect(pool.workerReady(1, now: .zero) == [])
        #expect(pool.loadFailed(1, "x", now: .zero) == [])
        #expect(pool.exited(1, "again", now: .zero) == [])
        #expect(!pool.finished(9, on: 1, now: .zero).isAwaited)
    }

    @Test("Whatever happens in whatever order, every call gets exactly one end", arguments: 0..<200 as Range<UInt64>)
    func random(_ seed: UInt64) throws {
        var limits = try Self.pool(min: 1, max: 3, concurrency: 2).limits
        limits.workersSpare = Int(seed % 3)
        var simulation = PoolSimulation(seed: seed, pool: WorkerPool(try Self.address(), limits))
        simulation.run(steps: 400)
        #expect(simulation.problems == [], "seed \(seed)")
    }
}
