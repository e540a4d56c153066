import BusContract
import Testing

@Suite("Choice of an instance")
struct InstanceChoiceTests {
    private func request(_ number: Int, key: String? = nil) -> ApplicationMessage {
        var message = ApplicationMessage(topic: "fc/demo/echo/req", payload: [1])
        message.properties.responseTopic = "fc/_reply/caller"
        message.properties.correlationData = Array("\(number)".utf8)
        if let key { message.properties.userProperties = [(PropertyName.key, key)] }
        return message
    }

    private func owner(_ number: Int, _ instances: [String]) -> String? {
        InstanceChoice(self.request(number), nil).owner(among: instances)
    }

    private let instances = ["a", "b", "host-1", "host-2", "fcbus-0123456789abcdef"]

    @Test("It is the same in whatever order the instances come, and each gets its share")
    func evenness() throws {
        var counts: [String: Int] = [:]
        for number in 0..<5000 {
            let owner = try #require(self.owner(number, self.instances))
            #expect(owner == self.owner(number, self.instances.reversed()))
            counts[owner, default: 0] += 1
        }
        #expect(counts.keys.sorted() == self.instances.sorted())
        #expect(counts.values.allSatisfy { (850...1150).contains($0) }, "\(counts)")
    }

    @Test("One that leaves moves its own requests only, and evenly")
    func leaving() throws {
        var moved: [String: Int] = [:]
        for number in 0..<5000 {
            let before = try #require(self.owner(number, self.instances))
            let after = try #require(self.owner(number, self.instances.filter { $0 != "b" }))
            if before != "b" { #expect(after == before) } else { moved[after, default: 0] += 1 }
        }
        #expect(moved.count == 4)
        #expect(moved.values.allSatisfy { (180...320).contains($0) }, "\(moved)")
    }

    @Test("Requests of one key go to one, whoever calls; without a key the caller's address and correlation count")
    func keys() {
        let owners = Set(
            (0..<100).map { number in
                InstanceChoice(self.request(number, key: "device-7"), nil).owner(among: self.instances)
            })
        #expect(owners.count == 1)
        #expect(Set((0..<100).map { self.owner($0, self.instances) }).count == self.instances.count)
    }

    @Test("In the form of MQTT 3.1.1 its levels count, and the payload where there is nothing else")
    func otherForms() {
        let message = ApplicationMessage(topic: "t", payload: [1])
        let owners = (0..<100).map { number in
            InstanceChoice(message, ReplyLevels(client: "c", call: "\(number)")).owner(among: self.instances)
        }
        #expect(Set(owners).count == self.instances.count)
        let payloads = (0..<100).map { number in
            InstanceChoice(ApplicationMessage(topic: "t", payload: [UInt8(number)]), nil).owner(among: self.instances)
        }
        #expect(Set(payloads).count == self.instances.count)
    }

    @Test("Nobody is chosen among none, and the only one among one")
    func few() {
        #expect(self.owner(1, []) == nil)
        #expect(self.owner(1, ["x"]) == "x")
    }

    /// The contract with instances in other languages (Documentation/protocol.md).
    @Test("The hash is FNV-1a of 64 bits with the mix of the page")
    func hash() {
        var hash = StableHash()
        #expect(hash.bits == Self.mixed(0xCBF2_9CE4_8422_2325))
        hash.combine("a")
        #expect(hash.bits == Self.mixed(0xAF63_DC4C_8601_EC8C))
        hash.combine(Array("foobar".utf8))
        var other = StableHash()
        other.combine("afoobar")
        #expect(hash.bits == other.bits)
        var known = StableHash()
        known.combine("foobar")
        #expect(known.bits == Self.mixed(0x8594_4171_F739_67E8))
    }

    private static func mixed(_ hash: UInt64) -> UInt64 {
        let product = (hash ^ (hash >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        return product ^ (product >> 33)
    }
}
