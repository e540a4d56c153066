import FoundationEssentials
import JWTKit

/// The keys whose tokens are believed.
package struct TokenKeys: Sendable {
    struct Key: Sendable {
        let algorithm: TokenAlgorithm
        /// The `kid` by which tokens name it.
        let identifier: String?
        /// Holds this key alone, so that jwt-kit has nothing to choose between.
        let collection: JWTKeyCollection
    }

    /// A token without `kid` is tried with each key of its algorithm, so their number is bounded.
    private static let countMax = 32
    /// RFC 7518 section 3.2: a key is at least as long as the hash.
    private static let secretBytesMin = 32

    let keys: [Key]

    /// Reads the key file that the settings name.
    ///
    /// - Throws: `.file` or `.key`; nothing of the file is in the message.
    package static func read(_ key: TokenSettings.Key) async throws(IdentityFailure) -> TokenKeys {
        let path = key.file
        switch key {
        case .secret: return try await self.secret(PrivateFile(path, .secret).read().bytes, name: path)
        case .rsa: return try await self.rsa(pem: PrivateFile(path, .readable).readText().text, name: path)
        case .ecdsa: return try await self.ecdsa(pem: PrivateFile(path, .readable).readText().text, name: path)
        case .jwks: return try await self.keySet(json: PrivateFile(path, .readable).readText().text, name: path)
        }
    }

    /// For HS256: the content of the file, without an end of line at its end.
    ///
    /// - Throws: `.key` for a secret that could be guessed.
    package static func secret(_ content: [UInt8], name: String) async throws(IdentityFailure) -> TokenKeys {
        var secret = content[...]
        if secret.last == 0x0A { secret = secret.dropLast() }
        if secret.last == 0x0D { secret = secret.dropLast() }
        guard secret.count >= self.secretBytesMin else {
            throw IdentityFailure(
                .key,
                "\(name): the secret for HS256 has to have \(self.secretBytesMin) bytes or more; "
                    + "`openssl rand -base64 48` makes one")
        }
        // Somebody who has taken the public key's file for the secret would let everybody sign who has that file.
        guard !secret.starts(with: Array("-----BEGIN".utf8)) else {
            throw IdentityFailure(.key, "\(name): a key in PEM form is no secret; configure it as a public key")
        }
        let collection = JWTKeyCollection()
        await collection.add(hmac: HMACKey(from: Array(secret)), digestAlgorithm: .sha256)
        return TokenKeys(keys: [Key(algorithm: .hs256, identifier: nil, collection: collection)])
    }

    /// For RS256: an RSA key of at least 2048 bits in PEM form.
    ///
    /// - Throws: `.key` for anything else.
    package static func rsa(pem: String, name: String) async throws(IdentityFailure) -> TokenKeys {
        try self.refusePrivate(pem, name)
        // What the reader says of a key that it cannot read may quote it.
        guard let key = try? Insecure.RSA.PublicKey(pem: pem) else {
            throw IdentityFailure(.key, "\(name): no public RSA key of 2048 bits or more in PEM form")
        }
        return TokenKeys(keys: [await Key(key, identifier: nil)])
    }

    /// For ES256: a P-256 key in PEM form.
    ///
    /// - Throws: `.key` for anything else.
    package static func ecdsa(pem: String, name: String) async throws(IdentityFailure) -> TokenKeys {
        try self.refusePrivate(pem, name)
        // As above.
        guard let key = try? ES256PublicKey(pem: pem) else {
            throw IdentityFailure(.key, "\(name): no public P-256 key in PEM form")
        }
        return TokenKeys(keys: [await Key(key, identifier: nil)])
    }

    private static func refusePrivate(_ pem: String, _ name: String) throws(IdentityFailure) {
        guard !pem.contains("PRIVATE KEY-----") else {
            throw IdentityFailure(
                .key,
                "\(name): holds a private key, which has no place on a broker; `openssl pkey -pubout` takes the "
                    + "public one out of it")
        }
    }

    /// For RS256 and ES256: a JSON Web Key Set (RFC 7517). Keys of other kinds and uses are passed over (section 5).
    ///
    /// - Throws: `.key` where nothing usable is left, or a private key is among them.
    package static func keySet(json: String, name: String) async throws(IdentityFailure) -> TokenKeys {
        let set: TokenKeySet
        do {
            set = try JSONDecoder().decode(TokenKeySet.self, from: Data(json.utf8))
        } catch {
            // The decoder's own words would quote the file.
            throw IdentityFailure(.key, "\(name): no JSON Web Key Set: an object with a list `keys` is expected")
        }
        guard set.keys.count <= self.countMax else {
            throw IdentityFailure(.key, "\(name): has \(set.keys.count) keys; \(self.countMax) at most are tried")
        }
        guard !set.keys.contains(where: \.isPrivate) else {
            throw IdentityFailure(.key, "\(name): holds a private or secret key, which has no place in a key set")
        }
        var keys: [Key] = []
        for entry in set.keys {
            if let key = await entry.key { keys.append(key) }
        }
        guard !keys.isEmpty else {
            throw IdentityFailure(.key, "\(name): no key in it checks tokens signed with RS256 or ES256")
        }
        return TokenKeys(keys: keys)
    }

    /// The keys that may have signed a token with this header.
    ///
    /// - Throws: `.algorithmRefused` or `.unknownKey`.
    func candidates(for header: TokenHeader) throws(IdentityFailure) -> [Key] {
        let fitting = self.keys.filter { $0.algorithm.rawValue == header.algorithm }
        guard !fitting.isEmpty else {
            throw IdentityFailure(.algorithmRefused, "the token is signed by an algorithm that no key here is for")
        }
        guard let identifier = header.keyIdentifier else { return fitting }
        let named = fitting.filter { $0.identifier.map { Array($0.utf8) == Array(identifier.utf8) } ?? true }
        guard !named.isEmpty else { throw IdentityFailure(.unknownKey, "the token names a key that is not known here") }
        return named
    }
}

extension TokenKeys.Key {
    init(_ key: ES256PublicKey, identifier: String?) async {
        let collection = JWTKeyCollection()
        await collection.add(ecdsa: key)
        self.init(algorithm: .es256, identifier: identifier, collection: collection)
    }

    init(_ key: Insecure.RSA.PublicKey, identifier: String?) async {
        let collection = JWTKeyCollection()
        await collection.add(rsa: key, digestAlgorithm: .sha256)
        self.init(algorithm: .rs256, identifier: identifier, collection: collection)
    }
}
