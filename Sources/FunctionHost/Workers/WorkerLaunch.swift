import Subprocess
import SystemPackage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// How the process of a function is started.
struct WorkerLaunch: Sendable {
    var executable: String
    var arguments: [String]
    var environment: [String: String]
    /// What the start has to set; `nil` where the process does it by itself, or there are no limits.
    var limits: ProcessLimits?
    /// Between the request to end and the kill, when a call is cancelled or the host is torn down.
    var grace = Duration.milliseconds(500)

    /// What the system keeps one process within.
    struct ProcessLimits: Sendable, Equatable {
        var memoryBytes: Int
        var files: Int
        var cpuSeconds: Int?

        init(_ manifest: FunctionManifest) {
            self.memoryBytes = manifest.memoryBytes
            self.files = manifest.limits.files
            self.cpuSeconds = manifest.limits.cpu.map { ($0.milliseconds + 999) / 1_000 }
        }
    }

    /// Variables that a worker gets from the host's own environment. A list of what is let through, since the host's
    /// environment may hold the password of the broker.
    static let inherited = [
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_CACHE_HOME",
        "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONPATH", "VIRTUAL_ENV",
    ]

    /// The variables of every worker of a function.
    static func environment(for manifest: FunctionManifest) -> [String: String] {
        let own = ProcessInfo.processInfo.environment
        var environment: [String: String] = [:]
        for name in self.inherited { environment[name] = own[name] }
        environment["PATH"] = environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        environment["FCBUS_SERVICE"] = manifest.address.service
        environment["FCBUS_FUNCTION"] = manifest.address.function
        environment["FCBUS_VERSION"] = manifest.version?.description
        environment["FCBUS_FOLDER"] = self.absolute(manifest.folder)
        // What functions of the original platform read.
        environment["FUNCTION_ID"] = "\(manifest.address)"
        environment.merge(manifest.environment) { _, manifests in manifests }
        return environment
    }

    /// A worker in a directory of its own has no use for a path that is relative to the host's.
    static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
    }

    /// - Throws: `SubprocessError` when the executable is not there.
    func configuration(_ place: WorkerPlace) async throws(SubprocessError) -> Configuration {
        var options = PlatformOptions()
        // A group of its own: a kill takes the children along, and the terminal's Ctrl-C stays with the host.
        options.processGroupID = 0
        options.teardownSequence = [
            .send(signal: .terminate, toProcessGroup: true, allowedDurationToNextStep: self.grace)
        ]
        var values = self.environment
        if place.isFresh { values["TMPDIR"] = place.folder }
        if let account = place.account {
            options.userID = account.user
            options.groupID = account.group
            options.supplementaryGroups = [account.group]
            values["HOME"] = account.home
        }
        var variables: [Environment.Key: String] = [:]
        for (name, value) in values { variables[Environment.Key(stringLiteral: name)] = value }
        let environment = Environment.custom(variables)
        var executable: Executable =
            self.executable.contains("/") ? .path(FilePath(self.executable)) : .name(self.executable)
        var arguments = self.arguments
        if let limits = self.limits {
            // Looked up here, since the shell could only complain about a missing file in its own words.
            let path = try await executable.resolveExecutablePath(in: environment)
            let cpu = limits.cpuSeconds.map(String.init) ?? "unlimited"
            arguments =
                ["-c", Self.limitedStart, "\(limits.memoryBytes / 1_024)", "\(limits.files)", cpu, path.string]
                + arguments
            executable = .path("/bin/sh")
        }
        return Configuration(
            executable: executable, arguments: Arguments(arguments), environment: environment,
            workingDirectory: FilePath(place.folder), platformOptions: options)
    }

    /// Sets the limits and becomes the executable; Python workers set theirs themselves.
    ///
    /// The data segment counts what is allocated, where the address space would count reserved addresses too:
    /// threads and allocators reserve gigabytes that they never touch.
    private static let limitedStart =
        "ulimit -d \"$0\"; ulimit -n \"$1\"; ulimit -S -t \"$2\"; ulimit -c 0; shift 2; exec \"$@\""
}

/// How a process ended.
enum ProcessEnd: Equatable, Sendable {
    case exited(Int)
    case signalled(Int)
    case notStarted(String)

    init(_ status: TerminationStatus) {
        switch status {
        case .exited(let code): self = .exited(Int(code))
        case .signaled(let signal): self = .signalled(Int(signal))
        }
    }

    private static let cpuSignal = 24

    /// A sentence part for messages: `it exited with code 3`.
    var text: String {
        switch self {
        case .exited(let code): "it exited with code \(code)"
        case .signalled(Self.cpuSignal): "it used up its processor time (`limits.cpu`)"
        case .signalled(let signal): "it was ended by signal \(signal)"
        case .notStarted(let reason): reason
        }
    }
}
