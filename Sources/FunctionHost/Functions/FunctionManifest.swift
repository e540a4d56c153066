/// What a function.yaml says: one function in one version, how it is run and what sets it off.
package struct FunctionManifest: Sendable, Equatable {
    package enum Runtime: String, Sendable, CaseIterable {
        /// `handler` is `module.function`; the host's bootstrap imports it.
        case python3
        /// `handler` is an executable that speaks the frame protocol on stdin and stdout.
        case swift
        /// `handler` is a command, run once per call: payload on stdin, reply on stdout.
        case exec
    }

    package enum RunMode: String, Sendable, CaseIterable {
        /// Workers start with the first call and stop when idle.
        case onDemand
        /// One worker at least is always kept alive and restarted when it ends.
        case continuous
    }

    package enum Directory: String, Sendable, CaseIterable {
        /// Workers run in the function's folder.
        case function
        /// Each worker runs in an empty directory of its own, which goes with it.
        case fresh
    }

    package struct Workers: Sendable, Equatable {
        package var min = 0
        /// Kept ready beyond those that are busy.
        package var spare = 0
        package var max = 4
        package var idle = Duration.seconds(60)
    }

    /// What one worker may take, with everything that it starts.
    package struct Limits: Sendable, Equatable {
        /// Processor time of the worker's own process over its whole life; `nil` for no limit.
        package var cpu: Duration?
        /// Open files of one process.
        package var files = 1_024
        /// Processes, the worker itself included.
        package var processes = 64
        /// One reply.
        package var outputBytes = 16 << 20
    }

    package var address: FunctionAddress
    package var version: FunctionVersion?
    package var runtime: Runtime
    /// One element for python3; an executable and its arguments otherwise.
    package var handler: [String]
    package var description: String?
    package var timeout = Duration.seconds(5)
    package var memoryBytes = 256_000_000
    package var limits = Limits()
    package var concurrency = 1
    package var workers = Workers()
    package var run = RunMode.onDemand
    package var directory = Directory.function
    /// Name of the account that workers run as; `nil` for the host's own.
    package var user: String?
    package var environment: [String: String] = [:]
    package var triggers: [FunctionTrigger] = []
    /// The folder of the manifest.
    package var folder: String

    package init(address: FunctionAddress, runtime: Runtime, handler: [String], folder: String) {
        self.address = address
        self.runtime = runtime
        self.handler = handler
        self.folder = folder
    }

    /// Calls that run at a time.
    package var capacity: Int { self.workers.max * self.concurrency }

    /// The address, with the version where there is one: `S/f:3`.
    package var title: String { self.version.map { "\(self.address):\($0)" } ?? "\(self.address)" }

    package static let fileName = "function.yaml"
}

/// A manifest that cannot be used: where, why and what to do.
package struct ManifestError: Error, Hashable, CustomStringConvertible {
    package var file: String
    package var line: Int?
    package var message: String

    package var description: String {
        guard let line = self.line else { return "\(self.file): \(self.message)" }
        return "\(self.file):\(line): \(self.message)"
    }
}
