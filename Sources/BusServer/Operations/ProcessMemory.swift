import Glibc

/// The memory of this process and of the machine, from the kernel's own tables.
enum ProcessMemory {
    /// Resident bytes, `nil` where the kernel does not say.
    static func resident() -> Int? {
        guard let text = self.read("/proc/self/statm") else { return nil }
        let fields = text.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Bytes of the machine.
    static var total: Int { Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE))) }

    /// Gives the pages of the program's code back to the kernel. Most were brought in around what ran once, at the
    /// start; what runs on is in the page cache and comes back when it is next used.
    static func releaseStartUpCode() {
        guard let maps = self.read("/proc/self/maps") else { return }
        for line in maps.split(separator: "\n") {
            // Code is never written to: nothing but a copy of the file goes.
            guard let range = self.codeRange(line) else { continue }
            unsafe madvise(UnsafeMutableRawPointer(bitPattern: range.lowerBound), range.count, MADV_DONTNEED)
        }
    }

    /// The addresses of a line such as `55d0c000-55d2f000 r-xp 00000000 fe:00 1234 /usr/bin/fcbus`; `nil` where it is
    /// not about the code in a file.
    static func codeRange(_ line: Substring) -> Range<UInt>? {
        let fields = line.split(separator: " ", omittingEmptySubsequences: true)
        guard fields.count >= 6, fields[1] == "r-xp", fields[5].hasPrefix("/") else { return nil }
        let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
        return ends.count == 2 && ends[0] < ends[1] ? ends[0]..<ends[1] : nil
    }

    private static func read(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer.prefix(count)
        }
        return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
    }
}
