import BusContract
import Testing

@Suite("Call topic")
struct CallTopicTests {
    private static func name(_ text: String) throws -> FunctionName { try FunctionName(parsing: text) }

    private static func forms() throws -> [(String, CallTopic)] {
        let echo = try Self.name("demo/echo")
        let reply = ReplyLevels(client: "me%2F1", call: "42")
        let stats = try FunctionName(systemOperation: "stats")
        return [
            ("fc/demo/echo/req", .request(echo, nil)), ("fc/demo/echo/req/me%2F1/42", .request(echo, reply)),
            ("fc/demo/echo/async", .async(echo, nil)), ("fc/demo/echo/async/me%2F1/42", .async(echo, reply)),
            ("fc/demo/echo/cancel", .cancel(echo, nil)), ("fc/demo/echo/cancel/me%2F1/42", .cancel(echo, reply)),
            ("fc/_reply/me1", .reply(client: "me1", call: nil, errorStatus: nil)),
            ("fc/_reply/me1/42", .reply(client: "me1", call: "42", errorStatus: nil)),
            ("fc/_reply/me1/42/err/503", .reply(client: "me1", call: "42", errorStatus: 503)),
            ("fc/demo/echo/dead", .dead(echo)), ("fc/_catalog/demo/echo", .catalog(echo)),
            ("fc/_inst/host-1.3", .instance("host-1.3")),
            ("fc/_ctl/ping", .control(verb: "ping", service: nil, instance: nil)),
            ("fc/_ctl/drain/demo", .control(verb: "drain", service: "demo", instance: nil)),
            ("fc/_ctl/drain/demo/host-1.3", .control(verb: "drain", service: "demo", instance: "host-1.3")),
            ("fc/_evt/failed/demo/echo", .event(kind: "failed", echo)), ("fc/_sys/stats/req", .request(stats, nil)),
            ("fc/_sys/stats/req/me%2F1/42", .request(stats, reply)), ("fc/_sys/stats/cancel", .cancel(stats, nil)),
        ]
    }

    @Test("Every form is read as what it is and written as it was", arguments: try forms())
    func roundTrip(_ text: String, _ topic: CallTopic) {
        #expect(CallTopic(text) == topic)
        #expect(topic.string == text)
    }

    @Test(
        "A topic under fc/ without one of the forms has no meaning",
        arguments: [
            "fc/", "fc/demo", "fc/demo/echo", "fc/demo/echo/", "fc/demo/echo/req/", "fc/demo/echo/req/me",
            "fc/demo/echo/req/me/", "fc/demo/echo/req//42", "fc/demo/echo/req/me/42/x", "fc/demo/echo/other",
            "fc/demo/echo/dead/me/42", "fc/demo/echo/req/m e/42", "fc/demo/echo/req/me/4 2", "fc/9/echo/req",
            "fc/demo/_echo/req", "fc/_demo/echo/req", "fc//echo/req", "fc/demo//req", "fc/_reply", "fc/_reply/",
            "fc/_reply/me/42/err", "fc/_reply/me/42/err/x", "fc/_reply/me/42/err/+50", "fc/_reply/me/42/err/0503",
            "fc/_reply/me/42/err/50", "fc/_reply/me/42/ok/503", "fc/_reply/a%2/1", "fc/_catalog/demo",
            "fc/_catalog/demo/echo/x", "fc/_catalog/_sys/stats", "fc/_inst/", "fc/_inst/a/b", "fc/_inst/a b",
            "fc/_ctl/",
            "fc/_ctl/ping/", "fc/_ctl/ping/demo/i/x", "fc/_ctl/ping/_x", "fc/_evt/failed/demo", "fc/_evt//demo/echo",
            "fc/_evt/failed/demo/echo/x", "fc/_sys/stats", "fc/_sys/stats/async", "fc/_sys/stats/dead",
            "fc/_sys/_x/req", "fc/_other/x/req", "fc/\u{301}demo/echo/req", "fc/demo/\u{301}echo/req",
        ])
    func malformed(_ text: String) {
        #expect(CallTopic(text) == nil)
        #expect(Self.mayBe(text))
    }

    @Test(
        "A topic outside fc/ is none of the protocol's", arguments: ["", "f", "fc", "fcx/a", "FC/a", "/fc/a", "a/fc/b"])
    func outside(_ text: String) {
        #expect(CallTopic(text) == nil)
        #expect(!Self.mayBe(text))
    }

    @Test("The answer to the topic form goes to the levels it names")
    func replyTopic() {
        #expect(ReplyLevels(client: "me%2F1", call: "42").replyTopic.string == "fc/_reply/me%2F1/42")
    }

    private static func mayBe(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { CallTopic.mayBe(UnsafeRawBufferPointer($0)) }
    }
}
