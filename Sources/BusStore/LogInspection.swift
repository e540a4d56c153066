import Glibc

/// Looks at a log as a crash left it. SQLite takes the log up to the first frame whose check value is wrong and drops
/// the rest without a word; that is right for the commit that a power cut tore, and a loss when more lies behind.
///
/// The log is a header of 32 bytes and frames of 24 bytes and one page each. All numbers are big-endian; check values run
/// on from frame to frame; frames of this round carry the header's salts, older ones behind them carry others.
/// (SQLite, "Database File Format", section 4.)
struct LogInspection {
    /// Commits that recovery finds.
    private(set) var commits = 0
    /// Commits of this round behind the first frame that is wrong.
    private(set) var commitsBehind = 0
    /// The header itself is wrong, so that recovery finds nothing at all.
    private(set) var isHeaderWrong = false

    /// A commit is synced before the next one begins: one of them may be torn, a second one behind it means damage.
    var isDamaged: Bool { self.commitsBehind > 1 }

    /// Nil when there is no log, or nothing was ever written to it.
    init?(path: String) {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var header = [UInt8](repeating: 0, count: 32)
        guard Self.read(file, into: &header, at: 0), header.contains(where: { $0 != 0 }) else { return nil }
        var sum = Checksum(isBigEndian: header[3] & 1 == 1)
        sum.add(header[..<24])
        self.isHeaderWrong = header[0..<3] != [0x37, 0x7F, 0x06] || !sum.matches(header[24...])
        // With a wrong header the page size is anyone's guess; ours never differs.
        let pageBytes = self.isHeaderWrong ? 4096 : Int(Self.word(header[8...]))
        guard (512...65_536).contains(pageBytes) else { return }
        self.walk(file, header: header, pageBytes: pageBytes, sum: sum)
    }

    private mutating func walk(_ file: Int32, header: [UInt8], pageBytes: Int, sum: Checksum) {
        var sum = sum
        var salts = header[16..<24]
        var isIntact = !self.isHeaderWrong
        var frame = [UInt8](repeating: 0, count: 24 + pageBytes)
        var offset = header.count
        while Self.read(file, into: &frame, at: offset) {
            if self.isHeaderWrong, offset == header.count { salts = frame[8..<16] }
            let isOfThisRound = frame[8..<16] == salts
            if isIntact {
                sum.add(frame[..<8])
                sum.add(frame[24...])
                isIntact = isOfThisRound && sum.matches(frame[16..<24])
            }
            // The size of the database after a commit; 0 in the frames before its last.
            if isOfThisRound, Self.word(frame[4...]) != 0 {
                if isIntact { self.commits += 1 } else { self.commitsBehind += 1 }
            }
            offset += frame.count
        }
    }

    /// What to tell whoever runs the broker.
    func notice(of path: String) -> String? {
        guard self.isDamaged else { return nil }
        return
            "\(path) is damaged: \(self.commits) commits of it were read, about \(self.commitsBehind) behind the damage"
            + " are lost; check the disk"
    }

    // MARK: Bytes

    private static func read(_ file: Int32, into bytes: inout [UInt8], at offset: Int) -> Bool {
        unsafe pread(file, &bytes, bytes.count, offset) == bytes.count
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Fibonacci-weighted sums over pairs of words.
    private struct Checksum {
        let isBigEndian: Bool
        var first: UInt32 = 0
        var second: UInt32 = 0

        init(isBigEndian: Bool) {
            self.isBigEndian = isBigEndian
        }

        mutating func add(_ bytes: ArraySlice<UInt8>) {
            unsafe bytes.withUnsafeBytes { bytes in
                for offset in stride(from: 0, to: bytes.count - 7, by: 8) {
                    self.first &+= unsafe self.word(bytes, offset) &+ self.second
                    self.second &+= unsafe self.word(bytes, offset + 4) &+ self.first
                }
            }
        }

        private func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
            let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            return self.isBigEndian ? UInt32(bigEndian: word) : UInt32(littleEndian: word)
        }

        /// Whether the eight bytes hold these sums.
        func matches(_ bytes: ArraySlice<UInt8>) -> Bool {
            LogInspection.word(bytes) == self.first && LogInspection.word(bytes.dropFirst(4)) == self.second
        }
    }
}
