import BusContract

/// What catalog and presence tell of functions, on a broker that does not know calls: there the caller itself has to
/// find out that nobody would answer.
///
/// Until `isComplete` no conclusion is drawn from what is missing.
struct KnownFunctions: Sendable {
    enum Standing: Equatable, Sendable {
        /// An instance is online.
        case served
        /// The catalog has it, and no instance is online.
        case noInstance
        /// Nobody has announced it: it may be served by hand, by a client that announces nothing.
        case unannounced
    }

    enum Change: Equatable, Sendable {
        /// The instance serves these functions now.
        case online(functions: Set<String>)
        /// The instance, by its percent-encoded identifier, takes no more calls of these functions, all that it was known
        /// to serve; `isLost` if it is not there any more, nor the calls that it had.
        case left(instance: String, functions: Set<String>, isLost: Bool)
    }

    private var catalog: Set<String> = []
    /// The functions of those that take calls, by instance.
    private var instances: [String: Set<String>] = [:]
    /// The functions of those that drain, which may have calls.
    private var draining: [String: Set<String>] = [:]
    /// Every retained message that there was has come.
    var isComplete = false

    /// A new connection: everything is told again, and nothing of what was known may have stayed.
    mutating func forget() {
        self = KnownFunctions()
    }

    mutating func receive(_ message: ApplicationMessage) -> Change? {
        let text = String(decoding: message.payload, as: UTF8.self)
        switch CallTopic(message.topic) {
        case .catalog(let name):
            if text.isEmpty {
                self.catalog.remove(name.description)
            } else {
                self.catalog.insert(name.description)
            }
            return nil
        case .instance(let identifier):
            // What is no descriptor is no instance.
            let descriptor = try? InstanceDescriptor(parsing: text)
            guard let descriptor, descriptor.status == .online else {
                var functions = self.instances.removeValue(forKey: identifier) ?? []
                functions.formUnion(self.draining.removeValue(forKey: identifier) ?? [])
                let isDraining = descriptor?.status == .draining
                if isDraining, !functions.isEmpty { self.draining[identifier] = functions }
                return .left(instance: identifier, functions: functions, isLost: !isDraining)
            }
            let functions = Set(descriptor.functions)
            // It has come back, or some of its functions drain while it serves others.
            self.draining[identifier] = nil
            self.instances[identifier] = functions
            return .online(functions: functions)
        default: return nil
        }
    }

    func standing(of function: String) -> Standing {
        if self.instances.values.contains(where: { $0.contains(function) }) { return .served }
        return self.catalog.contains(function) ? .noInstance : .unannounced
    }
}
