/// What a function.yaml says: one function, how it is run and what sets it off.
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

    package struct Workers: Sendable, Equatable {
        package var min = 0
        package var max = 4
        package var idle = Duration.seconds(60)
    }

    package enum Trigger: Sendable, Equatable {
        /// Messages of a filter; `raw` hands over the bare payload instead of `{"topic", "payload"}`.
        case topic(filter: String, raw: Bool)
        case schedule(CronSchedule)
    }

    package var address: FunctionAddress
    package var runtime: Runtime
    /// One element for python3; an executable and its arguments otherwise.
    package var handler: [String]
    package var description: String?
    package var timeout = Duration.seconds(5)
    package var memoryBytes = 256_000_000
    package var concurrency = 1
    package var workers = Workers()
    package var run = RunMode.onDemand
    package var environment: [String: String] = [:]
    package var triggers: [Trigger] = []
    /// The folder of the manifest: working directory of the workers.
    package var folder: String

    package init(address: FunctionAddress, runtime: Runtime, handler: [String], folder: String) {
        self.address = address
        self.runtime = runtime
        self.handler = handler
        self.folder = folder
    }

    package static let fileName = "function.yaml"
}

/// A manifest that cannot be used: where, why and what to do.
package struct ManifestError: Error, Equatable, CustomStringConvertible {
    package var file: String
    package var line: Int?
    package var message: String

    package var description: String {
        guard let line = self.line else { return "\(self.file): \(self.message)" }
        return "\(self.file):\(line): \(self.message)"
    }
}
