import Foundation
import Testing

/// Certificates of an authority that lives as long as the test: for the server, and for a client named `device-7`.
struct TestCertificates {
    let folder: URL

    var authority: String { self.folder.appending(path: "ca.pem").path }

    func certificate(_ name: String) -> String { self.folder.appending(path: "\(name).pem").path }
    func key(_ name: String) -> String { self.folder.appending(path: "\(name).key").path }

    static func make() async throws -> TestCertificates {
        let folder = FileManager.default.temporaryDirectory.appending(path: "fcbus-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let certificates = TestCertificates(folder: folder)
        try await certificates.openssl(
            ["req", "-x509"] + Self.newKey(certificates.key("ca"))
                + ["-out", certificates.authority, "-subj", "/CN=test authority", "-days", "2"])
        try await certificates.issue("server", commonName: "localhost")
        try await certificates.issue("client", commonName: "device-7")
        return certificates
    }

    /// Makes a key and a certificate; an older one of the name is replaced.
    func issue(_ name: String, commonName: String) async throws {
        let request = self.folder.appending(path: "\(name).csr").path
        let names = self.folder.appending(path: "names").path
        try "subjectAltName=DNS:localhost,IP:127.0.0.1".write(toFile: names, atomically: true, encoding: .utf8)
        try await self.openssl(
            ["req"] + Self.newKey(self.key(name)) + ["-out", request, "-subj", "/O=fcbus/CN=\(commonName)"])
        try await self.openssl([
            "x509", "-req", "-in", request, "-CA", self.authority, "-CAkey", self.key("ca"), "-CAcreateserial", "-out",
            self.certificate(name), "-days", "2", "-extfile", names,
        ])
    }

    func remove() throws {
        try FileManager.default.removeItem(at: self.folder)
    }

    private static func newKey(_ path: String) -> [String] {
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path]
    }

    private func openssl(_ arguments: [String]) async throws {
        let result = try await run("openssl", arguments)
        try #require(result.code == 0, "openssl \(arguments.first ?? ""): \(result.errors)")
    }
}
