import BusIdentity
import Testing

private let second: UInt64 = 1_000_000_000

@Suite("Login guard")
struct LoginGuardTests {
    /// Seconds of ban that each failure brings, for failures at these seconds.
    private static func bans(_ times: [UInt64], address: String = "192.0.2.1") -> [UInt64?] {
        var login = LoginGuard()
        return times.map { time in login.failed(address, now: time * second).map { ($0.until - time * second) / second }
        }
    }

    @Test("Four failures cost nothing, the fifth within a minute a second (S09)")
    func first() {
        #expect(Self.bans([0, 1, 2, 3, 59]) == [nil, nil, nil, nil, 1])
    }

    @Test("Failures more than a minute apart are not added up")
    func window() {
        #expect(Self.bans([0, 1, 2, 3, 60]) == [nil, nil, nil, nil, nil])
        #expect(Self.bans([0, 20, 40, 60, 80, 100, 120]) == [nil, nil, nil, nil, nil, nil, nil])
        #expect(Self.bans([0, 14, 28, 42, 56]) == [nil, nil, nil, nil, 1])
    }

    @Test("Each failure after a ban doubles the next, up to ten minutes")
    func doubling() {
        var login = LoginGuard()
        var now: UInt64 = 0
        for _ in 0..<4 { #expect(login.failed("192.0.2.1", now: now) == nil) }
        var lengths: [UInt64] = []
        for _ in 0..<12 {
            guard let ban = login.failed("192.0.2.1", now: now) else { break }
            lengths.append((ban.until - now) / second)
            now = ban.until
        }
        #expect(lengths == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600])
    }

    @Test("Failures of logins that were under way when the ban began do not lengthen it")
    func inFlight() {
        var login = LoginGuard()
        for _ in 0..<4 { #expect(login.failed("192.0.2.1", now: 0) == nil) }
        let ban = login.failed("192.0.2.1", now: 0)
        for _ in 0..<100 { #expect(login.failed("192.0.2.1", now: second / 2) == ban) }
        #expect(login.failed("192.0.2.1", now: second)?.until == 3 * second)
    }

    @Test("A ban holds to its last nanosecond, for that address alone")
    func lookup() throws {
        var login = LoginGuard()
        for _ in 0..<5 { _ = login.failed("192.0.2.1", now: 7) }
        let ban = try #require(login.ban(of: "192.0.2.1", now: 7))
        #expect(ban.remaining(now: 7) == .seconds(1))
        #expect(login.ban(of: "192.0.2.1", now: ban.until - 1) == ban)
        #expect(login.ban(of: "192.0.2.1", now: ban.until) == nil)
        #expect(ban.remaining(now: ban.until + 5) == .zero)
        #expect(login.ban(of: "192.0.2.2", now: 7) == nil)
    }

    @Test("A success clears the address")
    func success() {
        var login = LoginGuard()
        for _ in 0..<4 { _ = login.failed("192.0.2.1", now: 0) }
        login.succeeded("192.0.2.1")
        #expect(login.trackedCount == 0)
        for _ in 0..<4 { #expect(login.failed("192.0.2.1", now: 0) == nil) }
        #expect(login.failed("192.0.2.1", now: 0) != nil)
    }

    @Test("Ten quiet minutes after a ban clear the address, fewer do not")
    func forgetting() {
        #expect(Self.bans([0, 0, 0, 0, 0, 600]) == [nil, nil, nil, nil, 1, 2])
        #expect(Self.bans([0, 0, 0, 0, 0, 601]) == [nil, nil, nil, nil, 1, nil])
    }

    @Test("At most 10 000 addresses are remembered; the one that was quiet longest goes")
    func limit() {
        var login = LoginGuard()
        for _ in 0..<5 { _ = login.failed("192.0.2.1", now: 0) }
        for _ in 0..<5 { _ = login.failed("192.0.2.2", now: 0) }
        for number in 0..<9_998 { _ = login.failed("10.0.\(number / 250).\(number % 250)", now: 0) }
        #expect(login.trackedCount == 10_000)
        #expect(login.ban(of: "192.0.2.1", now: 0) != nil)
        for number in 0..<100_000 { _ = login.failed("2001:db8:\(String(number, radix: 16))::1", now: 0) }
        #expect(login.trackedCount == 10_000)
        #expect(login.ban(of: "192.0.2.1", now: 0) == nil)
    }

    @Test(
        "Addresses that are one sender's count together",
        arguments: [
            ("192.0.2.1", "::ffff:192.0.2.1"), ("192.0.2.1", "::FFFF:c000:201"), ("192.0.2.1", "[::ffff:192.0.2.1]"),
            ("2001:db8::1", "2001:db8::2"), ("2001:db8::1", "2001:0db8:0:0:ffff:ffff:ffff:ffff"),
            ("2001:DB8::1", "2001:db8:0:0:8::"), ("fe80::1%eth0", "fe80::2%eth1"), ("::1", "[::1]"),
            ("64:ff9b::192.0.2.1", "64:ff9b::1"), ("/run/fcbus.sock", "/run/fcbus.sock"),
        ])
    func together(first: String, other: String) {
        var login = LoginGuard()
        for _ in 0..<5 { _ = login.failed(first, now: 0) }
        #expect(login.ban(of: other, now: 0) != nil)
    }

    @Test(
        "Addresses of different senders do not",
        arguments: [
            ("192.0.2.1", "192.0.2.2"), ("192.0.2.1", "::192.0.2.1"), ("2001:db8::1", "2001:db8:0:1::1"),
            ("2001:db8::", "2001:db9::"), ("::ffff:192.0.2.1", "::ffff:192.0.2.2"), ("1.2.3.4", "1.2.3.4.5"),
            ("1.2.3.4", "1.2.3.+4"), ("1::2::3", "1::"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8"), ("12345::", "2345::"), ("::g", "::"), ("+1::", "1::"),
            ("/run/a", "/run/b"),
        ])
    func apart(first: String, other: String) {
        var login = LoginGuard()
        for _ in 0..<5 { _ = login.failed(first, now: 0) }
        #expect(login.ban(of: other, now: 0) == nil)
    }

    @Test("Times at the end of the clock and rules beyond it do not overflow")
    func extremes() {
        var login = LoginGuard(
            BanRule(attemptsMax: 1, window: .seconds(-1), bans: .seconds(Int64.max)...(.seconds(Int64.max))))
        let ban = login.failed("192.0.2.1", now: 5)
        #expect(ban?.until == .max)
        #expect(login.ban(of: "192.0.2.1", now: .max - 1) == ban)
        var late = LoginGuard()
        for _ in 0..<5 { _ = late.failed("192.0.2.1", now: .max - 1) }
        #expect(late.ban(of: "192.0.2.1", now: .max - 1)?.until == .max)
    }
}

@Suite("Flap guard")
struct FlapGuardTests {
    @Test("Without a rule nobody is banned, however often it connects")
    func off() {
        var flap = FlapGuard()
        for _ in 0..<1000 { #expect(flap.connected("pump-1", now: 0) == nil) }
        #expect(flap.ban(of: "pump-1", now: 0) == nil)
    }

    @Test("The fifteenth connection within a minute brings five minutes, for that client alone")
    func standard() {
        var flap = FlapGuard(FlapGuard.standard)
        for number in 0..<14 { #expect(flap.connected("pump-1", now: UInt64(number) * 4 * second) == nil) }
        #expect(flap.connected("pump-1", now: 59 * second)?.until == 359 * second)
        #expect(flap.ban(of: "pump-1", now: 358 * second) != nil)
        #expect(flap.ban(of: "pump-1", now: 359 * second) == nil)
        #expect(flap.ban(of: "pump-2", now: 60 * second) == nil)
    }

    @Test("After a ban fifteen connections are free again, and the ban does not grow")
    func afterBan() {
        var flap = FlapGuard(FlapGuard.standard)
        for _ in 0..<15 { _ = flap.connected("pump-1", now: 0) }
        for _ in 0..<14 { #expect(flap.connected("pump-1", now: 300 * second) == nil) }
        #expect(flap.connected("pump-1", now: 300 * second)?.until == 600 * second)
    }

    @Test("A client that connects every five seconds is left alone")
    func slow() {
        var flap = FlapGuard(FlapGuard.standard)
        for number in 0..<1000 { #expect(flap.connected("pump-1", now: UInt64(number) * 5 * second) == nil) }
    }
}
