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
            self.join(client, function: function, now: now, effects: &effects)
        } else {
            self.instances[client]?.wildcards.append(filter)
            self.instancesOfMany.insert(client)
            for function in self.functions.indices where self.serves(filter, self.functions[function].name) {
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
            self.leave(client, function: function, now: now, effects: &effects)
        case .instanceOfMany:
            self.instances[client]?.wildcards.removeAll { $0 == filter }
            for function in self.instances[client]?.functions ?? []
            where self.serves(filter, self.functions[function].name) {
                self.leave(client, function: function, now: now, effects: &effects)
            }
        case .observer, .unrelated: return
        }
        guard let instance = self.instances[client], instance.functions.isEmpty, instance.wildcards.isEmpty else {
            return
        }
        self.instancesOfMany.remove(client)
        // Calls it still has are answered or lost with its connection.
        if instance.runningCount == 0 { self.instances[client] = nil }
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
        if let capacity = descriptor.capacity { self.instances[client]?.capacity = max(1, capacity) }
        self.instances[client]?.isDraining = descriptor.status == .draining
        self.dispatchWaiting(servedBy: client, now: now, effects: &effects)
    }

    // MARK: Functions

    /// The row of a function that is known, or that an instance with a wildcard serves.
    mutating func findFunction(_ name: FunctionName, now: UInt64) -> Int? {
        if let known = self.functionOfName[name] { return known }
        guard self.instancesOfMany.contains(where: { self.serves($0, name) }) else { return nil }
        return self.makeFunction(name, now: now)
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
        self.forgetIdleFunction()
        var function = Function(name: name)
        function.lastUsed = now
        for client in self.instancesOfMany where self.serves(client, name) {
            function.instances.append(client)
        }
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

    /// Makes room among the functions that are only remembered.
    private mutating func forgetIdleFunction() {
        guard self.functionOfName.count >= self.limits.functionsKnownMax else { return }
        let idle = self.functionOfName.values.filter { place in
            let function = self.functions[place]
            return function.instances.isEmpty && function.descriptor == nil
                && function.runningCount + function.queuedCount == 0
        }
        guard let oldest = idle.min(by: { self.functions[$0].lastUsed < self.functions[$1].lastUsed }) else { return }
        // Rows of finished calls still name it; their requests are kept by name, not by place.
        for call in self.calls.indices
        where self.calls[call].function == oldest && self.calls[call].state == .done
            && self.callOfAddress[self.calls[call].request.address] == call
        {
            self.forget(call)
        }
        self.functionOfName[self.functions[oldest].name] = nil
        self.freeFunctions.append(oldest)
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

    private mutating func leave(
        _ client: ClientHandle, function: Int, now: UInt64, effects: inout [Effect]
    ) {
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
