import BusAccess
import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

/// Every identity on every topic by every way into and out of the broker, against a second, naive model of the rules.
@Suite("Access by every path (S05)")
struct AccessMatrixTests {
    /// Rules as lines: who, effect, action, pattern.
    static let rules: [(user: String, allows: Bool, action: String, pattern: String)] = [
        ("*", true, "publish", "up/{user}/#"), ("*", true, "subscribe", "public/#"),
        ("ana", true, "publish", "#"), ("ana", true, "subscribe", "#"), ("ana", false, "publish", "+/secret"),
        ("ben", true, "subscribe", "up/+/t"), ("ben", true, "publish", "public/+"),
        ("cem", true, "subscribe", "up/#"), ("cem", false, "subscribe", "up/ana/#"),
        ("dia", true, "publish", "a//b"), ("dia", true, "subscribe", "a/+/b"),
    ]
    static let users = ["ana", "ben", "cem", "dia", "eve"]
    static let topics =
        ["up", "public", "a", "a//b", "a/x/b", "public/secret", "up/secret", "/", "x y/z"]
        + Self.users.flatMap { ["up/\($0)", "up/\($0)/t", "up/\($0)/t/u", "public/\($0)"] }

    // MARK: The naive model

    static func matches(_ pattern: [Substring], _ topic: [Substring]) -> Bool {
        if pattern.first == "#" { return true }
        guard let first = pattern.first else { return topic.isEmpty }
        guard let level = topic.first else { return pattern == ["#"] }
        return (first == "+" || first == level)
            && Self.matches(Array(pattern.dropFirst()), Array(topic.dropFirst()))
    }

    static func allows(_ user: String, _ action: String, _ topic: String) -> Bool {
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false)
        let hits = Self.rules.filter { rule in
            guard rule.user == "*" || rule.user == user, rule.action == action else { return false }
            let pattern = rule.pattern.replacing("{user}", with: user)
            return Self.matches(pattern.split(separator: "/", omittingEmptySubsequences: false), levels)
        }
        return hits.contains(where: \.allows) && !hits.contains { !$0.allows }
    }

    // MARK: The broker

    private let network = TestNetwork()
    private let watcher: ScriptedClient

    init() throws {
        self.network.broker.authenticates = true
        var rules: [AccessRule] = [AccessRule(AccessSubjects(users: ["root"]), .allow, .everything)]
        for rule in Self.rules {
            let subjects = AccessSubjects(users: rule.user == "*" ? Self.users : [rule.user])
            let right: AccessRule.Right =
                rule.action == "publish" ? try .publish(to: rule.pattern) : try .subscribe(to: rule.pattern)
            rules.append(AccessRule(subjects, rule.allows ? .allow : .deny, right))
        }
        self.network.setPolicy(AccessPolicy(rules: rules, groups: [:]))
        self.watcher = ScriptedClient(self.network)
        self.watcher.logIn("root", as: "root")
    }

    private func client(_ user: String, _ name: String = "c", will: Will? = nil) -> ScriptedClient {
        let client = ScriptedClient(self.network)
        client.logIn(name, as: user, will: will)
        return client
    }

    @Test("Publishing, retained messages and wills", arguments: Self.users)
    func inwards(_ user: String) {
        self.watcher.subscribe("#", qos: .atLeastOnce)
        for topic in Self.topics {
            let expected = Self.allows(user, "publish", topic)
            let will = Will(
                topic: topic, payload: ByteBuffer(string: "will"), qos: .atMostOnce, isRetained: false, properties: [])
            let client = self.client(user, will: will)
            for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] {
                client.publish(topic, "live", qos: qos, isRetained: true)
                #expect(self.watcher.takePublishes().isEmpty != expected, "\(user) \(topic) \(qos)")
            }
            #expect((self.network.broker.retainedCount == 1) == expected, "\(user) \(topic) retained")
            client.drop()
            #expect(self.watcher.takePublishes().isEmpty != expected, "\(user) \(topic) will")
            self.watcher.publish(topic, "", isRetained: true)
            _ = self.watcher.takePublishes()
        }
    }

    @Test("Subscriptions, shared ones, and what was retained before", arguments: Self.users)
    func outwards(_ user: String) {
        for topic in Self.topics {
            let expected = Self.allows(user, "subscribe", topic)
            self.watcher.publish(topic, "kept", isRetained: true)
            let client = self.client(user)
            let member = self.client(user, "m")
            let codes =
                client.subscribe(topic, qos: .atLeastOnce) + member.subscribe("$share/g/\(topic)", qos: .atLeastOnce)
            #expect(codes.map(\.isError) == [!expected, !expected], "\(user) \(topic)")
            self.watcher.publish(topic, "live", qos: .atLeastOnce)
            #expect(client.takePublishes().map(\.text) == (expected ? ["kept", "live"] : []), "\(user) \(topic)")
            #expect(member.takePublishes().map(\.text) == (expected ? ["live"] : []), "\(user) \(topic) shared")
            client.drop()
            member.drop()
            self.watcher.publish(topic, "", isRetained: true)
        }
    }

    @Test("A filter that reaches over all topics brings what is allowed of it and no more", arguments: Self.users)
    func wide(_ user: String) {
        let filters = ["public/#", "up/#", "a/+/b", "#"]
        for filter in filters {
            let client = self.client(user)
            guard client.subscribe(filter, qos: .atLeastOnce).first?.isError == false else {
                client.drop()
                continue
            }
            for topic in Self.topics { self.watcher.publish(topic, topic, qos: .atLeastOnce) }
            for arrived in client.takePublishes() {
                #expect(Self.allows(user, "subscribe", arrived.topic), "\(user) \(filter) \(arrived.topic)")
            }
            client.drop()
        }
    }

    @Test("A Response Topic is allowed exactly where the caller may publish", arguments: Self.users)
    func responseTopics(_ user: String) throws {
        var rules = [AccessRule(AccessSubjects(users: Self.users), .allow, try .call(of: "f/*"))]
        for rule in Self.rules where rule.action == "publish" {
            let subjects = AccessSubjects(users: rule.user == "*" ? Self.users : [rule.user])
            rules.append(AccessRule(subjects, rule.allows ? .allow : .deny, try .publish(to: rule.pattern)))
        }
        self.network.setPolicy(AccessPolicy(rules: rules, groups: [:]))
        let client = self.client(user)
        for topic in Self.topics {
            client.publish(
                "fc/f/g/req", "x", qos: .atLeastOnce,
                properties: [.responseTopic(topic), .correlationData(ByteBuffer(string: topic))])
            guard case .pubAck(let acknowledgement)? = client.takeAll().last(where: { !$0.isPublish }) else {
                Issue.record("no PUBACK for \(topic)")
                continue
            }
            #expect(
                (acknowledgement.reasonCode == .notAuthorized) == !Self.allows(user, "publish", topic),
                "\(user) \(topic)")
        }
    }
}
