import BusAccess
import Testing

@Suite("mosquitto's access lists")
struct MosquittoListTests {
    /// What mosquitto 2.0.11 answered to a client: a PUBLISH at QoS 1 by its PUBACK, a message of somebody else on the
    /// topic by its arrival.
    struct Observation: CustomTestStringConvertible, Sendable {
        var client = "k"
        var user: String?
        var topic: String
        var writes: Bool
        var reads: Bool?

        var testDescription: String { "\(self.client) of \(self.user ?? "nobody") on \(self.topic)" }
    }

    private func check(_ list: String, _ observations: [Observation]) throws {
        let policy = AccessPolicy(mosquitto: try MosquittoAccessList(list))
        for seen in observations {
            let rights = policy.rights(of: Identity(user: seen.user, clientIdentifier: seen.client))
            #expect(rights.mayPublish(seen.topic) == seen.writes, "\(seen.testDescription)")
            if let reads = seen.reads { #expect(rights.mayReceive(seen.topic) == reads, "\(seen.testDescription)") }
        }
    }

    @Test("Lines before the first user are for anonymous clients, and what no line names is denied")
    func users() throws {
        let list = """
            topic a
            user u
            topic read b
            topic write c
            topic readwrite d/#
            topic deny d/e
            """
        try self.check(
            list,
            [
                Observation(topic: "a", writes: true, reads: true),
                Observation(topic: "b", writes: false, reads: false),
                Observation(topic: "d/f", writes: false, reads: false),
                Observation(user: "u", topic: "a", writes: false, reads: false),
                Observation(user: "u", topic: "b", writes: false, reads: true),
                Observation(user: "u", topic: "c", writes: true, reads: false),
                Observation(user: "u", topic: "d", writes: true),
                Observation(user: "u", topic: "d/e", writes: false, reads: false),
                Observation(user: "u", topic: "d/f", writes: true, reads: true),
                Observation(user: "other", topic: "a", writes: false, reads: false),
                Observation(user: "other", topic: "d/f", writes: false, reads: false),
            ])
    }

    @Test("Denying lines come first wherever they stand")
    func denyFirst() throws {
        let list = "user u\ntopic readwrite d/#\ntopic deny d/e\ntopic read d/e\n"
        try self.check(
            list,
            [
                Observation(user: "u", topic: "d/e", writes: false, reads: false),
                Observation(user: "u", topic: "d/f", writes: true, reads: true),
            ])
    }

    @Test("A user's own lines decide before the patterns for all")
    func ownLinesFirst() throws {
        let list = """
            user u
            topic readwrite d/#
            user w
            topic deny p/#
            pattern deny d/%c
            pattern readwrite p/%c/#
            pattern deny p/+/x
            """
        try self.check(
            list,
            [
                Observation(user: "u", topic: "d/k", writes: true, reads: true),
                Observation(user: "v", topic: "d/k", writes: false, reads: false),
                Observation(user: "u", topic: "p/k/1", writes: true, reads: true),
                Observation(user: "u", topic: "p/k/x", writes: false, reads: false),
                Observation(user: "u", topic: "p/j/1", writes: false),
                Observation(user: "w", topic: "p/k/1", writes: false, reads: false),
                Observation(topic: "p/k/1", writes: true, reads: true),
            ])
    }

    @Test("No pattern is for a client with a wildcard in one of its names, its user's own lines are")
    func wildcardsInNames() throws {
        let list = """
            user u
            topic readwrite t/#
            user a+b
            topic readwrite t/#
            pattern readwrite p/%c/#
            pattern readwrite q/%u/#
            pattern readwrite n/#
            """
        for (client, user) in [("a+b", "u"), ("+", "u"), ("#", "u"), ("k", "a+b")] {
            try self.check(
                list,
                [
                    Observation(client: client, user: user, topic: "t/1", writes: true),
                    Observation(client: client, user: user, topic: "p/zz/1", writes: false),
                    Observation(client: client, user: user, topic: "p/k/1", writes: false),
                    Observation(client: client, user: user, topic: "q/u/1", writes: false),
                    Observation(client: client, user: user, topic: "n/1", writes: false),
                ])
        }
        try self.check(
            list,
            [
                Observation(topic: "p/k/1", writes: true), Observation(topic: "n/1", writes: true),
                Observation(topic: "q//1", writes: false), Observation(topic: "q/%u/1", writes: false),
                Observation(user: "v", topic: "q/v/1", writes: true),
                Observation(user: "v", topic: "t/1", writes: false),
            ])
    }

    @Test("%c and %u stand for a level or a part of one, in patterns alone")
    func placeholders() throws {
        let list = """
            pattern readwrite p/x-%c-y/%u%c
            pattern readwrite %c/1
            user u
            topic readwrite t/%c/#
            """
        try self.check(
            list,
            [
                Observation(user: "u", topic: "p/x-k-y/uk", writes: true),
                Observation(user: "u", topic: "k/1", writes: true),
                Observation(user: "u", topic: "$x/1", writes: false),
                Observation(user: "u", topic: "t/k/1", writes: false),
                Observation(user: "u", topic: "t/%c/1", writes: true),
            ])
    }

    @Test("Topics that begin with $ need lines that begin so, to allow and to deny")
    func dollar() throws {
        let list = "user u\ntopic readwrite #\nuser v\ntopic deny #\ntopic readwrite $x/#\ntopic readwrite a\n"
        try self.check(
            list,
            [
                Observation(user: "u", topic: "$x/1", writes: false, reads: false),
                Observation(user: "u", topic: "$SYS/x", writes: false),
                Observation(user: "u", topic: "a", writes: true),
                Observation(user: "v", topic: "$x/1", writes: true, reads: true),
                Observation(user: "v", topic: "a", writes: false),
            ])
    }

    @Test("Wildcards in lines match as in subscriptions")
    func wildcards() throws {
        try self.check(
            "user u\ntopic write a/#\ntopic write +/b\n",
            [
                Observation(user: "u", topic: "a", writes: true), Observation(user: "u", topic: "a/", writes: true),
                Observation(user: "u", topic: "c/b", writes: true), Observation(user: "u", topic: "/b", writes: true),
                Observation(user: "u", topic: "$x/b", writes: false),
            ])
    }

    @Test("Topics and users may contain spaces; those around them don't count, nor do line ends of another system")
    func spaces() throws {
        try self.check(
            "user  u v \ntopic  read   a b\r\n  topic write c d \n\n# comment\ntopic write  e\n",
            [
                Observation(user: "u v", topic: "a b", writes: false, reads: true),
                Observation(user: "u v", topic: "c d", writes: true),
                Observation(user: "u v", topic: "c d ", writes: false),
                Observation(user: "u v", topic: "e", writes: true),
                Observation(user: "u v ", topic: "e", writes: false),
            ])
    }

    @Test("The lines of a user may stand in several places")
    func severalPlaces() throws {
        try self.check(
            "user u\ntopic write a\nuser v\ntopic write b\nuser u\ntopic write c\n",
            [
                Observation(user: "u", topic: "a", writes: true), Observation(user: "u", topic: "b", writes: false),
                Observation(user: "u", topic: "c", writes: true),
            ])
    }

    @Test("An empty list denies everything and grants subscriptions", arguments: ["", "# nothing\n", "\n\r\n"])
    func empty(list: String) throws {
        try self.check(list, [Observation(topic: "a", writes: false, reads: false)])
        #expect(try AccessPolicy(mosquitto: MosquittoAccessList(list)).rights(of: "k").maySubscribe("a"))
    }

    @Test("Subscriptions are granted, and messages checked one by one")
    func subscriptions() throws {
        let policy = AccessPolicy(mosquitto: try MosquittoAccessList("user u\ntopic read a\n"))
        let rights = policy.rights(of: "k", user: "u")
        #expect(try ["a", "b", "#", "$SYS/#", "zz/#"].allSatisfy { try rights.maySubscribe($0) })
        #expect(rights.mayReceive("a") && !rights.mayReceive("b") && !rights.mayReceive("$SYS/x"))
    }

    @Test(
        "What is wrong is told with its line",
        arguments: [
            ("user u\nfoo bar\n", "line 2: 'foo' is none of `user`, `topic` and `pattern`"),
            ("USER u\n", "line 1: 'USER' is none of"),
            ("topic wrte a\n", "line 1: 'wrte' is none of `read`, `write`, `readwrite` and `deny`"),
            ("topic a b\n", "line 1: 'a' is none of"), ("topic a/#/b", "line 1: 'a/#/b' is not a topic filter: "),
            ("\n\ntopic a+", "line 3: 'a+' is not a topic filter: "), ("topic write a # c", "line 1: 'a # c' is not"),
            ("topic\n", "line 1: a topic is missing behind `topic`"),
            ("pattern deny \n", "line 1: a topic is missing behind `pattern deny`"),
            ("user \n", "line 1: a name is missing behind `user`"),
            ("topic\twrite\ta\n", "line 1: 'topic\twrite\ta' is none of"),
            ("topic write\ta\n", "line 1: a tab in 'write\ta': words are separated by spaces"),
            ("topic $share/g/a\n", "line 1: '$share/g/a': write the filter alone"),
        ])
    func wrong(list: String, message: String) {
        do {
            _ = try MosquittoAccessList(list)
            Issue.record("accepted")
        } catch {
            #expect(error.description.hasPrefix(message), "\(error)")
        }
    }

    @Test(
        "A damaged list is read or refused with a line, and what is read answers",
        arguments: [0x00, 0x20, 0x23, 0x0A, 0xC3])
    func damaged(byte: UInt8) throws {
        let list = "topic a\nuser u v\ntopic read a/+/b\n# x\npattern deny p/%c/%u/#\r\ntopic readwrite  $x/#\n"
        let bytes = Array(list.utf8)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] = byte
            for text in [String(decoding: damaged, as: UTF8.self), String(decoding: bytes[..<index], as: UTF8.self)] {
                do {
                    let policy = AccessPolicy(mosquitto: try MosquittoAccessList(text))
                    let rights = policy.rights(of: "k", user: "u v")
                    #expect(!rights.mayPublish("never/named/anywhere") && !rights.mayReceive(""))
                } catch {
                    #expect(error.line != nil)
                }
            }
        }
    }
}

@Suite("mosquitto's access lists, where fcbus is narrower")
struct MosquittoNarrowerTests {
    private func rights(_ list: String, client: String = "k", user: String? = "u") throws -> AccessRights {
        AccessPolicy(mosquitto: try MosquittoAccessList(list)).rights(of: client, user: user)
    }

    @Test("A slash in a name moves no pattern elsewhere, but what is denied there is denied")
    func slashes() throws {
        let rights = try self.rights("pattern write p/%c/#\npattern write q/#\npattern deny q/%c\n", client: "a/b")
        #expect(!rights.mayPublish("p/a/b/1"))
        #expect(rights.mayPublish("q/a") && !rights.mayPublish("q/a/b"))
    }

    @Test("A name that begins with $ spells no topic")
    func dollar() throws {
        #expect(try !self.rights("pattern readwrite %c/1\n", client: "$x").mayPublish("$x/1"))
    }

    @Test(
        "A shared subscription must be readable as a whole, for what a member cannot read would be lost to the others")
    func shared() throws {
        let rights = try self.rights("user u\ntopic read a/#\ntopic deny a/b/#\n")
        #expect(try rights.maySubscribe("$share/g/a/x") && rights.maySubscribe("$share/g/a/#"))
        #expect(try !rights.maySubscribe("$share/g/b") && !rights.maySubscribe("$share/g/a/b/+"))
        #expect(try rights.maySubscribe("b") && rights.maySubscribe("a/b/+"))
    }

    @Test("Topics of calls are topics like others: who may write requests calls, who may read them serves")
    func calls() throws {
        let caller = try self.rights("user u\ntopic write fc/EdgeFC/+/req/#\n")
        #expect(try caller.mayCall("EdgeFC/hello") && !caller.mayCall("Else/hello") && !caller.mayServe("EdgeFC/hello"))
        #expect(caller.mayPublish("fc/EdgeFC/hello/req/k/1") && caller.mayPublish("fc/EdgeFC/hello/async"))
        #expect(caller.mayPublish("fc/EdgeFC/hello/cancel") && !caller.mayPublish("fc/Else/hello/req"))
        let instance = try self.rights("user u\ntopic read fc/EdgeFC/+/req/#\n")
        #expect(try instance.mayServe("EdgeFC/hello") && !instance.mayServe("Else/x") && !instance.mayCall("EdgeFC/x"))
        #expect(try instance.maySubscribe("$share/fc/fc/EdgeFC/hello/req/#"))
        #expect(try instance.maySubscribe("fc/EdgeFC/hello/req/#") && !instance.maySubscribe("fc/Else/x/req"))
        #expect(instance.mayPublish("fc/_catalog/EdgeFC/hello") && instance.mayPublish("fc/_inst/k"))
        #expect(!instance.mayPublish("fc/_inst/other") && !instance.mayPublish("fc/_catalog/Else/x"))
        #expect(!caller.mayPublish("fc/_inst/k") && !caller.mayPublish("fc/_catalog/EdgeFC/hello"))
    }

    @Test("A function whose one-way calls or cancellations are denied is not called at all")
    func deniedCalls() throws {
        let rights = try self.rights("user u\ntopic write fc/#\ntopic deny fc/EdgeFC/+/async/#\n")
        #expect(try !rights.mayCall("EdgeFC/hello") && rights.mayCall("Else/hello"))
        #expect(!rights.mayPublish("fc/EdgeFC/hello/async") && !rights.mayPublish("fc/EdgeFC/hello/async/k/1"))
        let uncancelled = try self.rights("user u\ntopic write fc/#\ntopic deny fc/EdgeFC/+/cancel/#\n")
        #expect(try !uncancelled.mayCall("EdgeFC/hello") && uncancelled.mayCall("Else/hello"))
    }

    @Test("Part of the requests is no right to serve")
    func partOfRequests() throws {
        let rights = try self.rights("user u\ntopic read fc/EdgeFC/hello/req\ntopic read fc/EdgeFC/+/req/k/#\n")
        #expect(try !rights.mayServe("EdgeFC/hello"))
    }

    @Test("A line on the form with the caller's name allows that form")
    func ownForm() throws {
        let rights = try self.rights("pattern write fc/EdgeFC/hello/req/%c/+\n")
        #expect(rights.mayPublish("fc/EdgeFC/hello/req/k/1") && !rights.mayPublish("fc/EdgeFC/hello/req/x/1"))
        #expect(try !rights.mayCall("EdgeFC/hello"))
    }

    @Test("The platform's own functions must be spelled")
    func system() throws {
        let open = try self.rights("user u\ntopic readwrite #\ntopic write +/_sys/#\ntopic write fc/+/drain/#\n")
        #expect(try open.mayCall("EdgeFC/hello") && open.mayCall("_sys/drain"))
        let wide = try self.rights("user u\ntopic readwrite #\ntopic write fc/+/drain/#\n")
        #expect(try !wide.mayCall("_sys/drain"))
        #expect(!wide.mayPublish("fc/_sys/drain/req") && !wide.mayPublish("fc/_sys/drain/cancel"))
        let spelled = try self.rights("user u\ntopic write fc/_sys/stats/#\n")
        #expect(try spelled.mayCall("_sys/stats") && !spelled.mayCall("_sys/drain"))
        #expect(spelled.mayPublish("fc/_sys/stats/req"))
    }

    @Test("Answers are the client's own, whatever the lines say")
    func answers() throws {
        let rights = try self.rights("user u\ntopic read #\ntopic deny fc/_reply/#\n")
        #expect(rights.mayReceive("fc/_reply/k/1") && !rights.mayReceive("fc/_reply/x/1"))
        #expect(try rights.maySubscribe("fc/_reply/k/#") && !rights.maySubscribe("fc/_reply/#"))
    }
}
