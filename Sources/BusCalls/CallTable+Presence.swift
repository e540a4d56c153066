package import BusContract

/// How much an instance takes: what it says of itself, what the catalog says, what its connection allows.
extension CallTable {
    /// What an instance says of itself, which may be before it subscribes; `nil` takes it back. Returns whether it is
    /// noted.
    ///
    /// - Parameter identifier: of the instance: one client may be several.
    @discardableResult
    package mutating func presenceChanged(
        _ client: ClientHandle, _ identifier: String, _ descriptor: InstanceDescriptor?, now: UInt64,
        effects: inout [Effect]
    ) -> Bool {
        if let descriptor {
            let known = self.presences[client]
            guard known?[identifier] != nil || known?.count ?? 0 < self.limits.presencesPerClientMax else {
                return false
            }
            self.presences[client, default: [:]][identifier] = Presence(descriptor)
        } else {
            self.presences[client]?[identifier] = nil
            if self.presences[client]?.isEmpty == true { self.presences[client] = nil }
        }
        let place = self.placeOfInstance[client]
        if place >= 0 { self.refitAndDispatch(place, now: now, effects: &effects) }
        return true
    }

    /// An operator lets instances finish what they have and gives them nothing new, until they subscribe anew. Returns
    /// how many there are.
    ///
    /// - Parameters:
    ///   - service: `nil` for functions of every service.
    ///   - client: `nil` for all instances.
    package mutating func drain(
        service: String?, client: ClientHandle?, now: UInt64, effects: inout [Effect]
    ) -> Int {
        var drained: Set<Int> = []
        let places = self.functionOfName.values.sorted().filter {
            service == nil || self.functions[$0].name.service == service
        }
        for function in places {
            for seat in self.functions[function].seats.indices
            where client == nil || self.functions[function].seats[seat].client == client {
                self.functions[function].seats[seat].isDrained = true
                drained.insert(self.functions[function].seats[seat].instance)
            }
            self.recheckWaiting(function, now: now, effects: &effects)
        }
        return drained.count
    }

    /// What the catalog says of a function; `nil` takes the entry away.
    package mutating func catalogChanged(
        _ name: FunctionName, _ descriptor: FunctionDescriptor?, now: UInt64, effects: inout [Effect]
    ) {
        let function: Int
        if descriptor != nil {
            function = self.makeFunction(name, now: now)
        } else if let known = self.functionOfName[name] {
            function = known
        } else {
            return
        }
        self.functions[function].descriptor = descriptor
        for seat in self.functions[function].seats.indices { self.refit(seat, at: function) }
        self.dispatchQueue(of: function, now: now, effects: &effects)
    }

    package func isInstance(_ client: ClientHandle) -> Bool { self.placeOfInstance[client] >= 0 }

    /// What an instance serves, in the order of the names, if it serves anything and says nothing of itself.
    package func functionsOfSilent(_ client: ClientHandle) -> [FunctionName]? {
        let place = self.placeOfInstance[client]
        guard place >= 0, self.presences[client] == nil else { return nil }
        let instance = self.instances[place]
        guard !instance.functions.isEmpty || !instance.wildcards.isEmpty else { return nil }
        return instance.functions.map { self.functions[$0].name }.sorted { $0.description < $1.description }
    }

    // MARK: Fitting

    private mutating func refitAndDispatch(_ place: Int, now: UInt64, effects: inout [Effect]) {
        self.refit(place)
        let client = self.instances[place].client
        for function in self.instances[place].functions.sorted() {
            // Calls that wait for one that drains go elsewhere, or end if it was the last.
            self.recheckWaiting(function, now: now, effects: &effects)
            guard self.placeOfInstance[client] == place else { return }
        }
    }

    /// Fits all seats of an instance to what is known of it now.
    mutating func refit(_ place: Int) {
        for function in self.instances[place].functions {
            if let seat = self.seat(of: place, at: function) { self.refit(seat, at: function) }
        }
        self.refitBound(place)
    }

    mutating func refit(_ seat: Int, at function: Int) {
        let place = self.functions[function].seats[seat].instance
        let name = self.functions[function].name
        let concurrency = self.functions[function].descriptor?.concurrency
        let window = max(1, self.instances[place].terms.window)
        let usual = concurrency ?? min(window, self.limits.capacityDefault)
        let covering = self.presences(of: self.instances[place].client, for: name)
        let active = covering.filter { !$0.drains }
        var capacity = usual
        if !active.isEmpty {
            capacity = active.reduce(0) { self.sum($0, $1.capacity ?? usual) }
            if let concurrency { capacity = min(capacity, concurrency * active.count) }
        }
        self.functions[function].seats[seat].capacity = max(1, min(capacity, self.limits.capacityMax))
        self.functions[function].seats[seat].drains = active.isEmpty && !covering.isEmpty
        if self.functions[function].seats[seat].isCovered == covering.isEmpty {
            self.functions[function].seats[seat].isCovered = !covering.isEmpty
            self.instances[place].uncoveredCount += covering.isEmpty ? 1 : -1
        }
    }

    /// An instance that says for everything it serves how much it takes is not given more in all; nor more than its
    /// Receive Maximum.
    mutating func refitBound(_ place: Int) {
        var bound = self.instances[place].terms.window
        let presences = self.presences[self.instances[place].client]
        if let presences, self.instances[place].uncoveredCount == 0, presences.values.allSatisfy({ $0.capacity != nil })
        {
            let registered = presences.values.reduce(0) { $1.drains ? $0 : self.sum($0, $1.capacity ?? 0) }
            bound = min(bound, registered)
        }
        self.instances[place].bound = max(1, bound)
    }

    /// The presences of a client that speak of a function: those that name it, else those that name none.
    private func presences(of client: ClientHandle, for name: FunctionName) -> [Presence] {
        guard let presences = self.presences[client] else { return [] }
        let naming = presences.values.filter { $0.functions.contains(name) }
        return naming.isEmpty ? presences.values.filter(\.functions.isEmpty) : naming
    }

    /// Clients say any number: the sum stops at what counts at all.
    private func sum(_ left: Int, _ right: Int) -> Int {
        min(self.limits.capacityMax, left + min(max(0, right), self.limits.capacityMax))
    }
}

extension Presence {
    fileprivate init(_ descriptor: InstanceDescriptor) {
        // A name that is none of a function's says nothing of any.
        self.functions = Set(descriptor.functions.compactMap { try? FunctionName(parsing: $0) })
        self.capacity = descriptor.capacity
        self.drains = descriptor.status != .online
    }
}
