import BusContract
import BusTopics
import Testing

@Suite("Call filter")
struct CallFilterTests {
    @Test("An instance's filters match both forms of its requests and cancellations")
    func instanceFilters() throws {
        let echo = try FunctionName(parsing: "demo/echo")
        let requests = try TopicFilter(CallFilter.requests(of: echo))
        let cancellations = try TopicFilter(CallFilter.cancellations(of: echo))
        #expect(requests.string == "$share/fc/fc/demo/echo/req/#")
        for reply in [nil, ReplyLevels(client: "me", call: "1")] {
            #expect(requests.matches(CallTopic.request(echo, reply).string))
            #expect(cancellations.matches(CallTopic.cancel(echo, reply).string))
            #expect(!requests.matches(CallTopic.async(echo, reply).string))
        }
    }

    @Test("A caller's filter matches every form of its replies and nobody else's")
    func replyFilter() throws {
        let filter = try TopicFilter(CallFilter.replies(to: "a/b"))
        #expect(filter.string == "fc/_reply/a%2Fb/#")
        #expect(filter.matches(CallTopic.reply(client: "a%2Fb", call: nil, errorStatus: nil).string))
        #expect(filter.matches(CallTopic.reply(client: "a%2Fb", call: "1", errorStatus: nil).string))
        #expect(filter.matches(CallTopic.reply(client: "a%2Fb", call: "1", errorStatus: 500).string))
        #expect(!filter.matches(CallTopic.reply(client: "a", call: nil, errorStatus: nil).string))
    }

    @Test("The filters of the platform's topics match them")
    func platformFilters() throws {
        let echo = try FunctionName(parsing: "demo/echo")
        #expect(try TopicFilter(CallFilter.catalog).matches(CallTopic.catalog(echo).string))
        #expect(try TopicFilter(CallFilter.instances).matches(CallTopic.instance("i").string))
        #expect(try TopicFilter(CallFilter.events).matches(CallTopic.event(kind: "late", echo).string))
        let controls = try CallFilter.controls(of: "i", service: "demo").map { try TopicFilter($0) }
        for (service, instance) in [(nil, nil), ("demo", nil), ("demo", "i")] as [(String?, String?)] {
            let topic = CallTopic.control(verb: "ping", service: service, instance: instance)
            #expect(controls.count { $0.matches(topic.string) } == 1)
        }
        let other = CallTopic.control(verb: "ping", service: "demo", instance: "j")
        #expect(!controls.contains { $0.matches(other.string) })
    }

    @Test(
        "A shared subscription to one function's requests, or a plain one to them all, is an instance",
        arguments: [
            "fc/demo/echo/req", "fc/demo/echo/req/#", "$share/fc/fc/demo/echo/req/#", "$share/other/fc/demo/echo/req",
            "$share/g/fc/demo/echo/req/+/+", "$share/g/fc/demo/echo/req/me/#", "$share/g/fc/demo/echo/req/me/42",
            "$share/g/fc/demo/echo/req/me/42/#",
        ])
    func instance(_ filter: String) throws {
        #expect(try CallFilter.role(of: TopicFilter(filter)) == .instance(FunctionName(parsing: "demo/echo")))
    }

    @Test(
        "A shared subscription with wildcards before its end serves many functions",
        arguments: [
            "$share/g/fc/+/+/req/#", "$share/g/fc/demo/+/req", "$share/g/fc/#", "$share/g/#", "$share/g/+/+/+/+",
            "$share/g/fc/demo/echo/#", "$share/g/fc/demo/echo/+/#", "$share/g/fc/demo/#",
            "$share/g/fc/+/echo/req/me/42",
        ])
    func instanceOfMany(_ filter: String) throws {
        #expect(try CallFilter.role(of: TopicFilter(filter)) == .instanceOfMany)
    }

    @Test(
        "A plain subscription that matches requests otherwise is an observer",
        arguments: [
            "fc/#", "#", "fc/+/+/req", "fc/+/+/req/#", "fc/demo/echo/#", "fc/demo/#", "+/+/+/+", "fc/demo/echo/req/+/+",
            "fc/demo/echo/req/+/#", "fc/demo/echo/req/me/42", "fc/demo/echo/+", "fc/demo/echo/req/me/#",
        ])
    func observer(_ filter: String) throws {
        #expect(try CallFilter.role(of: TopicFilter(filter)) == .observer)
    }

    @Test(
        "A subscription that matches no request is unrelated to calls",
        arguments: [
            "a", "fc", "fc/demo", "fc/demo/echo", "fc/demo/echo/async", "fc/demo/echo/req/+", "fc/demo/echo/req/me",
            "fc/_reply/me/#", "fc/_catalog/#", "fc/_sys/stats/req", "fc/+/+/cancel/#", "+/+/+", "+/+/+/+/+", "$SYS/#",
            "$share/g/fc/demo/echo/cancel/#", "$share/g/devices/#", "fc/demo/echo/req/me/42/x", "fc/9/echo/req",
            "$share/g/fc/demo/echo/req/+", "fc/demo/echo/req/me/a b",
        ])
    func unrelated(_ filter: String) throws {
        #expect(try CallFilter.role(of: TopicFilter(filter)) == .unrelated)
    }
}
