import BusContract
package import BusTopics

/// Who serves which function.
extension CallTable {
    /// A client has subscribed to the requests of a function, or of many; again, perhaps, on other terms.
    package mutating func instanceSubscribed(
        _ client: ClientHandle, filter: TopicFilter, terms: InstanceTerms, now: UInt64, effects: inout [Effect]
    ) {
        let role = CallFilter.role(of: filter)
        guard role != .observer, role != .unrelated, Self.usableForms(of: filter, terms) != [] else { return }
        let place = self.makeInstance(client, terms: terms)
        if case .instance(let name) = role {
            let function = self.makeFunction(name, now: now)
            self.instances[place].name(filter, function)
            self.join(place, function: function, now: now, effects: &effects)
        } else {
            if !self.instances[place].wildcards.contains(filter) { self.instances[place].wildcards.append(filter) }
            self.instancesOfMany.insert(place)
            for function in self.functionOfName.values.sorted()
            where Self.serves(filter, self.functions[function].name) {
                self.join(place, function: function, now: now, effects: &effects)
            }
        }
    }

    package mutating func instanceUnsubscribed(
        _ client: ClientHandle, filter: TopicFilter, now: UInt64, effects: inout [Effect]
    ) {
        let place = self.placeOfInstance[client]
        guard place >= 0 else { return }
        switch CallFilter.role(of: filter) {
        case .instance(let name):
            guard let function = self.functionOfName[name] else { return }
            self.instances[place].unname(filter, function)
            self.leaveUnlessServed(function, by: place, now: now, effects: &effects)
        case .instanceOfMany:
            self.instances[place].wildcards.removeAll { $0 == filter }
            for function in self.instances[place].functions.sorted()
            where Self.serves(filter, self.functions[function].name) {
                self.leaveUnlessServed(function, by: place, now: now, effects: &effects)
            }
        case .observer, .unrelated: return
        }
        // A call that ended on the way may have taken the row with it.
        guard self.placeOfInstance[client] == place else { return }
        if self.instances[place].wildcards.isEmpty { self.instancesOfMany.remove(place) }
        // Calls it still has are answered or lost with its connection.
        self.dropInstanceIfIdle(place)
    }

    /// In which forms a request can be given to the client through this filter: one without properties needs the topic.
    private static func usableForms(of filter: TopicFilter, _ terms: InstanceTerms) -> CallFilter.RequestForms {
        let forms = CallFilter.forms(of: filter)
        return terms.hasProperties ? forms : forms.intersection(.topic)
    }

    // MARK: Rows

    private mutating func makeInstance(_ client: ClientHandle, terms: InstanceTerms) -> Int {
        let known = self.placeOfInstance[client]
        if known >= 0 {
            guard self.instances[known].terms != terms else { return known }
            self.instances[known].terms = terms
            self.refit(known)
            return known
        }
        let instance = Instance(client: client, terms: terms, bound: max(1, terms.window))
        let place: Int
        if let reused = self.freeInstances.popLast() {
            place = reused
            self.instances[place] = instance
        } else {
            place = self.instances.count
            self.instances.append(instance)
        }
        self.placeOfInstance[client] = place
        return place
    }

    mutating func dropInstanceIfIdle(_ place: Int) {
        guard self.instances[place].isIdle, self.placeOfInstance[self.instances[place].client] == place else { return }
        self.placeOfInstance[self.instances[place].client] = -1
        self.freeInstances.append(place)
    }

    private mutating func join(_ place: Int, function: Int, now: UInt64, effects: inout [Effect]) {
        self.functions[function].lastUsed = now
        if let seat = self.seat(of: place, at: function) {
            self.functions[function].seats[seat].forms = self.forms(of: place, at: function)
        } else {
            self.addSeat(place, at: function, now: now)
            effects.append(.event(.registered, self.functions[function].name, detail: "an instance came"))
        }
        self.dispatchQueue(of: function, now: now, effects: &effects)
    }

    mutating func addSeat(_ place: Int, at function: Int, now: UInt64) {
        self.instances[place].functions.insert(function)
        // One that comes back may still run calls that it got before it went.
        var running = 0
        var call = self.instances[place].firstRunning
        while call >= 0 {
            if self.calls[call].function == function { running += 1 }
            call = self.calls[call].nextOfInstance
        }
        let seat = Seat(
            instance: place, client: self.instances[place].client, capacity: 1, running: running,
            forms: self.forms(of: place, at: function), since: now)
        self.instances[place].uncoveredCount += 1
        self.functions[function].seats.append(seat)
        self.refit(self.functions[function].seats.count - 1, at: function)
        self.refitBound(place)
    }

    mutating func removeSeat(of place: Int, at function: Int) {
        guard let seat = self.seat(of: place, at: function) else { return }
        if !self.functions[function].seats[seat].isCovered { self.instances[place].uncoveredCount -= 1 }
        self.functions[function].seats.remove(at: seat)
        self.instances[place].functions.remove(function)
    }

    /// Where an instance sits at a function. Seats are few, and a search through them is cheaper than a table.
    func seat(of place: Int, at function: Int) -> Int? {
        for index in self.functions[function].seats.indices
        where self.functions[function].seats[index].instance == place {
            return index
        }
        return nil
    }

    private func forms(of place: Int, at function: Int) -> CallFilter.RequestForms {
        let terms = self.instances[place].terms
        var forms: CallFilter.RequestForms = []
        for filter in self.instances[place].named[function] ?? [] {
            forms.formUnion(Self.usableForms(of: filter, terms))
        }
        for filter in self.instances[place].wildcards where Self.serves(filter, self.functions[function].name) {
            forms.formUnion(Self.usableForms(of: filter, terms))
        }
        return forms
    }

    /// The client has taken back a subscription; another one of its may serve the function all the same.
    private mutating func leaveUnlessServed(
        _ function: Int, by place: Int, now: UInt64, effects: inout [Effect]
    ) {
        guard let seat = self.seat(of: place, at: function) else { return }
        let forms = self.forms(of: place, at: function)
        guard forms.isEmpty else {
            self.functions[function].seats[seat].forms = forms
            return
        }
        self.removeSeat(of: place, at: function)
        self.refitBound(place)
        effects.append(.event(.unregistered, self.functions[function].name, detail: "an instance unsubscribed"))
        self.recheckWaiting(function, now: now, effects: &effects)
    }

    // MARK: Wildcards

    func servesSome(_ place: Int, _ name: FunctionName) -> Bool {
        self.instances[place].wildcards.contains { Self.serves($0, name) }
    }

    static func serves(_ filter: TopicFilter, _ name: FunctionName) -> Bool {
        filter.matches(CallTopic.request(name, nil).string)
            || filter.matches(CallTopic.request(name, ReplyLevels(client: "-", call: "-")).string)
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
