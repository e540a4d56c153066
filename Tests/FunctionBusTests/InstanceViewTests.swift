import BusContract
import Testing

@testable import FunctionBus

@Suite("The view of the instances")
struct InstanceViewTests {
    private static let name = try? BusContract.FunctionName(service: "demo", function: "echo")

    private func presence(
        _ instance: String, _ status: InstanceDescriptor.Status? = .online, isRetained: Bool = false
    ) -> ApplicationMessage {
        var descriptor = InstanceDescriptor()
        descriptor.functions = ["demo/echo"]
        if let status { descriptor.status = status }
        return ApplicationMessage(
            topic: "fc/_inst/\(instance)", payload: status == nil ? [] : Array(descriptor.text.utf8),
            isRetained: isRetained)
    }

    private func view(_ own: String, of instances: [String], isComplete: Bool = true) -> InstanceView {
        var view = InstanceView(own: own)
        for instance in instances { view.receive(self.presence(instance), from: instance) }
        if isComplete { view.complete() }
        return view
    }

    private func request(_ number: Int) -> ApplicationMessage {
        var message = ApplicationMessage(topic: "fc/demo/echo/req", payload: [])
        message.properties.correlationData = [UInt8(truncatingIfNeeded: number >> 8), UInt8(number & 0xFF)]
        return message
    }

    /// Whose the requests are, with the views of all.
    private func owners(_ views: [String: InstanceView], _ number: Int) throws -> [String] {
        let name = try #require(Self.name)
        return views.filter { $0.value.isOurs(self.request(number), nil, of: name) }.map(\.key)
    }

    @Test("Where all see the same, each request is exactly one's", arguments: 1...5)
    func exactness(_ count: Int) throws {
        let instances = (1...count).map { "i\($0)" }
        var views: [String: InstanceView] = [:]
        for instance in instances { views[instance] = self.view(instance, of: instances) }
        for number in 0..<500 { #expect(try self.owners(views, number).count == 1) }
    }

    @Test("Presence in the stream moves requests between the same two for all: none is lost, none runs twice")
    func stream() throws {
        let instances = ["i1", "i2", "i3"]
        var views: [String: InstanceView] = [:]
        for instance in instances { views[instance] = self.view(instance, of: ["i1", "i2"]) }
        for number in 0..<900 {
            let change = number == 300 ? self.presence("i3") : number == 600 ? self.presence("i1", .draining) : nil
            if let change {
                for instance in instances { views[instance]?.receive(change, from: number == 300 ? "i3" : "i1") }
            }
            let owners = try self.owners(views, number)
            #expect(owners.count == 1)
            if number < 300 { #expect(owners != ["i3"]) }
            if number >= 600 { #expect(owners != ["i1"]) }
        }
    }

    @Test("Nothing is ours before the view is complete, nor before our own presence has come back")
    func incomplete() throws {
        let name = try #require(Self.name)
        #expect(!self.view("i1", of: ["i1"], isComplete: false).isOurs(self.request(1), nil, of: name))
        var view = self.view("i1", of: [])
        view.receive(self.presence("i1", isRetained: true), from: "i1")
        #expect(!view.isOurs(self.request(1), nil, of: name))
        view.receive(self.presence("i1"), from: "i1")
        #expect(view.isOurs(self.request(1), nil, of: name))
        view.forget()
        #expect(!view.isOurs(self.request(1), nil, of: name))
    }

    @Test("Who is known by a retained presence only is waited for, and does not count when it stays silent")
    func ghosts() throws {
        var view = self.view("i1", of: ["i1"], isComplete: false)
        for instance in ["ghost", "i2"] {
            view.receive(self.presence(instance, isRetained: true), from: instance)
            #expect(view.awaitsOthers)
        }
        view.receive(self.presence("i2"), from: "i2")
        #expect(view.awaitsOthers)
        view.complete()
        #expect(!view.awaitsOthers)
        var views = ["i1": view]
        views["i2"] = self.view("i2", of: ["i1", "i2"])
        for number in 0..<200 { #expect(try self.owners(views, number).count == 1) }
    }

    @Test("A live word counts more than a retained one that comes later")
    func order() throws {
        var view = self.view("i1", of: ["i1", "i2"])
        view.receive(self.presence("i2", nil, isRetained: true), from: "i2")
        #expect(view.count == 2)
        view.receive(self.presence("i2", nil), from: "i2")
        #expect(view.count == 1)
    }

    @Test("What is no descriptor is no instance, and no function no seat")
    func nonsense() throws {
        var view = self.view("i1", of: ["i1"])
        view.receive(ApplicationMessage(topic: "fc/_inst/x", payload: Array("nonsense".utf8)), from: "x")
        view.receive(
            ApplicationMessage(topic: "fc/_inst/y", payload: Array(#"{"functions":["//","demo/other"]}"#.utf8)),
            from: "y")
        #expect(view.count == 2)
        let name = try #require(Self.name)
        for number in 0..<50 { #expect(view.isOurs(self.request(number), nil, of: name)) }
    }
}
