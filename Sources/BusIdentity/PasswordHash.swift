import Crypto
import CryptoExtras
import FoundationEssentials

/// A password as it is stored: enough to check it, not enough to learn it.
///
/// | form in the file | what |
/// |---|---|
/// | `$scrypt$ln=15,r=8,p=1$<salt>$<hash>` | scrypt (RFC 7914) with N = 2^ln, as `fcbus passwd` writes it |
/// | `$7$<iterations>$<salt>$<hash>` | PBKDF2 with HMAC-SHA-512, mosquitto 2 |
/// | `$6$<salt>$<hash>` | SHA-512 of password and salt, mosquitto 1 |
///
/// Salt and hash are base64.
package struct PasswordHash: Sendable, Equatable {
    private enum Scheme: Sendable, Equatable {
        case scrypt(log2N: Int, blockSize: Int, parallelism: Int)
        case pbkdf2(iterations: Int)
        case sha512
    }

    private let scheme: Scheme
    private let salt: [UInt8]
    private let hash: [UInt8]

    /// 2^15 rounds: about 140 ms and 32 MiB for each check.
    package static let defaultLog2N = 15
    /// Above it one check would take seconds and most of a gateway's memory.
    private static let log2NRange = 10...20
    private static let iterationsMax = 10_000_000

    // MARK: Making

    /// Hashes a new password with a fresh salt.
    package static func make(
        _ password: [UInt8], log2N: Int = Self.defaultLog2N
    ) throws(IdentityFailure) -> PasswordHash {
        var random = SystemRandomNumberGenerator()
        let salt = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
        let scheme = Scheme.scrypt(log2N: log2N, blockSize: 8, parallelism: 1)
        return PasswordHash(
            scheme: scheme, salt: salt, hash: try Self.derive(scheme, password, salt: salt, byteCount: 32))
    }

    private init(scheme: Scheme, salt: [UInt8], hash: [UInt8]) {
        self.scheme = scheme
        self.salt = salt
        self.hash = hash
    }

    // MARK: Text

    /// - Throws: what is wrong with the text, without showing it.
    package init(parsing text: String) throws(IdentityFailure) {
        let fields = text.split(separator: "$", omittingEmptySubsequences: false).map(String.init)
        guard fields.count >= 4, fields[0].isEmpty else {
            throw IdentityFailure("the hash must begin with $scrypt$, $7$ or $6$")
        }
        switch (fields[1], fields.count) {
        case ("scrypt", 5): self.scheme = try Self.scrypt(fields[2])
        case ("7", 5):
            guard let iterations = Int(fields[2]), (1...Self.iterationsMax).contains(iterations) else {
                throw IdentityFailure("the number of iterations is out of range")
            }
            self.scheme = .pbkdf2(iterations: iterations)
        case ("6", 4): self.scheme = .sha512
        default: throw IdentityFailure("the hash must begin with $scrypt$, $7$ or $6$ and have all its parts")
        }
        guard let salt = Self.bytes(fields[fields.count - 2]), let hash = Self.bytes(fields[fields.count - 1]),
            !salt.isEmpty, hash.count >= 16
        else { throw IdentityFailure("salt and hash must be base64") }
        self.salt = salt
        self.hash = hash
    }

    private static func scrypt(_ parameters: String) throws(IdentityFailure) -> Scheme {
        var values: [String: Int] = [:]
        for parameter in parameters.split(separator: ",") {
            let parts = parameter.split(separator: "=")
            guard parts.count == 2, let value = Int(parts[1]) else { break }
            values[String(parts[0])] = value
        }
        guard let log2N = values["ln"], self.log2NRange.contains(log2N), let blockSize = values["r"],
            (1...32).contains(blockSize), let parallelism = values["p"], (1...16).contains(parallelism)
        else { throw IdentityFailure("scrypt needs ln from 10 to 20, r from 1 to 32 and p from 1 to 16") }
        return .scrypt(log2N: log2N, blockSize: blockSize, parallelism: parallelism)
    }

    package var text: String {
        let tail = "\(Self.base64(self.salt))$\(Self.base64(self.hash))"
        return switch self.scheme {
        case .scrypt(let log2N, let blockSize, let parallelism):
            "$scrypt$ln=\(log2N),r=\(blockSize),p=\(parallelism)$\(tail)"
        case .pbkdf2(let iterations): "$7$\(iterations)$\(tail)"
        case .sha512: "$6$\(tail)"
        }
    }

    private static func bytes(_ text: String) -> [UInt8]? {
        let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        return Data(base64Encoded: text + padding).map(Array.init)
    }

    private static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    // MARK: Checking

    /// Takes as long as the hash was made to take; the comparison takes the same time for every password.
    package func verify(_ password: [UInt8]) -> Bool {
        // A hash whose parameters the library refuses fits no password.
        guard
            let derived = try? Self.derive(self.scheme, password, salt: self.salt, byteCount: self.hash.count)
        else { return false }
        guard derived.count == self.hash.count else { return false }
        return zip(derived, self.hash).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// A hash of the same cost that fits no password: what an unknown user is checked against.
    package var decoy: PasswordHash {
        PasswordHash(scheme: self.scheme, salt: self.salt.map { ~$0 }, hash: self.hash.map { _ in 0 })
    }

    private static func derive(
        _ scheme: Scheme, _ password: [UInt8], salt: [UInt8], byteCount: Int
    ) throws(IdentityFailure) -> [UInt8] {
        do {
            switch scheme {
            case .scrypt(let log2N, let blockSize, let parallelism):
                let key = try KDF.Scrypt.deriveKey(
                    from: password, salt: salt, outputByteCount: byteCount, rounds: 1 << log2N, blockSize: blockSize,
                    parallelism: parallelism)
                return unsafe key.withUnsafeBytes { unsafe Array($0) }
            case .pbkdf2(let iterations):
                let key = try KDF.Insecure.PBKDF2.deriveKey(
                    from: password, salt: salt, using: .init(sha512: ()), outputByteCount: byteCount,
                    unsafeUncheckedRounds: iterations)
                return unsafe key.withUnsafeBytes { unsafe Array($0) }
            case .sha512:
                return Array(SHA512.hash(data: password + salt))
            }
        } catch {
            throw IdentityFailure("the password cannot be hashed: \(error)")
        }
    }
}

extension KDF.Insecure.PBKDF2.HashFunction {
    fileprivate init(sha512: Void) {
        self = .sha512
    }
}
