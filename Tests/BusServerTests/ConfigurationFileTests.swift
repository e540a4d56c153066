import BusCalls
import BusCore
import BusServer
import BusSession
import Foundation
import Testing

@Suite("fcbus.yaml")
struct ConfigurationFileTests {
    private func read(_ text: String) throws(ConfigurationFailure) -> ServerConfiguration {
        try ConfigurationFile(name: "fcbus.yaml").read(text)
    }

    private func failure(_ text: String) -> String {
        do {
            let configuration = try self.read(text)
            return "accepted: \(configuration)"
        } catch {
            return error.description
        }
    }

    @Test("An empty file is the defaults: loopback only")
    func defaults() throws {
        #expect(try self.read("") == ServerConfiguration())
        #expect(try self.read("# nothing\n").listeners.map(\.isLocal) == [true])
    }

    @Test("The file that is shipped names every limit, with the default that holds without it")
    func shipped() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "broker-config/fcbus.yaml")
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(try self.read(text) == ServerConfiguration())
        for name in ConfigurationFile.limitNames {
            #expect(text.contains("\n  \(name): "), "limits.\(name) is not in \(file.lastPathComponent)")
        }
    }

    @Test("Values carry units")
    func units() throws {
        let text = """
            listeners:
              - port: 1884
              - host: ::1
            shutdown: {drainTimeout: 250ms}
            limits:
              packetMax: 64KiB
              sessionExpiryMax: 2h
              queuedMessagesMax: 5
              connectsPerMinuteMax: 15
              callTimeoutMax: 2h
              replayBytesPerClientMax: 0B
            checkPayloadFormat: false
            """
        let configuration = try self.read(text)
        #expect(configuration.listeners == [Listener(port: 1884), Listener(host: "::1")])
        #expect(configuration.drainTimeout == .milliseconds(250))
        #expect(configuration.limits.session.packetBytesMax == 65_536)
        #expect(configuration.limits.session.sessionExpirySecondsMax == 7200)
        #expect(configuration.limits.session.queue.messagesMax == 5)
        #expect(configuration.connectsPerMinuteMax == 15)
        #expect(configuration.limits.calls.timeoutSecondsMax == 7200)
        #expect(configuration.limits.calls.replayBytesPerClientMax == 0)
        #expect(!configuration.limits.session.checksPayloadFormat)
    }

    @Test(
        "What is wrong is told with file, line and key (S10)",
        arguments: [
            ("limts: {}", "fcbus.yaml:1: limts is not a key that fcbus knows; did you mean `limits`?"),
            ("limits:\n  packetMax: -1", "fcbus.yaml:2: limits.packetMax must be a size"),
            ("limits:\n  packetMax: 1GB", "fcbus.yaml:2: limits.packetMax must be a size"),
            ("limits:\n  connectTimeout: 5", "fcbus.yaml:2: limits.connectTimeout must be a duration"),
            ("loops: many", "fcbus.yaml:1: loops must be a number from 1 to 64 (got many)"),
            ("allowInsecure: maybe", "fcbus.yaml:1: allowInsecure must be true or false"),
            ("listeners: []", "listeners: a list with at least one entry"),
            ("listeners:\n  - port: 70000", "fcbus.yaml:2: listeners.port must be a number from 0 to 65535"),
            ("- a\n- b", "the file must hold `key: value` lines"),
            ("listeners:\n  - { unix: /tmp/s, port: 1 }", "either host and port, or unix"),
            ("listeners:\n  - { mode: \"0600\" }", "listeners.mode belongs to a listener with unix"),
            ("listeners:\n  - { unix: /s, mode: \"888\" }", "listeners.mode must be permission bits"),
            ("listeners:\n  - tls: { key: a }", "fcbus.yaml:2: listeners.tls needs certificate and key"),
            ("listeners:\n  - tls: { certificate: a, key: b, userName: x }", "must be one of commonName, subject"),
            ("listeners:\n  - tls: { certificate: a, key: b, userName: subject }", "needs clientAuthority"),
            ("listeners:\n  - webSocket: { path: mqtt }", "listeners.webSocket.path must begin with /"),
            ("a: [", "fcbus.yaml: not valid YAML"),
        ])
    func wrong(_ text: String, _ message: String) {
        #expect(self.failure(text).contains(message))
    }

    @Test("A listener that others reach is refused unless it is allowed in as many words (S12)")
    func insecure() throws {
        #expect(self.failure("listeners:\n  - host: 0.0.0.0").contains("allowInsecure: true"))
        let allowed = try self.read("allowInsecure: true\nlisteners:\n  - host: 0.0.0.0")
        #expect(allowed.listeners == [Listener(host: "0.0.0.0")])
    }

    @Test("Quantities have units and bounds")
    func quantities() {
        #expect(Quantity.milliseconds("7d") == 604_800_000)
        #expect(Quantity.milliseconds("5") == nil)
        #expect(Quantity.milliseconds("-5s") == nil)
        #expect(Quantity.bytes("1MiB") == 1_048_576)
        #expect(Quantity.bytes("1MB") == 1_000_000)
        #expect(Quantity.bytes("99999999999GB") == nil)
        #expect(Quantity.bytes("512") == 512)
    }
}
