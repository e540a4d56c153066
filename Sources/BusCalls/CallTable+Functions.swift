package import BusContract

/// The functions that are known.
extension CallTable {
    /// The row of a function that is known, or that an instance with a wildcard serves.
    ///
    /// - Parameter caller: the one that it has called last is found by its row.
    mutating func findFunction(
        _ name: FunctionName, of caller: ClientHandle, now: UInt64
    ) -> Result<Int, Failure> {
        let place = self.placeOfCaller[caller]
        if place >= 0, self.callers[place].lastFunction >= 0 {
            let last = self.callers[place].lastFunction
            if self.functions[last].isKnown, self.functions[last].name == name { return .success(last) }
        }
        if let known = self.functionOfName[name] { return .success(known) }
        guard self.instancesOfMany.contains(where: { self.servesSome($0, name) }) else {
            return .failure(.noFunction(name))
        }
        self.forgetIdleFunctions()
        guard self.functionOfName.count < self.limits.functionsKnownMax else {
            return .failure(.overloaded(name, retryAfterMilliseconds: 1000))
        }
        return .success(self.makeFunction(name, now: now))
    }

    mutating func makeFunction(_ name: FunctionName, now: UInt64) -> Int {
        if let known = self.functionOfName[name] { return known }
        self.forgetIdleFunctions()
        var function = Function(name: name)
        function.lastUsed = now
        let place: Int
        if let reused = self.freeFunctions.popLast() {
            place = reused
            function.generation = self.functions[place].generation
            self.functions[place] = function
        } else {
            place = self.functions.count
            self.functions.append(function)
        }
        self.functionOfName[name] = place
        for instance in self.instancesOfMany.sorted() where self.servesSome(instance, name) {
            self.addSeat(instance, at: place, now: now)
        }
        return place
    }

    /// Makes room among the functions that nobody has named and nobody uses. Several at a time, since it goes through
    /// the table.
    private mutating func forgetIdleFunctions() {
        guard self.functionOfName.count >= self.limits.functionsKnownMax else { return }
        let idle = self.functionOfName.values.filter { place in
            self.functions[place].descriptor == nil
                && self.functions[place].runningCount + self.functions[place].queuedCount == 0
                && self.functions[place].seats.allSatisfy { self.instances[$0.instance].named[place] == nil }
        }
        let oldest = idle.sorted { (self.functions[$0].lastUsed, $0) < (self.functions[$1].lastUsed, $1) }
            .prefix(max(1, self.limits.functionsKnownMax / 16))
        for place in oldest {
            for seat in self.functions[place].seats { self.removeSeat(of: seat.instance, at: place) }
            self.functionOfName[self.functions[place].name] = nil
            self.functions[place].keys = [:]
            // Calls that are remembered name their function by its row.
            self.functions[place].generation &+= 1
            self.functions[place].isKnown = false
            self.freeFunctions.append(place)
        }
    }

    func name(of call: Int) -> FunctionName { self.functions[self.calls[call].function].name }

    func reference(ofFunction place: Int) -> FunctionReference {
        FunctionReference(place: Int32(place), generation: self.functions[place].generation)
    }

    func isKnown(_ function: FunctionReference) -> Bool {
        self.functions[Int(function.place)].generation == function.generation
    }

    // MARK: Snapshot

    /// A function as operators see it.
    package struct FunctionSnapshot: Sendable {
        package var name: FunctionName
        package var instances: [InstanceSnapshot]
        package var running: Int
        package var queued: Int
        package var descriptor: FunctionDescriptor?
        package var statistics: FunctionStatistics
    }

    package struct InstanceSnapshot: Sendable {
        package var client: ClientHandle
        package var running: Int
        package var capacity: Int
        package var isOpen: Bool
        /// When it came, on the broker's clock.
        package var since: UInt64
    }

    /// Every function that is known, by name.
    package var snapshot: [FunctionSnapshot] {
        self.functionOfName.values.map { place in
            let function = self.functions[place]
            let instances = function.seats.map {
                InstanceSnapshot(
                    client: $0.client, running: $0.running, capacity: self.capacity(of: $0), isOpen: $0.isOpen,
                    since: $0.since)
            }
            return FunctionSnapshot(
                name: function.name, instances: instances, running: function.runningCount,
                queued: function.queuedCount, descriptor: function.descriptor, statistics: function.statistics)
        }
        .sorted { $0.name < $1.name }
    }

    /// Calls at a time that an instance takes of a function.
    func capacity(of seat: Seat) -> Int { min(seat.capacity, self.instances[seat.instance].bound) }
}
