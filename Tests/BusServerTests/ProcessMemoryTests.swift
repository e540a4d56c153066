import Testing

@testable import BusServer

@Suite("Memory of the process")
struct ProcessMemoryTests {
    @Test("Only code that lies in a file is given back: what was written to would be lost")
    func codeRange() {
        let code = "55d0c000-55d2f000 r-xp 00000000 fe:00 1234                       /usr/bin/fcbus"
        #expect(ProcessMemory.codeRange(code[...]) == 0x55d0_c000..<0x55d2_f000)
        let others = [
            "55d0c000-55d2f000 rw-p 00000000 fe:00 1234 /usr/bin/fcbus",
            "55d0c000-55d2f000 r--p 00000000 fe:00 1234 /usr/bin/fcbus",
            "7ffd1000-7ffd3000 r-xp 00000000 00:00 0 [vdso]", "7ffd1000-7ffd3000 r-xp 00000000 00:00 0", "",
            "55d2f000-55d0c000 r-xp 00000000 fe:00 1234 /usr/bin/fcbus",
        ]
        for line in others { #expect(ProcessMemory.codeRange(line[...]) == nil, "\(line)") }
    }

    @Test("A process runs on when its code was given back")
    func release() throws {
        ProcessMemory.releaseStartUpCode()
        #expect(try #require(ProcessMemory.resident()) > 0)
    }
}
