import BusIdentity
import NIOCore
import NIOSSL
import SwiftASN1
import Synchronization
import X509

/// The TLS context of a listener: made from its files at start, and made anew when they are to be read again.
///
/// Connections that exist keep the context they began with.
final class TLSIdentity: Sendable {
    let settings: TLSSettings
    private let current: Mutex<NIOSSLContext>

    /// - Throws: `ServerFailure` that names the file and what is wrong with it.
    init(_ settings: TLSSettings) throws(ServerFailure) {
        self.settings = settings
        self.current = Mutex(try Self.load(settings))
    }

    /// Reads the files again; if one is wrong the old certificates stay.
    func reload() throws(ServerFailure) {
        let context = try Self.load(self.settings)
        self.current.withLock { $0 = context }
    }

    func makeHandler() -> NIOSSLServerHandler {
        NIOSSLServerHandler(context: self.current.withLock { $0 })
    }

    private static func load(_ settings: TLSSettings) throws(ServerFailure) -> NIOSSLContext {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMFile(settings.certificate)
        } catch {
            throw Self.failure("certificate", settings.certificate, error)
        }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(bytes: PrivateFile(settings.key, .secret).read().bytes, format: .pem)
        } catch let failure as IdentityFailure {
            throw ServerFailure(failure.description)
        } catch {
            throw Self.failure("key", settings.key, error)
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["mqtt", "http/1.1"]
        if settings.clientCertificate != .none {
            guard let authority = settings.clientAuthority else {
                throw ServerFailure("tls.clientCertificate needs tls.clientAuthority: the file of accepted authorities")
            }
            do {
                _ = try NIOSSLCertificate.fromPEMFile(authority)
            } catch {
                throw Self.failure("clientAuthority", authority, error)
            }
            configuration.trustRoots = .file(authority)
            configuration.certificateVerification =
                settings.clientCertificate == .required ? .noHostnameVerification : .optionalVerification
        }
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw ServerFailure(
                "cannot use \(settings.certificate) with \(settings.key): \(error). Does the key belong to it?")
        }
    }

    private static func failure(_ key: String, _ path: String, _ error: any Error) -> ServerFailure {
        ServerFailure("cannot read tls.\(key) from \(path): \(error). A PEM file is needed that fcbus may read.")
    }

    /// The user that a client's certificate names, as configured.
    func userName(of certificate: NIOSSLCertificate?) -> String? {
        guard let wish = self.settings.userName, let certificate else { return nil }
        // The handshake has checked the certificate: what cannot be read as one again names nobody.
        guard let bytes = try? certificate.toDERBytes(), let parsed = try? Certificate(derEncoded: bytes) else {
            return nil
        }
        switch wish {
        case .subject: return parsed.subject.description
        case .commonName:
            for name in parsed.subject {
                for attribute in name where attribute.type == .RDNAttributeType.commonName {
                    return String(attribute.value)
                }
            }
            return nil
        }
    }
}
