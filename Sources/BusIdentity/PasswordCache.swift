import Crypto
import FoundationEssentials

/// Remembers who proved a password a short while ago, so that a fleet that reconnects does not pay for scrypt again.
///
/// Kept is an HMAC of user and password under a key that only this process has: who reads the memory of a dead process
/// from a dump has the key as well, but never the password itself.
struct PasswordCache: Sendable {
    /// A user with a password, recognisable and not readable.
    struct Seal: Sendable {
        fileprivate let user: [UInt8]
        fileprivate let code: SymmetricKey
    }

    private struct Entry: Sendable {
        var code: SymmetricKey
        var expiry: UInt64
    }

    private let key = SymmetricKey(size: .bits256)
    private let lifetime: UInt64
    private var entries: BoundedTable<[UInt8], Entry>

    /// - Parameter lifetime: nanoseconds.
    init(countMax: Int, lifetime: UInt64) {
        self.lifetime = lifetime
        self.entries = BoundedTable(countMax: countMax)
    }

    func seal(user: String, password: [UInt8]) -> Seal {
        let user = [UInt8](user.utf8)
        // The length in front keeps "ab" + "c" apart from "a" + "bc".
        let length = (0..<8).map { UInt8(truncatingIfNeeded: user.count >> ($0 * 8)) }
        let code = HMAC<SHA256>.authenticationCode(for: length + user + password, using: self.key)
        return Seal(user: user, code: SymmetricKey(data: code))
    }

    func holds(_ seal: Seal, now: UInt64) -> Bool {
        guard let entry = self.entries.value(for: seal.user), now < entry.expiry else { return false }
        // Two keys are compared in constant time.
        return entry.code == seal.code
    }

    mutating func insert(_ seal: Seal, now: UInt64) {
        let (expiry, isOverflown) = now.addingReportingOverflow(self.lifetime)
        self.entries.set(Entry(code: seal.code, expiry: isOverflown ? .max : expiry), for: seal.user)
    }

    mutating func removeAll() {
        self.entries.removeAll()
    }

    /// A number below `count` that is always the same for a user, and that nobody outside can foretell.
    func choice(for user: String, below count: Int) -> Int {
        let code = HMAC<SHA256>.authenticationCode(for: Array(user.utf8), using: self.key)
        let number = code.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Int(number % UInt64(count))
    }
}
