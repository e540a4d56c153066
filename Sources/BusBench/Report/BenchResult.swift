/// What one run of a workload showed.
package struct BenchResult: Sendable {
    package var work: String
    package var broker: String
    package var unit: String
    package var seconds: Double
    /// Messages delivered, calls answered or connections made in that time.
    package var count: Int
    package var latency: LatencySummary?
    package var faults = Faults()
    /// CPU time of the generator in that time, in seconds.
    package var clientSeconds: Double
    /// What the broker, and the host beside it, used in that time, where their processes are known.
    package var usage: UsageDifference?
    /// Further figures that only this work has, by a name that says the unit.
    package var extras: [(name: String, value: Double)] = []

    /// The same under another name.
    package func renamed(_ name: String) -> BenchResult {
        var copy = self
        copy.work = name
        return copy
    }

    package var rate: Double { self.seconds > 0 ? Double(self.count) / self.seconds : 0 }

    /// Microseconds of the broker's CPU for each message delivered.
    package var brokerMicroseconds: Double? {
        self.usage.map { $0.processorSeconds * 1e6 / Double(max(1, self.count)) }
    }

    package var clientMicroseconds: Double { self.clientSeconds * 1e6 / Double(max(1, self.count)) }

    /// How much of one CPU the generator used.
    package var clientBusy: Double { self.seconds > 0 ? self.clientSeconds / self.seconds : 0 }

    /// The generator could not have done more, so the rate says little about the broker.
    package var isSaturated: Bool { self.clientBusy > 0.9 }
}

/// The difference between two looks at a process.
package struct UsageDifference: Sendable, Equatable {
    package var processorSeconds: Double
    package var ioCalls: Int
    package var voluntarySwitches: Int
    /// At the second look.
    package var residentBytes: Int

    package init(_ before: ProcessUsage, _ after: ProcessUsage) {
        var nanoseconds: UInt64 = 0
        var switches = 0
        for (thread, usage) in after.threads {
            let earlier = before.threads[thread] ?? ProcessUsage.ThreadUsage()
            // A number that was given to another thread meanwhile counts from its beginning.
            let isSame = usage.processorTime >= earlier.processorTime
            nanoseconds += usage.processorTime - (isSame ? earlier.processorTime : 0)
            switches += max(0, usage.voluntarySwitches - (isSame ? earlier.voluntarySwitches : 0))
        }
        self.processorSeconds = Double(nanoseconds) / 1e9
        self.voluntarySwitches = switches
        self.ioCalls = after.ioCalls - before.ioCalls
        self.residentBytes = after.residentBytes
    }
}

/// A look at everything whose difference is measured.
struct Sample {
    var time: UInt64
    var client: UInt64
    var broker: ProcessUsage?
    var workers: ProcessUsage?
    var count: Int

    init(count: Int, of address: BrokerAddress) throws(BenchFailure) {
        let processes = address.processes
        self.broker = processes.isEmpty ? nil : try ProcessUsage(processes)
        self.workers = address.hasWorkers ? try ProcessUsage(ProcessUsage.children(of: processes)) : nil
        self.client = MonotonicClock.processorTime()
        self.time = MonotonicClock.now()
        self.count = count
    }
}

extension BenchResult {
    init(_ workload: Workload, _ address: BrokerAddress, from before: Sample, to after: Sample) {
        self.init(
            work: workload.name, broker: address.name, unit: workload.unit,
            seconds: Double(after.time - before.time) / 1e9, count: after.count - before.count,
            clientSeconds: Double(after.client - before.client) / 1e9)
        if let first = before.broker, let last = after.broker { self.usage = UsageDifference(first, last) }
        guard let first = before.workers, let last = after.workers else { return }
        let seconds = UsageDifference(first, last).processorSeconds
        self.extras.append(("worker CPU us", seconds * 1e6 / Double(max(1, self.count))))
    }
}
