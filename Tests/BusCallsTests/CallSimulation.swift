import BusContract
import BusTopics

@testable import BusCalls

/// Callers and instances that do everything they can do to a call table, from a seed, and a model that knows what it may
/// answer.
final class CallSimulation {
    /// A call as its caller sees it.
    struct Record {
        var id: String
        var caller: UInt32
        var function: Int
        var address: CallAddress
        var deadline: UInt64
        var key: String?
        var packetBytes: Int
        var digest: UInt64
        var order: Int
        var wasDispatched = false
        /// Its instance died: it may have run.
        var wasLost = false
        var runningAt: UInt32?
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
    /// Reply topics of calls whose instances know them by other ones.
    var aliases: [String: String] = [:]
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
            descriptor.concurrency = index == 3 ? 2 : nil
            self.table.catalogChanged(name, descriptor, now: self.now, effects: &self.effects)
        }
    }

    func fail(_ words: String) {
        if self.problem == nil { self.problem = words }
    }

    func step() throws {
        switch self.random.number(below: 100) {
        case 0..<40: self.call()
        case 40..<66: self.answer()
        case 66..<70: self.cancel()
        case 70..<76: try self.serverComes()
        case 76..<78: try self.serverUnsubscribes()
        case 78..<81: self.clientLeaves()
        case 81..<86: self.presence()
        case 86: self.drain()
        default: self.timePasses()
        }
        self.settle()
        if let contradiction = self.table.firstContradiction(now: self.now) { self.fail(contradiction) }
    }

    /// Everyone goes home; nothing may be left.
    func finish() {
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

    private func call() {
        if self.random.chance(8), let known = self.pick(self.recent) { return self.send(known, isNew: false) }
        let caller = UInt32(self.random.number(below: Self.callers.count)) + Self.callers.lowerBound
        let id = "m\(self.admitted).\(self.random.next())"
        let form = self.random.number(below: 10)
        let correlation = form < 8 ? Correlation(Array(id.utf8)) : Correlation()
        let topic = form < 8 ? "fc/_reply/c\(caller)" : "fc/_reply/c\(caller)/\(id)"
        let record = Record(
            id: id, caller: caller, function: self.random.number(below: Self.functionCount),
            address: CallAddress(replyTopic: topic, correlation: correlation, isTopicForm: form == 8), deadline: 0,
            key: self.random.chance(30) ? "k\(self.random.number(below: 4))" : nil,
            packetBytes: self.random.number(below: 1_000), digest: self.random.next(), order: self.admitted)
        if form < 9 { self.recent.append(record) }
        if self.recent.count > 200 { self.recent.removeFirst(100) }
        self.send(record, isNew: true)
    }

    private func send(_ record: Record, isNew: Bool) {
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
        request.packetBytes = record.packetBytes
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

    private func answer() {
        guard let client = self.pick(self.servers.keys.sorted()), let server = self.servers[client] else { return }
        var outcome = CallTable.Outcome()
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
        let disposition = self.reply(client, record.address, outcome)
        self.servers[client]?.running.remove(id)
        self.servers[client]?.former.append(record.address)
        self.open[id]?.runningAt = nil
        self.aliases[id] = nil
        switch disposition {
        case .deliver(let answered):
            if answered.caller.rawValue != record.caller { self.fail("\(id) was delivered to another caller") }
            if outcome.executed == .none, record.wasLost { self.fail("\(id) may have run and is refused") }
            // It ended before what the table did next.
            self.conclude(id)
        case .swallowed where outcome.executed == .none: break
        case let other: self.fail("the answer of \(id) is \(other)")
        }
    }

    private func reply(
        _ client: UInt32, _ address: CallAddress, _ outcome: CallTable.Outcome
    ) -> CallTable.Disposition {
        let echo = Echo(keptByteCount: self.random.number(below: 3_000))
        if let id = self.openAtAddress[address], let alias = self.aliases[id], self.open[id]?.runningAt == client {
            let answer = AnswerAddress(topic: Array(alias.utf8), correlation: Correlation())
            return self.table.reply(
                from: ClientHandle(rawValue: client), to: answer, outcome, echo, now: self.now, effects: &self.effects)
        }
        let answer = AnswerAddress(
            topic: Array(address.replyTopic.utf8), correlation: address.correlation,
            caller: address.replyTopic.dropFirst("fc/_reply/c".count).split(separator: "/").first
                .flatMap { UInt32($0) }.map(ClientHandle.init(rawValue:)),
            callName: address.isTopicForm ? address.name : Correlation())
        return self.table.reply(
            from: ClientHandle(rawValue: client), to: answer, outcome, echo, now: self.now, effects: &self.effects)
    }

    private func cancel() {
        guard let id = self.pick(self.open.keys.sorted()), let record = self.open[id] else { return }
        self.table.cancel(
            by: ClientHandle(rawValue: self.random.chance(90) ? record.caller : record.caller + 1), record.address,
            waits: self.random.chance(20), now: self.now, effects: &self.effects)
    }

    private func timePasses() {
        self.now += UInt64(self.random.number(below: self.random.chance(3) ? 70_000 : 30)) * 1_000_000
        self.now += UInt64(self.random.number(below: 1_000_000))
        self.table.advance(to: self.now, effects: &self.effects)
        if let late = self.table.calls.first(where: {
            $0.state != .done && $0.deadline + DeadlineWheel.tick <= self.now
        }) {
            self.fail("a call to \(self.table.functions[late.function].name) is open after its deadline")
        }
    }

    func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[self.random.number(below: elements.count)]
    }
}

// MARK: What the table decides

extension CallSimulation {
    /// Judges what the table decided, in its order.
    private func settle() {
        for effect in self.effects {
            switch effect {
            case .dispatch(let dispatch): self.dispatched(dispatch)
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
            case .cancel(let order):
                let id = self.openAtAddress[order.address] ?? ""
                let isThere = self.open[id]?.runningAt == order.instance.rawValue
                if !isThere { self.fail("a cancel for \(id) to \(order.instance.rawValue), which has it not") }
            case .replay(let answer, _): if Echo.words(answer) != "answer" { self.fail("an answer is damaged") }
            case .wake, .event: break
            }
        }
        self.effects.removeAll(keepingCapacity: true)
    }

    private func dispatched(_ dispatch: CallTable.Dispatch) {
        let id = (dispatch.message as? Note)?.text ?? ""
        let client = dispatch.instance.rawValue
        let (remaining, attempt) = (dispatch.remainingNanoseconds, dispatch.attempt)
        guard let record = self.open[id] else { return self.fail("\(id) is dispatched and not open") }
        guard let server = self.servers[client] else { return self.fail("\(id) goes to \(client), which is gone") }
        if server.drains(record.function) { self.fail("\(id) goes to \(client), which is draining") }
        if !server.forms(record.function).isSuperset(of: dispatch.forms) || dispatch.forms.isEmpty {
            self.fail("\(client) does not serve \(id), or not so")
        }
        let here = server.running.count { self.open[$0]?.function == record.function }
        let capacity = server.capacity(record.function, concurrency: record.function == 3 ? 2 : nil)
        if here >= capacity { self.fail("\(client) gets more than its capacity") }
        if server.running.count >= server.terms.window { self.fail("\(client) gets more than its window") }
        if record.packetBytes > server.terms.packetBytesMax { self.fail("\(id) is too large for \(client)") }
        let isElsewhere = record.key.map { key in
            self.open.values.contains {
                $0.key == key && $0.function == record.function && $0.runningAt != nil && $0.runningAt != client
            }
        }
        if isElsewhere == true { self.fail("calls of the key of \(id) run at two instances") }
        if record.runningAt != nil { self.fail("\(id) runs twice") }
        if remaining == 0 || self.now + remaining != record.deadline { self.fail("\(id) has another deadline") }
        if attempt == 1 ? record.wasDispatched : !record.wasDispatched { self.fail("\(id) counts attempts wrong") }
        if let key = record.key, !record.wasDispatched {
            let isOvertaking = self.open.values.contains {
                $0.key == key && $0.function == record.function && $0.order < record.order && !$0.wasDispatched
            }
            if isOvertaking { self.fail("\(id) overtakes a call of its key") }
        }
        if !server.terms.hasProperties || self.random.chance(5) {
            let alias = "fc/_reply/alias/\(dispatch.order).\(attempt)"
            self.table.setAlias(alias, of: dispatch.call)
            self.aliases[id] = alias
        } else {
            self.aliases[id] = nil
        }
        self.open[id]?.wasDispatched = true
        self.open[id]?.runningAt = client
        self.servers[client]?.running.insert(id)
    }

    private func conclude(_ id: String) {
        guard let record = self.open.removeValue(forKey: id) else { return self.fail("\(id) ends twice") }
        self.openAtAddress[record.address] = nil
        self.aliases[id] = nil
        self.ended += 1
        if let client = record.runningAt {
            self.servers[client]?.running.remove(id)
            self.servers[client]?.former.append(record.address)
        }
    }
}
