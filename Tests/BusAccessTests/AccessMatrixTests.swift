import BusAccess
import Testing

/// Random policies, asked about every identity, topic and action, against a model that looks each question up in the
/// text of the rules.
@Suite("Rules against a second model (S05)")
struct AccessMatrixTests {
    @Test("Topics and functions", arguments: UInt64(1)...40)
    func topics(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let model = PlainPolicy.random(using: &generator)
        let policy = try model.policy()
        for identity in PlainPolicy.identities {
            let rights = policy.rights(of: identity)
            let asker = model.asker(identity)
            for (topic, place) in PlainPolicy.topics {
                let publishes = asker.mayPublish(topic, place)
                let receives = asker.mayReceive(topic, place)
                if !rights.allowsEverything {
                    Self.compare(rights.mayPublish(topic), publishes, "publish \(topic)", identity, model)
                    Self.compare(rights.mayReceive(topic), receives, "receive \(topic)", identity, model)
                }
            }
            for function in PlainPolicy.functions {
                Self.compare(
                    try rights.mayCall(function), asker.functions("call", function), "call \(function)", identity, model
                )
                Self.compare(
                    try rights.mayServe(function), asker.functions("serve", function), "serve \(function)", identity,
                    model)
            }
        }
    }

    @Test("Subscriptions", arguments: UInt64(1)...40)
    func subscriptions(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed &+ 1000)
        let model = PlainPolicy.random(using: &generator)
        let policy = try model.policy()
        for identity in PlainPolicy.identities {
            let rights = policy.rights(of: identity)
            let asker = model.asker(identity)
            guard !rights.allowsEverything else { continue }
            for (filter, needs) in PlainPolicy.filters {
                Self.compare(
                    try rights.maySubscribe(filter), asker.maySubscribe(filter, needs), "subscribe \(filter)",
                    identity, model)
                Self.compare(
                    try rights.maySubscribe("$share/g/\(filter)"), asker.mayShare(filter, needs), "share \(filter)",
                    identity, model)
            }
        }
    }

    @Test(
        "Whatever a granted subscription brings may be received, or is denied or set apart by name",
        arguments: UInt64(1)...10)
    func deliveries(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed &+ 2000)
        let model = PlainPolicy.random(using: &generator)
        let policy = try model.policy()
        for identity in PlainPolicy.identities {
            let rights = policy.rights(of: identity)
            let asker = model.asker(identity)
            guard !rights.allowsEverything else { continue }
            for (filter, needs) in PlainPolicy.filters {
                guard needs.isPlain, try rights.maySubscribe(filter) else { continue }
                for (topic, place) in PlainPolicy.topics where place == .plain {
                    let levels = PlainMatching.levels(topic)
                    guard PlainMatching.subscribes(PlainMatching.levels(filter), levels) else { continue }
                    let isHeldBack = asker.isDenied("subscribe", levels)
                    Self.compare(rights.mayReceive(topic), !isHeldBack, "\(topic) by \(filter)", identity, model)
                }
            }
        }
    }

    private static func compare(
        _ answer: Bool, _ expected: Bool, _ question: String, _ identity: Identity, _ model: PlainPolicy
    ) {
        guard answer != expected else { return }
        Issue.record("\(question) by \(identity): \(answer), by the model \(expected), under \(model.rules)")
    }
}

@Suite("mosquitto's lists against a second model (S05)")
struct MosquittoMatrixTests {
    private static let filters = [
        "#", "+", "a", "a/#", "a/+", "+/b", "$x/#", "a/%c", "p/%u/#", "%c/#", "a b", "+/+/c", "fc/#", "d/%u-%c",
    ]
    private static let identities: [(user: String?, client: String)] = [
        (nil, "k"), ("u", "k"), ("u", "a+b"), ("v", "k"), ("w w", "c"), ("#", "k"), ("v", "a"),
    ]

    private struct Line {
        var user: String?
        var isPattern: Bool
        var access: String
        var filter: String
    }

    @Test("Each message", arguments: UInt64(1)...60)
    func messages(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var text = ""
        var user: String?
        var lines: [Line] = []
        for _ in 0..<Int.random(in: 0...9, using: &generator) {
            if Int.random(in: 0..<4, using: &generator) == 0 {
                user = ["u", "v", "w w"].randomElement(using: &generator)
                text += "user \(user ?? "")\n"
            }
            let access = ["read", "write", "readwrite", "deny"].randomElement(using: &generator) ?? ""
            let filter = Self.filters.randomElement(using: &generator) ?? ""
            let isPattern = Bool.random(using: &generator)
            lines.append(Line(user: user, isPattern: isPattern, access: access, filter: filter))
            text += "\(isPattern ? "pattern" : "topic") \(access) \(filter)\n"
        }
        let policy = AccessPolicy(mosquitto: try MosquittoAccessList(text))
        let topics =
            PlainMatching.topics(of: ["a", "b", "k", "$x", "%c", "u"], depth: 2).map { $0.joined(separator: "/") }
            + ["p/u/x", "p/v", "a b", "a/b/c", "d/u-k", "d/v-k", "fc/own", "p/w w/x", "c/x", "p/%u/c"]
        for (user, client) in Self.identities {
            let rights = policy.rights(of: Identity(user: user, clientIdentifier: client))
            for topic in topics {
                for (action, answer) in [("write", rights.mayPublish(topic)), ("read", rights.mayReceive(topic))] {
                    let expected = Self.answer(action, topic, lines, user: user, client: client)
                    if answer != expected {
                        Issue.record("\(action) \(topic) by \(client) of \(user ?? "-"): \(answer) under\n\(text)")
                    }
                }
            }
        }
    }

    private static func answer(
        _ action: String, _ topic: String, _ lines: [Line], user: String?, client: String
    ) -> Bool {
        let own = lines.filter { !$0.isPattern && $0.user == user }
        var shared: [Line] = []
        if !client.contains("+"), user != "#" {
            shared = lines.filter { $0.isPattern && !($0.filter.contains("%u") && user == nil) }
            for index in shared.indices {
                shared[index].filter =
                    shared[index].filter.split(separator: "%c", omittingEmptySubsequences: false).joined(
                        separator: client
                    )
                    .split(separator: "%u", omittingEmptySubsequences: false).joined(separator: user ?? "")
            }
        }
        for list in [own, shared] {
            let matching = list.filter {
                PlainMatching.subscribes(PlainMatching.levels($0.filter), PlainMatching.levels(topic))
            }
            if matching.contains(where: { $0.access == "deny" }) { return false }
            if matching.contains(where: { $0.access.contains(action) }) { return true }
        }
        return false
    }
}
