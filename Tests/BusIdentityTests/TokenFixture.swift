import BusIdentity
import Crypto
import CryptoExtras
import Foundation
import JWTKit

/// The published examples of RFC 7515 appendix A and RFC 7517 appendix A.
enum PublishedTokens {
    static let claims =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    static let expiry = 1_300_819_380.0

    /// A.1; the key is that of its JWK, as bytes.
    static let hs256 = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\(claims).dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    static let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

    /// A.2.
    static let rs256 =
        "eyJhbGciOiJSUzI1NiJ9.\(claims)."
        + "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb"
        + "F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383"
        + "LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy"
        + "wlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    static let rsaModulus =
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SF"
        + "d2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo"
        + "7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkM"
        + "Ls91kzk2PAcDTW9gb54h4FRWyuXpoQ"
    static let rsaKey = #"{"kty":"RSA","n":"\#(rsaModulus)","e":"AQAB"}"#

    /// A.3.
    static let es256 =
        "eyJhbGciOiJFUzI1NiJ9.\(claims)."
        + "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    static let ecKey =
        #"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#
        + #""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#

    /// RFC 7517 A.1: one key for encryption, one that signs.
    static let keySet =
        #"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","#
        + #""y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},"#
        + #"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6"#
        + "tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
        + "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRw"
        + #"r3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}"#
}

/// An issuer with a key of each kind, and full freedom to issue nonsense.
struct Issuer: Sendable {
    static let shared = Issuer()

    let secret = utf8("0123456789abcdef0123456789abcdef")
    let elliptic = P256.Signing.PrivateKey()
    // Making a key of that size cannot fail.
    let rsa = try? _RSA.Signing.PrivateKey(keySize: .bits2048)

    static func part(_ json: String) -> String { base64url(json.utf8) }

    func hs256(_ claims: String, header: String = #"{"alg":"HS256"}"#, secret: [UInt8]? = nil) -> String {
        let input = "\(Self.part(header)).\(Self.part(claims))"
        let key = SymmetricKey(data: secret ?? self.secret)
        return "\(input).\(base64url(HMAC<SHA256>.authenticationCode(for: utf8(input), using: key)))"
    }

    func es256(_ claims: String, header: String = #"{"alg":"ES256"}"#) throws -> String {
        let input = "\(Self.part(header)).\(Self.part(claims))"
        return "\(input).\(base64url(try self.elliptic.signature(for: utf8(input)).rawRepresentation))"
    }

    func rs256(_ claims: String, header: String = #"{"alg":"RS256"}"#) throws -> String {
        let input = "\(Self.part(header)).\(Self.part(claims))"
        let signature = try self.rsa?.signature(for: SHA256.hash(data: utf8(input)), padding: .insecurePKCS1v1_5)
        return "\(input).\(base64url(signature?.rawRepresentation ?? Data()))"
    }

    /// A key of the set, by name, with more fields where a test wants them.
    func ecEntry(_ identifier: String?, _ more: String = "") -> String {
        let point = [UInt8](self.elliptic.publicKey.rawRepresentation)
        let name = identifier.map { #","kid":"\#($0)""# } ?? ""
        return #"{"kty":"EC","crv":"P-256","x":"\#(base64url(point.prefix(32)))","y":"\#(base64url(point.suffix(32)))""#
            + "\(name)\(more)}"
    }
}
