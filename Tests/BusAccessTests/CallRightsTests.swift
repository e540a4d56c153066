import BusAccess
import BusTopics
import Testing

@Suite("Rules about functions")
struct CallRightsTests {
    @Test(
        "Functions are named one by one, by the start of a name, by service or all together",
        arguments: [
            ("EdgeFC/hello", ["EdgeFC/hello"]), ("EdgeFC/hello*", ["EdgeFC/hello", "EdgeFC/helloworld"]),
            ("EdgeFC/*", ["EdgeFC/hello", "EdgeFC/helloworld", "EdgeFC/other"]),
            ("*/hello", ["EdgeFC/hello", "Else/hello"]), ("E*/hello", ["EdgeFC/hello", "Else/hello"]),
            ("*/*", ["EdgeFC/hello", "EdgeFC/helloworld", "EdgeFC/other", "Else/hello"]),
            ("_sys/*", ["_sys/drain"]), ("_sys/stats", []), ("edgefc/hello", []),
        ])
    func patterns(pattern: String, allowed: [String]) throws {
        let all = ["EdgeFC/hello", "EdgeFC/helloworld", "EdgeFC/other", "Else/hello", "_sys/drain"]
        let caller = AccessPolicy([try .call(of: pattern)]).rights(of: "dev-1")
        #expect(try all.filter(caller.mayCall) == allowed)
        #expect(try all.filter(caller.mayServe).isEmpty)
        let instance = AccessPolicy([try .serve(of: pattern)]).rights(of: "dev-1")
        #expect(try all.filter(instance.mayServe) == allowed)
        #expect(try all.filter(instance.mayCall).isEmpty)
        let denied = AccessPolicy([.everything], denied: [try .call(of: pattern)]).rights(of: "dev-1")
        #expect(try all.filter { try !denied.mayCall($0) } == allowed)
    }

    @Test(
        "A pattern that names no functions is refused",
        arguments: ["*", "EdgeFC", "a/b/c", "1x/*", "_*/x", "a b/*", "/"])
    func wrong(pattern: String) {
        #expect(throws: AccessFailure.self) { try AccessRule.Right.call(of: pattern) }
    }

    @Test("The right to publish everywhere is not the right to call, to answer or to speak for the platform")
    func publishEverywhere() throws {
        let rights = AccessPolicy([try .publish(to: "#"), try .publish(to: "+/#")]).rights(of: "dev-1")
        let topics = [
            "fc/EdgeFC/hello/req", "fc/EdgeFC/hello/req/dev-1/1", "fc/EdgeFC/hello/async", "fc/EdgeFC/hello/cancel",
            "fc/_sys/drain/req", "fc/_reply/dev-1", "fc/_reply/other/1", "fc/_catalog/EdgeFC/hello", "fc/_inst/dev-1",
            "fc/_ctl/drain", "fc/_evt/failed/EdgeFC/hello", "fc/EdgeFC/hello/dead", "fc/x",
        ]
        #expect(topics.filter(rights.mayPublish).isEmpty)
        #expect(rights.mayPublish("fc") && rights.mayPublish("fcx/y"))
        #expect(try !rights.mayCall("EdgeFC/hello"))
    }

    @Test("Who may call a function may publish on its topics for callers, and no others")
    func callTopics() throws {
        let rights = AccessPolicy([try .call(of: "EdgeFC/hello")]).rights(of: "dev-1")
        let allowed = [
            "fc/EdgeFC/hello/req", "fc/EdgeFC/hello/req/dev-1/1", "fc/EdgeFC/hello/async",
            "fc/EdgeFC/hello/async/dev-1/1", "fc/EdgeFC/hello/cancel", "fc/EdgeFC/hello/cancel/dev-1/1",
        ]
        let others = ["fc/EdgeFC/other/req", "fc/EdgeFC/hello/dead", "fc/EdgeFC/hello/x", "fc/_catalog/EdgeFC/hello"]
        #expect((allowed + others).filter(rights.mayPublish) == allowed)
        #expect(rights.mayReceive("fc/_catalog/EdgeFC/hello") && !rights.mayReceive("fc/EdgeFC/hello/req"))
        #expect(try rights.maySubscribe("fc/_catalog/EdgeFC/hello") && !rights.maySubscribe("fc/_catalog/#"))
    }

    @Test("An instance announces itself, describes its function and hears what is for it")
    func instance() throws {
        let rights = AccessPolicy([try .serve(of: "EdgeFC/hello")]).rights(of: "gw 1")
        let allowed = ["fc/_catalog/EdgeFC/hello", "fc/_inst/gw%201", "fc/_inst/gw%201.2"]
        let others = [
            "fc/_catalog/EdgeFC/other", "fc/_inst/gw%2011", "fc/_inst/gw%201.x", "fc/_inst/gw%201.", "fc/_inst/other",
            "fc/_reply/other", "fc/EdgeFC/hello/req",
        ]
        #expect((allowed + others).filter(rights.mayPublish) == allowed)
        #expect(rights.mayReceive("fc/EdgeFC/hello/cancel") && !rights.mayReceive("fc/EdgeFC/other/cancel"))
        #expect(rights.mayReceive("fc/_ctl/ping") && rights.mayReceive("fc/_ctl/ping/EdgeFC"))
        #expect(rights.mayReceive("fc/_ctl/ping/EdgeFC/gw%201") && !rights.mayReceive("fc/_ctl/ping/EdgeFC/other"))
        #expect(!rights.mayReceive("fc/_ctl/ping/Else"))
    }

    @Test("What is denied by name is not heard either, whatever the client serves or calls")
    func deniedHearing() throws {
        let rights = AccessPolicy(
            [try .serve(of: "EdgeFC/*"), try .call(of: "EdgeFC/*")],
            denied: [try .subscribe(to: "fc/_ctl/#"), try .subscribe(to: "fc/_catalog/EdgeFC/hello")]
        ).rights(of: "gw")
        #expect(!rights.mayReceive("fc/_ctl/ping") && !rights.mayReceive("fc/_catalog/EdgeFC/hello"))
        #expect(rights.mayReceive("fc/_catalog/EdgeFC/other") && rights.mayReceive("fc/EdgeFC/hello/cancel"))
        #expect(try !rights.maySubscribe("fc/_ctl/+") && !rights.maySubscribe("fc/_catalog/EdgeFC/hello"))
    }

    @Test(
        "Serving needs the right to serve",
        arguments: [
            ("$share/fc/fc/EdgeFC/hello/req/#", true), ("$share/any/fc/EdgeFC/hello/req", true),
            ("fc/EdgeFC/hello/req", true), ("fc/EdgeFC/hello/req/#", true), ("fc/EdgeFC/hello/cancel/#", true),
            ("$share/fc/fc/EdgeFC/hello/async/#", true), ("fc/_ctl/+", true), ("fc/_ctl/+/EdgeFC", true),
            ("fc/_ctl/+/EdgeFC/gw", true), ("fc/_ctl/+/EdgeFC/other", false), ("fc/_ctl/+/Else", false),
            ("fc/_ctl/#", false), ("$share/fc/fc/EdgeFC/other/req/#", false), ("fc/EdgeFC/other/req", false),
            ("$share/fc/fc/EdgeFC/+/req/#", false), ("$share/fc/fc/+/hello/req/#", false), ("$share/fc/fc/#", false),
            ("fc/EdgeFC/+/req", false), ("fc/#", false), ("fc/EdgeFC/other/cancel/#", false),
            ("fc/EdgeFC/hello/req/+/+", false), ("fc/EdgeFC/hello/dead", false),
        ])
    func serving(filter: String, isAllowed: Bool) throws {
        let rights = AccessPolicy([try .serve(of: "EdgeFC/hello")]).rights(of: "gw")
        #expect(try rights.maySubscribe(filter) == isAllowed)
    }

    @Test(
        "A shared subscription for many functions needs the right to serve them all",
        arguments: [
            ("EdgeFC/*", nil, "$share/g/fc/EdgeFC/+/req/#", true), ("*/*", nil, "$share/g/fc/EdgeFC/+/req/#", true),
            ("*/*", nil, "$share/g/fc/+/+/req", true), ("EdgeFC/*", nil, "$share/g/fc/+/+/req", false),
            ("EdgeFC/h*", nil, "$share/g/fc/EdgeFC/+/req", false),
            ("*/*", "EdgeFC/secret", "$share/g/fc/EdgeFC/+/req", false),
            ("*/*", "Else/secret", "$share/g/fc/EdgeFC/+/req", true), ("*/*", nil, "$share/g/fc/#", false),
            ("*/*", nil, "$share/g/#", false), ("*/*", nil, "$share/g/+/+/+/+", false),
        ] as [(String, String?, String, Bool)])
    func servingMany(allowed: String, denied: String?, filter: String, isAllowed: Bool) throws {
        let policy = AccessPolicy(
            [try .serve(of: allowed)], denied: try denied.map { [try .serve(of: $0)] } ?? [])
        #expect(try policy.rights(of: "gw").maySubscribe(filter) == isAllowed)
    }

    @Test("A shared subscription of everything takes calls too, and so needs the right to serve them")
    func sharedEverything() throws {
        let reader = AccessPolicy([try .subscribe(to: "#")]).rights(of: "gw")
        #expect(try reader.maySubscribe("#") && !reader.maySubscribe("$share/g/#"))
        #expect(try reader.maySubscribe("$share/g/devices/#"))
        let server = AccessPolicy([try .subscribe(to: "#"), try .serve(of: "*/*")]).rights(of: "gw")
        #expect(try server.maySubscribe("$share/g/#"))
    }

    @Test("Watching calls needs a rule that spells their prefix")
    func observers() throws {
        let plain = AccessPolicy([try .subscribe(to: "#")]).rights(of: "dev-1")
        #expect(try plain.maySubscribe("#") && !plain.maySubscribe("fc/#") && !plain.maySubscribe("fc/+/+/req"))
        #expect(plain.mayReceive("fc") && !plain.mayReceive("fc/EdgeFC/hello/req") && !plain.mayReceive("fc/own"))
        #expect(!plain.mayReceive("fc/_evt/lost/EdgeFC/hello") && !plain.mayReceive("fc/_inst/gw"))
        let observer = AccessPolicy([try .subscribe(to: "fc/#")]).rights(of: "dev-1")
        #expect(try observer.maySubscribe("fc/#") && observer.maySubscribe("fc/EdgeFC/+/req"))
        #expect(observer.mayReceive("fc/EdgeFC/hello/req") && observer.mayReceive("fc/_evt/lost/EdgeFC/hello"))
        #expect(try !observer.maySubscribe("fc/EdgeFC/hello/req") && !observer.mayServe("EdgeFC/hello"))
        #expect(try !observer.maySubscribe("$share/g/fc/#"))
    }

    @Test("A client reads its own answers and nobody else's", arguments: ["dev-1", "dev 1/+"])
    func replies(client: String) throws {
        let own = client == "dev-1" ? "dev-1" : "dev%201%2F%2B"
        let policies = [
            AccessPolicy(rules: [], groups: [:]), AccessPolicy([try .subscribe(to: "fc/#")]),
            AccessPolicy([.everything], denied: [try .publish(to: "x")]),
        ]
        for rights in policies.map({ $0.rights(of: client) }) {
            #expect(rights.mayReceive("fc/_reply/\(own)") && rights.mayReceive("fc/_reply/\(own)/1/err/404"))
            #expect(try rights.maySubscribe("fc/_reply/\(own)/#") && rights.maySubscribe("fc/_reply/\(own)"))
            #expect(!rights.mayReceive("fc/_reply/\(own)2") && !rights.mayReceive("fc/_reply/other/1"))
            #expect(try !rights.maySubscribe("fc/_reply/#") && !rights.maySubscribe("fc/_reply/+/1"))
            #expect(
                try !rights.maySubscribe("fc/_reply/\(own)2/#") && !rights.maySubscribe("$share/g/fc/_reply/\(own)"))
        }
    }

    @Test("Ordinary topics below the prefix and verbs of operators are for rules that spell them")
    func spelled() throws {
        let rights = AccessPolicy([
            try .publish(to: "fc/_ctl/#"), try .publish(to: "fc/own"), try .subscribe(to: "fc/own"),
        ])
        .rights(of: "dev-1")
        #expect(rights.mayPublish("fc/_ctl/ping/EdgeFC") && rights.mayPublish("fc/own") && rights.mayReceive("fc/own"))
        #expect(try rights.maySubscribe("fc/own") && !rights.maySubscribe("fc/+"))
        #expect(!rights.mayPublish("fc/other") && !rights.mayPublish("fc/_sys/drain/req"))
    }

    @Test(
        "A topic rule about calls would be void, and is refused with the right word",
        arguments: [
            "fc/#", "fc/EdgeFC/hello/req", "fc/EdgeFC/+/req/#", "fc/+/+/async", "fc/EdgeFC/hello/cancel/{client}/+",
            "fc/_sys/drain/req", "fc/_sys/#", "fc/EdgeFC/#",
        ])
    func voidPublish(pattern: String) {
        do {
            _ = try AccessRule.Right.publish(to: pattern)
            Issue.record("accepted")
        } catch {
            #expect(error.message.contains("said by `call`"))
        }
    }

    @Test("A topic rule about requests to serve is refused, one to watch them is not")
    func voidSubscribe() throws {
        #expect(throws: AccessFailure.self) { try AccessRule.Right.subscribe(to: "fc/EdgeFC/hello/req/#") }
        _ = try AccessRule.Right.subscribe(to: "fc/EdgeFC/+/req/#")
        _ = try AccessRule.Right.subscribe(to: "fc/EdgeFC/hello/dead")
    }
}
