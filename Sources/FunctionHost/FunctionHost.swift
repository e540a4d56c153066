import Glibc
package import Logging

/// Runs the functions of a folder as worker processes and serves them on the bus.
///
/// The host is an ordinary client of the bus. The death, hang or excess of one worker never reaches another function;
/// when `run` returns, by whatever way, none of the processes it started is left.
package struct FunctionHost: Sendable {
    /// How long workers may take to leave at the end, after the last call was answered.
    private static let drainMax = Duration.seconds(5)

    package let manifests: [FunctionManifest]
    private let functions: [any HostedFunction]
    private let client: any BusClient
    private let logger: Logger

    /// Reads the manifests of all functions below `directory`.
    /// - Throws: `ManifestErrors` with every mistake found, or `PythonRuntimeMissing`.
    package init(directory: String, client: any BusClient, logger: Logger) throws {
        try self.init(ManifestTree.read(directory), client: client, logger: logger)
    }

    /// - Throws: `PythonRuntimeMissing` when a function needs Python's part of the host and it is not there.
    package init(
        _ manifests: [FunctionManifest], python: PythonRuntime? = nil, client: any BusClient, logger: Logger
    ) throws(PythonRuntimeMissing) {
        self.manifests = manifests
        self.client = client
        self.logger = logger
        var runtime = python
        if runtime == nil, manifests.contains(where: { $0.runtime == .python3 }) {
            runtime = try PythonRuntime.locate()
        }
        self.functions = manifests.map { Self.function($0, runtime, client, logger) }
    }

    private static func function(
        _ manifest: FunctionManifest, _ python: PythonRuntime?, _ client: any BusClient, _ logger: Logger
    ) -> any HostedFunction {
        let log = FunctionLog(manifest.address, logger)
        switch manifest.runtime {
        case .python3:
            guard let python else { preconditionFailure("the runtime was located for the first python3 manifest") }
            return WorkerFunction(manifest, python.launch(manifest), client: client, log: log)
        case .swift:
            return WorkerFunction(manifest, ExecutableLaunch.launch(manifest), client: client, log: log)
        case .exec:
            return CommandFunction(manifest, ExecutableLaunch.launch(manifest), log: log)
        }
    }

    /// Serves every function until the task is cancelled; then finishes the running calls and ends the workers.
    /// - Parameter onReady: Called once, when all functions are registered and all triggers are watched.
    package func run(onReady: @escaping @Sendable () -> Void = {}) async throws {
        // A worker may end while it is written to. As an error of that write it costs one worker; as the signal, whose
        // default is to end the process, it would cost the host. Children get the default back when they start.
        signal(SIGPIPE, SIG_IGN)
        // Not a child task: on cancellation the workers must outlive `serve`, which still finishes its calls.
        let workers = Task {
            await withDiscardingTaskGroup { group in
                for function in self.functions { group.addTask { await function.run() } }
            }
        }
        let result: Result<Void, any Error>
        do {
            try await self.serve(onReady: onReady)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        // In a task of its own as well: this one may be cancelled already, and then no pause in it would last.
        await Task {
            await withDiscardingTaskGroup { group in
                for function in self.functions { group.addTask { await function.drain(within: Self.drainMax) } }
            }
        }.value
        workers.cancel()
        await workers.value
        if case .failure(let error) = result, !(error is CancellationError) { throw error }
    }

    private func serve(onReady: @escaping @Sendable () -> Void) async throws {
        let ready = Countdown(from: 2, then: onReady)
        let triggers = TriggerRunner(self.functions, client: self.client, logger: self.logger)
        let served = self.functions.map { function in
            var served = ServedFunction(
                function.manifest.address, concurrency: function.concurrency, timeout: function.manifest.timeout
            ) { request throws(CallFailure) in
                try await function.call(request)
            }
            served.description = function.manifest.description
            served.isOnDemand = function.manifest.run == .onDemand && function.manifest.workers.min == 0
            return served
        }
        try await withThrowingTaskGroup { group in
            group.addTask { try await self.client.serve(served, onReady: { ready.count() }) }
            group.addTask { try await triggers.run(onReady: { ready.count() }) }
            // Either ends only by cancellation or by a failure; in both cases the other has to end too.
            defer { group.cancelAll() }
            try await group.next()
        }
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
        var launch = ExecutableLaunch.launch(manifest)
        launch.memoryBytes = nil
        let function = CommandFunction(manifest, launch, log: FunctionLog(address, logger))
        return FunctionHost(manifest, function, client: client, logger: logger)
    }

    private init(
        _ manifest: FunctionManifest, _ function: any HostedFunction, client: any BusClient, logger: Logger
    ) {
        self.manifests = [manifest]
        self.functions = [function]
        self.client = client
        self.logger = logger
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
