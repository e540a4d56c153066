import Foundation
import Testing

/// The example page in a real browser, where one is installed.
@Suite(
    "A page in the browser", .enabled(if: RunningBroker.isAvailable && Browser.isInstalled),
    .timeLimit(.minutes(3)))
struct BrowserTests {
    @Test("It publishes, hears its own event, and calls a function over MQTT in a WebSocket")
    func page() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "fcbus-browser-\(UUID().uuidString).yaml")
        try "listeners: [{ port: 0 }, { port: 0, webSocket: true }]\n".write(
            to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Examples/browser/index.html")
        try await RunningBroker.with(["broker", "--config", file.path]) { broker in
            let binary = try #require(RunningBroker.binary)
            let port = try await broker.ports(count: 2)[1]
            let function = try RunningCommand(
                binary,
                [
                    "serve", "EdgeFC/helloworld", "--broker", "mqtt://127.0.0.1:\(broker.port)", "--", "echo",
                    "hello page",
                ])
            _ = try await function.line(timeout: 20) { $0.hasPrefix("ready") }
            let address = "\(page.absoluteString)?try&broker=ws://127.0.0.1:\(port)/mqtt"
            let log = try RunningCommand(
                "stdbuf", ["-oL", "mosquitto_sub", "-p", "\(broker.port)", "-t", "log/browser", "-d"])
            _ = try await log.line(timeout: 20) { $0.contains("Subscribed (mid") }
            let browser = try RunningCommand(
                Browser.path, ["--headless=new", "--no-sandbox", "--disable-gpu", address])
            _ = try await log.line(timeout: 100) { $0.contains("event devices/browser/temperature: 21.5") }
            _ = try await log.line(timeout: 20) { $0.contains("EdgeFC/helloworld answered 200: hello page") }
            browser.terminate()
            log.terminate()
            function.terminate()
        }
    }
}

/// Debian's chromium.
enum Browser {
    static let path = "/usr/bin/chromium"
    static let isInstalled = FileManager.default.isExecutableFile(atPath: path)
}
