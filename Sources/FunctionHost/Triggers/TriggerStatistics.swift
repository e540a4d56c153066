package import BusContract
import Synchronization

/// What has become of the messages that came for each trigger, for operators.
package final class TriggerStatistics: Sendable {
    struct Counts: Sendable, Equatable {
        /// Handed to the bus as async calls, or being handed over.
        var taken = 0
        /// Given up, since more came than could wait.
        var shed = 0
        /// Not taken by the bus, however often they were offered.
        var refused = 0
        var waiting = 0
    }

    private struct Entry {
        let function: FunctionAddress
        let filter: String
        /// `nil` once the trigger is gone; then `last` holds.
        var feed: TriggerFeed?
        var last = Counts()
    }

    private let entries = Mutex<[Entry]>([])

    package init() {}

    /// A trigger watches; one that has watched before goes on counting.
    func begin(_ function: FunctionAddress, _ filter: String, _ feed: TriggerFeed) {
        self.entries.withLock { entries in
            if let place = entries.firstIndex(where: { $0.function == function && $0.filter == filter }) {
                entries[place].last = Self.counts(of: entries[place])
                entries[place].feed = feed
            } else {
                entries.append(Entry(function: function, filter: filter, feed: feed))
            }
        }
    }

    func counts(_ function: FunctionAddress, _ filter: String) -> Counts? {
        self.entries.withLock { entries in
            entries.first { $0.function == function && $0.filter == filter }.map(Self.counts)
        }
    }

    /// `[{"function": ..., "filter": ..., "taken": ..., "shed": ..., "refused": ..., "waiting": ...}]`
    package var json: JSONText {
        let entries = self.entries.withLock { $0 }.sorted {
            ($0.function.description, $0.filter) < ($1.function.description, $1.filter)
        }
        return .array(
            entries.map { entry in
                let counts = Self.counts(of: entry)
                return .object([
                    ("function", .string(entry.function.description)), ("filter", .string(entry.filter)),
                    ("taken", .integer(counts.taken)), ("shed", .integer(counts.shed)),
                    ("refused", .integer(counts.refused)), ("waiting", .integer(counts.waiting)),
                ])
            })
    }

    private static func counts(of entry: Entry) -> Counts {
        guard let feed = entry.feed?.counts else { return entry.last }
        return Counts(
            taken: entry.last.taken + feed.taken, shed: entry.last.shed + feed.shed,
            refused: entry.last.refused + feed.refused, waiting: feed.waiting)
    }
}
