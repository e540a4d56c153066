import BusContract
import BusMosquitto
import Testing

@Suite("A client of libmosquitto", .timeLimit(.minutes(1)))
struct MosquittoClientTests {
    @Test("Waits between attempts double from 0.1 s to 10 s, and are spread over their second half")
    func delays() {
        let settings = MosquittoSettings(clientIdentifier: "c")
        let longest = (0...9).map { settings.delay(beforeAttempt: $0, random: 1) }
        #expect(longest == [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000].map { .milliseconds($0) })
        #expect(settings.delay(beforeAttempt: 0, random: 0) == .milliseconds(50))
        #expect(settings.delay(beforeAttempt: 1000, random: 0.5) == .milliseconds(7500))
    }

    @Test(
        "Files that cannot be read are named before anything is tried",
        arguments: [
            ("/nowhere/ca.pem", nil, nil, "/nowhere/ca.pem"), (nil, "/nowhere/me.pem", "/nowhere/me.key", "me.pem"),
            (nil, "/dev/null", nil, "come together"),
        ] as [(String?, String?, String?, String)])
    func files(_ authority: String?, _ certificate: String?, _ key: String?, _ expected: String) {
        var settings = MosquittoSettings(clientIdentifier: "c")
        var tls = MosquittoSettings.TLS()
        tls.authorityFile = authority
        tls.certificateFile = certificate
        tls.keyFile = key
        settings.tls = tls
        let failure = #expect(throws: MosquittoFailure.self) { _ = try MosquittoClient(settings) { _ in } }
        #expect(failure?.description.contains(expected) == true)
    }

    @Test("Without a broker it says why, and that it will try again")
    func noBroker() async throws {
        var settings = MosquittoSettings(clientIdentifier: "c")
        settings.port = 1
        let (events, event) = AsyncStream.makeStream(of: MosquittoEvent.self)
        let client = try MosquittoClient(settings) { batch in for one in batch { event.yield(one) } }
        client.start()
        guard case .disconnected(let reason, let delay)? = await events.first(where: { _ in true }) else {
            Issue.record("nothing listens on port 1")
            return
        }
        #expect(!reason.isEmpty)
        #expect(delay < .milliseconds(130))
        await withCheckedContinuation { continuation in client.close { continuation.resume() } }
    }

    @Test("What is published without a connection is refused, and never sent later")
    func notConnected() async throws {
        var settings = MosquittoSettings(clientIdentifier: "c")
        settings.port = 1
        let client = try MosquittoClient(settings) { _ in }
        let early = #expect(throws: MosquittoFailure.self) {
            _ = try client.publish(ApplicationMessage(topic: "t", payload: [], qos: 1))
        }
        #expect(early?.isNotConnected == true)
        client.start()
        await withCheckedContinuation { continuation in client.close { continuation.resume() } }
        let late = #expect(throws: MosquittoFailure.self) { _ = try client.subscribe("t", qos: 1) }
        #expect(late?.isNotConnected == true)
    }

    @Test("Closing twice is told twice")
    func closedTwice() async throws {
        var settings = MosquittoSettings(clientIdentifier: "c")
        settings.port = 1
        let client = try MosquittoClient(settings) { _ in }
        client.start()
        for _ in 0..<2 { await withCheckedContinuation { continuation in client.close { continuation.resume() } } }
    }
}
