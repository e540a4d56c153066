import CSQLite
import Foundation

/// One open file of a `FaultyDisk`. SQLite's own structure begins with the methods; behind them lie a reference to this
/// object and the system's file.
final class FaultyFile {
    static let headerBytes: Int32 = 32

    let disk: FaultyDisk
    let path: String
    let inner: UnsafeMutablePointer<sqlite3_file>

    private init(disk: FaultyDisk, path: String, inner: UnsafeMutablePointer<sqlite3_file>) {
        self.disk = disk
        self.path = path
        self.inner = inner
    }

    private typealias File = UnsafeMutablePointer<sqlite3_file>

    static func inner(of file: UnsafeMutablePointer<sqlite3_file>) -> UnsafeMutablePointer<sqlite3_file> {
        (UnsafeMutableRawPointer(file) + Int(Self.headerBytes)).assumingMemoryBound(to: sqlite3_file.self)
    }

    static func set(_ file: UnsafeMutablePointer<sqlite3_file>, disk: FaultyDisk, path: String) {
        let object = FaultyFile(disk: disk, path: path, inner: Self.inner(of: file))
        (UnsafeMutableRawPointer(file) + 8).storeBytes(
            of: Unmanaged.passRetained(object).toOpaque(), as: UnsafeMutableRawPointer.self)
        file.pointee.pMethods = UnsafePointer(Self.methods)
    }

    private static func object(_ file: File?) -> FaultyFile? {
        guard let file else { return nil }
        let pointer = (UnsafeMutableRawPointer(file) + 8).load(as: UnsafeMutableRawPointer.self)
        return Unmanaged<FaultyFile>.fromOpaque(pointer).takeUnretainedValue()
    }

    private static func release(_ file: File?) {
        guard let file else { return }
        let pointer = (UnsafeMutableRawPointer(file) + 8).load(as: UnsafeMutableRawPointer.self)
        Unmanaged<FaultyFile>.fromOpaque(pointer).release()
    }

    static func size(of inner: UnsafeMutablePointer<sqlite3_file>) -> Int64 {
        var size: Int64 = 0
        _ = inner.pointee.pMethods.pointee.xFileSize(inner, &size)
        return size
    }

    /// What a sector holds; shorter where the file ends in it.
    func readSector(_ sector: Int64) -> [UInt8] {
        let start = sector * FaultyDisk.sectorBytes
        let count = min(FaultyDisk.sectorBytes, Self.size(of: self.inner) - start)
        guard count > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: Int(count))
        _ = self.inner.pointee.pMethods.pointee.xRead(self.inner, &bytes, Int32(count), start)
        return bytes
    }

    /// Version 1: no shared memory, which a store that is open once does without.
    private nonisolated(unsafe) static let methods: UnsafeMutablePointer<sqlite3_io_methods> = {
        var methods = sqlite3_io_methods()
        methods.iVersion = 1
        methods.xClose = { file in
            guard let object = FaultyFile.object(file) else { return SQLITE_MISUSE }
            let code = object.inner.pointee.pMethods.pointee.xClose(object.inner)
            FaultyFile.release(file)
            return code
        }
        methods.xRead = { file, buffer, count, offset in
            guard let inner = FaultyFile.object(file)?.inner else { return SQLITE_MISUSE }
            return inner.pointee.pMethods.pointee.xRead(inner, buffer, count, offset)
        }
        methods.xWrite = { file, buffer, count, offset in
            guard let object = FaultyFile.object(file) else { return SQLITE_MISUSE }
            let code = object.disk.willChange(object, from: offset, to: offset + Int64(count))
            guard code == SQLITE_OK else { return code }
            return object.inner.pointee.pMethods.pointee.xWrite(object.inner, buffer, count, offset)
        }
        methods.xTruncate = { file, size in
            guard let object = FaultyFile.object(file) else { return SQLITE_MISUSE }
            let code = object.disk.willTruncate(object, to: size)
            guard code == SQLITE_OK else { return code }
            return object.inner.pointee.pMethods.pointee.xTruncate(object.inner, size)
        }
        methods.xSync = { file, flags in
            guard let object = FaultyFile.object(file) else { return SQLITE_MISUSE }
            let code = object.disk.willSync(object)
            guard code == SQLITE_OK else { return code }
            // The disk below is not asked to sync: the journal of sectors stands for it.
            object.disk.didSync(object)
            return SQLITE_OK
        }
        methods.xFileSize = { file, size in
            guard let inner = FaultyFile.object(file)?.inner else { return SQLITE_MISUSE }
            return inner.pointee.pMethods.pointee.xFileSize(inner, size)
        }
        methods.xLock = { file, level in
            guard let inner = FaultyFile.object(file)?.inner else { return SQLITE_MISUSE }
            return inner.pointee.pMethods.pointee.xLock(inner, level)
        }
        methods.xUnlock = { file, level in
            guard let inner = FaultyFile.object(file)?.inner else { return SQLITE_MISUSE }
            return inner.pointee.pMethods.pointee.xUnlock(inner, level)
        }
        methods.xCheckReservedLock = { file, result in
            guard let inner = FaultyFile.object(file)?.inner else { return SQLITE_MISUSE }
            return inner.pointee.pMethods.pointee.xCheckReservedLock(inner, result)
        }
        methods.xFileControl = { file, operation, argument in
            guard let inner = FaultyFile.object(file)?.inner else { return SQLITE_MISUSE }
            return inner.pointee.pMethods.pointee.xFileControl(inner, operation, argument)
        }
        methods.xSectorSize = { _ in Int32(FaultyDisk.sectorBytes) }
        methods.xDeviceCharacteristics = { file in
            guard let inner = FaultyFile.object(file)?.inner else { return 0 }
            return inner.pointee.pMethods.pointee.xDeviceCharacteristics(inner)
        }
        let pointer = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        pointer.initialize(to: methods)
        return pointer
    }()
}
