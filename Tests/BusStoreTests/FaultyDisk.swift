import CSQLite
import Foundation

/// A file system for SQLite that fills up, fails and loses power on demand.
///
/// It lies on top of the system's own and remembers, for every sector written since its file was last synced, what the
/// sector held before: a power cut leaves any mixture of the two.
final class FaultyDisk: @unchecked Sendable {
    /// What happens to calls that write.
    enum Condition {
        case works
        /// Nothing can be written: no room.
        case full
        /// The next sync of the file with this name fails, all later ones succeed.
        case failsOneSync(of: String)
        /// Every write fails.
        case failsWrites
    }

    /// The bytes that a file may have after a power cut.
    struct Image {
        var files: [String: [UInt8]] = [:]
    }

    private struct Journal {
        var before: [Int64: [UInt8]] = [:]
        var syncedSize: Int64 = 0
        /// The whole file as it was synced last, when it was cut short since.
        var beforeTruncation: [UInt8]?
    }

    static let sectorBytes: Int64 = 512
    let name = "faulty-\(UUID().uuidString)"
    private let lock = NSRecursiveLock()
    private var condition = Condition.works
    private var journals: [String: Journal] = [:]
    private var operations = 0
    private var cut: (operation: Int, action: () -> Void)?
    private let system: UnsafeMutablePointer<sqlite3_vfs>
    private let shim: UnsafeMutablePointer<sqlite3_vfs>
    private let shimName: UnsafeMutablePointer<CChar>

    init() {
        guard let system = sqlite3_vfs_find(nil), let shimName = strdup(self.name) else {
            preconditionFailure("SQLite has no file system")
        }
        self.system = system
        self.shimName = shimName
        self.shim = .allocate(capacity: 1)
        self.shim.initialize(to: system.pointee)
        self.shim.pointee.pNext = nil
        self.shim.pointee.zName = UnsafePointer(shimName)
        self.shim.pointee.szOsFile = FaultyFile.headerBytes + system.pointee.szOsFile
        self.shim.pointee.pAppData = Unmanaged.passUnretained(self).toOpaque()
        self.shim.pointee.xOpen = { vfs, name, file, flags, outFlags in
            guard let context = vfs?.pointee.pAppData, let file else { return SQLITE_MISUSE }
            let disk = Unmanaged<FaultyDisk>.fromOpaque(context).takeUnretainedValue()
            return disk.open(name, file, flags, outFlags)
        }
        sqlite3_vfs_register(self.shim, 0)
    }

    deinit {
        sqlite3_vfs_unregister(self.shim)
        self.shim.deallocate()
        free(self.shimName)
    }

    func set(_ condition: Condition) {
        self.lock.withLock { self.condition = condition }
    }

    /// Runs `action` just before the given write, truncation or sync, counted from the first, while the disk stands still.
    func cut(before operation: Int, _ action: @escaping () -> Void) {
        self.lock.withLock { self.cut = (operation, action) }
    }

    /// The same, counted from now.
    func cut(after operations: Int, _ action: @escaping () -> Void) {
        self.lock.withLock { self.cut = (self.operations + operations, action) }
    }

    func forgetCut() {
        self.lock.withLock { self.cut = nil }
    }

    var isCutAwaited: Bool { self.lock.withLock { self.cut != nil } }

    /// What may be left if the power goes now: of each sector not yet synced, its old content or its new one. A file that
    /// was cut short is as it was before, or shorter: a file system gives its blocks away only when that is for good.
    func image(keepsNew: () -> Bool) -> Image {
        self.lock.withLock {
            var image = Image()
            for (path, journal) in self.journals {
                guard let data = FileManager.default.contents(atPath: path) else { continue }
                if let whole = journal.beforeTruncation, !keepsNew() {
                    image.files[path] = whole
                } else {
                    image.files[path] = Self.mixture(of: [UInt8](data), journal, keepsNew: keepsNew)
                }
            }
            return image
        }
    }

    private static func mixture(of bytes: [UInt8], _ journal: Journal, keepsNew: () -> Bool) -> [UInt8] {
        var bytes = bytes
        if Int64(bytes.count) != journal.syncedSize, !keepsNew() {
            let missing = max(0, Int(journal.syncedSize) - bytes.count)
            bytes = Array(bytes.prefix(Int(journal.syncedSize))) + [UInt8](repeating: 0, count: missing)
        }
        for (sector, before) in journal.before.sorted(by: { $0.key < $1.key }) where !keepsNew() {
            let start = Int(sector * Self.sectorBytes)
            let end = min(start + Int(Self.sectorBytes), bytes.count)
            guard start < end else { continue }
            for offset in start..<end {
                bytes[offset] = offset - start < before.count ? before[offset - start] : 0
            }
        }
        return bytes
    }

    // MARK: Files

    private func open(
        _ name: UnsafePointer<CChar>?, _ file: UnsafeMutablePointer<sqlite3_file>, _ flags: Int32,
        _ outFlags: UnsafeMutablePointer<Int32>?
    ) -> Int32 {
        file.pointee.pMethods = nil
        let inner = FaultyFile.inner(of: file)
        let code = self.system.pointee.xOpen(self.system, name, inner, flags, outFlags)
        guard code == SQLITE_OK else { return code }
        let path = name.map { String(cString: $0) } ?? ""
        FaultyFile.set(file, disk: self, path: path)
        self.lock.withLock {
            if self.journals[path] == nil { self.journals[path] = Journal(syncedSize: FaultyFile.size(of: inner)) }
        }
        return SQLITE_OK
    }

    /// Notes what is about to be overwritten, or refuses.
    func willChange(_ file: FaultyFile, from start: Int64, to end: Int64) -> Int32 {
        self.lock.withLock {
            self.step()
            switch self.condition {
            case .full: return SQLITE_FULL
            case .failsWrites: return SQLITE_IOERR | 3 << 8
            case .works, .failsOneSync: break
            }
            guard start < end else { return SQLITE_OK }
            for sector in start / Self.sectorBytes...(end - 1) / Self.sectorBytes
            where self.journals[file.path]?.before[sector] == nil {
                self.journals[file.path]?.before[sector] = file.readSector(sector)
            }
            return SQLITE_OK
        }
    }

    func willTruncate(_ file: FaultyFile, to size: Int64) -> Int32 {
        self.lock.withLock {
            let code = self.willChange(file, from: 0, to: 0)
            guard code == SQLITE_OK, var journal = self.journals[file.path], size < FaultyFile.size(of: file.inner),
                let data = FileManager.default.contents(atPath: file.path)
            else { return code }
            if journal.beforeTruncation == nil {
                journal.beforeTruncation = Self.mixture(of: [UInt8](data), journal) { false }
            }
            journal.before = [:]
            journal.syncedSize = size
            self.journals[file.path] = journal
            return code
        }
    }

    func willSync(_ file: FaultyFile) -> Int32 {
        self.lock.withLock {
            self.step()
            guard case .failsOneSync(let name) = self.condition, file.path.hasSuffix(name) else { return SQLITE_OK }
            self.condition = .works
            return SQLITE_IOERR | 4 << 8
        }
    }

    func didSync(_ file: FaultyFile) {
        self.lock.withLock { self.journals[file.path] = Journal(syncedSize: FaultyFile.size(of: file.inner)) }
    }

    private func step() {
        self.operations += 1
        guard let cut = self.cut, cut.operation == self.operations else { return }
        self.cut = nil
        cut.action()
    }
}
