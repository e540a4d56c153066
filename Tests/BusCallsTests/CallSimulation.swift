import BusContract
import BusTopics

@testable import BusCalls

/// Callers and instances that do everything they can do to a call table, from a seed, and a model that knows what it may
/// answer.
struct CallSimulation {
    /// A call as its caller sees it.
    struct Record {
        var id: String
        var caller: UInt32
        var function: Int
        var address: CallAddress
        var deadline: UInt64
        var key: String?
        var digest: UInt64
        var order: Int
        var wasDispatched = false
        /// Its instance died: it may have run.
        var wasLost = false
        var runningAt: UInt32?
    }

    /// An instance as the outside knows it.
    struct Server {
        var functions: Set<Int>
        var servesAll: Bool
        var capacity: Int
        var isDraining = false
        var running: Set<String> = []
        /// Calls that it had, for late and double answers.
        var former: [CallAddress] = []
    }

    static let functionCount = 10
    static let callers: ClosedRange<UInt32> = 1...150
    static let servers: ClosedRange<UInt32> = 140...220

    var random: SeededGenerator
    var table: CallTable
    var now: UInt64 = 7_000_000_000
    var effects: [CallTable.Effect] = []
    let names: [FunctionName]

    var open: [String: Record] = [:]
    var openAtAddress: [CallAddress: String] = [:]
    var servers: [UInt32: Server] = [:]
    var recent: [Record] = []
    var admitted = 0
    var ended = 0
    var replays = 0
    /// What went wrong first.
    var problem: String?

    init(seed: UInt64) throws {
        self.random = SeededGenerator(seed: seed)
        var limits = CallLimits()
        limits.callsPerCallerMax = 12
        limits.callsPerFunctionMax = 120
        limits.queueMin = 20
        limits.replayBytesPerClientMax = 6_000
        limits.functionsKnownMax = 9
        self.table = CallTable(limits: limits)
        self.names = try (0..<Self.functionCount).map { try FunctionName(parsing: "sim/f\($0)") }
        for (index, name) in self.names.prefix(5).enumerated() {
            var descriptor = FunctionDescriptor()
            descriptor.isIdempotent = index % 2 == 0
            descriptor.queueMax = index == 1 ? 3 : nil
            descriptor.activation = index < 2 ? .onDemand : .always
            self.table.catalogChanged(name, descriptor, now: self.now)
        }
    }

    mutating func fail(_ words: String) {
        if self.problem == nil { self.problem = words }
    }

    mutating func step() throws {
        switch self.random.number(below: 100) {
        case 0..<40: self.call()
        case 40..<66: self.answer()
        case 66..<70: self.cancel()
        case 70..<76: try self.serverComes()
        case 76..<78: try self.serverUnsubscribes()
        case 78..<81: self.clientLeaves()
        case 81..<86: self.presence()
        default: self.timePasses()
        }
        self.settle()
        if let contradiction = self.table.firstContradiction(now: self.now) { self.fail(contradiction) }
    }

    /// Everyone goes home; nothing may be left.
    mutating func finish() {
        for client in self.servers.keys.sorted() {
            self.drop(client)
            self.table.clientLeft(
                ClientHandle(rawValue: client), hasSession: true, now: self.now, effects: &self.effects)
            self.settle()
        }
        for _ in 0..<4 {
            self.now += 40_000_000_000
            self.table.advance(to: self.now, effects: &self.effects)
            self.settle()
        }
        if !self.open.isEmpty { self.fail("\(self.open.count) calls never ended") }
        if self.admitted != self.ended { self.fail("\(self.admitted) calls were admitted and \(self.ended) ended") }
        if let remnant = self.table.firstRemnant() { self.fail(remnant) }
    }

    // MARK: What clients do

    private mutating func call() {
        if self.random.chance(8), let known = self.pick(self.recent) { return self.send(known, isNew: false) }
        let caller = UInt32(self.random.number(below: Self.callers.count)) + Self.callers.lowerBound
        let id = "m\(self.admitted).\(self.random.next())"
        let form = self.random.number(below: 10)
        let correlation = form < 8 ? Correlation(Array(id.utf8)) : Correlation()
        let topic = form < 8 ? "fc/_reply/c\(caller)" : "fc/_reply/c\(caller)/\(id)"
        let record = Record(
            id: id, caller: caller, function: self.random.number(below: Self.functionCount),
            address: CallAddress(replyTopic: topic, correlation: correlation, isTopicForm: form == 8), deadline: 0,
            key: self.random.chance(30) ? "k\(self.random.number(below: 4))" : nil, digest: self.random.next(),
            order: self.admitted)
        if form < 9 { self.recent.append(record) }
        if self.recent.count > 200 { self.recent.removeFirst(100) }
        self.send(record, isNew: true)
    }

    private mutating func send(_ record: Record, isNew: Bool) {
        var record = record
        if !isNew, self.random.chance(10) { record.digest &+= 1 }
        if !isNew {
            // The same request again, perhaps after its end: as a call it is another one.
            record.id += "+"
            record.order = self.admitted
            record.wasDispatched = false
            record.wasLost = false
        }
        var request = CallTable.Request(
            caller: ClientHandle(rawValue: record.caller), function: self.names[record.function],
            address: record.address, digest: record.digest, message: Note(record.id),
            isRemembered: !self.random.chance(10))
        let timeout = UInt64(1 + self.random.number(below: self.random.chance(20) ? 30_000 : 400)) * 1_000_000
        request.timeoutNanoseconds = timeout
        request.waitNanoseconds = self.random.chance(50) ? UInt64(self.random.number(below: 500)) * 1_000_000 : 0
        request.isIdempotent = self.random.chance(50) ? nil : self.random.chance(50)
        request.acceptsProgress = self.random.chance(50)
        request.key = record.key
        record.deadline = self.now + timeout
        let before = self.effects.count
        let isJoined = record.address.identifiesCall && self.openAtAddress[record.address] != nil
        let code = self.table.request(request, now: self.now, effects: &self.effects)
        if ![0x00, 0x10, 0x97].contains(code) { self.fail("a request is acknowledged with \(code)") }
        let isRepeated = self.effects[before...].contains { effect in
            switch effect {
            case .replay: true
            case .fail(let failure, _, let isReplay): isReplay || failure.status == .duplicateMismatch
            default: false
            }
        }
        if isRepeated { self.replays += 1 }
        guard !isJoined, !isRepeated else { return }
        self.admitted += 1
        self.open[record.id] = record
        self.openAtAddress[record.address] = record.id
    }

    private mutating func answer() {
        guard let client = self.pick(self.servers.keys.sorted()), let server = self.servers[client] else { return }
        var outcome = CallTable.Outcome(byteCount: self.random.number(below: 3_000))
        if self.random.chance(15) || server.running.isEmpty {
            // Late, twice, or about a call that another instance has.
            let elsewhere = self.open.values.filter { $0.runningAt != client }.map(\.address)
                .sorted { $0.replyTopic < $1.replyTopic }
            let address = self.random.chance(50) ? self.pick(server.former) : self.pick(elsewhere)
            guard let address, self.openAtAddress[address].flatMap({ self.open[$0]?.runningAt }) != client else {
                return
            }
            let disposition = self.reply(client, address, outcome)
            if disposition != .late, disposition != .noCall { self.fail("\(client) answered a call that it has not") }
            return
        }
        guard let id = self.pick(server.running.sorted()), let record = self.open[id] else {
            return self.fail("\(client) runs a call that is not open")
        }
        if self.random.chance(15) {
            outcome.isInterim = true
            _ = self.reply(client, record.address, outcome)
            return
        }
        if self.random.chance(20) {
            outcome.status = self.random.chance(50) ? .overloaded : .unavailable
            outcome.executed = .none
        }
        self.servers[client]?.running.remove(id)
        self.servers[client]?.former.append(record.address)
        self.open[id]?.runningAt = nil
        switch self.reply(client, record.address, outcome) {
        case .deliver(let caller):
            if caller.rawValue != record.caller { self.fail("\(id) was delivered to another caller") }
            if outcome.executed == .none, record.wasLost { self.fail("\(id) may have run and is refused") }
            // It ended before what the table did next.
            self.conclude(id)
        case .swallowed where outcome.executed == .none: break
        case let other: self.fail("the answer of \(id) is \(other)")
        }
    }

    private mutating func reply(
        _ client: UInt32, _ address: CallAddress, _ outcome: CallTable.Outcome
    ) -> CallTable.Disposition {
        self.table.reply(
            from: ClientHandle(rawValue: client), to: address, outcome, message: Note("answer"), now: self.now,
            effects: &self.effects)
    }

    private mutating func cancel() {
        guard let id = self.pick(self.open.keys.sorted()), let record = self.open[id] else { return }
        self.table.cancel(
            by: ClientHandle(rawValue: self.random.chance(90) ? record.caller : record.caller + 1), record.address,
            waits: self.random.chance(20), now: self.now, effects: &self.effects)
    }

    // MARK: Who comes and goes

    private mutating func serverComes() throws {
        let client = UInt32(self.random.number(below: Self.servers.count)) + Self.servers.lowerBound
        let isMany = self.random.chance(8)
        let function = self.random.number(below: Self.functionCount)
        let capacity = 1 + self.random.number(below: 6)
        if self.servers[client] == nil {
            if self.servers.count >= 25 { return }
            self.servers[client] = Server(functions: [], servesAll: false, capacity: capacity)
        }
        if isMany { self.servers[client]?.servesAll = true } else { self.servers[client]?.functions.insert(function) }
        let filter = isMany ? "$share/g/fc/sim/+/req/#" : "$share/fc/fc/\(self.names[function])/req/#"
        self.table.instanceSubscribed(
            ClientHandle(rawValue: client), filter: try TopicFilter(filter), capacity: capacity, now: self.now,
            effects: &self.effects)
    }

    private mutating func serverUnsubscribes() throws {
        guard let client = self.pick(self.servers.keys.sorted()), let server = self.servers[client] else { return }
        var filter = "$share/g/fc/sim/+/req/#"
        if server.servesAll, self.random.chance(50) {
            self.servers[client]?.servesAll = false
        } else if let function = self.pick(server.functions.sorted()) {
            self.servers[client]?.functions.remove(function)
            filter = "$share/fc/fc/\(self.names[function])/req/#"
        } else {
            self.servers[client]?.servesAll = false
        }
        self.table.instanceUnsubscribed(
            ClientHandle(rawValue: client), filter: try TopicFilter(filter), now: self.now, effects: &self.effects)
        // An instance that serves nothing and has no calls is a stranger, who may come again as another one.
        if let left = self.servers[client], left.functions.isEmpty, !left.servesAll { self.clientLeaves(client) }
    }

    private mutating func clientLeaves() {
        if self.random.chance(60), let client = self.pick(self.servers.keys.sorted()) {
            self.clientLeaves(client)
        } else {
            self.clientLeaves(UInt32(self.random.number(below: Self.callers.count)) + Self.callers.lowerBound)
        }
    }

    private mutating func clientLeaves(_ client: UInt32) {
        self.drop(client)
        self.table.clientLeft(
            ClientHandle(rawValue: client), hasSession: self.random.chance(50), now: self.now, effects: &self.effects)
    }

    private mutating func drop(_ client: UInt32) {
        guard let server = self.servers.removeValue(forKey: client) else { return }
        for id in server.running {
            self.open[id]?.runningAt = nil
            self.open[id]?.wasLost = true
        }
    }

    private mutating func presence() {
        guard let client = self.pick(self.servers.keys.sorted()) else { return }
        var descriptor = InstanceDescriptor()
        descriptor.status = self.random.chance(30) ? .draining : .online
        descriptor.capacity = self.random.chance(50) ? self.random.number(below: 9) : nil
        self.servers[client]?.isDraining = descriptor.status == .draining
        if let capacity = descriptor.capacity { self.servers[client]?.capacity = max(1, capacity) }
        self.table.presenceChanged(
            ClientHandle(rawValue: client), descriptor, now: self.now, effects: &self.effects)
    }

    private mutating func timePasses() {
        self.now += UInt64(self.random.number(below: self.random.chance(3) ? 70_000 : 30)) * 1_000_000
        self.now += UInt64(self.random.number(below: 1_000_000))
        self.table.advance(to: self.now, effects: &self.effects)
        if let late = self.table.calls.first(where: {
            $0.state != .done && $0.request.deadline + DeadlineWheel.tick <= self.now
        }) {
            self.fail("a call to \(late.request.function) is open after its deadline")
        }
    }

    private mutating func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[self.random.number(below: elements.count)]
    }
}

// MARK: What the table decides

extension CallSimulation {
    /// Judges what the table decided, in its order.
    private mutating func settle() {
        for effect in self.effects {
            switch effect {
            case .dispatch(let message, let instance, let remaining, let attempt, _):
                self.dispatched((message as? Note)?.text ?? "", instance.rawValue, remaining, attempt)
            case .fail(let failure, let address, let isReplay):
                if isReplay || failure.status == .duplicateMismatch { continue }
                guard let id = self.openAtAddress[address] else {
                    self.fail("\(failure.status) for a call that is not open")
                    continue
                }
                if failure.executed == .none, let record = self.open[id], record.runningAt != nil || record.wasLost {
                    self.fail("\(id) may have run and ends with \(failure.status)/none")
                }
                self.conclude(id)
            case .cancel(_, let address, let instance):
                let id = self.openAtAddress[address] ?? ""
                let isThere = self.open[id]?.runningAt == instance.rawValue
                if !isThere { self.fail("a cancel for \(id) to instance \(instance.rawValue), which has it not") }
            case .replay, .wake, .event: break
            }
        }
        self.effects.removeAll(keepingCapacity: true)
    }

    private mutating func dispatched(_ id: String, _ client: UInt32, _ remaining: UInt64, _ attempt: Int) {
        guard let record = self.open[id] else { return self.fail("\(id) is dispatched and not open") }
        guard let server = self.servers[client] else { return self.fail("\(id) goes to \(client), which is gone") }
        if server.isDraining { self.fail("\(id) goes to \(client), which is draining") }
        if !server.servesAll, !server.functions.contains(record.function) {
            self.fail("\(client) does not serve \(id)")
        }
        if server.running.count >= server.capacity { self.fail("\(client) gets more than its capacity") }
        if record.runningAt != nil { self.fail("\(id) runs twice") }
        if remaining == 0 || self.now + remaining != record.deadline { self.fail("\(id) has another deadline") }
        if attempt == 1 ? record.wasDispatched : !record.wasDispatched { self.fail("\(id) counts attempts wrong") }
        if let key = record.key, !record.wasDispatched {
            let isOvertaking = self.open.values.contains {
                $0.key == key && $0.function == record.function && $0.order < record.order && !$0.wasDispatched
            }
            if isOvertaking { self.fail("\(id) overtakes a call of its key") }
        }
        self.open[id]?.wasDispatched = true
        self.open[id]?.runningAt = client
        self.servers[client]?.running.insert(id)
    }

    private mutating func conclude(_ id: String) {
        guard let record = self.open.removeValue(forKey: id) else { return self.fail("\(id) ends twice") }
        self.openAtAddress[record.address] = nil
        self.ended += 1
        if let client = record.runningAt {
            self.servers[client]?.running.remove(id)
            self.servers[client]?.former.append(record.address)
        }
    }
}
