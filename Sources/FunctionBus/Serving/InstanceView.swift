import BusContract

/// The instances on a broker without shared subscriptions, as presence tells of them, and which requests are ours.
///
/// There every instance gets every request, and runs those that `InstanceChoice` gives to it. That is exact as long as
/// all have the same view: so an instance counts, for itself as for the others, from the moment its presence comes out
/// of the broker, between the same two requests. Until `isComplete` nothing is ours.
///
/// A retained presence may be that of an instance which went down with the broker; and a cluster may keep it on the
/// node where it was said. So whoever comes asks all to say their presence once more, and then counts those it heard.
///
/// | event | view |
/// |---|---|
/// | presence, retained | counts until `complete`, unless it is our own |
/// | presence, live | counts |
/// | draining, offline, empty | does not count |
/// | `complete` | who was not heard does not count |
struct InstanceView: Sendable {
    /// Percent-encoded, as all instances here.
    private let own: String
    private var functions: [String: Set<BusContract.FunctionName>] = [:]
    private var seats: [BusContract.FunctionName: Set<String>] = [:]
    /// Known from a retained presence only.
    private var unheard: Set<String> = []
    private(set) var isComplete = false

    init(own: String) {
        self.own = own
    }

    var count: Int { self.functions.count }
    /// Whether some are known that have not spoken.
    var awaitsOthers: Bool { !self.unheard.isEmpty }

    /// A new connection: everything is told again.
    mutating func forget() {
        self = InstanceView(own: self.own)
    }

    mutating func receive(_ message: ApplicationMessage, from instance: String) {
        if message.isRetained {
            guard instance != self.own, self.functions[instance] == nil else { return }
            self.unheard.insert(instance)
        } else {
            self.unheard.remove(instance)
        }
        // What is no descriptor is no instance.
        let descriptor = try? InstanceDescriptor(parsing: String(decoding: message.payload, as: UTF8.self))
        guard let descriptor, descriptor.status == .online else { return self.remove(instance) }
        self.remove(instance, isHeard: !message.isRetained)
        let names = Set(descriptor.functions.compactMap { try? BusContract.FunctionName(parsing: $0) })
        self.functions[instance] = names
        for name in names { self.seats[name, default: []].insert(instance) }
    }

    /// Everybody has had the time to speak.
    mutating func complete() {
        for instance in self.unheard { self.remove(instance) }
        self.isComplete = true
    }

    /// Whether we count as an instance of a function.
    func hasSeat(_ name: BusContract.FunctionName) -> Bool {
        self.isComplete && self.seats[name]?.contains(self.own) == true
    }

    /// Whether a request is ours to run.
    func isOurs(_ message: ApplicationMessage, _ levels: ReplyLevels?, of name: BusContract.FunctionName) -> Bool {
        guard self.hasSeat(name), let seats = self.seats[name] else { return false }
        return seats.count == 1 || InstanceChoice(message, levels).owner(among: seats) == self.own
    }

    private mutating func remove(_ instance: String, isHeard: Bool = true) {
        if isHeard { self.unheard.remove(instance) }
        for name in self.functions.removeValue(forKey: instance) ?? [] {
            self.seats[name]?.remove(instance)
            if self.seats[name]?.isEmpty == true { self.seats[name] = nil }
        }
    }
}
