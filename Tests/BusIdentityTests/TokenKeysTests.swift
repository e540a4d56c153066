import BusIdentity
import Crypto
import CryptoExtras
import Foundation
import Testing

@Suite("Token keys")
struct TokenKeysTests {
    private static let now = 1_800_000_000.0
    private static let good: String = TokenVerifierTests.good

    /// The published examples have no `sub`; their issuer is the only name in them.
    private static func published(_ token: String, _ keys: TokenKeys) async -> Result<TokenIdentity, IdentityFailure> {
        var settings = TokenSettings(key: .jwks(file: "keys"))
        settings.userClaim = "iss"
        settings.leewaySeconds = 0
        return await TokenVerifier(keys: keys, settings: settings).outcome(token, now: PublishedTokens.expiry - 1)
    }

    private static let joe = TokenIdentity(user: "joe", groups: [], expiresAt: PublishedTokens.expiry)

    @Test("The HS256 example of RFC 7515 appendix A.1 verifies")
    func publishedSecret() async throws {
        let secret = try #require(base64urlDecoded(PublishedTokens.secret))
        let keys = try await TokenKeys.secret(secret, name: "secret")
        #expect(try await Self.published(PublishedTokens.hs256, keys).get() == Self.joe)
    }

    @Test(
        "The RS256 and ES256 examples of RFC 7515 appendices A.2 and A.3 verify with their keys in one set",
        arguments: [PublishedTokens.rs256, PublishedTokens.es256])
    func publishedKeys(_ token: String) async throws {
        let json = #"{"keys":[\#(PublishedTokens.rsaKey),\#(PublishedTokens.ecKey)]}"#
        let keys = try await TokenKeys.keySet(json: json, name: "keys")
        #expect(try await Self.published(token, keys).get() == Self.joe)
        var forged = Array(token)
        forged[forged.count - 20] = forged[forged.count - 20] == "A" ? "B" : "A"
        #expect(await Self.published(String(forged), keys).failure?.kind == .wrongSignature)
    }

    @Test("Of the set of RFC 7517 appendix A.1 the key for signatures is taken, that for encryption is not")
    func publishedSet() async throws {
        let keys = try await TokenKeys.keySet(json: PublishedTokens.keySet, name: "keys")
        #expect(await Self.published(PublishedTokens.rs256, keys).failure?.kind == .wrongSignature)
        #expect(await Self.published(PublishedTokens.es256, keys).failure?.kind == .algorithmRefused)
        #expect(await Self.published(PublishedTokens.hs256, keys).failure?.kind == .algorithmRefused)
    }

    @Test("Public keys in PEM form check the tokens of their private halves")
    func pem() async throws {
        let issuer = Issuer.shared
        let elliptic = try await TokenKeys.ecdsa(pem: issuer.elliptic.publicKey.pemRepresentation, name: "key")
        let rsaPEM = try #require(issuer.rsa?.publicKey.pemRepresentation)
        let rsa = try await TokenKeys.rsa(pem: rsaPEM, name: "key")
        let byElliptic = try issuer.es256(Self.good)
        let byRSA = try issuer.rs256(Self.good)
        #expect(try await TokenVerifier(elliptic).outcome(byElliptic, now: Self.now).get().user == "ann")
        #expect(try await TokenVerifier(rsa).outcome(byRSA, now: Self.now).get().user == "ann")
        #expect(await TokenVerifier(rsa).outcome(byElliptic, now: Self.now).failure?.kind == .algorithmRefused)
        #expect(await TokenVerifier(elliptic).outcome(byRSA, now: Self.now).failure?.kind == .algorithmRefused)
    }

    @Test(
        "Unsigned tokens are refused with every kind of key",
        arguments: ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS512", "PS256", "ES384", "EdDSA", "hs256"])
    func unsigned(algorithm: String) async throws {
        let issuer = Issuer.shared
        let head = Issuer.part(#"{"alg":"\#(algorithm)"}"#)
        let rsaPEM = try #require(issuer.rsa?.publicKey.pemRepresentation)
        for keys in [
            try await TokenKeys.secret(issuer.secret, name: "secret"),
            try await TokenKeys.rsa(pem: rsaPEM, name: "key"),
            try await TokenKeys.keySet(json: #"{"keys":[\#(issuer.ecEntry("a"))]}"#, name: "keys"),
        ] {
            let verifier = TokenVerifier(keys)
            let signed = issuer.hs256(Self.good, header: #"{"alg":"\#(algorithm)"}"#)
            for token in ["\(head).\(Issuer.part(Self.good)).", signed] {
                #expect(await verifier.outcome(token, now: Self.now).failure?.kind == .algorithmRefused)
            }
        }
    }

    @Test("A public key is never taken for an HS256 secret, whatever the token says of its algorithm")
    func confusion() async throws {
        let pem = try #require(Issuer.shared.rsa?.publicKey.pemRepresentation)
        let keys = try await TokenKeys.rsa(pem: pem, name: "key")
        for secret in [
            utf8(pem), utf8(pem + "\n"), Array(try #require(Issuer.shared.rsa?.publicKey.derRepresentation)),
        ] {
            for header in [#"{"alg":"HS256"}"#, #"{"alg":"RS256"}"#] {
                let token = Issuer.shared.hs256(Self.good, header: header, secret: secret)
                let failure = await TokenVerifier(keys).outcome(token, now: Self.now).failure
                #expect(failure?.kind == (header.contains("HS") ? .algorithmRefused : .wrongSignature))
            }
        }
        await #expect(throws: IdentityFailure.self) { try await TokenKeys.secret(utf8(pem), name: "secret") }
    }

    @Test("A key that the token brings along is not used")
    func ownKey() async throws {
        let issuer = Issuer.shared
        let keys = try await TokenKeys.keySet(json: #"{"keys":[\#(PublishedTokens.ecKey)]}"#, name: "keys")
        let token = try issuer.es256(Self.good, header: #"{"alg":"ES256","jwk":\#(issuer.ecEntry(nil))}"#)
        #expect(await TokenVerifier(keys).outcome(token, now: Self.now).failure?.kind == .wrongSignature)
    }

    @Test(
        "A token's kid picks the key; a kid that nobody knows is refused; without one each key is tried",
        arguments: [("new", nil), ("old", .wrongSignature), ("other", .unknownKey), (nil, nil)]
            as [(String?, IdentityFailure.Kind?)])
    func identifiers(name: String?, kind: IdentityFailure.Kind?) async throws {
        let issuer = Issuer.shared
        let old = PublishedTokens.ecKey.dropLast() + #","kid":"old"}"#
        let json = #"{"keys":[\#(old),\#(issuer.ecEntry("new"))]}"#
        let keys = try await TokenKeys.keySet(json: json, name: "keys")
        let header = name.map { #"{"alg":"ES256","kid":"\#($0)"}"# } ?? #"{"alg":"ES256"}"#
        let token = try issuer.es256(Self.good, header: header)
        #expect(await TokenVerifier(keys).outcome(token, now: Self.now).failure?.kind == kind)
    }

    @Test("A token with another algorithm does not decide about a key that names none")
    func firstComer() async throws {
        let json = #"{"keys":[\#(PublishedTokens.rsaKey),\#(Issuer.shared.ecEntry("e"))]}"#
        let keys = try await TokenKeys.keySet(json: json, name: "keys")
        let parts = PublishedTokens.rs256.split(separator: ".")
        for algorithm in ["PS256", "RS384", "RS512", "HS256", "ES256"] {
            let forged = "\(Issuer.part(#"{"alg":"\#(algorithm)"}"#)).\(parts[1]).\(parts[2])"
            #expect(await Self.published(forged, keys).failure != nil)
        }
        #expect(try await Self.published(PublishedTokens.rs256, keys).get() == Self.joe)
    }

    @Test("Key files are read by name: a loose secret is refused, the wrong kind of key as well (S11)")
    func files() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        func write(_ name: String, _ bytes: [UInt8], mode: Int) throws -> String {
            let file = folder.appending(path: name)
            try Data(bytes).write(to: file)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
            return file.path
        }
        let issuer = Issuer.shared
        let binary = Array(repeating: UInt8(0xFF), count: 40)
        let secret = try write("secret", binary, mode: 0o600)
        let loose = try write("loose", binary, mode: 0o644)
        let rsa = try write("rsa.pem", utf8(issuer.rsa?.publicKey.pemRepresentation ?? ""), mode: 0o644)
        let ecdsa = try write("ec.pem", utf8(issuer.elliptic.publicKey.pemRepresentation), mode: 0o644)
        let jwks = try write("keys.json", utf8(#"{"keys":[\#(issuer.ecEntry("a"))]}"#), mode: 0o644)
        let good: [(TokenSettings.Key, String)] = [
            (.secret(file: secret), issuer.hs256(Self.good, secret: binary)),
            (.rsa(file: rsa), try issuer.rs256(Self.good)), (.ecdsa(file: ecdsa), try issuer.es256(Self.good)),
            (.jwks(file: jwks), try issuer.es256(Self.good)),
        ]
        for (key, token) in good {
            let verifier = try await TokenVerifier(TokenSettings(key: key))
            #expect(try await verifier.verify(token: token, user: "ann", now: Self.now).user == "ann")
        }
        for key in [
            .secret(file: loose), .secret(file: secret + "2"), .rsa(file: ecdsa), .ecdsa(file: rsa), .jwks(file: rsa),
        ] as [TokenSettings.Key] {
            await #expect(throws: IdentityFailure.self) { try await TokenVerifier(TokenSettings(key: key)) }
        }
        try FileManager.default.removeItem(at: folder)
    }

    @Test("Keys for other algorithms, of other kinds and damaged ones are passed over (RFC 7517 section 5)")
    func passedOver() async throws {
        let issuer = Issuer.shared
        let json = """
            {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, {},
            {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
            \(issuer.ecEntry("a", #","alg":"ES384""#)), \(issuer.ecEntry("b", #","use":"enc""#)),
            \(issuer.ecEntry("c", #","use":"sig","alg":"ES256","key_ops":["verify"],"x5c":[]"#))]}
            """
        let keys = try await TokenKeys.keySet(json: json, name: "keys")
        for (name, isKnown) in [("a", false), ("b", false), ("c", true)] {
            let token = try issuer.es256(Self.good, header: #"{"alg":"ES256","kid":"\#(name)"}"#)
            let failure = await TokenVerifier(keys).outcome(token, now: Self.now).failure
            #expect(failure?.kind == (isKnown ? nil : .unknownKey))
        }
    }

    @Test(
        "A key set that cannot check anything is refused, and nothing of it is in the message (S10, S16)",
        arguments: [
            "", "tulip", "[]", "{}", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":["tulip"]}"#,
            #"{"keys":[{"kty":"tulip"}]}"#, #"{"keys":[{"kty":"oct","k":"tulip"}]}"#,
            #"{"keys":[{"kty":"EC","crv":"P-256","x":"tulip","y":"tulip","d":"tulip"}]}"#,
            #"{"keys":[\#(Array(repeating: "{}", count: 33).joined(separator: ","))]}"#,
        ])
    func badSet(_ json: String) async throws {
        await #expect { _ = try await TokenKeys.keySet(json: json, name: "keys.json") } throws: { error in
            guard let failure = error as? IdentityFailure else { return false }
            return failure.kind == .key && failure.description.hasPrefix("keys.json: ")
                && !failure.description.contains("tulip")
        }
    }

    @Test("A PEM file without a public key for tokens is refused", arguments: BadKey.all)
    fileprivate func badPEM(_ key: BadKey) async throws {
        await #expect { _ = try await TokenKeys.rsa(pem: key.pem, name: "key.pem") } throws: { error in
            (error as? IdentityFailure)?.kind == .key && "\(error)".hasPrefix("key.pem: ")
        }
        await #expect { _ = try await TokenKeys.ecdsa(pem: key.pem, name: "key.pem") } throws: { error in
            (error as? IdentityFailure)?.kind == .key && "\(error)".hasPrefix("key.pem: ")
        }
    }

    @Test(
        "A secret has at least 32 bytes without its end of line",
        arguments: [
            ("", false), (String(repeating: "s", count: 31) + "\n", false), (String(repeating: "s", count: 32), true),
        ])
    func secretLength(text: String, isGood: Bool) async throws {
        do {
            _ = try await TokenKeys.secret(utf8(text), name: "secret")
            #expect(isGood)
        } catch {
            #expect(!isGood)
            #expect(error.kind == .key)
        }
    }

    @Test("The end of line of the secret's file does not belong to it", arguments: ["", "\n", "\r\n"])
    func secretLine(end: String) async throws {
        let keys = try await TokenKeys.secret(Issuer.shared.secret + utf8(end), name: "secret")
        let token = Issuer.shared.hs256(Self.good)
        #expect(try await TokenVerifier(keys).outcome(token, now: Self.now).get().user == "ann")
    }
}

extension TokenVerifier {
    /// With nothing demanded but a signature and an end.
    fileprivate init(_ keys: TokenKeys) {
        self.init(keys: keys, settings: TokenSettings(key: .jwks(file: "keys")))
    }
}

/// PEM that holds no public key for tokens.
private struct BadKey: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var pem: String

    static let all = [
        BadKey(testDescription: "an empty file", pem: ""),
        BadKey(
            testDescription: "a damaged key", pem: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        BadKey(testDescription: "a private P-256 key", pem: Issuer.shared.elliptic.pemRepresentation),
        BadKey(testDescription: "a private RSA key", pem: Issuer.shared.rsa?.pemRepresentation ?? ""),
        BadKey(testDescription: "a P-384 key", pem: P384.Signing.PrivateKey().publicKey.pemRepresentation),
        BadKey(testDescription: "an RSA key of 1024 bits", pem: Self.rsa1024),
    ]

    private static let rsa1024 = """
        -----BEGIN PUBLIC KEY-----
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCvcQNPZcqKtzByaoZgUlQ/D+1v
        M+/oRubFd45F4tk+wmOAICly9X3z3qTqfZegwaDrsSMp5WcNvneTpVyXI9lOknut
        aEyH6ZMa4rhI35R9fVI2iwvt465CnPqON8hFnE8SRfNlV0sDd710kraEwdnq4cub
        3tzpBFQnx6aO6hHi/QIDAQAB
        -----END PUBLIC KEY-----

        """
}
