@testable import FunctionHost

/// Plays callers, workers and time at random against a pool, and keeps its promises in view.
struct PoolSimulation {
    private var pool: WorkerPool
    private var random: SplitMix
    private var now = Duration.zero
    private var nextCall: UInt64 = 1
    /// Calls without an end so far.
    private var open: Set<UInt64> = []
    /// Live processes: whether they said they are ready, and the calls they work on.
    private var processes: [Int: (isReady: Bool, calls: [UInt64])] = [:]
    private(set) var problems: [String] = []

    init(seed: UInt64, pool: WorkerPool) {
        self.pool = pool
        self.random = SplitMix(state: seed)
    }

    mutating func run(steps: Int) {
        self.carryOut(self.pool.begin(now: self.now))
        for _ in 0..<steps { self.step() }
        self.carryOut(self.pool.drain(now: self.now))
        // Everything that is left finishes or runs into its limits.
        for _ in 0..<200 where !self.pool.isEmpty || !self.open.isEmpty {
            if let worker = self.processes.keys.sorted().first(where: { self.processes[$0]?.calls.isEmpty == true }) {
                self.exit(worker)
            }
            self.now += .seconds(1)
            self.carryOut(self.pool.tick(self.now))
        }
        if !self.open.isEmpty { self.problems.append("calls without an end: \(self.open.sorted())") }
        if !self.pool.isEmpty { self.problems.append("workers left after the drain") }
    }

    private mutating func step() {
        let worker = self.processes.keys.sorted().randomElement(using: &self.random)
        switch Int.random(in: 0..<12, using: &self.random) {
        case 0...3: self.admit()
        case 4: if let worker { self.becomeReady(worker) }
        case 5...7: if let worker { self.finishOne(worker) }
        case 8: if let worker, Bool.random(using: &self.random) { self.exit(worker) }
        case 9:
            if let call = self.open.sorted().randomElement(using: &self.random) {
                self.carryOut(self.pool.cancel(call, now: self.now))
            }
        case 10: if let worker { self.carryOut(self.pool.loadFailed(worker, "no module", now: self.now)) }
        default:
            self.now += .milliseconds(Int.random(in: 1...4_000, using: &self.random))
            self.carryOut(self.pool.tick(self.now))
        }
        if let next = self.pool.nextWakeUp(now: self.now), next + .seconds(10) < self.now {
            self.problems.append("a wake-up in the past stays due")
        }
    }

    private mutating func admit() {
        let call = self.nextCall
        self.nextCall += 1
        self.open.insert(call)
        let limit = Bool.random(using: &self.random) ? self.now + .seconds(2) : nil
        self.carryOut(self.pool.admit(call, deadline: limit, now: self.now))
    }

    private mutating func becomeReady(_ worker: Int) {
        self.processes[worker]?.isReady = true
        self.carryOut(self.pool.workerReady(worker, now: self.now))
    }

    private mutating func finishOne(_ worker: Int) {
        guard let call = self.processes[worker]?.calls.first else { return }
        self.processes[worker]?.calls.removeFirst()
        let (isAwaited, effects) = self.pool.finished(call, on: worker, now: self.now)
        if isAwaited { self.end(call) }
        self.carryOut(effects)
    }

    private mutating func exit(_ worker: Int) {
        self.processes[worker] = nil
        self.carryOut(self.pool.exited(worker, "it exited", now: self.now))
    }

    private mutating func end(_ call: UInt64) {
        if self.open.remove(call) == nil { self.problems.append("call \(call) ended twice") }
    }

    private mutating func carryOut(_ effects: [WorkerPool.Effect]) {
        var killed: [Int] = []
        for effect in effects {
            switch effect {
            case .start(let worker):
                self.processes[worker] = (false, [])
                if self.processes.count > self.pool.limits.workersMax { self.problems.append("too many workers") }
            case .dispatch(let call, let worker, _):
                guard self.processes[worker]?.isReady == true else {
                    self.problems.append("call \(call) for worker \(worker), which is not ready")
                    continue
                }
                self.processes[worker]?.calls.append(call)
                let count = self.processes[worker]?.calls.count ?? 0
                if count > self.pool.limits.concurrency { self.problems.append("too many calls on one worker") }
            case .fail(let call, _): self.end(call)
            case .kill(let worker): killed.append(worker)
            case .cancel, .stop: break
            }
        }
        for worker in killed { self.exit(worker) }
    }
}

/// A small generator that gives the same numbers for the same seed.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
