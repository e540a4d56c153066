import Foundation
import Testing

/// The house keeps its plan by itself: who may import whom, how long things are, which words stay out.
@Suite("The house")
struct TidyTests {
    /// What each room may import, besides the Swift standard library.
    static let walls: [String: Set<String>] = [
        "BusWire": ["NIOCore"],
        "BusTopics": [],
        "BusContract": ["BusTopics"],
        "BusAccess": ["BusContract", "BusTopics"],
        "BusSession": ["BusWire", "BusTopics", "NIOCore", "DequeModule"],
        "BusCalls": ["BusContract", "BusTopics", "DequeModule", "HeapModule"],
        "BusCore": [
            "BusWire", "BusTopics", "BusContract", "BusAccess", "BusSession", "BusCalls", "NIOCore", "DequeModule",
            "HeapModule",
        ],
        "BusTestKit": ["BusAccess", "BusContract", "BusCore", "BusSession", "BusWire", "NIOCore"],
        "BusStore": ["BusCore", "CSQLite", "Synchronization", "Glibc"],
        "CountProbe": ["CAllocationCount", "BusContract", "BusCore", "BusSession", "BusWire", "NIOCore"],
        "SDKProbe": ["CAllocationCount", "CMosquittoLoad", "FunctionBus", "Foundation", "Synchronization"],
        "StoreProbe": ["BusStore", "BusCore", "BusTestKit", "Synchronization", "Glibc"],
        "BusServer": [
            "BusAccess", "BusIdentity", "FoundationEssentials", "Foundation", "BusCalls", "BusCore", "BusSession",
            "BusStore", "BusWire", "BusTopics", "NIOCore", "NIOPosix", "NIOTLS", "NIOSSL", "NIOHTTP1",
            "NIOWebSocket", "X509", "SwiftASN1", "Logging", "ServiceLifecycle", "UnixSignals",
            "Yams", "Synchronization", "Glibc",
        ],
        "BusIdentity": [
            "Crypto", "CryptoExtras", "JWTKit", "Synchronization", "Dispatch", "FoundationEssentials", "Glibc",
        ],
        "BusMosquitto": ["CMosquitto", "BusContract", "Synchronization", "Glibc"],
        "FunctionBus": [
            "BusMosquitto", "BusContract", "BusTopics", "Synchronization", "Foundation", "FoundationEssentials",
            "Glibc",
        ],
        "BusInProcess": [
            "FunctionBus", "BusCore", "BusSession", "BusWire", "BusContract", "NIOCore", "Synchronization",
        ],
        "FunctionBusTesting": ["FunctionBus", "BusInProcess", "Synchronization"],
        "FunctionWorker": ["BusContract", "Glibc"],
        "FunctionHost": [
            "FunctionBus", "FunctionWorker", "BusContract", "Subprocess", "System", "SystemPackage", "Logging", "Yams",
            "Foundation", "FoundationEssentials", "Synchronization", "Glibc",
        ],
        "BusBench": ["BusWire", "BusContract", "CPolling", "NIOCore", "Foundation", "Glibc"],
        "fcbus": [
            "BusServer", "BusStore", "BusIdentity", "BusCore", "BusBench", "BusContract", "BusInProcess", "BusWire",
            "FunctionBus", "FunctionHost", "FunctionWorker", "NIOCore", "ArgumentParser", "Logging", "ServiceLifecycle",
            "UnixSignals", "Foundation", "FoundationEssentials", "Synchronization", "Glibc",
        ],
    ]

    static let pureRooms: Set<String> = [
        "BusWire", "BusTopics", "BusContract", "BusAccess", "BusSession", "BusCalls", "BusCore",
    ]

    @Test("No room imports what its wall forbids", arguments: SourceTree.sources)
    func imports(_ file: SourceTree.File) throws {
        let allowed = try #require(Self.walls[file.room], "\(file.room) is not a room of the plan")
        for module in file.imports { #expect(allowed.contains(module), "\(file) imports \(module)") }
    }

    @Test("A pure room awaits nothing, logs nothing and reads no clock", arguments: SourceTree.sources)
    func purity(_ file: SourceTree.File) {
        guard Self.pureRooms.contains(file.room) else { return }
        for (number, line) in file.lines.enumerated() {
            let code = line.split(separator: "//", omittingEmptySubsequences: false).first.map(String.init) ?? ""
            for word in ["await ", "async ", "Task {", "print(", "ContinuousClock", "SystemRandomNumberGenerator"] {
                #expect(!code.contains(word), "\(file):\(number + 1) says \(word)")
            }
        }
    }

    @Test("No file is longer than 400 lines", arguments: SourceTree.sources + SourceTree.tests)
    func fileLength(_ file: SourceTree.File) {
        #expect(file.lines.count <= 400, "\(file) has \(file.lines.count) lines")
    }

    @Test("No function is longer than 70 lines", arguments: SourceTree.sources)
    func functionLength(_ file: SourceTree.File) {
        var open: (indent: Int, start: Int)?
        for (number, line) in file.lines.enumerated() {
            let indent = line.prefix { $0 == " " }.count
            let text = line.dropFirst(indent)
            if text.contains("func "), !text.hasPrefix("//"), open == nil { open = (indent, number) }
            guard let function = open, text.hasPrefix("}"), indent == function.indent else { continue }
            #expect(number - function.start <= 70, "\(file):\(function.start + 1) has \(number - function.start) lines")
            open = nil
        }
    }

    @Test("Only BusContract spells the topics of the call protocol", arguments: SourceTree.sources)
    func contractTopics(_ file: SourceTree.File) {
        guard file.room != "BusContract" else { return }
        for (number, line) in file.lines.enumerated() where !line.trimmingCharacters(in: .whitespaces).hasPrefix("//") {
            #expect(!line.contains("\"fc/"), "\(file):\(number + 1)")
        }
    }

    @Test("Nothing is forced, silenced or left for later", arguments: SourceTree.sources)
    func bannedWords(_ file: SourceTree.File) {
        for (number, line) in file.lines.enumerated() {
            for word in ["try!", "as!", "TODO", "FIXME", "fatalError(", "@unchecked Sendable"] {
                #expect(!line.contains(word), "\(file):\(number + 1) says \(word)")
            }
        }
    }

    @Test("Statement ids have the form of the specifications", arguments: SourceTree.sources + SourceTree.tests)
    func statementIdentifiers(_ file: SourceTree.File) {
        guard file.room != "HouseTests" else { return }
        for (number, line) in file.lines.enumerated() {
            for match in line.matches(of: /\[MQTT[-0-9][^\]]*\]/) {
                let text = String(match.output)
                #expect(
                    text.wholeMatch(of: /\[MQTT(311)?-\d\.\d{1,2}\.\d{1,2}-\d{1,2}\]/) != nil,
                    "\(file):\(number + 1) cites \(text)")
            }
        }
    }

    @Test("The tree is found and read")
    func treeIsRead() {
        #expect(SourceTree.sources.count > 50)
        #expect(SourceTree.tests.count > 20)
    }
}
