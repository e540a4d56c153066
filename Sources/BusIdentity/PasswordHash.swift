import Crypto
import CryptoExtras
import FoundationEssentials

/// What is kept of a password: enough to recognise it, not enough to know it.
///
/// New hashes are scrypt. The two kinds that `mosquitto_passwd` writes are read as well, so that a password file moves
/// over as it is; SHA-512 without iterations is weak, and PBKDF2 as weak as its iterations (mosquitto 2.0 writes 101).
package enum PasswordHash: Equatable, Sendable {
    case scrypt(ScryptCost, salt: [UInt8], digest: [UInt8])
    /// PBKDF2 with HMAC-SHA-512 and 64 bytes of result.
    case pbkdf2(iterations: Int, salt: [UInt8], digest: [UInt8])
    /// SHA-512 of password and salt.
    case sha512(salt: [UInt8], digest: [UInt8])

    private static let iterationsMax = 1_000_000
    private static let saltBytes = 8...64
    /// Not a range: a scrypt digest cut short by a full disk would still fit its password, only less well.
    private static let digestBytes: Set = [32, 64]
    private static let sha512Bytes = 64

    /// Hashes a new password with a fresh salt of 16 bytes.
    ///
    /// - Throws: `.passwordHash` when there is no memory for a hash of that cost.
    package static func make(
        password: [UInt8], cost: ScryptCost = .standard
    ) throws(IdentityFailure) -> PasswordHash {
        var generator = SystemRandomNumberGenerator()
        let salt = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
        guard let key = Self.scryptKey(password, cost, salt: salt, bytes: 32) else {
            throw IdentityFailure(.passwordHash, "cannot hash the password with scrypt \(cost): not enough memory")
        }
        return .scrypt(cost, salt: salt, digest: unsafe key.withUnsafeBytes { bytes in unsafe [UInt8](bytes) })
    }

    /// Whether this is the password; takes the same time wherever a wrong one differs.
    package func verify(_ password: [UInt8]) -> Bool {
        let expected: [UInt8]
        let key: SymmetricKey?
        switch self {
        case .scrypt(let cost, let salt, let digest):
            expected = digest
            key = Self.scryptKey(password, cost, salt: salt, bytes: digest.count)
        case .pbkdf2(let iterations, let salt, let digest):
            expected = digest
            key = Self.pbkdf2Key(password, iterations, salt: salt, bytes: digest.count)
        case .sha512(let salt, let digest):
            expected = digest
            key = SymmetricKey(data: SHA512.hash(data: password + salt))
        }
        // Two keys are compared in constant time.
        return key == SymmetricKey(data: expected)
    }

    private static func scryptKey(_ password: [UInt8], _ cost: ScryptCost, salt: [UInt8], bytes: Int) -> SymmetricKey? {
        // The cost is valid by its type, so what is left to fail is the memory: then nobody is let in.
        try? KDF.Scrypt.deriveKey(
            from: password, salt: salt, outputByteCount: bytes, rounds: 1 << cost.roundsLog2,
            blockSize: cost.blockSize, parallelism: cost.parallelism)
    }

    private static func pbkdf2Key(_ password: [UInt8], _ iterations: Int, salt: [UInt8], bytes: Int) -> SymmetricKey? {
        // Few iterations are what mosquitto wrote; as above, a failure lets nobody in.
        try? KDF.Insecure.PBKDF2.deriveKey(
            from: password, salt: salt, using: .sha512, outputByteCount: bytes, unsafeUncheckedRounds: iterations)
    }
}

// MARK: Text

extension PasswordHash {
    /// Reads a hash as it stands in a password file.
    ///
    /// - Throws: `.passwordHash`; the message holds nothing of the text.
    package init(parsing text: some StringProtocol) throws(IdentityFailure) {
        let fields = String(text).split(separator: "$" as Character, omittingEmptySubsequences: false).map(String.init)
        guard fields.count > 2, fields[0].isEmpty else {
            throw IdentityFailure(.passwordHash, "no password hash; `fcbus passwd FILE USER` writes one")
        }
        let hash: PasswordHash? =
            switch (fields[1], fields.count) {
            case ("scrypt", 5): Self.scrypt(cost: fields[2], salt: fields[3], digest: fields[4])
            case ("7", 5): Self.pbkdf2(iterations: fields[2], salt: fields[3], digest: fields[4])
            case ("6", 4): Self.sha512(salt: fields[2], digest: fields[3])
            case ("scrypt", _), ("7", _), ("6", _): nil
            default:
                throw IdentityFailure(
                    .passwordHash, "a hash of a kind that is not read here: scrypt, and mosquitto's $7$ and $6$, are")
            }
        guard let hash else {
            throw IdentityFailure(.passwordHash, "a password hash that is damaged or asks for too much work")
        }
        self = hash
    }

    /// The hash as a password file holds it.
    package var text: String {
        switch self {
        case .scrypt(let cost, let salt, let digest):
            "$scrypt$\(cost)$\(Base64Text.unpadded(salt))$\(Base64Text.unpadded(digest))"
        case .pbkdf2(let iterations, let salt, let digest):
            "$7$\(iterations)$\(Base64Text.padded(salt))$\(Base64Text.padded(digest))"
        case .sha512(let salt, let digest):
            "$6$\(Base64Text.padded(salt))$\(Base64Text.padded(digest))"
        }
    }

    private static func scrypt(cost text: String, salt: String, digest: String) -> PasswordHash? {
        let fields = text.split(separator: ",", omittingEmptySubsequences: false)
        guard fields.count == 3, let rounds = self.number(fields[0], after: "ln="),
            let block = self.number(fields[1], after: "r="), let parallel = self.number(fields[2], after: "p="),
            let cost = ScryptCost(roundsLog2: rounds, blockSize: block, parallelism: parallel),
            let salt = Base64Text.unpadded(salt), self.saltBytes.contains(salt.count),
            let digest = Base64Text.unpadded(digest), self.digestBytes.contains(digest.count)
        else { return nil }
        return .scrypt(cost, salt: salt, digest: digest)
    }

    private static func pbkdf2(iterations: String, salt: String, digest: String) -> PasswordHash? {
        guard let iterations = self.number(iterations[...], after: ""), (1...self.iterationsMax).contains(iterations),
            let salt = Base64Text.padded(salt), self.saltBytes.contains(salt.count),
            let digest = Base64Text.padded(digest), digest.count == self.sha512Bytes
        else { return nil }
        return .pbkdf2(iterations: iterations, salt: salt, digest: digest)
    }

    private static func sha512(salt: String, digest: String) -> PasswordHash? {
        guard let salt = Base64Text.padded(salt), self.saltBytes.contains(salt.count),
            let digest = Base64Text.padded(digest), digest.count == self.sha512Bytes
        else { return nil }
        return .sha512(salt: salt, digest: digest)
    }

    /// Digits only: `Int` would take a sign as well.
    private static func number(_ text: Substring, after prefix: String) -> Int? {
        let digits = text.dropFirst(prefix.count)
        guard text.hasPrefix(prefix), !digits.hasPrefix("0"), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return Int(digits)
    }
}

extension PasswordHash: CustomStringConvertible, CustomDebugStringConvertible {
    /// The kind and its cost; salt and digest stay out of logs.
    package var description: String {
        switch self {
        case .scrypt(let cost, salt: _, digest: _): "scrypt \(cost)"
        case .pbkdf2(let iterations, salt: _, digest: _): "PBKDF2 with \(iterations) iterations"
        case .sha512: "SHA-512"
        }
    }

    package var debugDescription: String { self.description }
}
