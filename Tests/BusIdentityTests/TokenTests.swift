import BusIdentity
import Crypto
import Foundation
import JWTKit
import Testing

@Suite("Tokens")
struct TokenTests {
    private struct Claims: JWTPayload {
        var sub: String? = "ana"
        var exp: Double? = 2000
        var nbf: Double?
        var iss: String?
        var aud: [String]?
        var groups: [String]?

        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }

    private static let secret = String(repeating: "a shared secret ", count: 3)

    private func file(_ text: String) throws -> String {
        let file = FileManager.default.temporaryDirectory.appending(path: "fcbus-key-\(UUID().uuidString)")
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    private func sign(_ claims: Claims, _ secret: String = Self.secret) async throws -> String {
        let keys = JWTKeyCollection()
        await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
        return try await keys.sign(claims)
    }

    private func verify(
        _ token: String, user: String? = nil, now: Double = 1000, _ change: (inout TokenSettings) -> Void = { _ in }
    ) async throws -> TokenIdentity {
        let path = try self.file(Self.secret + "\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        var settings = TokenSettings(key: .secret(file: path))
        change(&settings)
        return try await TokenVerifier(settings).verify(token: token, user: user, now: now)
    }

    @Test("A token names its user, its groups and its end")
    func good() async throws {
        let token = try await self.sign(Claims(groups: ["operators"]))
        let identity = try await self.verify(token, user: "ana")
        #expect(identity.user == "ana")
        #expect(identity.groups == ["operators"])
        #expect(identity.expiresAt == 2000)
        #expect(try await self.verify(token, user: "").user == "ana")
    }

    @Test("ES256 and RS256 keys, and a key set")
    func keys() async throws {
        let elliptic = ES256PrivateKey()
        let rsa = try Insecure.RSA.PrivateKey(pem: Self.rsaPrivateKey)
        let signers = JWTKeyCollection()
        await signers.add(ecdsa: elliptic, kid: "e")
        await signers.add(rsa: rsa, digestAlgorithm: .sha256, kid: "r")
        let kinds: [(kid: JWKIdentifier, pem: String, key: (String) -> TokenSettings.Key)] = [
            ("e", elliptic.publicKey.pemRepresentation, { .ecdsa(file: $0) }),
            ("r", rsa.publicKey.pemRepresentation, { .rsa(file: $0) }),
        ]
        for kind in kinds {
            let path = try self.file(kind.pem)
            defer { try? FileManager.default.removeItem(atPath: path) }
            let verifier = try await TokenVerifier(TokenSettings(key: kind.key(path)))
            let token = try await signers.sign(Claims(), kid: kind.kid)
            #expect(try await verifier.verify(token: token, user: nil, now: 1000).user == "ana")
            let other = try await signers.sign(Claims(), kid: kind.kid == "e" ? "r" : "e")
            await #expect(throws: IdentityFailure.self) {
                try await verifier.verify(token: other, user: nil, now: 1000)
            }
            // The public key taken for a secret: the oldest trick against a verifier that believes the header.
            let forged = try await self.sign(Claims(), kind.pem)
            await #expect(throws: IdentityFailure.self) {
                try await verifier.verify(token: forged, user: nil, now: 1000)
            }
        }
    }

    @Test("A token without a signature is refused, whatever its header says")
    func unsigned() async throws {
        let parts = [#"{"alg":"none","typ":"JWT"}"#, #"{"sub":"ana","exp":2000}"#].map { text in
            Data(text.utf8).base64EncodedString().replacing("=", with: "").replacing("+", with: "-")
        }
        let token = parts.joined(separator: ".") + "."
        await #expect(throws: IdentityFailure.self) { try await self.verify(token) }
    }

    @Test("The claims count: time, issuer, audience, user, with half a minute for clocks that differ")
    func claims() async throws {
        let refused: [(Claims, Double, (inout TokenSettings) -> Void)] = [
            (Claims(exp: 900), 1000, { _ in }), (Claims(exp: nil), 1000, { _ in }),
            (Claims(nbf: 1100), 1000, { _ in }), (Claims(sub: nil), 1000, { _ in }), (Claims(sub: ""), 1000, { _ in }),
            (Claims(iss: "evil"), 1000, { $0.issuer = "fine" }), (Claims(), 1000, { $0.issuer = "fine" }),
            (Claims(aud: ["a", "b"]), 1000, { $0.audience = "c" }),
        ]
        for (claims, now, change) in refused {
            let token = try await self.sign(claims)
            await #expect(throws: IdentityFailure.self, "\(claims)") {
                try await self.verify(token, now: now, change)
            }
        }
        let early = try await self.sign(Claims(exp: 990, nbf: 1010))
        #expect(try await self.verify(early).user == "ana")
        let audience = try await self.sign(Claims(iss: "fine", aud: ["a", "c"]))
        let identity = try await self.verify(audience) {
            $0.audience = "c"
            $0.issuer = "fine"
        }
        #expect(identity.user == "ana")
    }

    @Test("A token is not for another user than CONNECT names, and another secret's token is refused")
    func strangers() async throws {
        let token = try await self.sign(Claims())
        await #expect(throws: IdentityFailure.self) { try await self.verify(token, user: "ben") }
        let forged = try await self.sign(Claims(), String(repeating: "x", count: 40))
        await #expect(throws: IdentityFailure.self) { try await self.verify(forged) }
    }

    @Test("A key file that is no key is refused with its name and without its content (S16)")
    func badKeys() async throws {
        let path = try self.file("short secret")
        defer { try? FileManager.default.removeItem(atPath: path) }
        for key in [TokenSettings.Key.secret(file: path), .rsa(file: path), .ecdsa(file: path), .jwks(file: path)] {
            do {
                _ = try await TokenVerifier(TokenSettings(key: key))
                Issue.record("accepted as \(key)")
            } catch {
                #expect(error.description.contains(path))
                #expect(!error.description.contains("short secret"))
            }
        }
    }

    private static let rsaPrivateKey: String = {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = ["genrsa", "2048"]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
            return String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        } catch {
            return ""
        }
    }()
}
