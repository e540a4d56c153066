import Testing

@testable import BusIdentity

@Suite("Guessing at logins")
struct LoginGuardTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("Five failures in a minute are free, the sixth brings a ban that doubles each time up to ten minutes (S09)")
    func doubling() {
        var logins = LoginGuard()
        var bans: [UInt64] = []
        var now: UInt64 = 1
        for _ in 0..<17 {
            let ban = logins.failed("192.0.2.1", now: now)
            bans.append(ban / Self.second)
            now += ban
        }
        #expect(bans == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600])
    }

    @Test("A banned address is told how long, others are not banned")
    func banned() {
        var logins = LoginGuard()
        for _ in 0..<6 { _ = logins.failed("192.0.2.1", now: 1) }
        let waits = ["192.0.2.1", "192.0.2.2"].map { logins.remainingBan(of: $0, now: 1 + Self.second / 2) }
        #expect(waits == [Self.second / 2, 0])
        let later = logins.remainingBan(of: "192.0.2.1", now: 1 + Self.second)
        #expect(later == 0)
    }

    @Test("Failures far apart are forgotten, and a success clears the count")
    func forgiving() {
        var logins = LoginGuard()
        for minute in 0..<20 {
            let ban = logins.failed("192.0.2.1", now: UInt64(minute) * 61 * Self.second)
            #expect(ban == 0)
        }
        for _ in 0..<4 { _ = logins.failed("192.0.2.2", now: 1) }
        logins.succeeded("192.0.2.2")
        for _ in 0..<5 {
            let ban = logins.failed("192.0.2.2", now: 2)
            #expect(ban == 0)
        }
    }

    @Test("Addresses are forgotten in the order in which they were heard of, so that memory is bounded")
    func bounded() {
        var logins = LoginGuard(trackedMax: 10)
        for number in 0..<100 { _ = logins.failed("192.0.2.\(number)", now: UInt64(number)) }
        #expect(logins.trackedCount == 10)
    }

    @Test(
        "An IPv6 address counts as its /64 network",
        arguments: [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            ("2001:db8::1", "2001:db8:0:0::/64"), ("::1", "0:0:0:0::/64"), ("fe80::1%eth0", "fe80:0:0:0::/64"),
            ("192.0.2.1", "192.0.2.1"), ("", ""),
        ])
    func networks(_ address: String, _ key: String) {
        #expect(LoginGuard.key(address) == key)
    }
}
