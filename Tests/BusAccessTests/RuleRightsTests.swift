import BusAccess
import BusTopics
import Testing

@Suite("Rules about topics")
struct RuleRightsTests {
    @Test("Without a policy everything is allowed, and nothing needs to be asked")
    func open() throws {
        let rights = AccessPolicy.open.rights(of: "dev-1", user: nil)
        #expect(rights.allowsEverything)
        #expect(rights.mayPublish("$SYS/x") && rights.mayReceive("fc/S/f/req"))
        #expect(try rights.maySubscribe("#") && rights.mayCall("_sys/drain") && rights.mayServe("S/f"))
    }

    @Test("A policy without rules denies everything")
    func empty() throws {
        let rights = AccessPolicy(rules: [], groups: [:]).rights(of: "dev-1")
        #expect(!rights.allowsEverything)
        #expect(!rights.mayPublish("a") && !rights.mayReceive("a"))
        #expect(try !rights.maySubscribe("a") && !rights.maySubscribe("#"))
        #expect(try !rights.mayCall("S/f") && !rights.mayServe("S/f"))
    }

    @Test("Publishing and subscribing are two rights")
    func separate() throws {
        let publisher = AccessPolicy([try .publish(to: "a/#")]).rights(of: "dev-1")
        #expect(publisher.mayPublish("a/b") && !publisher.mayReceive("a/b"))
        #expect(try !publisher.maySubscribe("a/b"))
        let reader = AccessPolicy([try .subscribe(to: "a/#")]).rights(of: "dev-1")
        #expect(!reader.mayPublish("a/b") && reader.mayReceive("a/b"))
        #expect(try reader.maySubscribe("a/b"))
    }

    @Test(
        "A subscription needs one rule that covers all of it",
        arguments: [
            ("a/#", true), ("a", true), ("a/+", true), ("a/b/#", true), ("a/+/+/#", true), ("$share/g/a/#", true),
            ("+/b", false), ("#", false), ("+", false), ("$share/g/#", false), ("b/x", true), ("b/+", false),
            ("b/#", false), ("$SYS/#", false), ("$a/#", false),
        ])
    func covered(filter: String, isAllowed: Bool) throws {
        let policy = AccessPolicy([
            try .subscribe(to: "a/#"), try .subscribe(to: "b/x"), try .subscribe(to: "b/y"),
        ])
        #expect(try policy.rights(of: "dev-1").maySubscribe(filter) == isAllowed)
    }

    @Test("Topics that begin with $ must be spelled", arguments: ["#", "+/#", "+/broker/#"])
    func dollar(pattern: String) throws {
        let open = AccessPolicy([try .subscribe(to: pattern), try .publish(to: pattern)]).rights(of: "dev-1")
        #expect(!open.mayReceive("$SYS/broker/uptime") && !open.mayPublish("$SYS/broker/uptime"))
        #expect(try !open.maySubscribe("$SYS/#") && !open.maySubscribe("$SYS/broker/uptime"))
        let spelled = AccessPolicy([try .subscribe(to: "$SYS/#")]).rights(of: "dev-1")
        #expect(spelled.mayReceive("$SYS/broker/uptime") && !spelled.mayReceive("a"))
        #expect(try spelled.maySubscribe("$SYS/broker/+") && !spelled.maySubscribe("#"))
    }

    @Test("Deny wins: a filter inside is refused, one around it is allowed and its denied topics are held back")
    func deny() throws {
        let rights = AccessPolicy(
            [try .subscribe(to: "devices/#"), try .publish(to: "devices/#")],
            denied: [try .subscribe(to: "devices/+/secret/#"), try .publish(to: "devices/x")]
        ).rights(of: "dev-1")
        #expect(try rights.maySubscribe("devices/#"))
        #expect(try !rights.maySubscribe("devices/x/secret") && !rights.maySubscribe("devices/+/secret/+"))
        #expect(rights.mayReceive("devices/x/temperature"))
        #expect(!rights.mayReceive("devices/x/secret") && !rights.mayReceive("devices/x/secret/y"))
        #expect(!rights.mayPublish("devices/x") && rights.mayPublish("devices/x/secret"))
    }

    @Test("The order of rules has no meaning")
    func order() throws {
        let allow = AccessRule(.everyone, .allow, try .publish(to: "a/#"))
        let deny = AccessRule(.everyone, .deny, try .publish(to: "a/b"))
        for rules in [[allow, deny], [deny, allow]] {
            let rights = AccessPolicy(rules: rules, groups: [:]).rights(of: "dev-1")
            #expect(rights.mayPublish("a/c") && !rights.mayPublish("a/b"))
        }
    }

    @Test("An administrator may do everything, except what is denied in words")
    func administrator() throws {
        let free = AccessPolicy([.everything]).rights(of: "dev-1")
        #expect(free.allowsEverything)
        let bounded = AccessPolicy([.everything], denied: [try .publish(to: "a/#"), try .call(of: "_sys/drain")])
            .rights(of: "dev-1")
        #expect(!bounded.allowsEverything)
        #expect(!bounded.mayPublish("a") && bounded.mayPublish("b") && bounded.mayReceive("$SYS/x"))
        #expect(bounded.mayReceive("fc/S/f/req") && bounded.mayPublish("fc/_ctl/ping"))
        #expect(try bounded.maySubscribe("#") && bounded.maySubscribe("$SYS/#") && bounded.maySubscribe("fc/#"))
        #expect(try bounded.mayServe("S/f") && bounded.mayCall("_sys/stats") && !bounded.mayCall("_sys/drain"))
        #expect(try bounded.maySubscribe("$share/g/#"))
        #expect(!bounded.mayReceive("fc/_reply/other"))
    }

    @Test("Who is denied everything may do nothing, an administrator neither")
    func barred() throws {
        let rights = AccessPolicy([.everything, try .call(of: "*/*")], denied: [.everything]).rights(of: "dev-1")
        #expect(!rights.allowsEverything)
        #expect(!rights.mayPublish("a") && !rights.mayReceive("a") && !rights.mayPublish("fc/_inst/dev-1"))
        #expect(try !rights.maySubscribe("a") && !rights.maySubscribe("fc/_ctl/+"))
        #expect(try !rights.mayCall("S/f") && !rights.mayServe("S/f") && !rights.maySubscribe("$share/g/#"))
    }
}

@Suite("Subjects of rules")
struct AccessSubjectsTests {
    private static let identities = [
        Identity(user: nil, clientIdentifier: "gw-1"), Identity(user: "ana", clientIdentifier: "gw-2"),
        Identity(user: "ben", clientIdentifier: "sensor-1"),
        Identity(user: "cleo", clientIdentifier: "x", groups: ["operators"]),
        Identity(user: "e\u{301}va", clientIdentifier: "y"), Identity(user: "", clientIdentifier: "z"),
    ]

    private func included(_ subjects: AccessSubjects) throws -> [String] {
        let policy = AccessPolicy(
            rules: [AccessRule(subjects, .allow, try .publish(to: "a"))],
            groups: ["operators": ["ben"], "others": ["nobody"]])
        return Self.identities.filter { policy.rights(of: $0).mayPublish("a") }.map(\.clientIdentifier)
    }

    @Test("Rules are about users, groups of the policy or of a token, client patterns, the anonymous or everyone")
    func kinds() throws {
        #expect(try self.included(AccessSubjects(users: ["ana", "cleo"])) == ["gw-2", "x"])
        #expect(try self.included(AccessSubjects(groups: ["operators"])) == ["sensor-1", "x"])
        #expect(try self.included(AccessSubjects(clients: [NamePattern("gw-*")])) == ["gw-1", "gw-2"])
        #expect(try self.included(AccessSubjects(anonymous: true)) == ["gw-1"])
        #expect(try self.included(.everyone) == ["gw-1", "gw-2", "sensor-1", "x", "y", "z"])
        #expect(try self.included(AccessSubjects(users: ["ana"], anonymous: true)) == ["gw-1", "gw-2"])
        #expect(try self.included(AccessSubjects()) == [])
    }

    @Test("A user is the bytes of a name: the other way to write an accent is somebody else")
    func exactNames() throws {
        #expect(try self.included(AccessSubjects(users: ["\u{E9}va"])) == [])
        #expect(try self.included(AccessSubjects(users: ["e\u{301}va"])) == ["y"])
        #expect(
            Identity(user: "\u{E9}", clientIdentifier: "a") != Identity(user: "e\u{301}", clientIdentifier: "a"))
    }

    @Test(
        "A star in a name stands for any text",
        arguments: [
            ("*", "", true), ("*", "abc", true), ("a*", "abc", true), ("*c", "abc", true), ("a*c", "abc", true),
            ("a*c", "ac", true), ("a*b*c", "a1b2b3c", true), ("a*b*c", "a1c2b", false), ("abc", "abc", true),
            ("abc", "abcd", false), ("a*", "ba", false), ("", "", true), ("", "a", false), ("**", "x", true),
            ("*ab", "aab", true), ("*.gw", "a.gw.gw", true), ("a?", "ab", false),
        ])
    func stars(pattern: String, name: String, isMatched: Bool) throws {
        let subjects = AccessSubjects(clients: [NamePattern(pattern)])
        let policy = AccessPolicy(rules: [AccessRule(subjects, .allow, try .publish(to: "a"))], groups: [:])
        #expect(policy.rights(of: name).mayPublish("a") == isMatched)
    }
}
