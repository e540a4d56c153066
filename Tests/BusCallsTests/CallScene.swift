import BusContract
import BusTopics

@testable import BusCalls

/// A message that is nothing but its text.
final class Note: CallMessage {
    let text: String

    init(_ text: String) { self.text = text }

    func keep() {}
}

/// An answer that is nothing but its length.
struct Echo: CallAnswer {
    var keptByteCount = 10

    func keep(in target: UnsafeMutableRawBufferPointer) {
        for index in target.indices { target[index] = UInt8(truncatingIfNeeded: index &* 7) }
    }

    /// What is kept of one, or of none.
    static func words(_ bytes: [UInt8]) -> String {
        let isWhole = bytes.indices.allSatisfy { bytes[$0] == UInt8(truncatingIfNeeded: $0 &* 7) }
        return isWhole ? "answer" : "damaged answer"
    }
}

/// A call table, a clock and short words for what goes in and comes out.
final class CallScene {
    static let millisecond: UInt64 = 1_000_000

    var table: CallTable
    var now: UInt64 = 5_000 * CallScene.millisecond
    var effects: [CallTable.Effect] = []

    init(_ change: (inout CallLimits) -> Void = { _ in }) {
        var limits = CallLimits()
        change(&limits)
        self.table = CallTable(limits: limits)
    }

    // MARK: Inputs

    func subscribe(
        _ instance: UInt32, to filter: String, capacity: Int = 64, terms: InstanceTerms? = nil
    ) throws {
        self.table.instanceSubscribed(
            ClientHandle(rawValue: instance), filter: try TopicFilter(filter),
            terms: terms ?? InstanceTerms(window: capacity),
            now: self.now, effects: &self.effects)
    }

    func unsubscribe(_ instance: UInt32, from filter: String) throws {
        self.table.instanceUnsubscribed(
            ClientHandle(rawValue: instance), filter: try TopicFilter(filter), now: self.now, effects: &self.effects)
    }

    func serve(_ instance: UInt32, _ function: String = "demo/echo", capacity: Int = 64) throws {
        try self.subscribe(instance, to: "$share/fc/fc/\(function)/req/#", capacity: capacity)
    }

    func catalog(_ function: String = "demo/echo", _ change: (inout FunctionDescriptor) -> Void) throws {
        var descriptor = FunctionDescriptor()
        change(&descriptor)
        self.table.catalogChanged(
            try FunctionName(parsing: function), descriptor, now: self.now, effects: &self.effects)
    }

    func presence(
        _ instance: UInt32, _ status: InstanceDescriptor.Status, capacity: Int? = nil, functions: [String] = [],
        identifier: String = "i"
    ) {
        var descriptor = InstanceDescriptor()
        descriptor.status = status
        descriptor.capacity = capacity
        descriptor.functions = functions
        self.table.presenceChanged(
            ClientHandle(rawValue: instance), identifier, descriptor, now: self.now, effects: &self.effects)
    }

    static func address(_ id: String, caller: UInt32) -> CallAddress {
        CallAddress(replyTopic: "fc/_reply/c\(caller)", correlation: Correlation(Array(id.utf8)))
    }

    @discardableResult
    func call(
        _ id: String, caller: UInt32 = 1, _ function: String = "demo/echo",
        _ change: (inout CallTable.Request) -> Void = { _ in }
    ) throws -> UInt8 {
        var request = CallTable.Request(
            caller: ClientHandle(rawValue: caller), function: try FunctionName(parsing: function),
            address: Self.address(id, caller: caller), digest: 1, message: Note(id))
        request.timeoutNanoseconds = 1_000 * Self.millisecond
        change(&request)
        return self.table.request(request, now: self.now, effects: &self.effects)
    }

    @discardableResult
    func answer(
        _ instance: UInt32, _ id: String, caller: UInt32 = 1, status: CallStatus = .ok, executed: Executed = .yes,
        isInterim: Bool = false, byteCount: Int = 10
    ) -> CallTable.Disposition {
        self.answer(
            instance, at: Self.address(id, caller: caller), caller: caller,
            CallTable.Outcome(status: status, executed: executed, isInterim: isInterim), byteCount: byteCount)
    }

    @discardableResult
    func answer(
        _ instance: UInt32, at address: CallAddress, caller: UInt32? = 1,
        _ outcome: CallTable.Outcome = CallTable.Outcome(), byteCount: Int = 10
    ) -> CallTable.Disposition {
        let answer = AnswerAddress(
            topic: Array(address.replyTopic.utf8), correlation: address.correlation,
            caller: caller.map(ClientHandle.init(rawValue:)),
            callName: address.isTopicForm ? address.name : Correlation())
        return self.table.reply(
            from: ClientHandle(rawValue: instance), to: answer, outcome, Echo(keptByteCount: byteCount),
            now: self.now, effects: &self.effects)
    }

    @discardableResult
    func refuse(_ instance: UInt32, _ id: String, status: CallStatus = .overloaded) -> CallTable.Disposition {
        self.answer(instance, id, status: status, executed: .none)
    }

    func cancel(_ id: String, caller: UInt32 = 1, waits: Bool = false) {
        self.table.cancel(
            by: ClientHandle(rawValue: caller), Self.address(id, caller: caller), waits: waits, now: self.now,
            effects: &self.effects)
    }

    func leave(_ client: UInt32, hasSession: Bool = false) {
        self.table.clientLeft(
            ClientHandle(rawValue: client), hasSession: hasSession, now: self.now, effects: &self.effects)
    }

    func pass(milliseconds: UInt64) {
        self.now += milliseconds * Self.millisecond
        self.table.advance(to: self.now, effects: &self.effects)
    }

    // MARK: Outputs

    /// What was decided since the last look, without events.
    func take() -> [String] {
        defer { self.effects.removeAll() }
        return self.effects.compactMap(Self.words)
    }

    /// The events since the last look; everything else stays.
    func takeEvents() -> [String] {
        var events: [String] = []
        var others: [CallTable.Effect] = []
        for effect in self.effects {
            if case .event(let event, let name, _) = effect {
                events.append("\(event.rawValue) \(name)")
            } else {
                others.append(effect)
            }
        }
        self.effects = others
        return events
    }

    var failures: [Failure] {
        self.effects.compactMap { if case .fail(let failure, _, _) = $0 { failure } else { nil } }
    }

    func snapshot(_ function: String = "demo/echo") -> CallTable.FunctionSnapshot? {
        self.table.snapshot.first { $0.name.description == function }
    }

    private static func words(_ effect: CallTable.Effect) -> String? {
        switch effect {
        case .dispatch(let dispatch):
            let text = (dispatch.message as? Note)?.text ?? "?"
            return "dispatch \(text) to \(dispatch.instance.rawValue)"
                + (dispatch.attempt > 1 ? " attempt \(dispatch.attempt)" : "")
        case .fail(let failure, let address, let isReplay):
            let id = String(decoding: address.correlation.bytes, as: UTF8.self)
            return "fail \(id) \(failure.status)/\(failure.executed)" + (isReplay ? " replay" : "")
        case .replay(let answer, _): return "replay \(Echo.words(answer))"
        case .cancel(let order):
            let id = String(decoding: order.address.correlation.bytes, as: UTF8.self)
            return "cancel \(id) at \(order.instance.rawValue)"
        case .wake(let name): return "wake \(name)"
        case .event: return nil
        }
    }
}

extension CallTable.Disposition {
    /// Who gets the final reply.
    var caller: UInt32? {
        if case .deliver(let answered) = self { answered.caller.rawValue } else { nil }
    }

    var interimCaller: UInt32? {
        if case .deliverInterim(let answered) = self { answered.caller.rawValue } else { nil }
    }
}
