// swift-tools-version: 6.3
import PackageDescription

/// The broker under libFuzzer, for long runs by hand: `make fuzz`. A package of its own, because every room has to be
/// compiled for it; the rooms are those of the project, by symbolic links.
let instrumented: [SwiftSetting] = [
    .unsafeFlags(["-sanitize=fuzzer,address", "-parse-as-library"]),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .strictMemorySafety(),
]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")

func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: instrumented)
}

let package = Package(
    name: "fcbus",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        room("BusWire", [nioCore]),
        room("BusTopics"),
        room("BusContract", ["BusTopics"]),
        room("BusAccess", ["BusContract", "BusTopics"]),
        room("BusSession", ["BusWire", "BusTopics", nioCore, deque]),
        room("BusCalls", ["BusContract", "BusTopics", deque, heap]),
        room("BusCore", ["BusWire", "BusTopics", "BusContract", "BusAccess", "BusSession", "BusCalls", nioCore, heap]),
        .executableTarget(
            name: "BrokerFuzzer", dependencies: ["BusCore", "BusSession", "BusWire", nioCore],
            swiftSettings: instrumented, linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]),
    ]
)
