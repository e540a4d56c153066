import Foundation
import Testing

/// Stock clients over every transport of one broker.
@Suite("Transports", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(3)))
struct TransportTests {
    /// A broker with one listener of each kind.
    struct Ports {
        let tls: Int
        let mutualTLS: Int
        let webSocket: Int
        let secureWebSocket: Int
        /// For pages of any origin.
        let openWebSocket: Int
        let proxied: Int
        let socket: String
    }

    private func withBroker(
        _ body: (RunningBroker, Ports, TestCertificates) async throws -> Void
    ) async throws {
        let certificates = try await TestCertificates.make()
        let socket = certificates.folder.appending(path: "s").path
        let server =
            "certificate: \(certificates.certificate("server")), key: \(certificates.key("server"))"
        let text = """
            listeners:
              - { port: 0 }
              - { port: 0, tls: { \(server) } }
              - port: 0
                tls: { \(server), clientAuthority: \(certificates.authority), userName: commonName }
              - { port: 0, webSocket: { origins: ["http://fine.example"] } }
              - { port: 0, webSocket: { path: /bus }, tls: { \(server) } }
              - { port: 0, webSocket: true }
              - { port: 0, proxyProtocol: true }
              - { unix: \(socket), mode: "0600" }
            """
        let file = certificates.folder.appending(path: "fcbus.yaml")
        try text.write(to: file, atomically: true, encoding: .utf8)
        try await RunningBroker.with(["broker", "--config", file.path]) { broker in
            let found = try await broker.ports(count: 7)
            let ports = Ports(
                tls: found[1], mutualTLS: found[2], webSocket: found[3], secureWebSocket: found[4],
                openWebSocket: found[5], proxied: found[6], socket: socket)
            try await body(broker, ports, certificates)
        }
        try certificates.remove()
    }

    private func paho(_ arguments: [String]) async throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "transport_client.py").path
        let path = ProcessInfo.processInfo.environment["FCBUS_TEST_PYTHONPATH"] ?? ""
        let result = try await run(
            "python3", [script] + arguments, timeout: 60, environment: ["PYTHONPATH": path])
        #expect(result.code == 0, "\(arguments): \(result.errors)")
    }

    @Test("TLS: a stock client that trusts the authority talks, one that does not is told so by its handshake (S13)")
    func tls() async throws {
        try await self.withBroker { _, ports, certificates in
            let port = ["-p", "\(ports.tls)"]
            let told = try await run(
                "mosquitto_pub",
                port + ["--cafile", certificates.authority, "-t", "a", "-m", "hi", "-q", "1", "-r", "-V", "5"])
            #expect(told.code == 0, "\(told.errors)")
            let heard = try await run(
                "mosquitto_sub", port + ["--cafile", certificates.authority, "-t", "a", "-C", "1", "-W", "10"])
            #expect(heard.lines == ["hi"])
            let stranger = try await run(
                "mosquitto_pub", port + ["--capath", "/nonexistent", "-t", "a", "-m", "hi", "-q", "1"])
            #expect(stranger.code != 0)
            let plain = try await run("mosquitto_pub", port + ["-t", "a", "-m", "hi", "-q", "1"], timeout: 30)
            #expect(plain.code != 0)
        }
    }

    @Test("TLS 1.1 and earlier are refused, 1.2 and 1.3 are not (S13)", arguments: ["1_1", "1_2", "1_3"])
    func versions(_ version: String) async throws {
        try await self.withBroker { _, ports, certificates in
            let result = try await run(
                "openssl",
                [
                    "s_client", "-connect", "127.0.0.1:\(ports.tls)", "-tls\(version)", "-CAfile",
                    certificates.authority, "-brief",
                ])
            #expect((result.code == 0) == (version != "1_1"), "\(result.errors)")
        }
    }

    @Test("Client certificates: without one there is no connection, with one its name is known (S13)")
    func clientCertificates() async throws {
        try await self.withBroker { broker, ports, certificates in
            let common = [
                "-p", "\(ports.mutualTLS)", "--cafile", certificates.authority, "-t", "a", "-m", "hi", "-q", "1",
            ]
            #expect(try await run("mosquitto_pub", common, timeout: 30).code != 0)
            let known = try await run(
                "mosquitto_pub",
                common + ["--cert", certificates.certificate("client"), "--key", certificates.key("client")])
            #expect(known.code == 0, "\(known.errors)")
            #expect(try await broker.logs("device-7"))
        }
    }

    @Test("SIGHUP reads the server's certificate again; who is connected stays (S13)")
    func certificateReload() async throws {
        try await self.withBroker { broker, ports, certificates in
            let watcher = try RunningCommand(
                "stdbuf",
                [
                    "-oL", "mosquitto_sub", "-d", "-p", "\(ports.tls)", "--cafile", certificates.authority, "-t", "a",
                    "-F", "got %p",
                ])
            _ = try await watcher.line(timeout: 20) { $0.contains("Subscribed (mid") }
            try await certificates.issue("server", commonName: "renewed.example")
            broker.reload()
            var subject = ""
            for _ in 0..<100 where !subject.contains("renewed.example") {
                let result = try await run(
                    "openssl", ["s_client", "-connect", "127.0.0.1:\(ports.tls)", "-brief"])
                subject = result.errors
            }
            #expect(subject.contains("renewed.example"))
            _ = try await run(
                "mosquitto_pub", ["-p", "\(ports.tls)", "--cafile", certificates.authority, "-t", "a", "-m", "still"])
            #expect(try await watcher.line(timeout: 20) { $0.hasPrefix("got") } == "got still")
            watcher.terminate()
        }
    }

    @Test("WebSocket, plain and secure, and a socket in the file system carry large and empty messages (S14)")
    func others() async throws {
        try await self.withBroker { _, ports, certificates in
            try await self.paho(["websockets", "127.0.0.1", "\(ports.openWebSocket)"])
            try await self.paho([
                "websockets", "localhost", "\(ports.secureWebSocket)", certificates.authority, "/bus",
            ])
            try await self.paho(["unix", ports.socket, "1"])
            let attributes = try FileManager.default.attributesOfItem(atPath: ports.socket)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        }
    }

    @Test(
        "A WebSocket needs the right path, subprotocol and origin; the rest is answered as HTTP (S14)",
        arguments: [
            ("/mqtt", "mqtt", "http://fine.example", "101"), ("/mqtt", "chat, mqtt", nil, "101"),
            ("/other", "mqtt", nil, "426"), ("/mqtt", "chat", nil, "426"),
            ("/mqtt", "mqtt", "http://evil.example", "426"),
        ] as [(String, String, String?, String)])
    func upgrade(_ path: String, _ subprotocol: String, _ origin: String?, _ status: String) async throws {
        try await self.withBroker { _, ports, _ in
            let socket = try TestSocket(port: ports.webSocket)
            var lines = [
                "GET \(path) HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Protocol: \(subprotocol)",
            ]
            if let origin { lines.append("Origin: \(origin)") }
            try socket.send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
            let answer = String(decoding: try socket.receive(count: 12, timeout: 10), as: UTF8.self)
            #expect(answer == "HTTP/1.1 \(status)")
        }
    }

    @Test("Behind a proxy the client's own address is logged, and a connection without the header ends")
    func proxied() async throws {
        try await self.withBroker { broker, ports, _ in
            let socket = try TestSocket(port: ports.proxied)
            try socket.send(Array("PROXY TCP4 192.0.2.7 192.0.2.1 5555 1883\r\n".utf8) + BadInputTests.connect5)
            #expect(try socket.receive(count: 1, timeout: 10) == [0x20])
            #expect(try await broker.logs("192.0.2.7:5555"))
            let liar = try TestSocket(port: ports.proxied)
            try liar.send(BadInputTests.connect5)
            #expect(try liar.receiveToEnd(timeout: 10).isEmpty)
        }
    }
}
