import Foundation
import Testing

@testable import FunctionHost

@Suite("A folder that changes")
struct FunctionTreeTests {
    private static func manifest(_ function: String, _ more: String = "") -> String {
        "service: S\nfunction: \(function)\nruntime: python3\nhandler: index.handler\n\(more)\n"
    }

    @Test("A change of a manifest or of Python code is seen; a data file in the folder is none")
    func changes() throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("f"), to: "f/function.yaml")
        try folder.write("def handler(event, context): return 1", to: "f/index.py")
        var tree = FunctionTree(folder.path)
        let first = tree.look()
        try folder.write("7", to: "f/counter.txt")
        #expect(tree.look() == first)
        try folder.write("def handler(event, context): return 22", to: "f/index.py")
        let second = tree.look()
        #expect(second != first)
        try folder.write(Self.manifest("f", "timeout: 7s"), to: "f/function.yaml")
        #expect(tree.look().plan.functions.first?.primary.timeout == .seconds(7))
    }

    @Test("A manifest that became invalid counts as before, and the mistake is told")
    func broken() throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("f", "timeout: 7s"), to: "f/function.yaml")
        var tree = FunctionTree(folder.path)
        _ = tree.look()
        try folder.write(Self.manifest("f", "timeout: soon"), to: "f/function.yaml")
        let look = tree.look()
        #expect(look.plan.functions.first?.primary.timeout == .seconds(7))
        #expect(look.errors.map(\.line) == [5])
    }

    @Test("Folders of versions make one function; without a split the newest gets every call")
    func versions() throws {
        let folder = try FunctionFolder()
        for version in ["9", "10", "2"] {
            try folder.write(Self.manifest("f", "version: \(version)"), to: "f/\(version)/function.yaml")
        }
        let plan = try ManifestTree.read(folder.path)
        let function = try #require(plan.functions.first)
        #expect(plan.functions.count == 1)
        #expect(function.versions.map { "\($0.manifest.title) \($0.share)" } == ["S/f:2 0", "S/f:9 0", "S/f:10 100"])
        #expect(function.primary.version == FunctionVersion("10"))
    }

    @Test("An alias splits the calls")
    func split() throws {
        let folder = try FunctionFolder()
        for version in [3, 4] {
            try folder.write(Self.manifest("f", "version: \(version)"), to: "f/\(version)/function.yaml")
        }
        try folder.write("service: S\nfunction: f\nsplit: { 3: 90, 4: 10 }", to: "f/alias.yaml")
        let function = try #require(try ManifestTree.read(folder.path).functions.first)
        #expect(function.versions.map(\.share) == [90, 10])
        #expect(function.primary.version == FunctionVersion("3"))
    }

    @Test(
        "A mistake in an alias is told with file, line and what to do",
        arguments: [
            ("split: { 3: 50, 4: 40 }", "alias.yaml:3: the parts of split must add up to 100 (got 90)"),
            ("split: { 3: 90, 5: 10 }", "alias.yaml:3: split names version 5 of S/f; there is 3, 4"),
            ("split: 3", "alias.yaml:3: split is a map of version: per cent such as { 3: 90, 4: 10 }"),
            ("splitt: 3", "alias.yaml:3: unknown key splitt; did you mean split?"),
            ("split: { 3: 101 }", "alias.yaml:3: split.3 must be a whole number from 0 to 100 (got 101)"),
        ])
    func aliasMistakes(_ line: String, _ message: String) throws {
        let folder = try FunctionFolder()
        for version in [3, 4] {
            try folder.write(Self.manifest("f", "version: \(version)"), to: "f/\(version)/function.yaml")
        }
        try folder.write("service: S\nfunction: f\n\(line)", to: "alias.yaml")
        let errors = #expect(throws: ManifestErrors.self) { try ManifestTree.read(folder.path) }
        #expect(errors?.description == "\(folder.path)/\(message)")
    }

    @Test("An alias of a function that is not there is a mistake")
    func strayAlias() throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("f"), to: "f/function.yaml")
        try folder.write("service: S\nfunction: g\nsplit: { 1: 100 }", to: "alias.yaml")
        let errors = #expect(throws: ManifestErrors.self) { try ManifestTree.read(folder.path) }
        #expect(errors?.description.contains("there is no function S/g to split") == true)
    }

    @Test(
        "Versions are ordered as people count",
        arguments: [("2", "10"), ("1.4.2", "1.10"), ("1", "1.0"), ("9", "beta"), ("a", "b")])
    func order(_ older: String, _ newer: String) throws {
        let (older, newer) = (try #require(FunctionVersion(older)), try #require(FunctionVersion(newer)))
        #expect(older < newer)
        #expect(!(newer < older))
    }

    @Test("A version that cannot be written as one is refused", arguments: ["", "a b", "3/4", "ü"])
    func badVersion(_ text: String) {
        #expect(FunctionVersion(text) == nil)
    }

    @Test("host.yaml sets what holds for the whole host")
    func settings() throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("f"), to: "f/function.yaml")
        try folder.write("workersMax: 50\nwatch: off", to: "host.yaml")
        let settings = try ManifestTree.read(folder.path).settings
        #expect(settings.workersMax == 50)
        #expect(settings.watch == nil)
        #expect(throws: ManifestError.self) { try HostSettings.read("workersMax: 0", file: "host.yaml") }
    }
}

@Suite("Changes that settle")
struct TreeSettlerTests {
    private static func plan(_ functions: String..., timeout: Int = 5) throws -> HostPlan {
        var plan = HostPlan()
        plan.functions = try functions.map { name in
            let address = try #require(FunctionAddress(service: "S", function: name))
            var manifest = FunctionManifest(address: address, runtime: .exec, handler: ["cat"], folder: name)
            manifest.timeout = .seconds(timeout)
            return FunctionPlan(manifest)
        }
        return plan
    }

    @Test("A change counts once two looks in a row found it")
    func twice() throws {
        var settler = TreeSettler(try Self.plan("a"))
        let next = try Self.plan("a", "b")
        #expect(settler.look(next) == nil)
        #expect(settler.look(next) == next)
        #expect(settler.look(next) == nil)
    }

    @Test("What goes on changing waits, and holds up nothing else")
    func restless() throws {
        var settler = TreeSettler(try Self.plan("a", "b"))
        for seconds in 6...9 { #expect(settler.look(try Self.plan("a", "b", timeout: seconds)) == nil) }
        #expect(settler.look(try Self.plan("a", "b", timeout: 9)) == (try Self.plan("a", "b", timeout: 9)))
    }

    @Test("A function that is gone for one look only was never away")
    func flicker() throws {
        let plan = try Self.plan("a", "b")
        var settler = TreeSettler(plan)
        #expect(settler.look(try Self.plan("a")) == nil)
        #expect(settler.look(plan) == nil)
        #expect(settler.look(try Self.plan("a")) == nil)
        #expect(settler.look(try Self.plan("a")) == (try Self.plan("a")))
    }
}
