import BusTestKit
import BusWire
import Testing

/// Presences of instances that say nothing of themselves (protocol, §2).
@Suite("Presences that the broker says")
struct AnnouncementTests {
    let people = CallClients()
    let topic = "fc/_inst/i"

    private func observer(_ filter: String = "fc/_inst/#") -> ScriptedClient {
        let observer = self.people.client("observer-\(filter)")
        observer.subscribe(filter, qos: .atLeastOnce)
        return observer
    }

    private func functions(_ presences: [Publish]) -> [String] { presences.map { "\($0.topic) \($0.text)" } }

    private func leave(_ instance: ScriptedClient) {
        let filters = ["$share/fc/fc/demo/echo/req/#"]
        instance.send(.unsubscribe(Unsubscribe(packetIdentifier: instance.nextPacketIdentifier(), filters: filters)))
    }

    @Test("A stock client that serves is announced, to who is there and to who comes later", arguments: ["v5", "v3"])
    func silent(_ version: String) {
        let early = self.observer()
        _ = self.people.instance("i", version: version == "v5" ? .v5 : .v3_1_1)
        #expect(early.takePublishes().isEmpty)
        self.people.network.advance(milliseconds: 500)
        let text = #"{"status":"online","functions":["demo/echo"]}"#
        #expect(self.functions(early.takePublishes()) == ["\(self.topic) \(text)"])
        let late = self.observer("#").takePublishes()
        #expect(self.functions(late) == ["\(self.topic) \(text)"])
        #expect(late.map(\.isRetained) == [true])
        #expect(self.observer("$share/g/fc/_inst/#").takePublishes().isEmpty)
    }

    @Test("It is taken back when the client goes, and when it serves nothing any more")
    func gone() {
        let observer = self.observer()
        let first = self.people.instance("i")
        let second = self.people.instance("j")
        self.people.network.advance(milliseconds: 500)
        #expect(observer.takePublishes().count == 2)
        first.drop()
        self.leave(second)
        #expect(self.functions(observer.takePublishes()) == ["fc/_inst/i ", "fc/_inst/j "])
        #expect(self.observer("fc/_inst/+").takePublishes().isEmpty)
    }

    @Test("It follows what the instance serves")
    func changes() {
        let observer = self.observer()
        let instance = self.people.instance("i")
        self.people.network.advance(milliseconds: 500)
        instance.subscribe("$share/fc/fc/a/b/req/#", qos: .atLeastOnce)
        self.people.network.advance(milliseconds: 500)
        self.leave(instance)
        #expect(
            observer.takePublishes().map(\.text) == [
                #"{"status":"online","functions":["demo/echo"]}"#,
                #"{"status":"online","functions":["a/b","demo/echo"]}"#, #"{"status":"online","functions":["a/b"]}"#,
            ])
    }

    @Test("One that speaks for itself is not spoken for, be it soon or late")
    func own() {
        let observer = self.observer()
        let soon = self.people.instance("i")
        self.people.presence(soon, "i", #"{"status":"online","capacity":3}"#)
        self.people.network.advance(milliseconds: 500)
        #expect(observer.takePublishes().map(\.text) == [#"{"status":"online","capacity":3}"#])
        let late = self.people.instance("j")
        self.people.network.advance(milliseconds: 500)
        self.people.presence(late, "j", #"{"status":"online","capacity":4}"#)
        #expect(observer.takePublishes().last?.text == #"{"status":"online","capacity":4}"#)
        #expect(
            Set(self.observer("fc/_inst/+").takePublishes().map(\.text)) == [
                #"{"status":"online","capacity":3}"#, #"{"status":"online","capacity":4}"#,
            ])
    }

    @Test("One that is gone before it was announced, and clients that serve nothing, leave no trace")
    func brief() {
        let observer = self.observer()
        self.people.instance("i").drop()
        _ = self.people.caller()
        self.people.network.advance(seconds: 2)
        #expect(observer.takePublishes().isEmpty)
    }

    @Test("A client whose name no topic level can hold is announced under its encoded name")
    func encoded() {
        let observer = self.observer()
        _ = self.people.instance("a/b+c")
        self.people.network.advance(milliseconds: 500)
        let topics = observer.takePublishes().map(\.topic)
        #expect(topics.count == 1)
        let levels = topics.first?.split(separator: "/") ?? []
        #expect(levels.count == 3 && levels[1] == "_inst" && !levels[2].contains("+"))
    }
}
