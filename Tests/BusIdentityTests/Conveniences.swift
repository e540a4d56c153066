import BusIdentity
import Foundation
import Testing

func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }

func bytes(hex text: String) throws -> [UInt8] {
    let digits = Array(text)
    return try stride(from: 0, to: digits.count, by: 2).map { index in
        try #require(UInt8(String(digits[index...(index + 1)]), radix: 16))
    }
}

/// RFC 7515 section 2.
func base64url(_ bytes: some Sequence<UInt8>) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

func base64urlDecoded(_ text: String) -> [UInt8]? {
    let plain = text.replacing("-", with: "+").replacing("_", with: "/")
    let padding = String(repeating: "=", count: (4 - plain.count % 4) % 4)
    return Data(base64Encoded: plain + padding).map { Array($0) }
}

func withTemporaryFolder(_ body: (URL) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "identity-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer {
        // What is left of a test's folder harms nobody.
        try? FileManager.default.removeItem(at: folder)
    }
    try body(folder)
}

/// What `body` throws, for looking at its words.
func failure(_ body: () throws -> Void) -> IdentityFailure? {
    do {
        try body()
        return nil
    } catch {
        return error as? IdentityFailure
    }
}

extension PasswordHash {
    /// A scrypt hash that takes no time.
    static func cheap(_ password: String) throws -> PasswordHash {
        let cost = try #require(ScryptCost(roundsLog2: 1, blockSize: 1, parallelism: 1))
        return try .make(password: utf8(password), cost: cost)
    }
}
