import Foundation

/// What some processes have used together, as the kernel counts it.
package struct ProcessUsage: Sendable, Equatable {
    struct ThreadUsage: Sendable, Equatable {
        /// Time on a CPU in nanoseconds.
        var processorTime: UInt64 = 0
        /// How often it went to sleep by itself: each is one wake-up.
        var voluntarySwitches = 0
    }

    /// By the thread's number, which no two threads of the machine share, since what a thread has used goes away with it.
    var threads: [String: ThreadUsage] = [:]
    package var residentBytes = 0
    /// Calls that read and write files and sockets; `recv` and `send` are not counted by the kernel.
    package var ioCalls = 0

    static let zero = ProcessUsage()

    private init() {}

    package init(_ processes: [Int32]) throws(BenchFailure) {
        for process in processes { try self.add(process) }
    }

    private mutating func add(_ process: Int32) throws(BenchFailure) {
        let folder = "/proc/\(process)"
        let threads = Self.threads(of: process)
        guard !threads.isEmpty else { throw BenchFailure("process \(process) of the broker is gone") }
        for thread in threads {
            // A thread may end between the listing and here.
            guard let schedule = Self.text(folder + "/task/\(thread)/schedstat"),
                let running = schedule.split(separator: " ").first.flatMap({ UInt64($0) })
            else { continue }
            let status = Self.text(folder + "/task/\(thread)/status") ?? ""
            self.threads[thread] = ThreadUsage(
                processorTime: running, voluntarySwitches: Self.field("voluntary_ctxt_switches:", of: status))
        }
        self.residentBytes += Self.field("VmRSS:", of: Self.text(folder + "/status") ?? "") * 1024
        // Other users' processes keep this to themselves; then it stays 0.
        let io = Self.text(folder + "/io") ?? ""
        self.ioCalls += Self.field("syscr:", of: io) + Self.field("syscw:", of: io)
    }

    /// Processes that these have started and that are still there.
    package static func children(of processes: [Int32]) -> [Int32] {
        processes.flatMap { process in
            Self.threads(of: process).flatMap { thread in
                (Self.text("/proc/\(process)/task/\(thread)/children") ?? "").split(separator: " ").compactMap {
                    Int32($0)
                }
            }
        }
    }

    /// None of a process that has ended.
    private static func threads(of process: Int32) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []
    }

    private static func text(_ path: String) -> String? {
        // The kernel says no for a process that has just ended: the same as an empty file.
        try? String(contentsOfFile: path, encoding: .utf8)
    }

    /// The number behind a name at the beginning of a line; 0 when there is none.
    static func field(_ name: String, of text: String) -> Int {
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            return Int(line.dropFirst(name.count).split(whereSeparator: \.isWhitespace).first ?? "") ?? 0
        }
        return 0
    }
}
