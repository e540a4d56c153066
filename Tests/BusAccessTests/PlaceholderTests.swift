import BusAccess
import Testing

@Suite("Placeholders in topics")
struct PlaceholderTests {
    private static let sample = [
        "devices/dev-1", "devices/dev-1/x", "devices/dev-1/x/y", "devices/dev-2/x", "devices", "devices/dev-1x",
    ]

    @Test(
        "A client's own names are put in, as a level or as a part of one",
        arguments: [
            ("devices/{client}/#", ["devices/dev-1", "devices/dev-1/x", "devices/dev-1/x/y"]),
            ("devices/{client}", ["devices/dev-1"]),
            ("devices/{client}x", ["devices/dev-1x"]),
            ("devices/{client}/{user}", []),
            ("devices/d{user}-1/#", []),
            ("devices/{user}ev-1/x", ["devices/dev-1/x"]),
        ])
    func names(pattern: String, allowed: [String]) throws {
        let rights = AccessPolicy([try .publish(to: pattern)]).rights(of: "dev-1", user: "d")
        #expect(Self.sample.filter(rights.mayPublish) == allowed)
    }

    @Test("Without a user there is no right that names one")
    func anonymous() throws {
        let rights = AccessPolicy([try .publish(to: "u/{user}"), try .publish(to: "u/{user}/#")])
            .rights(of: "dev-1", user: nil)
        #expect(["u", "u/", "u/user", "u/{user}", "u//x"].filter(rights.mayPublish).isEmpty)
    }

    @Test(
        "A name with a wildcard or a slash widens no right (S05)",
        arguments: ["+", "#", "a+b", "dev-2/#", "dev-2/x", "/", "", "\u{0}"])
    func widening(name: String) throws {
        let policy = AccessPolicy([
            try .publish(to: "devices/{client}/#"), try .subscribe(to: "devices/{client}/#"),
            try .publish(to: "users/{user}/#"), try .subscribe(to: "users/{user}/#"),
        ])
        for rights in [policy.rights(of: name, user: "ana"), policy.rights(of: name, user: name)] {
            for topic in ["devices/dev-2/x", "devices/dev-2/x/y", "devices/x", "devices", "devices//x"] {
                #expect(!rights.mayPublish(topic))
                #expect(!rights.mayReceive(topic))
            }
            for filter in ["devices/#", "devices/+/x", "devices/+", "devices/dev-2/#", "#"] {
                #expect(try !rights.maySubscribe(filter))
            }
        }
        #expect(!policy.rights(of: "x", user: name).mayPublish("users/dev-2/x"))
    }

    @Test(
        "A name does not spell topics that must be spelled",
        arguments: [
            ("{client}/#", "$SYS", "$SYS/broker"), ("{client}/#", "fc", "fc/own"), ("f{client}/#", "c", "fc/own"),
            ("{client}SYS/#", "$", "$SYS/broker"), ("{client}/g/x", "$share", "x"), ("$sh{client}/g/x", "are", "x"),
        ])
    func spelling(pattern: String, client: String, topic: String) throws {
        let rights = AccessPolicy([try .subscribe(to: pattern)]).rights(of: client)
        #expect(!rights.mayReceive(topic))
        #expect(try !rights.maySubscribe(topic))
        #expect(try !rights.maySubscribe("\(topic)/#"))
    }

    @Test("What is denied below a client's name is denied to a client with a slash in it, too")
    func deniedWithSlash() throws {
        let policy = AccessPolicy(
            [try .publish(to: "devices/#")], denied: [try .publish(to: "devices/{client}/config")])
        #expect(!policy.rights(of: "a/b").mayPublish("devices/a/b/config"))
        #expect(!policy.rights(of: "a").mayPublish("devices/a/config"))
        #expect(policy.rights(of: "a").mayPublish("devices/b/config"))
    }

    @Test("Braces around anything but a word are text")
    func braces() throws {
        let rights = AccessPolicy([try .publish(to: "a/{1}/{/}/{x")]).rights(of: "dev-1")
        #expect(rights.mayPublish("a/{1}/{/}/{x"))
        #expect(!rights.mayPublish("a/1/{/}/{x"))
    }

    @Test(
        "A pattern that is none is refused with a reason",
        arguments: [
            ("devices/{clientid}/#", "{clientid} is not known"), ("a/#/b", "the wildcard # must be a whole level"),
            ("a{client}+", "the wildcard + must be a whole level"), ("", "must not be empty"),
            ("$share/g/a", "write the filter alone"),
        ])
    func wrong(pattern: String, reason: String) {
        do {
            _ = try AccessRule.Right.publish(to: pattern)
            Issue.record("accepted")
        } catch {
            #expect(error.description.contains(reason))
            #expect(error.description.contains("'\(pattern)'"))
        }
    }
}
