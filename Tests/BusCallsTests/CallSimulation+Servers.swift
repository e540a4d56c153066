import BusContract
import BusTopics

@testable import BusCalls

/// The instances of the simulation: what they serve, how, and how much.
extension CallSimulation {
    /// What an instance has said of itself.
    struct Word {
        var functions: Set<Int>
        var capacity: Int?
        var drains: Bool
    }

    /// An instance as the outside knows it.
    struct Server {
        let terms: InstanceTerms
        /// Functions by how it has subscribed to them: with both forms of requests, or without the levels of the topic.
        var functions: Set<Int> = []
        var plainFunctions: Set<Int> = []
        var servesAll = false
        var words: [String: Word] = [:]
        /// Functions that an operator drains.
        var drained: Set<Int> = []
        var running: Set<String> = []
        /// Calls that it had, for late and double answers.
        var former: [CallAddress] = []

        func forms(_ function: Int) -> CallFilter.RequestForms {
            if self.servesAll || self.functions.contains(function) {
                return self.terms.hasProperties ? [.properties, .topic] : .topic
            }
            return self.plainFunctions.contains(function) && self.terms.hasProperties ? .properties : []
        }

        private func covering(_ function: Int) -> [Word] {
            let naming = self.words.values.filter { $0.functions.contains(function) }
            return naming.isEmpty ? self.words.values.filter(\.functions.isEmpty) : naming
        }

        func drains(_ function: Int) -> Bool {
            if self.drained.contains(function) { return true }
            let words = self.covering(function)
            return !words.isEmpty && words.allSatisfy(\.drains)
        }

        func capacity(_ function: Int, concurrency: Int?) -> Int {
            let words = self.covering(function).filter { !$0.drains }
            let usual = concurrency ?? min(self.terms.window, 64)
            if words.isEmpty { return usual }
            let sum = words.reduce(0) { $0 + ($1.capacity ?? usual) }
            return max(1, min(sum, concurrency.map { $0 * words.count } ?? .max))
        }
    }

    func serverComes() throws {
        let client = UInt32(self.random.number(below: Self.servers.count)) + Self.servers.lowerBound
        let isMany = self.random.chance(8)
        let isPlain = self.random.chance(20)
        let function = self.random.number(below: Self.functionCount)
        if self.servers[client] == nil {
            if self.servers.count >= 25 { return }
            self.servers[client] = Server(
                terms: InstanceTerms(
                    window: 1 + self.random.number(below: 6),
                    packetBytesMax: self.random.chance(20) ? 500 : .max, hasProperties: !self.random.chance(25)))
            // Presence may come before the first subscription.
            if self.random.chance(20) { self.presence(client) }
        }
        guard let server = self.servers[client] else { return }
        let name = self.names[function]
        let filter: String
        if isMany {
            filter = "$share/g/fc/sim/+/req/#"
            self.servers[client]?.servesAll = true
        } else if isPlain {
            filter = "$share/g/fc/\(name)/req"
            self.servers[client]?.plainFunctions.insert(function)
        } else {
            filter = "$share/fc/fc/\(name)/req/#"
            self.servers[client]?.functions.insert(function)
        }
        self.table.instanceSubscribed(
            ClientHandle(rawValue: client), filter: try TopicFilter(filter), terms: server.terms, now: self.now,
            effects: &self.effects)
    }

    func serverUnsubscribes() throws {
        guard let client = self.pick(self.servers.keys.sorted()), let server = self.servers[client] else { return }
        var filter = "$share/g/fc/sim/+/req/#"
        if server.servesAll, self.random.chance(50) {
            self.servers[client]?.servesAll = false
        } else if let function = self.pick(server.functions.sorted()) {
            self.servers[client]?.functions.remove(function)
            filter = "$share/fc/fc/\(self.names[function])/req/#"
        } else if let function = self.pick(server.plainFunctions.sorted()) {
            self.servers[client]?.plainFunctions.remove(function)
            filter = "$share/g/fc/\(self.names[function])/req"
        } else {
            self.servers[client]?.servesAll = false
        }
        self.table.instanceUnsubscribed(
            ClientHandle(rawValue: client), filter: try TopicFilter(filter), now: self.now, effects: &self.effects)
        guard let left = self.servers[client] else { return }
        // Who unsubscribes ends an operator's order with it.
        self.servers[client]?.drained = left.drained.filter { !left.forms($0).isEmpty }
        // An instance that serves nothing and has no calls is a stranger, who may come again as another one.
        if (0..<Self.functionCount).allSatisfy({ left.forms($0).isEmpty }) { self.clientLeaves(client) }
    }

    func clientLeaves() {
        if self.random.chance(60), let client = self.pick(self.servers.keys.sorted()) {
            self.clientLeaves(client)
        } else {
            self.clientLeaves(UInt32(self.random.number(below: Self.callers.count)) + Self.callers.lowerBound)
        }
    }

    private func clientLeaves(_ client: UInt32) {
        self.drop(client)
        self.table.clientLeft(
            ClientHandle(rawValue: client), hasSession: self.random.chance(50), now: self.now, effects: &self.effects)
    }

    func drop(_ client: UInt32) {
        guard let server = self.servers.removeValue(forKey: client) else { return }
        for id in server.running {
            self.open[id]?.runningAt = nil
            self.open[id]?.wasLost = true
            self.aliases[id] = nil
        }
    }

    func presence() {
        guard let client = self.pick(self.servers.keys.sorted()) else { return }
        self.presence(client)
    }

    private func presence(_ client: UInt32) {
        let identifier = "i\(self.random.number(below: 3))"
        if self.random.chance(15) {
            self.servers[client]?.words[identifier] = nil
            self.table.presenceChanged(
                ClientHandle(rawValue: client), identifier, nil, now: self.now, effects: &self.effects)
            return
        }
        let functions = self.random.chance(40) ? [] : Set((0..<3).map { _ in self.random.number(below: 10) })
        var descriptor = InstanceDescriptor()
        descriptor.status = self.random.chance(30) ? .draining : .online
        descriptor.capacity = self.random.chance(50) ? self.random.number(below: 9) : nil
        descriptor.functions = functions.map { self.names[$0].description }
        self.servers[client]?.words[identifier] = Word(
            functions: functions, capacity: descriptor.capacity, drains: descriptor.status == .draining)
        self.table.presenceChanged(
            ClientHandle(rawValue: client), identifier, descriptor, now: self.now, effects: &self.effects)
    }

    func drain() {
        guard let client = self.pick(self.servers.keys.sorted()), self.random.chance(30) else { return }
        for function in 0..<Self.functionCount where self.servers[client]?.forms(function).isEmpty == false {
            // A function that nobody has named yet has nobody to drain.
            let isKnown = self.table.functionOfName[self.names[function]] != nil
            if isKnown { self.servers[client]?.drained.insert(function) }
        }
        _ = self.table.drain(
            service: "sim", client: ClientHandle(rawValue: client), now: self.now, effects: &self.effects)
    }
}
