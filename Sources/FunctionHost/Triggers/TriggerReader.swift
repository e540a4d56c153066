// The whole of Foundation: time zones by name are not in its essentials.
import Foundation
import Yams

/// Reads one element of `triggers` in a function.yaml.
struct TriggerReader {
    let source: ManifestSource

    private static let kinds = ["topic", "schedule", "start"]
    private static let keys = kinds + ["raw", "timezone", "queue", "overflow", "attempts"]

    func trigger(_ node: Node) throws(ManifestError) -> FunctionTrigger {
        guard let mapping = node.mapping else {
            throw self.source.failure(node, "a trigger is `topic:`, `schedule:` or `start: true`")
        }
        try self.source.refuseUnknown(mapping, keys: Self.keys, in: "triggers")
        let kinds = Self.kinds.filter { mapping[$0] != nil }
        guard let kind = kinds.first else {
            throw self.source.failure(node, "a trigger needs `topic:`, `schedule:` or `start: true`")
        }
        guard kinds.count == 1 else {
            throw self.source.failure(
                node, "a trigger is one of `topic:`, `schedule:` and `start:`; write \(kinds.count) of them")
        }
        try self.refuseStray(mapping, in: kind)
        var trigger = FunctionTrigger(try self.triggerSource(mapping, kind))
        if let node = mapping["attempts"] { trigger.attempts = try self.source.integer(node, "attempts", in: 1...100) }
        if let node = mapping["queue"] { trigger.queueMax = try self.source.integer(node, "queue", in: 1...1_000_000) }
        if let node = mapping["overflow"] { trigger.overflow = try self.source.choice(node, "overflow") }
        return trigger
    }

    /// Keys that belong to another kind of trigger.
    private func refuseStray(_ mapping: Node.Mapping, in kind: String) throws(ManifestError) {
        let owners = ["raw": "topic", "queue": "topic", "overflow": "topic", "timezone": "schedule"]
        for (key, _) in mapping {
            guard let name = key.scalar?.string, let owner = owners[name], owner != kind else { continue }
            throw self.source.failure(key, "\(name) belongs to a \(owner) trigger")
        }
    }

    private func triggerSource(
        _ mapping: Node.Mapping, _ kind: String
    ) throws(ManifestError) -> FunctionTrigger.Source {
        let node = try self.source.required(mapping, kind)
        switch kind {
        case "topic":
            let filter = try self.source.text(node, "topic")
            if let problem = TriggerFilter.problem(with: filter) { throw self.source.failure(node, problem) }
            let raw = try mapping["raw"].map { node throws(ManifestError) in try self.source.flag(node, "raw") }
            return .topic(filter: filter, raw: raw ?? false)
        case "schedule":
            return .schedule(try self.schedule(node), zone: try self.zone(mapping))
        default:
            guard try self.source.flag(node, "start") else {
                throw self.source.failure(node, "start is true, or left out")
            }
            return .start
        }
    }

    private func schedule(_ node: Node) throws(ManifestError) -> CronSchedule {
        let text = try self.source.text(node, "schedule")
        do {
            return try CronSchedule(text)
        } catch {
            throw self.source.failure(node, "schedule \"\(text)\": \(error.message)")
        }
    }

    private func zone(_ mapping: Node.Mapping) throws(ManifestError) -> String? {
        guard let node = mapping["timezone"] else { return nil }
        let name = try self.source.text(node, "timezone")
        guard TimeZone(identifier: name) != nil else {
            throw self.source.failure(
                node, "timezone \"\(name)\" is not known here; write a name such as Europe/Berlin or UTC")
        }
        return name
    }
}
