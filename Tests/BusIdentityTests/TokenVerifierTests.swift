import BusIdentity
import Testing

@Suite("Tokens")
struct TokenVerifierTests {
    static let now = 1_800_000_000.0
    static let good = #"{"sub":"ann","exp":1800000100,"groups":["staff","pumps"]}"#

    private static func outcome(
        _ token: String, user: String? = nil, now: Double = now, _ configure: (inout TokenSettings) -> Void = { _ in }
    ) async throws -> Result<TokenIdentity, IdentityFailure> {
        var settings = TokenSettings(key: .secret(file: "secret"))
        configure(&settings)
        let keys = try await TokenKeys.secret(Issuer.shared.secret, name: "secret")
        return await TokenVerifier(keys: keys, settings: settings).outcome(token, user: user, now: now)
    }

    private static func kind(
        _ claims: String, user: String? = nil, now: Double = now, _ configure: (inout TokenSettings) -> Void = { _ in }
    ) async throws -> IdentityFailure.Kind? {
        let outcome = try await self.outcome(Issuer.shared.hs256(claims), user: user, now: now, configure)
        guard case .failure(let failure) = outcome else { return nil }
        return failure.kind
    }

    @Test("A good token names user, groups and its end")
    func good() async throws {
        let outcome = try await Self.outcome(Issuer.shared.hs256(Self.good))
        #expect(try outcome.get() == TokenIdentity(user: "ann", groups: ["staff", "pumps"], expiresAt: 1_800_000_100))
    }

    @Test("Claims may have other names, and one group needs no list")
    func otherClaims() async throws {
        let claims = #"{"device":"pump-1","exp":1800000100,"role":"pumps","sub":"x","groups":["y"]}"#
        let outcome = try await Self.outcome(Issuer.shared.hs256(claims)) { settings in
            settings.userClaim = "device"
            settings.groupsClaim = "role"
        }
        #expect(try outcome.get() == TokenIdentity(user: "pump-1", groups: ["pumps"], expiresAt: 1_800_000_100))
    }

    @Test(
        "The user name of CONNECT is empty or the token's, byte by byte",
        arguments: [(nil, true), ("", true), ("ann", true), ("Ann", false), ("ann ", false), ("bob", false)])
    func userName(name: String?, isGood: Bool) async throws {
        #expect(try await Self.kind(Self.good, user: name) == (isGood ? nil : .wrongUser))
        let spelled = "{\"sub\":\"\u{E9}\",\"exp\":1800000100}"
        #expect(try await Self.kind(spelled, user: "e\u{301}") == .wrongUser)
    }

    @Test(
        "exp and nbf count with half a minute of leeway",
        arguments: [
            (#"{"sub":"ann","exp":1800000000}"#, nil), (#"{"sub":"ann","exp":1799999971}"#, nil),
            (#"{"sub":"ann","exp":1799999970.5}"#, nil),
            (#"{"sub":"ann","exp":1799999970}"#, .expired), (#"{"sub":"ann","exp":0}"#, .expired),
            (#"{"sub":"ann","exp":-9007199254740991}"#, .expired),
            (#"{"sub":"ann","exp":1800000100,"nbf":1800000030}"#, nil),
            (#"{"sub":"ann","exp":1800000100,"nbf":1800000031}"#, .notYetValid),
            (#"{"sub":"ann","exp":1800000100.7,"nbf":1799999999.5}"#, nil),
            (#"{"sub":"ann"}"#, .malformedToken), (#"{"sub":"ann","exp":"1800000100"}"#, .malformedToken),
            (#"{"sub":"ann","exp":null}"#, .malformedToken), (#"{"sub":"ann","exp":true}"#, .malformedToken),
            (#"{"sub":"ann","exp":1e300}"#, .malformedToken),
            (#"{"sub":"ann","exp":1800000100,"nbf":"soon"}"#, .malformedToken),
            (#"{"sub":"ann","exp":1800000100,"nbf":[]}"#, .malformedToken),
        ] as [(String, IdentityFailure.Kind?)])
    func times(claims: String, kind: IdentityFailure.Kind?) async throws {
        #expect(try await Self.kind(claims) == kind)
    }

    @Test(
        "Issuer and audience count where they are asked for",
        arguments: [
            (#""iss":"https://id.example","aud":"fcbus""#, nil),
            (#""iss":"https://id.example","aud":["other","fcbus"]"#, nil),
            (#""aud":"fcbus""#, .wrongIssuer), (#""iss":"https://id.example/","aud":"fcbus""#, .wrongIssuer),
            (#""iss":["https://id.example"],"aud":"fcbus""#, .wrongIssuer),
            (#""iss":"https://id.example""#, .wrongAudience),
            (#""iss":"https://id.example","aud":"fcbus2""#, .wrongAudience),
            (#""iss":"https://id.example","aud":[]"#, .wrongAudience),
            (#""iss":"https://id.example","aud":7"#, .malformedToken),
        ] as [(String, IdentityFailure.Kind?)])
    func origin(fields: String, kind: IdentityFailure.Kind?) async throws {
        let claims = #"{"sub":"ann","exp":1800000100,\#(fields)}"#
        let found = try await Self.kind(claims) { settings in
            settings.issuer = "https://id.example"
            settings.audience = "fcbus"
        }
        #expect(found == kind)
        #expect(try await Self.kind(claims) == nil)
    }

    @Test(
        "A signed token that names no user, or has claims of another type, is refused",
        arguments: [
            #"{"exp":1800000100}"#, #"{"sub":"","exp":1800000100}"#, #"{"sub":7,"exp":1800000100}"#,
            #"{"sub":["ann"],"exp":1800000100}"#, #"{"sub":"a\u0000b","exp":1800000100}"#,
            #"{"sub":"ann","exp":1800000100,"groups":7}"#, #"{"sub":"ann","exp":1800000100,"groups":["a",7]}"#,
            #"{"sub":"ann","exp":1800000100,"groups":{"staff":true}}"#, "[]", "7", "null", "", "{", #""ann""#,
            #"{"sub":"ann","exp":1800000100,"groups":[\#(Array(repeating: #""g""#, count: 257).joined(separator: ","))]}"#,
        ])
    func claims(_ claims: String) async throws {
        #expect(try await Self.kind(claims) == .malformedToken)
    }

    @Test("The last byte of the signature counts as much as the first, and so do header and claims")
    func tampering() async throws {
        let token = Array(Issuer.shared.hs256(Self.good))
        for index in token.indices where token[index] != "." {
            var forged = token
            forged[index] = token[index] == "A" ? "B" : "A"
            let outcome = try await Self.outcome(String(forged))
            #expect(throws: IdentityFailure.self, "letter \(index)") { try outcome.get() }
        }
    }

    @Test(
        "What is no token is refused before any key is used",
        arguments: [
            "", ".", "..", "...", "a.b", "hunter2", "eyJhbGciOiJIUzI1NiJ9..", ".eyJhbGciOiJIUzI1NiJ9.",
            "eyJhbGciOiJIUzI1NiJ9=.e30.AAAA", "eyJhbGciOiJIUzI1NiJ9.e30.AA+A", "eyJhbGciOiJIUzI1NiJ9.e30.AA AA",
            "eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA", "e30.e30.AAAA", "W10.e30.AAAA", "eyJhbGciOjd9.e30.AAAA",
            "ü.e30.AAAA", "eyJhbGciOiJIUzI1NiJ9.e30.\(String(repeating: "A", count: 16_384))",
        ])
    func noToken(_ token: String) async throws {
        let outcome = try await Self.outcome(token)
        guard case .failure(let failure) = outcome else {
            Issue.record("taken for a token")
            return
        }
        #expect([.malformedToken, .wrongSignature].contains(failure.kind))
    }

    @Test(
        "A password is taken for a token only if it looks like one, dots or not",
        arguments: [
            ("a.b.c", false), ("", false), ("..", false), ("1.2.3", false), ("pass.word.123", false),
            ("eyJhbGciOiJIUzI1NiJ9.e30.AAAA", true), ("eyJhbGciOiJub25lIn0.e30.", true), ("e30.e30.AAAA", false),
        ])
    func looks(_ password: String, isToken: Bool) {
        #expect(TokenVerifier.isToken(utf8(password)) == isToken)
        #expect(!TokenVerifier.isToken([0xFF] + utf8(password)))
    }

    @Test("A header that demands an extension is refused (RFC 7515 section 4.1.11)")
    func critical() async throws {
        let token = Issuer.shared.hs256(Self.good, header: #"{"alg":"HS256","crit":["b64"],"b64":true}"#)
        let outcome = try await Self.outcome(token)
        #expect(throws: IdentityFailure.self) { try outcome.get() }
    }

    @Test("No message holds anything of a token (S16)")
    func secrecy() async throws {
        let planted = "tulip"
        let bodies = [
            #"{"sub":"tulip","exp":1800000100}"#, #"{"sub":"tulip","exp":5}"#, #"{"tulip":1}"#, #"{"sub":"tulip"}"#,
            #"{"sub":"ann","exp":1800000100,"iss":"tulip","aud":"tulip"}"#, "tulip",
            #"{"sub":"ann","exp":1800000100,"nbf":"tulip"}"#,
        ]
        for body in bodies {
            for header in [#"{"alg":"HS256","kid":"tulip"}"#, #"{"alg":"tulip"}"#, "tulip"] {
                let token = Issuer.shared.hs256(body, header: header)
                let outcome = try await Self.outcome(token, user: "bob") { $0.issuer = "joe" }
                let failure = try #require(outcome.failure)
                #expect(!failure.description.contains(planted))
                for part in token.split(separator: ".") { #expect(!failure.description.contains(part)) }
            }
        }
    }
}

extension TokenVerifier {
    func outcome(_ token: String, user: String? = nil, now: Double) async -> Result<TokenIdentity, IdentityFailure> {
        do throws(IdentityFailure) {
            return .success(try await self.verify(token: token, user: user, now: now))
        } catch {
            return .failure(error)
        }
    }
}

extension Result {
    var failure: Failure? {
        guard case .failure(let failure) = self else { return nil }
        return failure
    }
}
