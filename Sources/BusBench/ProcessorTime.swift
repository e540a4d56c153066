import Foundation

/// CPU time that the kernel has charged to a process.
enum ProcessorTime {
    /// Time on a CPU in seconds, exact to the nanosecond, summed over the threads that the process has now.
    static func seconds(ofProcess process: Int32) throws -> Double {
        let folder = "/proc/\(process)/task"
        guard let threads = try? FileManager.default.contentsOfDirectory(atPath: folder), !threads.isEmpty else {
            throw BenchFailure("the broker's process \(process) is gone")
        }
        var nanoseconds: UInt64 = 0
        for thread in threads {
            // A thread that ended between the listing and here takes its time with it; brokers keep theirs.
            guard let text = try? String(contentsOfFile: "\(folder)/\(thread)/schedstat", encoding: .utf8),
                let running = text.split(separator: " ").first.flatMap({ UInt64($0) })
            else { continue }
            nanoseconds += running
        }
        return Double(nanoseconds) / 1e9
    }
}
