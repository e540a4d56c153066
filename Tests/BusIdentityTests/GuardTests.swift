import BusIdentity
import Testing

private let second: UInt64 = 1_000_000_000

@Suite("Login guard")
struct LoginGuardTests {
    /// Seconds of ban that each failure brings, for failures at these seconds.
    private static func bans(_ times: [UInt64]) -> [UInt64] {
        var login = LoginGuard()
        return times.map { login.failed("192.0.2.1", now: $0 * second) / second }
    }

    private static func banned(_ address: String) -> LoginGuard {
        var login = LoginGuard()
        for _ in 0..<5 { _ = login.failed(address, now: 0) }
        return login
    }

    @Test("Four failures cost nothing, the fifth within a minute a second (S09)")
    func first() {
        #expect(Self.bans([0, 1, 2, 3, 59]) == [0, 0, 0, 0, 1])
    }

    @Test("Failures more than a minute apart are not added up")
    func window() {
        #expect(Self.bans([0, 1, 2, 3, 60]) == [0, 0, 0, 0, 0])
        #expect(Self.bans([0, 20, 40, 60, 80, 100, 120]) == [0, 0, 0, 0, 0, 0, 0])
        #expect(Self.bans([0, 14, 28, 42, 56]) == [0, 0, 0, 0, 1])
    }

    @Test("Each failure after a ban doubles the next, up to ten minutes")
    func doubling() {
        var login = LoginGuard()
        var now: UInt64 = 0
        var lengths: [UInt64] = []
        for _ in 0..<16 {
            let ban = login.failed("192.0.2.1", now: now)
            lengths.append(ban / second)
            now += ban
        }
        #expect(lengths == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600])
    }

    @Test("Failures of logins that were under way when the ban began do not lengthen it")
    func inFlight() {
        var login = Self.banned("192.0.2.1")
        let later = (0..<100).map { _ in login.failed("192.0.2.1", now: second / 4) }
        #expect(later == Array(repeating: second / 4 * 3, count: 100))
        let next = login.failed("192.0.2.1", now: second)
        #expect(next == 2 * second)
    }

    @Test("A ban holds to its last nanosecond, for that address alone")
    func lookup() {
        let login = Self.banned("192.0.2.1")
        #expect(login.remainingBan(of: "192.0.2.1", now: 0) == second)
        #expect(login.remainingBan(of: "192.0.2.1", now: second - 1) == 1)
        #expect(login.remainingBan(of: "192.0.2.1", now: second) == 0)
        #expect(login.remainingBan(of: "192.0.2.1", now: .max) == 0)
        #expect(login.remainingBan(of: "192.0.2.2", now: 0) == 0)
    }

    @Test("A success clears the address")
    func success() {
        var login = LoginGuard()
        for _ in 0..<4 { _ = login.failed("192.0.2.1", now: 0) }
        login.succeeded("192.0.2.1")
        #expect(login.trackedCount == 0)
        let bans = (0..<5).map { _ in login.failed("192.0.2.1", now: 0) }
        #expect(bans == [0, 0, 0, 0, second])
    }

    @Test("Ten quiet minutes after a ban clear the address, fewer do not")
    func forgetting() {
        #expect(Self.bans([0, 0, 0, 0, 0, 600]) == [0, 0, 0, 0, 1, 2])
        #expect(Self.bans([0, 0, 0, 0, 0, 601]) == [0, 0, 0, 0, 1, 0])
    }

    @Test("At most 10 000 addresses are remembered; the one that was quiet longest goes")
    func limit() {
        var login = Self.banned("192.0.2.1")
        for number in 0..<9_999 { _ = login.failed("10.0.\(number / 250).\(number % 250)", now: 0) }
        #expect(login.trackedCount == 10_000)
        #expect(login.remainingBan(of: "192.0.2.1", now: 0) == second)
        for number in 0..<100_000 { _ = login.failed("2001:db8:\(String(number, radix: 16))::1", now: 0) }
        #expect(login.trackedCount == 10_000)
        #expect(login.remainingBan(of: "192.0.2.1", now: 0) == 0)
    }

    @Test(
        "Addresses that are one sender's count together",
        arguments: [
            ("192.0.2.1", "::ffff:192.0.2.1"), ("192.0.2.1", "::FFFF:c000:201"), ("192.0.2.1", "[::ffff:192.0.2.1]"),
            ("2001:db8::1", "2001:db8::2"), ("2001:db8::1", "2001:0db8:0:0:ffff:ffff:ffff:ffff"),
            ("2001:DB8::1", "2001:db8:0:0:8::"), ("fe80::1%eth0", "fe80::2%eth1"), ("::1", "[::1]"),
            ("64:ff9b::192.0.2.1", "64:ff9b::1"), ("/run/fcbus.sock", "/run/fcbus.sock"), ("", ""),
        ])
    func together(first: String, other: String) {
        #expect(Self.banned(first).remainingBan(of: other, now: 0) == second)
    }

    @Test(
        "Addresses of different senders do not",
        arguments: [
            ("192.0.2.1", "192.0.2.2"), ("192.0.2.1", "::192.0.2.1"), ("2001:db8::1", "2001:db8:0:1::1"),
            ("2001:db8::", "2001:db9::"), ("::ffff:192.0.2.1", "::ffff:192.0.2.2"), ("1.2.3.4", "1.2.3.4.5"),
            ("1.2.3.4", "1.2.3.+4"), ("1::2::3", "1::"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8"), ("12345::", "2345::"), ("::g", "::"), ("+1::", "1::"),
            ("/run/a", "/run/b"), ("", "::"),
        ])
    func apart(first: String, other: String) {
        #expect(Self.banned(first).remainingBan(of: other, now: 0) == 0)
    }

    @Test("Times at the end of the clock and rules beyond it do not overflow")
    func extremes() {
        var login = LoginGuard(
            BanRule(attemptsMax: 1, window: .seconds(-1), bans: .seconds(Int64.max)...(.seconds(Int64.max))))
        let ban = login.failed("192.0.2.1", now: 5)
        #expect(ban == UInt64.max - 5)
        #expect(login.remainingBan(of: "192.0.2.1", now: .max - 1) == 1)
        var late = LoginGuard()
        let bans = (0..<5).map { _ in late.failed("192.0.2.1", now: .max - 1) }
        #expect(bans == [0, 0, 0, 0, 1])
    }

    @Test("The guard agrees with a naive model over random failures, successes and waits", arguments: 1...20)
    func model(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
        var login = LoginGuard(
            BanRule(
                attemptsMax: 3, window: .seconds(10), attemptsMaxAfterBan: 1, bans: .seconds(2)...(.seconds(16)),
                trackedMax: 3))
        var model = NaiveGuard()
        var now: UInt64 = 0
        for step in 0..<500 {
            let address = "192.0.2.\(Int.random(in: 1...5, using: &generator))"
            now += UInt64.random(in: 0...4, using: &generator) * second / 2
            if Int.random(in: 0..<40, using: &generator) == 0 { now += 40 * second }
            switch Int.random(in: 0..<10, using: &generator) {
            case 0:
                login.succeeded(address)
                model.succeeded(address)
            case 1...3:
                let (real, expected) = (login.remainingBan(of: address, now: now), model.ban(address, now))
                #expect(real == expected, "seed \(seed) step \(step)")
            default:
                let (real, expected) = (login.failed(address, now: now), model.failed(address, now))
                #expect(real == expected, "seed \(seed) step \(step)")
            }
            #expect(login.trackedCount == model.records.count, "seed \(seed) step \(step)")
        }
    }
}

/// The rule written down once more, with whole histories: 3 failures in 10 s, bans of 2 to 16 s, 3 addresses.
private struct NaiveGuard {
    struct Record {
        var address: String
        var failures: [UInt64] = []
        var bans: [(end: UInt64, length: UInt64)] = []
    }

    /// The one that failed last is last.
    var records: [Record] = []

    func ban(_ address: String, _ now: UInt64) -> UInt64 {
        let end = self.records.first { $0.address == address }?.bans.last?.end ?? 0
        return end > now ? end - now : 0
    }

    mutating func succeeded(_ address: String) {
        self.records.removeAll { $0.address == address }
    }

    mutating func failed(_ address: String, _ now: UInt64) -> UInt64 {
        let left = self.ban(address, now)
        guard left == 0 else { return left }
        var record = self.records.first { $0.address == address } ?? Record(address: address)
        self.succeeded(address)
        if let last = record.bans.last, now >= last.end + 16 * second { record = Record(address: address) }
        record.failures.append(now)
        let recent = record.failures.count { now < $0 + 10 * second && $0 >= record.bans.last?.end ?? 0 }
        if recent >= 3 || !record.bans.isEmpty {
            let length = min(16 * second, (record.bans.last?.length ?? second) * 2)
            record.bans.append((now + length, length))
        }
        self.records.append(record)
        if self.records.count > 3 { self.records.removeFirst() }
        return self.ban(address, now)
    }
}

/// SplitMix64: the same numbers for the same seed.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite("Flap guard")
struct FlapGuardTests {
    private static func bans(_ times: [UInt64], of flap: inout FlapGuard) -> [UInt64] {
        times.map { flap.connected("pump-1", now: $0 * second) / second }
    }

    @Test("Without a rule nobody is banned, however often it connects")
    func off() {
        var flap = FlapGuard(perMinute: 0)
        let bans = Self.bans(Array(repeating: 0, count: 1000), of: &flap)
        #expect(bans == Array(repeating: 0, count: 1000))
        #expect(flap.remainingBan(of: "pump-1", now: 0) == 0)
    }

    @Test("The fifteenth connection within a minute brings five minutes, for that client alone")
    func standard() {
        var flap = FlapGuard(perMinute: 15)
        let bans = Self.bans((0..<14).map { $0 * 4 } + [59], of: &flap)
        #expect(bans == Array(repeating: 0, count: 14) + [300])
        #expect(flap.remainingBan(of: "pump-1", now: 358 * second) == second)
        #expect(flap.remainingBan(of: "pump-1", now: 359 * second) == 0)
        #expect(flap.remainingBan(of: "pump-2", now: 60 * second) == 0)
    }

    @Test("After a ban fourteen connections are free again, and the ban does not grow")
    func afterBan() {
        var flap = FlapGuard(perMinute: 15)
        _ = Self.bans(Array(repeating: 0, count: 15), of: &flap)
        let bans = Self.bans(Array(repeating: 300, count: 15), of: &flap)
        #expect(bans == Array(repeating: 0, count: 14) + [300])
    }

    @Test("A client that connects every five seconds is left alone")
    func slow() {
        var flap = FlapGuard(perMinute: 15)
        let bans = Self.bans((0..<1000).map { $0 * 5 }, of: &flap)
        #expect(bans == Array(repeating: 0, count: 1000))
    }
}
