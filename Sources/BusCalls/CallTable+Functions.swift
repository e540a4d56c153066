package import BusContract
package import BusTopics

/// Who serves which function.
extension CallTable {
    /// A client has subscribed to the requests of a function, or of many.
    ///
    /// - Parameter capacity: calls at a time that its window has room for.
    package mutating func instanceSubscribed(
        _ client: ClientHandle, filter: TopicFilter, capacity: Int, now: UInt64, effects: inout [Effect]
    ) {
        let role = CallFilter.role(of: filter)
        guard role != .observer, role != .unrelated else { return }
        if self.instances[client] == nil {
            self.instances[client] = Instance(capacity: max(1, min(capacity, self.limits.capacityDefault)))
        }
        if case .instance(let name) = role {
            let function = self.makeFunction(name, now: now)
            self.instances[client]?.name(filter, function)
            self.join(client, function: function, now: now, effects: &effects)
        } else {
            if self.instances[client]?.wildcards.contains(filter) == false {
                self.instances[client]?.wildcards.append(filter)
            }
            self.instancesOfMany.insert(client)
            for function in self.functionOfName.values.sorted()
            where self.serves(filter, self.functions[function].name) {
                self.join(client, function: function, now: now, effects: &effects)
            }
        }
    }

    package mutating func instanceUnsubscribed(
        _ client: ClientHandle, filter: TopicFilter, now: UInt64, effects: inout [Effect]
    ) {
        switch CallFilter.role(of: filter) {
        case .instance(let name):
            guard let function = self.functionOfName[name] else { return }
            self.instances[client]?.unname(filter, function)
            self.leaveUnlessServed(function, by: client, now: now, effects: &effects)
        case .instanceOfMany:
            self.instances[client]?.wildcards.removeAll { $0 == filter }
            for function in self.instances[client]?.functions.sorted() ?? []
            where self.serves(filter, self.functions[function].name) {
                self.leaveUnlessServed(function, by: client, now: now, effects: &effects)
            }
        case .observer, .unrelated: return
        }
        guard let instance = self.instances[client] else { return }
        if instance.wildcards.isEmpty { self.instancesOfMany.remove(client) }
        // Calls it still has are answered or lost with its connection.
        if instance.isIdle { self.instances[client] = nil }
    }

    /// What the catalog says of a function; `nil` takes the entry away.
    package mutating func catalogChanged(_ name: FunctionName, _ descriptor: FunctionDescriptor?, now: UInt64) {
        guard let descriptor else {
            if let function = self.functionOfName[name] { self.functions[function].descriptor = nil }
            return
        }
        self.functions[self.makeFunction(name, now: now)].descriptor = descriptor
    }

    /// What an instance says of itself.
    package mutating func presenceChanged(
        _ client: ClientHandle, _ descriptor: InstanceDescriptor, now: UInt64, effects: inout [Effect]
    ) {
        guard self.instances[client] != nil else { return }
        if let capacity = descriptor.capacity {
            self.instances[client]?.capacity = max(1, min(capacity, self.limits.capacityMax))
        }
        let isDraining = descriptor.status != .online
        self.instances[client]?.isDraining = isDraining
        guard isDraining else {
            self.dispatchWaiting(servedBy: client, now: now, effects: &effects)
            return
        }
        // Calls that wait for it go elsewhere, or end if it was the last.
        for function in self.instances[client]?.functions.sorted() ?? [] {
            self.failWaitingWithoutInstance(function, now: now, effects: &effects)
        }
    }

    // MARK: Functions

    /// The row of a function that is known, or that an instance with a wildcard serves.
    mutating func findFunction(_ name: FunctionName, now: UInt64) -> Result<Int, Failure> {
        if let known = self.functionOfName[name] { return .success(known) }
        guard self.instancesOfMany.contains(where: { self.serves($0, name) }) else {
            return .failure(.noFunction(name))
        }
        self.forgetIdleFunctions()
        guard self.functionOfName.count < self.limits.functionsKnownMax else {
            return .failure(.overloaded(name, retryAfterMilliseconds: 1000))
        }
        return .success(self.makeFunction(name, now: now))
    }

    private func serves(_ client: ClientHandle, _ name: FunctionName) -> Bool {
        self.instances[client]?.wildcards.contains { self.serves($0, name) } ?? false
    }

    private func serves(_ filter: TopicFilter, _ name: FunctionName) -> Bool {
        // A function's name is valid, so its topic is.
        guard let topic = try? TopicName(CallTopic.request(name, nil).string) else { return false }
        return filter.matches(topic)
    }

    private mutating func makeFunction(_ name: FunctionName, now: UInt64) -> Int {
        if let known = self.functionOfName[name] { return known }
        self.forgetIdleFunctions()
        var function = Function(name: name)
        function.lastUsed = now
        function.instances = self.instancesOfMany.filter { self.serves($0, name) }
            .sorted { $0.rawValue < $1.rawValue }
        let place: Int
        if let reused = self.freeFunctions.popLast() {
            place = reused
            self.functions[place] = function
        } else {
            place = self.functions.count
            self.functions.append(function)
        }
        for client in function.instances { self.instances[client]?.functions.insert(place) }
        self.functionOfName[name] = place
        return place
    }

    /// Makes room among the functions that nobody has named and nobody uses. Several at a time, since it goes through
    /// the table.
    private mutating func forgetIdleFunctions() {
        guard self.functionOfName.count >= self.limits.functionsKnownMax else { return }
        let idle = self.functionOfName.values.filter { place in
            self.functions[place].descriptor == nil
                && self.functions[place].runningCount + self.functions[place].queuedCount == 0
                && self.functions[place].instances.allSatisfy { self.instances[$0]?.named[place] == nil }
        }
        let oldest = idle.sorted { (self.functions[$0].lastUsed, $0) < (self.functions[$1].lastUsed, $1) }
            .prefix(max(1, self.limits.functionsKnownMax / 16))
        // Remembered calls name their function by place.
        let places = Set(oldest)
        for call in self.calls.indices
        where self.calls[call].ending != nil && places.contains(self.calls[call].function) {
            self.forget(call)
        }
        for place in oldest {
            for client in self.functions[place].instances { self.instances[client]?.functions.remove(place) }
            self.functionOfName[self.functions[place].name] = nil
            self.functions[place].instances = []
            self.freeFunctions.append(place)
        }
    }

    private mutating func join(_ client: ClientHandle, function: Int, now: UInt64, effects: inout [Effect]) {
        self.functions[function].lastUsed = now
        self.instances[client]?.functions.insert(function)
        if !self.functions[function].instances.contains(client) {
            self.functions[function].instances.append(client)
            effects.append(.event(.registered, self.functions[function].name, detail: "an instance came"))
        }
        self.dispatchQueue(of: function, now: now, effects: &effects)
    }

    /// The client has taken back a subscription; another one of its may serve the function all the same.
    private mutating func leaveUnlessServed(
        _ function: Int, by client: ClientHandle, now: UInt64, effects: inout [Effect]
    ) {
        guard let instance = self.instances[client], instance.named[function] == nil,
            !self.serves(client, self.functions[function].name), instance.functions.contains(function)
        else { return }
        self.instances[client]?.functions.remove(function)
        self.functions[function].instances.removeAll { $0 == client }
        effects.append(.event(.unregistered, self.functions[function].name, detail: "an instance unsubscribed"))
        self.failWaitingWithoutInstance(function, now: now, effects: &effects)
    }

    // MARK: Snapshot

    /// A function as operators see it.
    package struct FunctionSnapshot: Sendable {
        package var name: FunctionName
        package var instances: [ClientHandle]
        package var running: Int
        package var queued: Int
        package var descriptor: FunctionDescriptor?
        package var statistics: FunctionStatistics
    }

    /// Every function that is known, by name.
    package var snapshot: [FunctionSnapshot] {
        self.functionOfName.values.map { place in
            let function = self.functions[place]
            return FunctionSnapshot(
                name: function.name, instances: function.instances, running: function.runningCount,
                queued: function.queuedCount, descriptor: function.descriptor, statistics: function.statistics)
        }
        .sorted { $0.name < $1.name }
    }
}

extension CallTable.Instance {
    mutating func name(_ filter: TopicFilter, _ function: Int) {
        if self.named[function]?.contains(filter) != true { self.named[function, default: []].append(filter) }
    }

    mutating func unname(_ filter: TopicFilter, _ function: Int) {
        self.named[function]?.removeAll { $0 == filter }
        if self.named[function]?.isEmpty == true { self.named[function] = nil }
    }
}
