#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Where the Python side of the host lies: the bootstrap of workers and the `lecoresdk` package.
package struct PythonRuntime: Sendable, Equatable {
    /// The folder that holds `fcbus_bootstrap.py`.
    package var folder: String
    /// The interpreter, a path or a name to look up.
    package var interpreter: String

    package init(folder: String, interpreter: String = "python3") {
        self.folder = folder
        self.interpreter = interpreter
    }

    static let bootstrap = "fcbus_bootstrap.py"

    /// Looks in `FCBUS_PYTHON_DIR`, then where an installation puts it, then in the resource bundle beside the
    /// executable. No path of the machine that built it is involved.
    package static func locate() throws(PythonRuntimeMissing) -> PythonRuntime {
        let environment = ProcessInfo.processInfo.environment
        let interpreter = environment["FCBUS_PYTHON"] ?? "python3"
        let places = self.places(environment, executable: self.executablePath)
        for folder in places where FileManager.default.fileExists(atPath: "\(folder)/\(self.bootstrap)") {
            return PythonRuntime(folder: folder, interpreter: interpreter)
        }
        throw PythonRuntimeMissing(places: places)
    }

    static func places(_ environment: [String: String], executable: String?) -> [String] {
        // Somebody who names the folder means that one and no other.
        if let folder = environment["FCBUS_PYTHON_DIR"] { return [folder] }
        guard let executable, let slash = executable.lastIndex(of: "/") else { return [] }
        let folder = String(executable[..<slash])
        let parent = folder.lastIndex(of: "/").map { String(folder[..<$0]) } ?? folder
        return ["\(parent)/share/fcbus/python", "\(folder)/fcbus_FunctionHost.resources/Python"]
    }

    private static var executablePath: String? {
        // Linux names the running executable here; without it the variable is the only way.
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    }

    func launch(_ manifest: FunctionManifest) -> WorkerLaunch {
        var environment = WorkerLaunch.environment(for: manifest)
        environment["PYTHONUTF8"] = "1"
        if environment["PYTHONPYCACHEPREFIX"] == nil {
            if manifest.user == nil, let folder = Self.cacheFolder(environment) {
                // Away from the function's files: those may be read-only, or under version control.
                environment["PYTHONPYCACHEPREFIX"] = folder
            } else {
                environment["PYTHONDONTWRITEBYTECODE"] = "1"
            }
        }
        let limits = WorkerLaunch.ProcessLimits(manifest)
        let arguments = [
            "\(self.folder)/\(Self.bootstrap)", manifest.handler.first ?? "", "\(manifest.concurrency)",
            "\(limits.memoryBytes)", "\(limits.files)", "\(limits.cpuSeconds ?? 0)",
        ]
        return WorkerLaunch(
            executable: self.interpreter, arguments: arguments, environment: environment, limits: nil)
    }
}

extension PythonRuntime {
    /// Where byte code is kept; `nil` where nothing can be: with a folder that is not writable Python would compile
    /// its own library anew with every start.
    private static func cacheFolder(_ environment: [String: String]) -> String? {
        guard let home = environment["HOME"] else { return nil }
        let folder = "\(environment["XDG_CACHE_HOME"] ?? "\(home)/.cache")/fcbus/python"
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            return nil
        }
        return FileManager.default.isWritableFile(atPath: folder) ? folder : nil
    }
}

/// The Python side was not found.
package struct PythonRuntimeMissing: Error, Equatable, CustomStringConvertible {
    package var places: [String]

    package var description: String {
        let places = self.places.isEmpty ? "nowhere" : self.places.joined(separator: ", ")
        return "The Python part of the function host was not found (looked in \(places)). "
            + "Set FCBUS_PYTHON_DIR to the folder that holds \(PythonRuntime.bootstrap)."
    }
}
