import Logging

/// What all functions of a host share.
struct HostSurroundings: Sendable {
    let client: any BusClient
    let budget: WorkerBudget
    let registry: ProcessRegistry
    let python: LazyPython
    let triggerStatistics = TriggerStatistics()
    let logger: Logger

    init(client: any BusClient, settings: HostSettings, python: PythonRuntime?, logger: Logger) {
        self.client = client
        self.budget = WorkerBudget(max: settings.workersMax)
        self.registry = ProcessRegistry(logger: logger)
        self.python = LazyPython(given: python)
        self.logger = logger
    }

    /// - Throws: `PythonRuntimeMissing` when the function needs Python's part of the host and it is not there.
    func make(_ manifest: FunctionManifest) throws(PythonRuntimeMissing) -> any HostedFunction {
        let log = FunctionLog(manifest.title, self.logger)
        switch manifest.runtime {
        case .python3:
            return WorkerFunction(manifest, try self.python.runtime().launch(manifest), log: log, in: self)
        case .swift:
            return WorkerFunction(manifest, ExecutableLaunch.launch(manifest), log: log, in: self)
        case .exec:
            return CommandFunction(manifest, ExecutableLaunch.launch(manifest), log: log, in: self)
        }
    }
}

/// Python's part of the host: looked for when the first function needs it.
struct LazyPython: Sendable {
    let given: PythonRuntime?

    func runtime() throws(PythonRuntimeMissing) -> PythonRuntime {
        if let given { return given }
        return try PythonRuntime.locate()
    }
}
