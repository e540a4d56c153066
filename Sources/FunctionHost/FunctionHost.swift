import Glibc
package import Logging

/// Runs the functions of a folder as worker processes and serves them on the bus.
///
/// The host is an ordinary client of the bus. The death, hang or excess of one worker never reaches another function;
/// when `run` returns, by whatever way, none of the processes it started is left. Functions may be added, changed and
/// removed while it runs.
package struct FunctionHost: Sendable {
    package let plan: HostPlan
    /// The folder to watch; `nil` for a host whose functions are given once and for all.
    private let tree: FunctionTree?
    private let host: HostSurroundings
    private let make: Fleet.Factory

    /// Reads the manifests of all functions below `directory`.
    /// - Throws: `ManifestErrors` with every mistake found, or `PythonRuntimeMissing`.
    package init(
        directory: String, python: PythonRuntime? = nil, client: any BusClient, logger: Logger
    ) throws {
        var tree = FunctionTree(directory)
        let plan = try ManifestTree.plan(tree.look(), directory)
        let host = HostSurroundings(client: client, settings: plan.settings, python: python, logger: logger)
        client.reportTriggers(host.triggerStatistics)
        // Told here rather than with the first function that needs it.
        if plan.manifests.contains(where: { $0.runtime == .python3 }) { _ = try host.python.runtime() }
        self.init(plan: plan, tree: tree, host: host) { manifest in try host.make(manifest) }
    }

    private init(plan: HostPlan, tree: FunctionTree?, host: HostSurroundings, make: @escaping Fleet.Factory) {
        self.plan = plan
        self.tree = tree
        self.host = host
        self.make = make
    }

    /// Worker processes alive, and how often one was refused because there were enough.
    package var workers: (alive: Int, refusals: Int) { self.host.budget.figures }

    /// Serves every function until the task is cancelled; then finishes the running calls and ends the workers.
    /// - Parameter onReady: Called once, when all functions are registered and all triggers are watched.
    package func run(onReady: @escaping @Sendable () -> Void = {}) async throws {
        // A worker may end while it is written to. As an error of that write it costs one worker; as the signal, whose
        // default is to end the process, it would cost the host. Children get the default back when they start.
        signal(SIGPIPE, SIG_IGN)
        let fleet = Fleet(self.host, make: self.make)
        let watch = Task {
            guard let tree = self.tree else { return }
            var watch = TreeWatch(tree, self.plan, logger: self.host.logger)
            await watch.run { fleet.change(to: $0) }
        }
        defer { watch.cancel() }
        try await fleet.run(self.plan, onReady: onReady)
    }
}

extension FunctionHost {
    /// Serves one command as a function: run once per call, payload on stdin, reply on stdout.
    ///
    /// For `fcbus serve S/F -- COMMAND…`: the command gets the environment it would have in the shell.
    package static func command(
        _ address: FunctionAddress, _ words: [String], settings: CommandSettings, client: any BusClient, logger: Logger
    ) -> FunctionHost {
        var manifest = FunctionManifest(address: address, runtime: .exec, handler: words, folder: settings.folder)
        manifest.timeout = settings.timeout
        manifest.workers.max = settings.concurrency
        manifest.environment = settings.environment
        // The user's own command in the user's own shell: it takes what it takes.
        manifest.memoryBytes = .max
        manifest.limits.processes = .max
        var plan = HostPlan()
        plan.functions = [FunctionPlan(manifest)]
        let host = HostSurroundings(client: client, settings: plan.settings, python: nil, logger: logger)
        return FunctionHost(plan: plan, tree: nil, host: host) { manifest in
            var launch = ExecutableLaunch.launch(manifest)
            launch.limits = nil
            let log = FunctionLog(manifest.title, logger)
            return CommandFunction(manifest, launch, log: log, in: host)
        }
    }
}

/// How a single command is served.
package struct CommandSettings: Sendable {
    /// Working directory of the command.
    package var folder: String
    package var timeout = Duration.seconds(5)
    /// Commands that may run at a time.
    package var concurrency = 4
    /// Variables on top of the host's usual few.
    package var environment: [String: String] = [:]

    package init(folder: String = ".") {
        self.folder = folder
    }
}
