import BusAccess
import BusServer
import Foundation
import Testing

@Suite("acl.yaml")
struct AccessFileTests {
    private func policy(_ text: String) throws(ConfigurationFailure) -> AccessPolicy {
        try AccessFile(name: "acl.yaml").read(text)
    }

    private func failure(_ text: String) -> String {
        do {
            _ = try self.policy(text)
            return "accepted"
        } catch {
            return error.description
        }
    }

    private static func rights(_ policy: AccessPolicy, _ user: String?, client: String = "dev-1") -> AccessRights {
        policy.rights(of: Identity(user: user, clientIdentifier: client))
    }

    @Test("Rules, groups and placeholders are read")
    func rules() throws {
        let policy = try self.policy(
            """
            groups: { operators: [ana, ben] }
            rules:
              - users: [cleo]
                clients: dev-*
                allow:
                  publish:
                    - devices/{client}/#
                  subscribe: [devices/#, "$SYS/#"]
                  call: [EdgeFC/*]
                  serve: [EdgeFC/helloworld]
                deny: { publish: [devices/+/secret] }
              - groups: [operators]
                allow: { admin: true }
              - anonymous: true
                allow: { publish: "open/{client}" }
              - everyone: true
                allow: { subscribe: news }
            """)
        let cleo = Self.rights(policy, "cleo")
        #expect(cleo.mayPublish("devices/dev-1/x") && !cleo.mayPublish("devices/dev-2/x"))
        #expect(!cleo.mayPublish("devices/dev-1/secret") && cleo.mayReceive("$SYS/broker/uptime"))
        #expect(cleo.mayPublish("fc/EdgeFC/any/req") && !cleo.mayPublish("fc/Else/any/req"))
        #expect(cleo.mayPublish("fc/_catalog/EdgeFC/helloworld") && !cleo.mayPublish("fc/_catalog/EdgeFC/other"))
        #expect(Self.rights(policy, "ben", client: "x").allowsEverything)
        #expect(Self.rights(policy, nil, client: "x").mayPublish("open/x"))
        #expect(!Self.rights(policy, "dora", client: "x").mayPublish("open/x"))
        #expect(Self.rights(policy, "dora", client: "x").mayReceive("news"))
    }

    @Test(
        "A file without rules denies everything (S10)",
        arguments: ["", "# nothing\n", "rules:\n", "rules: []", "groups:"])
    func empty(text: String) throws {
        let rights = Self.rights(try self.policy(text), "ana")
        #expect(!rights.allowsEverything && !rights.mayPublish("a") && !rights.mayReceive("a"))
    }

    @Test("A switch that is off makes no rule wider")
    func off() throws {
        let policy = try self.policy("rules: [{users: ana, everyone: false, allow: {publish: a, admin: false}}]")
        #expect(Self.rights(policy, "ana").mayPublish("a") && !Self.rights(policy, "ana").mayPublish("b"))
        #expect(!Self.rights(policy, "ben").mayPublish("a"))
    }

    @Test("Who is denied everything may do nothing")
    func barred() throws {
        let policy = try self.policy(
            """
            rules:
              - everyone: true
                allow: { admin: true }
              - users: [mallory]
                deny: { everything: true }
            """)
        #expect(Self.rights(policy, "ana").allowsEverything)
        #expect(!Self.rights(policy, "mallory").mayPublish("a") && !Self.rights(policy, "mallory").mayReceive("a"))
    }

    @Test("Users whose names look like numbers or switches are names")
    func plainNames() throws {
        let policy = try self.policy("rules: [{users: [007, yes, 1.0], allow: {publish: a}}]")
        #expect(["007", "yes", "1.0"].allSatisfy { Self.rights(policy, $0).mayPublish("a") })
        #expect(!Self.rights(policy, "7").mayPublish("a") && !Self.rights(policy, "true").mayPublish("a"))
    }

    @Test(
        "What is wrong is told with file, line and key (S10)",
        arguments: [
            ("rule: []", "acl.yaml:1: rule is not a key that fcbus knows; did you mean `rules`?"),
            ("rules: {}", "acl.yaml:1: rules: a list of rules"),
            (
                "rules:\n  - user: [ana]\n    allow: {}",
                "acl.yaml:2: rules.user is not a key that fcbus knows; did you mean `users`?"
            ),
            ("rules:\n  - allow: {publish: a}", "acl.yaml:2: rules: the rule is about nobody"),
            ("rules:\n  - everyone: false\n    allow: {publish: a}", "acl.yaml:2: rules: the rule is about nobody"),
            ("rules:\n  - users: [ana]", "acl.yaml:2: rules: the rule has neither `allow` nor `deny`"),
            ("rules:\n  - users: [ana]\n    allow: [a]", "acl.yaml:3: rules.allow must hold `key: value` lines"),
            (
                "rules:\n  - users: [ana]\n    allow: {publsh: a}",
                "acl.yaml:3: rules.allow.publsh is not a key that fcbus knows; did you mean `publish`?"
            ),
            (
                "rules:\n  - users: [ana]\n    allow:\n      publish:\n        - ok\n        - a/#/b",
                "acl.yaml:6: rules.allow.publish: 'a/#/b' is not a topic filter"
            ),
            (
                "rules:\n  - users: [ana]\n    allow: {call: hello}",
                "acl.yaml:3: rules.allow.call: 'hello' does not name functions"
            ),
            (
                "rules:\n  - users: [ana]\n    deny: {publish: fc/EdgeFC/x/req}",
                "acl.yaml:3: rules.deny.publish: 'fc/EdgeFC/x/req': who may call functions is said by `call`"
            ),
            ("rules:\n  - users: [ana]\n    deny: {admin: true}", "acl.yaml:3: rules.deny.admin: say what is denied"),
            (
                "rules:\n  - users: [ana]\n    allow: {admin: perhaps}",
                "acl.yaml:3: rules.allow.admin must be true or false (got perhaps)"
            ),
            ("rules:\n  - users: [[ana]]\n    allow: {publish: a}", "acl.yaml:2: rules.users must be text"),
            ("rules:\n  - users:\n    allow: {publish: a}", "acl.yaml:2: rules.users must not be empty"),
            ("rules:\n  - users: [ana]\n    allow: {publish: ''}", "rules.allow.publish must be text"),
            (
                "rules:\n  - users: [ana]\n    allow: {everything: true}",
                "acl.yaml:3: rules.allow.everything: who may do everything is an `admin: true`"
            ),
            ("groups: [a]", "acl.yaml:1: groups must hold `name: [users]` lines"),
            ("groups: {a: {b: c}}", "acl.yaml:1: groups.a must be text"),
            ("rules:\n  - users: [ana]\n    allow: {publish: a}\n    allow: {publish: b}", "acl.yaml: not valid YAML"),
            ("rules:\n  - users: [ana]\n    allow: {publish: [a/{client}/#]}", "need quotes: [\"devices/{client}/#\"]"),
            ("a: [", "acl.yaml: not valid YAML"),
        ])
    func wrong(text: String, message: String) {
        let failure = self.failure(text)
        #expect(failure.contains(message), "\(failure)")
    }

    @Test("mosquitto's form is read, and its faults are told with file and line")
    func mosquitto() throws {
        let file = AccessFile(name: "acl.conf")
        #expect(Self.rights(try file.readMosquitto("user ana\ntopic write a\n"), "ana").mayPublish("a"))
        do {
            _ = try file.readMosquitto("user ana\ntopic wrte a\n")
            Issue.record("accepted")
        } catch {
            #expect(error.description.hasPrefix("acl.conf:2: 'wrte' is none of"))
        }
    }
}

@Suite("The examples of access lists")
struct AccessExampleTests {
    private static func text(_ name: String) throws -> String {
        let top = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: top.appending(path: "broker-config/\(name)"), encoding: .utf8)
    }

    private static func policies() throws -> [AccessPolicy] {
        [
            try AccessFile(name: "acl.yaml").read(Self.text("acl.yaml")),
            try AccessFile(name: "mosquitto-acl.conf").readMosquitto(Self.text("mosquitto-acl.conf")),
        ]
    }

    private static func rights(_ policy: AccessPolicy, _ user: String?) -> AccessRights {
        policy.rights(of: Identity(user: user, clientIdentifier: "c", groups: user == "lamp" ? ["devices"] : []))
    }

    @Test("Both say the same about their clients")
    func same() throws {
        for policy in try Self.policies() {
            #expect(Self.rights(policy, "lamp").mayPublish("devices/lamp/on"))
            #expect(!Self.rights(policy, "lamp").mayPublish("devices/other/on"))
            #expect(Self.rights(policy, "host").mayPublish("fc/EdgeFC/x/req"))
            #expect(Self.rights(policy, "host").mayReceive("devices/lamp/on"))
            #expect(!Self.rights(policy, "host").mayReceive("devices/lamp/secret"))
            #expect(Self.rights(policy, "panel").mayPublish("fc/EdgeFC/helloworld/req"))
            #expect(!Self.rights(policy, "panel").mayPublish("fc/EdgeFC/other/req"))
            #expect(!Self.rights(policy, "panel").mayPublish("rooms/a"))
            #expect(Self.rights(policy, "monitor").mayReceive("$SYS/broker/uptime"))
            #expect(Self.rights(policy, "ana").mayPublish("fc/_sys/stats/req"))
            #expect(!Self.rights(policy, nil).mayPublish("devices/lamp/on"))
            #expect(!Self.rights(policy, nil).mayReceive("rooms/a"))
        }
    }

    @Test("Cut off anywhere, acl.yaml is read or refused by name, and gives no right to the anonymous")
    func cutOff() throws {
        let bytes = Array(try Self.text("acl.yaml").utf8)
        for end in stride(from: 0, to: bytes.count, by: 11) {
            do {
                let policy = try AccessFile(name: "acl.yaml").read(String(decoding: bytes[..<end], as: UTF8.self))
                #expect(!Self.rights(policy, nil).mayPublish("devices/lamp/on"))
            } catch {
                #expect("\(error)".hasPrefix("acl.yaml:"))
            }
        }
    }
}
