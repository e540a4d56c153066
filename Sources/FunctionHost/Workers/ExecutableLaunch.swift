#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// How functions whose handler is an executable are started.
enum ExecutableLaunch {
    static func launch(_ manifest: FunctionManifest) -> WorkerLaunch {
        WorkerLaunch(
            executable: self.path(manifest.handler.first ?? "", in: manifest.folder),
            arguments: Array(manifest.handler.dropFirst()), environment: WorkerLaunch.environment(for: manifest),
            limits: WorkerLaunch.ProcessLimits(manifest))
    }

    /// A file in the function's folder wins over a command of the same name.
    private static func path(_ handler: String, in folder: String) -> String {
        if handler.hasPrefix("/") { return handler }
        let local = WorkerLaunch.absolute("\(folder)/\(handler)")
        return handler.contains("/") || FileManager.default.isExecutableFile(atPath: local) ? local : handler
    }
}
