import Testing

@testable import FunctionHost

@Suite("Log lines")
struct LogTests {
    @Test("Lines come out however the bytes are cut", arguments: 1...12)
    func lines(_ size: Int) {
        let bytes = Array("one\r\ntwo\n\nlast".utf8)
        var splitter = LineSplitter()
        var lines: [String] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            lines += splitter.append(Array(bytes[start..<min(start + size, bytes.count)]))
        }
        #expect(lines == ["one", "two", ""])
        #expect(splitter.finish() == "last")
    }

    @Test("A line without end is cut and takes no more room")
    func endless() {
        var splitter = LineSplitter()
        let first = splitter.append([UInt8](repeating: 0x61, count: 100_000))
        #expect(first.map(\.utf8.count) == [LogThrottle.lineBytesMax + " …".utf8.count])
        #expect(splitter.append(Array("rest\nnext\n".utf8)) == ["next"])
    }

    @Test("A flood passes at the stated rate, and what was dropped is counted")
    func flood() {
        var throttle = LogThrottle()
        let passed = (0..<5_000).count { _ in throttle.admit(now: .zero) != .drop }
        #expect(passed == Int(LogThrottle.burst))
        #expect(throttle.dropped == 4_000)
        #expect(throttle.admit(now: .seconds(1)) == .pass(droppedBefore: 4_000))
        let later = (0..<5_000).count { _ in throttle.admit(now: .seconds(1)) != .drop }
        #expect(later == Int(LogThrottle.linesPerSecond) - 1)
    }
}
