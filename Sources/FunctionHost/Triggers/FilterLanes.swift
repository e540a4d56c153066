import Synchronization

/// Keeps subscriptions apart that one connection could not tell from each other.
///
/// A broker sends a copy of a message for each shared subscription that matches, and no copy says for which. On one
/// connection two overlapping filters would set off both functions twice; so only filters that cannot match the same
/// topic share the host's connection, and the rest get connections of their own.
final class FilterLanes: Sendable {
    private let taken = Mutex<[String]>([])

    /// - Returns: Whether the filter may use the shared connection; then it has to be released.
    func claim(_ filter: String) -> Bool {
        // Requests and replies of the call protocol arrive on the shared connection as well.
        if TriggerFilter.overlap(filter, "\(CallProperty.topicPrefix)#") { return false }
        return self.taken.withLock { taken in
            guard !taken.contains(where: { TriggerFilter.overlap($0, filter) }) else { return false }
            taken.append(filter)
            return true
        }
    }

    func release(_ filter: String) {
        self.taken.withLock { taken in
            if let index = taken.firstIndex(of: filter) { taken.remove(at: index) }
        }
    }
}
