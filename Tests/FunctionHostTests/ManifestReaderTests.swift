import Testing

@testable import FunctionHost

@Suite("Function manifests")
struct ManifestReaderTests {
    static let head = "service: S\nfunction: f\nruntime: python3\nhandler: index.handler\n"

    @Test("Four lines are enough; everything else has a default")
    func defaults() throws {
        let manifest = try ManifestReader.read(Self.head, file: "a/b/function.yaml")
        #expect(manifest.address == FunctionAddress(service: "S", function: "f"))
        #expect(manifest.runtime == .python3)
        #expect(manifest.handler == ["index.handler"])
        #expect(manifest.timeout == .seconds(5))
        #expect(manifest.memoryBytes == 256_000_000)
        #expect(manifest.concurrency == 1)
        #expect(manifest.workers == FunctionManifest.Workers(min: 0, max: 4, idle: .seconds(60)))
        #expect(manifest.run == .onDemand)
        #expect(manifest.environment.isEmpty)
        #expect(manifest.triggers.isEmpty)
        #expect(manifest.folder == "a/b")
    }

    @Test("Every key is read")
    func allKeys() throws {
        let text = """
            service: EdgeFC
            function: hello-world_2
            version: 1.4.2
            runtime: exec
            handler: [./run.sh, --fast]
            description: Says hello
            timeout: 250ms
            memory: 64MiB
            limits: { cpu: 1h, files: 64, processes: 8, output: 1KiB }
            directory: fresh
            user: nobody
            concurrency: 3
            workers: { min: 1, spare: 1, max: 2, idle: 2m }
            run: onDemand
            environment: { UNIT: celsius, LIMIT: 25 }
            triggers:
              - topic: devices/+/temperature
              - topic: "#"
                raw: true
                queue: 50
                overflow: dropNewest
              - schedule: "*/5 * * * *"
                timezone: Europe/Berlin
                attempts: 7
              - start: true
            """
        let manifest = try ManifestReader.read(text, file: "function.yaml")
        #expect(manifest.handler == ["./run.sh", "--fast"])
        #expect(manifest.description == "Says hello")
        #expect(manifest.timeout == .milliseconds(250))
        #expect(manifest.memoryBytes == 64 << 20)
        #expect(manifest.concurrency == 3)
        #expect(manifest.workers == FunctionManifest.Workers(min: 1, spare: 1, max: 2, idle: .seconds(120)))
        #expect(manifest.environment == ["UNIT": "celsius", "LIMIT": "25"])
        #expect(manifest.version?.description == "1.4.2")
        let limits = FunctionManifest.Limits(cpu: .seconds(3_600), files: 64, processes: 8, outputBytes: 1_024)
        #expect(manifest.limits == limits)
        #expect(manifest.directory == .fresh)
        #expect(manifest.user == "nobody")
        var bare = FunctionTrigger(.topic(filter: "#", raw: true))
        bare.queueMax = 50
        bare.overflow = .dropNewest
        var schedule = FunctionTrigger(.schedule(try CronSchedule("*/5 * * * *"), zone: "Europe/Berlin"))
        schedule.attempts = 7
        let topic = FunctionTrigger(.topic(filter: "devices/+/temperature", raw: false))
        #expect(manifest.triggers == [topic, bare, schedule, FunctionTrigger(.start)])
    }

    @Test(
        "A mistake is told with file, line and what to do",
        arguments: [
            ("", "f.yaml:1: expected `key: value` lines, at least service, function, runtime and handler"),
            ("service: S", "f.yaml:1: `function` is missing"),
            ("service: S\nfunction: f\nruntime: python3", "f.yaml:1: `handler` is missing"),
            (head + "timeuot: 5s", "f.yaml:5: unknown key timeuot; did you mean timeout?"),
            (head + "workers:\n  mox: 3", "f.yaml:6: unknown key workers.mox; did you mean max?"),
            (head + "timeout: 5", "f.yaml:5: timeout must be a duration such as 250ms, 5s or 2m (got 5)"),
            (head + "timeout: -5s", "f.yaml:5: timeout must be a duration such as 250ms, 5s or 2m (got -5s)"),
            (head + "timeout: 0s", "f.yaml:5: timeout must be a duration such as 250ms, 5s or 2m (got 0s)"),
            (head + "memory: 256", "f.yaml:5: memory must be a size such as 256MB or 64MiB (got 256)"),
            (head + "memory: 1MB", "f.yaml:5: memory must be at least 16MB (got 1MB)"),
            (head + "concurrency: 0", "f.yaml:5: concurrency must be a whole number from 1 to 1000 (got 0)"),
            (head + "concurrency: many", "f.yaml:5: concurrency must be a whole number from 1 to 1000 (got many)"),
            (
                head + "workers: { min: 5, max: 4 }",
                "f.yaml:5: workers.min (5) must not exceed workers.max (4)"
            ),
            (
                head + "workers: { max: 2, spare: 3 }",
                "f.yaml:5: workers.spare must be a whole number from 0 to 2 (got 3)"
            ),
            (
                head + "run: continous",
                "f.yaml:5: run must be one of onDemand, continuous (got continous); did you mean continuous?"
            ),
            (head + "triggers: 5", "f.yaml:5: triggers is a list of `- topic: FILTER` and `- schedule: \"* * * * *\"`"),
            (head + "triggers:\n  - topic: a/#/b", "f.yaml:6: topic \"a/#/b\": # must be the whole last level"),
            (head + "triggers:\n  - topic: a+/b", "f.yaml:6: topic \"a+/b\": + must be a whole level"),
            (
                head + "triggers:\n  - schedule: \"* * *\"",
                "f.yaml:6: schedule \"* * *\": expected five fields (minute hour day month weekday), got 3"
            ),
            (
                head + "triggers:\n  - {topic: a, schedule: b}",
                "f.yaml:6: a trigger is one of `topic:`, `schedule:` and `start:`; write 2 of them"
            ),
            (
                head + "triggers:\n  - schedule: \"0 7 * * *\"\n    timezone: Berlin/Europe",
                "f.yaml:7: timezone \"Berlin/Europe\" is not known here; write a name such as Europe/Berlin or UTC"
            ),
            (head + "triggers:\n  - { start: false }", "f.yaml:6: start is true, or left out"),
            (head + "triggers:\n  - { start: true, raw: true }", "f.yaml:6: raw belongs to a topic trigger"),
            (
                head + "triggers:\n  - { topic: a, queue: 0 }",
                "f.yaml:6: queue must be a whole number from 1 to 1000000 (got 0)"
            ),
            (
                head + "triggers:\n  - { topic: a, overflow: oldest }",
                "f.yaml:6: overflow must be one of dropOldest, dropNewest (got oldest)"
            ),
            (head + "triggers:\n  - { raw: true }", "f.yaml:6: a trigger needs `topic:`, `schedule:` or `start: true`"),
            (head + "limits: { cpus: 1s }", "f.yaml:5: unknown key limits.cpus; did you mean cpu?"),
            (head + "limits: { cpu: 10ms }", "f.yaml:5: limits.cpu must be at least 1s"),
            (
                head + "limits: { output: 1GB }",
                "f.yaml:5: limits.output must be at most 16MiB, the largest reply there is"
            ),
            (head + "directory: tmp", "f.yaml:5: directory must be one of function, fresh (got tmp)"),
            (
                head + "version: a b",
                "f.yaml:5: version \"a b\" must be 1 to 64 letters, digits, dots, - or _, such as 3 or 1.4.2"
            ),
            (head + "environment: { \"A=B\": c }", "f.yaml:5: environment: \"A=B\" cannot be a variable's name"),
            (head + "service: T", "f.yaml:1: not valid YAML: the key service is given twice"),
            (
                "service: 1S\nfunction: f\nruntime: exec\nhandler: x",
                "f.yaml:1: service \"1S\" must be a letter and then letters, digits, - or _ (at most 128 in all)"
            ),
            (
                "service: S\nfunction: a/b\nruntime: exec\nhandler: x",
                "f.yaml:2: function \"a/b\" must be a letter and then letters, digits, - or _ (at most 128 in all)"
            ),
            (
                "service: S\nfunction: f\nruntime: python\nhandler: x.y",
                "f.yaml:3: runtime must be one of python3, swift, exec (got python); did you mean python3?"
            ),
            (
                "service: S\nfunction: f\nruntime: python3\nhandler: index",
                "f.yaml:4: handler of a python3 function is module.function such as index.handler (got \"index\")"
            ),
            (
                "service: S\nfunction: f\nruntime: exec\nhandler: x\nrun: continuous",
                "f.yaml:5: `run: continuous` needs a worker that stays; `runtime: exec` has none"
            ),
        ])
    func mistakes(_ text: String, _ message: String) {
        #expect(throws: ManifestError.self) { try ManifestReader.read(text, file: "f.yaml") }
        do throws(ManifestError) {
            _ = try ManifestReader.read(text, file: "f.yaml")
        } catch {
            #expect(error.description == message)
        }
    }

    @Test("Text that is no YAML is refused with its line")
    func notYAML() {
        #expect {
            try ManifestReader.read("service: S\nfunction: [f\nruntime: x", file: "f.yaml")
        } throws: { error in
            "\(error)".hasPrefix("f.yaml:3: not valid YAML: ")
        }
    }
}

@Suite("Trees of manifests")
struct ManifestTreeTests {
    @Test("All functions below a folder are found, in the order of their names")
    func finds() throws {
        let folder = try FunctionFolder()
        for name in ["b/two", "a/one", "c"] {
            let function = name.replacing("/", with: "-")
            try folder.write(
                "service: S\nfunction: \(function)\nruntime: exec\nhandler: cat", to: "\(name)/function.yaml")
        }
        try folder.write("not: read", to: ".hidden/function.yaml")
        let manifests = try ManifestTree.read(folder.path).manifests
        #expect(manifests.map(\.address.function) == ["a-one", "b-two", "c"])
        #expect(manifests.first?.folder == "\(folder.path)/a/one")
    }

    @Test("All mistakes of all manifests come at once")
    func mistakes() throws {
        let folder = try FunctionFolder()
        try folder.write("service: S", to: "a/function.yaml")
        try folder.write("nonsense", to: "b/function.yaml")
        let errors = #expect(throws: ManifestErrors.self) { try ManifestTree.read(folder.path) }
        #expect(errors?.all.count == 2)
    }

    @Test("The same name twice names both files")
    func duplicates() throws {
        let folder = try FunctionFolder()
        let text = "service: S\nfunction: f\nruntime: exec\nhandler: cat"
        try folder.write(text, to: "a/function.yaml")
        try folder.write(text, to: "b/function.yaml")
        let errors = #expect(throws: ManifestErrors.self) { try ManifestTree.read(folder.path) }
        let expected = "\(folder.path)/b/function.yaml: S/f is already defined in \(folder.path)/a/function.yaml"
        #expect(errors?.description == expected)
    }

    @Test("A folder without functions says what it should hold")
    func empty() throws {
        let folder = try FunctionFolder()
        let errors = #expect(throws: ManifestErrors.self) { try ManifestTree.read(folder.path) }
        #expect(errors?.description.contains("no function.yaml here or below") == true)
    }
}
