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
    var folder: String
    /// Limit that the start has to set; `nil` where the process does it by itself, or there is none.
    var memoryBytes: Int?
    /// Signal asked for before the kill when the host itself is torn down.
    var grace = Duration.milliseconds(500)

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
        // What functions of the original platform read.
        environment["FUNCTION_ID"] = "\(manifest.address)"
        environment.merge(manifest.environment) { _, manifests in manifests }
        return environment
    }

    /// - Throws: `SubprocessError` when the executable is not there.
    func configuration() async throws(SubprocessError) -> Configuration {
        var options = PlatformOptions()
        // A group of its own: a kill takes the children along, and the terminal's Ctrl-C stays with the host.
        options.processGroupID = 0
        options.teardownSequence = [
            .send(signal: .terminate, toProcessGroup: true, allowedDurationToNextStep: self.grace)
        ]
        var variables: [Environment.Key: String] = [:]
        for (name, value) in self.environment { variables[Environment.Key(stringLiteral: name)] = value }
        let environment = Environment.custom(variables)
        var executable: Executable =
            self.executable.contains("/") ? .path(FilePath(self.executable)) : .name(self.executable)
        var arguments = self.arguments
        if let bytes = self.memoryBytes {
            // Looked up here, since the shell could only complain about a missing file in its own words.
            let path = try await executable.resolveExecutablePath(in: environment)
            arguments = ["-c", Self.limitedStart, "\(bytes / 1_024)", path.string] + arguments
            executable = .path("/bin/sh")
        }
        return Configuration(
            executable: executable, arguments: Arguments(arguments), environment: environment,
            workingDirectory: FilePath(self.folder), platformOptions: options)
    }

    /// Sets the limits and becomes the executable; Python workers set theirs themselves.
    ///
    /// The data segment counts what is allocated, where the address space would count reserved addresses too:
    /// threads and allocators reserve gigabytes that they never touch. Processor time is not limited: workers live
    /// long, and a call that spins meets its timeout.
    private static let limitedStart = "ulimit -d \"$0\"; ulimit -c 0; ulimit -n 1024; exec \"$@\""
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

    /// A sentence part for messages: `it exited with code 3`.
    var text: String {
        switch self {
        case .exited(let code): "it exited with code \(code)"
        case .signalled(let signal): "it was ended by signal \(signal)"
        case .notStarted(let reason): reason
        }
    }
}
