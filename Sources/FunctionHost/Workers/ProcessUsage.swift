import Glibc

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the processes of a group take together, as the system tells it.
struct ProcessUsage: Sendable, Equatable {
    var processes = 0
    /// Resident and not backed by a file.
    var memoryBytes = 0

    private static let pageBytes = sysconf(Int32(_SC_PAGESIZE))

    /// One walk over all processes of the machine, whatever the number of groups.
    static func ofGroups(_ leaders: Set<pid_t>) -> [pid_t: ProcessUsage] {
        var usage: [pid_t: ProcessUsage] = [:]
        // Without /proc nothing can be measured; each process still has its own limits.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let process = pid_t(name), let group = self.group(of: process), leaders.contains(group) else {
                continue
            }
            usage[group, default: ProcessUsage()].processes += 1
            usage[group, default: ProcessUsage()].memoryBytes += self.memory(of: process)
        }
        return usage
    }

    private static func group(of process: pid_t) -> pid_t? {
        let group = getpgid(process)
        return group > 0 ? group : nil
    }

    private static func memory(of process: pid_t) -> Int {
        // A process that ended since the listing takes nothing.
        guard let bytes = FileManager.default.contents(atPath: "/proc/\(process)/statm") else { return 0 }
        let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ").prefix(3).compactMap { Int($0) }
        return fields.count == 3 ? max(0, fields[1] - fields[2]) * self.pageBytes : 0
    }
}
