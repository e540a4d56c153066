import BusCore
import CSQLite

/// One prepared statement: values are bound from left to right, columns read from left to right, both feeding the seal.
///
/// Used by one thread at a time, like the database it belongs to.
@safe final class Statement {
    private let pointer: OpaquePointer
    private let database: OpaquePointer
    private var index: Int32 = 0
    private var seal = Seal()

    init(_ pointer: OpaquePointer, of database: OpaquePointer) {
        unsafe self.pointer = pointer
        unsafe self.database = database
    }

    /// Must be called once, before the database is closed.
    func finalize() {
        unsafe sqlite3_finalize(self.pointer)
    }

    // MARK: Running

    /// Runs a statement that gives no rows back, and makes it ready for the next values.
    func run() throws(SQLiteFailure) {
        let code = unsafe sqlite3_step(self.pointer)
        let failure = code == SQLITE_DONE || code == SQLITE_ROW ? nil : unsafe SQLiteFailure.latest(of: self.database)
        self.reset()
        if let failure { throw failure }
    }

    /// Runs a statement and hands over each row; reads of columns start at the left again for each.
    func forEachRow(_ body: (Statement) throws(SQLiteFailure) -> Void) throws(SQLiteFailure) {
        defer { self.reset() }
        while true {
            let code = unsafe sqlite3_step(self.pointer)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw unsafe SQLiteFailure.latest(of: self.database) }
            self.index = 0
            self.seal = Seal()
            try body(self)
        }
    }

    private func reset() {
        // What it returns is the failure of the step before, which was seen there.
        unsafe sqlite3_reset(self.pointer)
        self.index = 0
        self.seal = Seal()
    }

    // MARK: Binding

    func bind(_ value: UInt64) {
        self.index += 1
        self.seal.add(value)
        self.check(unsafe sqlite3_bind_int64(self.pointer, self.index, Int64(bitPattern: value)))
    }

    func bind(_ value: Int64?) {
        if let value {
            self.bind(UInt64(bitPattern: value))
        } else {
            self.bindNothing()
        }
    }

    func bind(_ value: String?) {
        guard var value else { return self.bindNothing() }
        self.index += 1
        value.withUTF8 { bytes in
            unsafe self.seal.add(UnsafeRawBufferPointer(bytes).bytes)
            let count = Int32(bytes.count)
            unsafe bytes.withMemoryRebound(to: CChar.self) { characters in
                self.check(unsafe csqlite_bind_text(self.pointer, self.index, characters.baseAddress, count))
            }
        }
    }

    func bind(_ value: [UInt8]) {
        self.index += 1
        unsafe value.withUnsafeBytes { bytes in
            unsafe self.seal.add(UnsafeRawBufferPointer(bytes).bytes)
            self.check(unsafe csqlite_bind_blob(self.pointer, self.index, bytes.baseAddress, Int32(bytes.count)))
        }
    }

    /// The last value of a row that is written.
    func bindSeal() {
        self.bind(UInt64(self.seal.value))
    }

    private func bindNothing() {
        self.index += 1
        self.seal.addNothing()
        self.check(unsafe sqlite3_bind_null(self.pointer, self.index))
    }

    private func check(_ code: Int32) {
        precondition(
            code == SQLITE_OK || code == SQLITE_NOMEM, "a statement was bound with values that it has no place for")
    }

    // MARK: Reading

    func integer() -> UInt64 {
        defer { self.index += 1 }
        let value = UInt64(bitPattern: unsafe sqlite3_column_int64(self.pointer, self.index))
        self.seal.add(value)
        return value
    }

    func optionalInteger() -> Int64? {
        self.skipNothing() ? nil : Int64(bitPattern: self.integer())
    }

    func text() throws(SQLiteFailure) -> String {
        let bytes = self.bytes()
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SQLiteFailure(code: SQLITE_CORRUPT, systemError: 0, message: "a text is not UTF-8")
        }
        return text
    }

    func optionalText() throws(SQLiteFailure) -> String? {
        self.skipNothing() ? nil : try self.text()
    }

    func bytes() -> [UInt8] {
        defer { self.index += 1 }
        // SQLite asks for the pointer before the length.
        let start = unsafe sqlite3_column_blob(self.pointer, self.index)
        let count = Int(unsafe sqlite3_column_bytes(self.pointer, self.index))
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
        unsafe self.seal.add(UnsafeRawBufferPointer(bytes).bytes)
        return unsafe Array(bytes)
    }

    /// The last column of a row that is read: what was read so far must be what was written.
    func checkSeal(of table: StoredTable) throws(SQLiteFailure) {
        let expected = UInt64(self.seal.value)
        guard self.integer() == expected else { throw .wrongContent(table.rawValue) }
    }

    private func skipNothing() -> Bool {
        guard unsafe sqlite3_column_type(self.pointer, self.index) == SQLITE_NULL else { return false }
        self.index += 1
        self.seal.addNothing()
        return true
    }
}
