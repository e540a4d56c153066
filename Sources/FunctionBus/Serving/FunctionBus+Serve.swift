import BusContract
import Synchronization

extension FunctionBus {
    /// Serves a function until the task is cancelled or an operator drains it; then calls that run are finished, and
    /// new ones go elsewhere.
    ///
    /// - Throws: `BusError` when the function cannot be registered.
    public func serve(
        _ name: FunctionName, options: ServeOptions = .init(), onReady: @escaping @Sendable () -> Void = {},
        handler: @escaping FunctionHandler.Handler
    ) async throws(BusError) {
        try await self.serve([FunctionHandler(name, options: options, handler: handler)], onReady: onReady)
    }

    /// Serves several functions until the task is cancelled or an operator drains them all.
    ///
    /// Draining loses no call: presence says `draining`, no more requests are subscribed to, what has arrived is
    /// finished, then presence goes.
    ///
    /// - Parameter onReady: called once, when every function is registered.
    /// - Throws: `BusError` when a function cannot be registered: `notAuthorized`, `invalidArgument` where this
    ///   connection serves it already, `localTimeout` after 10 s.
    public func serve(
        _ functions: [FunctionHandler], onReady: @escaping @Sendable () -> Void = {}
    ) async throws(BusError) {
        let group = ServingGroup(functions.map(\.name.contract))
        let services = functions.map { Service($0, group) }
        let deadline = ContinuousClock.now + .seconds(10)
        try await self.waitForConnection(until: deadline)
        try self.enter(services)
        do throws(BusError) {
            try await self.begin(services, until: deadline)
        } catch {
            self.leave(services)
            throw error
        }
        onReady()
        await group.untilDrained()
        // The end of this task must not cut short what it has begun.
        await Task { await self.drain(services) }.value
    }

    private func enter(_ services: [Service]) throws(BusError) {
        let known = self.state.withLock { state -> Service? in
            if let known = services.first(where: { state.services[$0.name] != nil }) { return known }
            for service in services {
                state.services[service.name] = service
                if state.servesPlainly { state.joining.insert(service.name) }
            }
            return nil
        }
        if let known { throw BusError(.invalidArgument, "this connection serves \(known.name) already") }
    }

    private func begin(_ services: [Service], until deadline: ContinuousClock.Instant) async throws(BusError) {
        let wasPlain = self.state.withLock { $0.servesPlainly }
        do throws(BusError) {
            try await self.register(services, until: deadline)
        } catch {
            // The broker has told only now that it has no shared subscriptions, perhaps by ending the connection.
            guard !wasPlain, self.state.withLock({ $0.servesPlainly }) else { throw error }
            try await self.waitForConnection(until: deadline)
            try await self.register(services, until: deadline)
        }
    }

    func register(_ services: [Service], until deadline: ContinuousClock.Instant) async throws(BusError) {
        let isPlain = self.state.withLock { $0.servesPlainly }
        if isPlain { try await self.seeOthers(until: deadline) }
        for service in services {
            for filter in self.filters(of: service.name) { try await self.open(filter, qos: 1, until: deadline) }
        }
        for filter in self.controlFilters(of: services) {
            do throws(BusError) {
                try await self.open(filter, qos: 0, until: deadline)
            } catch {
                // Without the right to it, operators cannot reach this instance, and callers can.
                guard error.code == .notAuthorized else { throw error }
            }
        }
        if isPlain { self.state.withLock { state in state.joining.subtract(services.map(\.name)) } }
        for message in self.announcements(of: services) {
            do throws(BusError) {
                _ = try await self.publishAndWait(message, until: deadline)
            } catch {
                // Whoever may not announce can still serve, where the broker chooses whom a call goes to.
                guard error.code == .notAuthorized, !isPlain else { throw error }
            }
        }
        if isPlain { try await self.takeSeats(services, until: deadline) }
    }

    private func open(_ filter: String, qos: Int, until deadline: ContinuousClock.Instant) async throws(BusError) {
        try await self.subscribe(filter, qos: qos, until: deadline)
        _ = self.state.withLock { $0.servedFilters.insert(filter) }
    }

    /// Where requests and cancellations of a function arrive. On a broker that does not know calls, the instances take
    /// one-way invocations themselves.
    private func filters(of name: BusContract.FunctionName) -> [String] {
        [CallFilter.cancellations(of: name)] + self.requestFilters(of: name)
    }

    private func requestFilters(of name: BusContract.FunctionName) -> [String] {
        let (isFcbus, isPlain) = self.state.withLock { ($0.isFcbus, $0.servesPlainly) }
        let requests = CallFilter.requests(of: name, isShared: !isPlain)
        return isFcbus ? [requests] : [requests, CallFilter.invocations(of: name, isShared: !isPlain)]
    }

    private func controlFilters(of services: [Service]) -> [String] {
        let instance = ClientName.encode(self.clientIdentifier)
        let filters = services.flatMap { CallFilter.controls(of: instance, service: $0.name.service) }
        return Array(Set(filters)).sorted()
    }

    /// After a reconnect: everything that `serve` did, without waiting.
    func register(_ services: [Service]) {
        guard !services.isEmpty else { return }
        let (isPlain, generation) = self.state.withLock { ($0.servesPlainly, $0.generation) }
        guard !isPlain else {
            Task { await self.registerAgain(services, generation) }
            return
        }
        let filters = services.flatMap { self.filters(of: $0.name) } + self.controlFilters(of: services)
        // A failure here is the next loss of the connection, and the next attempt.
        for filter in filters { _ = try? self.transport.subscribe(filter, qos: 1) }
        self.state.withLock { $0.servedFilters.formUnion(filters) }
        for message in self.announcements(of: services) { _ = try? self.transport.publish(message) }
    }

    /// Says once more what was said already.
    func announce(_ services: [Service]) {
        let joining = self.state.withLock { $0.joining }
        let announced = services.filter { !joining.contains($0.name) }
        guard !announced.isEmpty else { return }
        // Without a connection it is said with the next one.
        for message in self.announcements(of: announced) { _ = try? self.transport.publish(message) }
    }

    // MARK: Ending

    private func drain(_ services: [Service]) async {
        self.state.withLock { state in
            for service in services { state.leaving.insert(service.name) }
        }
        let unsubscribeBy = ContinuousClock.now + .seconds(2)
        // Without a connection nothing arrives either.
        _ = try? await self.publishAndWait(self.presence(), until: unsubscribeBy)
        await self.giveUpSeats(services, until: unsubscribeBy)
        for filter in services.flatMap({ self.requestFilters(of: $0.name) }) {
            guard self.state.withLock({ $0.servedFilters.remove(filter) }) != nil else { continue }
            _ = try? await self.unsubscribe(filter, until: unsubscribeBy)
        }
        // Everything that was sent here has arrived now.
        for service in services { service.drain() }
        // On a bus that was closed nobody can be answered any more.
        let isClosed = self.state.withLock { $0.link == .closed }
        await withTaskGroup { group in
            for service in services {
                let timeout = isClosed ? .zero : service.function.options.drainTimeout
                group.addTask { await service.waitUntilIdle(atMost: timeout) }
            }
        }
        for service in services { self.abandonCalls(of: service) }
        self.leave(services)
    }

    private func leave(_ services: [Service]) {
        let others = self.state.withLock { state in
            for service in services {
                state.services[service.name] = nil
                state.leaving.remove(service.name)
                state.joining.remove(service.name)
            }
            // Who serves nothing does not look on.
            if state.services.isEmpty { state.view.forget() }
            return Array(state.services.values)
        }
        let kept = Set(self.controlFilters(of: others))
        let filters =
            services.flatMap { self.filters(of: $0.name) }
            + self.controlFilters(of: services).filter { !kept.contains($0) }
        let open = self.state.withLock { state in filters.filter { state.servedFilters.remove($0) != nil } }
        // Without a connection there is nothing to take back.
        for filter in open { _ = try? self.transport.unsubscribe(filter) }
        _ = try? self.transport.publish(self.presence())
    }

    // MARK: Announcements

    /// fcbus reads in the catalog how much an instance takes. Where callers read it, one who knew of no other instance
    /// would take the function for one that has none until presence follows.
    private func announcements(of services: [Service]) -> [ApplicationMessage] {
        let catalog = services.map(self.catalogEntry)
        return self.isConnectedToFcbus ? catalog + [self.presence()] : [self.presence()] + catalog
    }

    /// The catalog entry stays when the instance goes: the function is known then, and has no instance.
    private func catalogEntry(of service: Service) -> ApplicationMessage {
        Self.retained(CallTopic.catalog(service.name).string, service.function.options.descriptor.text)
    }

    /// What this instance is now; empty when it serves nothing.
    func presence() -> ApplicationMessage {
        let topic = Self.presenceTopic(of: self.clientIdentifier)
        guard let descriptor = self.instanceDescriptor() else { return Self.retained(topic, "") }
        return Self.retained(topic, descriptor.text)
    }

    /// As long as some function takes calls, the instance is online with those; then it is draining.
    func instanceDescriptor() -> InstanceDescriptor? {
        let (all, leaving) = self.state.withLock { state in
            (state.services.values.filter { !state.joining.contains($0.name) }, state.leaving)
        }
        guard !all.isEmpty else { return nil }
        let online = all.filter { !leaving.contains($0.name) }
        var descriptor = InstanceDescriptor()
        descriptor.status = online.isEmpty ? .draining : .online
        let services = online.isEmpty ? all : online
        descriptor.functions = services.map(\.name.description).sorted()
        descriptor.capacity = services.reduce(0) { $0 + $1.function.options.concurrency }
        descriptor.host = Machine.hostName
        descriptor.processIdentifier = Machine.processIdentifier
        descriptor.startedSeconds = Machine.startedSeconds
        descriptor.language = "swift"
        descriptor.sdk = "FunctionBus"
        return descriptor
    }

    private static func retained(_ topic: String, _ text: String) -> ApplicationMessage {
        ApplicationMessage(topic: topic, payload: Array(text.utf8), qos: 1, isRetained: true)
    }
}

extension ServeOptions {
    /// What the catalog tells callers.
    var descriptor: FunctionDescriptor {
        var descriptor = FunctionDescriptor()
        descriptor.version = self.version
        descriptor.description = self.description
        descriptor.timeoutMilliseconds = UInt64(clamping: self.timeout.milliseconds)
        descriptor.isIdempotent = self.isIdempotent
        descriptor.concurrency = self.concurrency
        // Without a word a broker that queues for all instances takes as many as they can soon work off.
        if self.queueLimit != ServeOptions().queueLimit { descriptor.queueMax = self.queueLimit }
        descriptor.activation = self.isOnDemand ? .onDemand : .always
        descriptor.contentTypes = self.contentTypes
        descriptor.requestBytesMax = self.requestBytesMax
        return descriptor
    }
}
