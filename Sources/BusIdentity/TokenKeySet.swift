import JWTKit

/// A JSON Web Key Set as providers publish it; read with no demand beyond the list, since each may hold keys that are
/// not for us.
struct TokenKeySet: Decodable, Sendable {
    let keys: [Entry]

    struct Entry: Decodable, Sendable {
        private let kty: String?
        private let crv: String?
        private let alg: String?
        private let use: String?
        private let kid: String?
        private let n: String?
        private let e: String?
        private let x: String?
        private let y: String?
        private let d: String?
        private let k: String?

        /// `d` is the private part of RSA and EC keys, `k` a secret.
        var isPrivate: Bool { self.d != nil || self.k != nil }

        /// The key, where it checks signatures of an algorithm that is spoken here.
        var key: TokenKeys.Key? {
            get async {
                guard self.use == nil || self.use == "sig" else { return nil }
                switch (self.kty, self.alg ?? self.defaultAlgorithm) {
                case ("RSA", "RS256"):
                    guard let n = self.n, let e = self.e,
                        // A key that is damaged or too short is passed over like one of another kind.
                        let key = try? Insecure.RSA.PublicKey(modulus: n, exponent: e)
                    else { return nil }
                    return await TokenKeys.Key(key, identifier: self.kid)
                case ("EC", "ES256"):
                    guard self.crv == "P-256", let x = self.x, let y = self.y,
                        // As above: also a point that is not on the curve.
                        let key = try? ES256PublicKey(parameters: (x, y))
                    else { return nil }
                    return await TokenKeys.Key(key, identifier: self.kid)
                default:
                    return nil
                }
            }
        }

        private var defaultAlgorithm: String? {
            switch (self.kty, self.crv) {
            case ("RSA", _): "RS256"
            case ("EC", "P-256"): "ES256"
            default: nil
            }
        }
    }
}
