// swift-tools-version: 6.3
import PackageDescription

/// What every line is compiled under: no warning passes.
let testRules: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
]

/// In a room every unsafe line is marked `unsafe` as well.
let houseRules = testRules + [.strictMemorySafety()]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioWebSocket = Target.Dependency.product(name: "NIOWebSocket", package: "swift-nio")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let jwt = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// A room: a target under the house rules.
func room(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: houseRules)
}

func tests(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], resources: [Resource]? = nil
) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, exclude: exclude, resources: resources, swiftSettings: testRules)
}

let package = Package(
    name: "fcbus",
    products: [
        .executable(name: "fcbus", targets: ["fcbus"]),
        // The SDK, for functions and callers written in Swift.
        .library(name: "FunctionBus", targets: ["FunctionBus"]),
        // For functions in Swift that the host runs as worker processes.
        .library(name: "FunctionWorker", targets: ["FunctionWorker"]),
        // A broker in the test's own process, to try them without sockets.
        .library(name: "FunctionBusTesting", targets: ["FunctionBusTesting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        // Pure rooms: no I/O, no clock, no async, no logging, no Foundation.
        room("BusWire", [nioCore]),
        room("BusTopics"),
        room("BusContract", ["BusTopics"]),
        room("BusAccess", ["BusContract", "BusTopics"]),
        room("BusSession", ["BusWire", "BusTopics", nioCore, deque]),
        room("BusCalls", ["BusContract", "BusTopics", deque, heap]),
        room(
            "BusCore",
            ["BusWire", "BusTopics", "BusContract", "BusAccess", "BusSession", "BusCalls", nioCore, deque, heap]),

        // Drivers.
        room("BusIdentity", [crypto, cryptoExtras, jwt]),
        room(
            "BusServer",
            [
                "BusAccess", "BusIdentity", "BusCalls", "BusCore", "BusSession", "BusStore", "BusTopics", "BusWire",
                nioCore, nioPosix, nioTLS, nioSSL, nioHTTP, nioWebSocket, x509, asn1, logging, lifecycle, signals, yams,
            ]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        room("BusStore", ["BusCore", "CSQLite"]),
        .systemLibrary(name: "CMosquitto", pkgConfig: "libmosquitto", providers: [.apt(["libmosquitto-dev"])]),
        room("BusMosquitto", ["CMosquitto", "BusContract"]),
        room("FunctionBus", ["BusMosquitto", "BusContract", "BusTopics"]),
        room("BusInProcess", ["FunctionBus", "BusCore", "BusSession", "BusWire", "BusContract", nioCore]),
        // A product: users test their functions with it.
        room("FunctionBusTesting", ["FunctionBus", "BusInProcess"]),
        // A product: functions are written with it. The host reads the same frames.
        room("FunctionWorker", ["BusContract"]),
        room(
            "FunctionHost", ["FunctionBus", "FunctionWorker", "BusContract", subprocess, logging, yams],
            resources: [.copy("Python")]),
        // The example, built here so that it is known to work; users build it by its own manifest.
        .executableTarget(
            name: "shout", dependencies: ["FunctionWorker"], path: "Examples/swift/shout/Sources/shout",
            swiftSettings: testRules),
        .systemLibrary(name: "CPolling"),
        room("BusBench", ["BusWire", "BusContract", "CPolling", nioCore]),
        .executableTarget(
            name: "fcbus",
            dependencies: [
                "BusServer", "BusStore", "BusIdentity", "BusBench", "BusCore", "BusWire", "BusInProcess", "FunctionBus",
                "FunctionHost", "FunctionWorker", nioCore, argumentParser, logging, lifecycle, signals,
            ],
            swiftSettings: houseRules),

        // For the tests.
        room("BusTestKit", ["BusAccess", "BusContract", "BusCore", "BusSession", "BusWire", nioCore]),
        .executableTarget(
            name: "StoreProbe", dependencies: ["BusStore", "BusCore", "BusTestKit"], swiftSettings: houseRules),
        .target(name: "CAllocationCount"),
        .executableTarget(
            name: "CountProbe",
            dependencies: ["CAllocationCount", "BusContract", "BusCore", "BusSession", "BusWire", nioCore],
            swiftSettings: houseRules),
        .target(name: "CMosquittoLoad", dependencies: ["CMosquitto"]),
        .executableTarget(
            name: "SDKProbe", dependencies: ["CAllocationCount", "CMosquittoLoad", "FunctionBus"],
            swiftSettings: houseRules),
        tests("BusWireTests", ["BusWire", nioCore]),
        tests("BusTopicsTests", ["BusTopics"]),
        tests("BusContractTests", ["BusContract", "BusTopics"]),
        tests("BusAccessTests", ["BusAccess", "BusContract", "BusTopics"]),
        tests("BusIdentityTests", ["BusIdentity", crypto, cryptoExtras, jwt]),
        tests("BusCallsTests", ["BusCalls", "BusContract", "BusTopics", deque]),
        tests(
            "BusCoreTests",
            [
                "BusTestKit", "BusAccess", "BusCalls", "BusContract", "BusCore", "BusSession", "BusTopics",
                "BusWire", nioCore,
            ]),
        tests(
            "ConformanceTests", ["BusTestKit", "BusCore", "BusSession", "BusWire", nioCore],
            exclude: ["statements-3.1.1.tsv", "statements-5.0.tsv"]),
        tests("BusSessionTests", ["BusSession", "BusWire", nioCore]),
        tests("BusSimulationTests", ["BusTestKit", "BusCore", "BusSession", "BusTopics", "BusWire", nioCore]),
        tests("FuzzTests", ["BusTestKit", "BusContract", "BusCore", "BusSession", "BusTopics", "BusWire", nioCore]),
        tests("BusServerTests", ["BusServer", "BusAccess", "BusCalls", "BusCore", "BusSession", nioCore]),
        tests(
            "BusStoreTests", ["BusStore", "BusCore", "CSQLite", "BusTestKit", "StoreProbe"], exclude: ["Golden"]),
        tests("BusMosquittoTests", ["BusMosquitto", "BusContract"]),
        tests("FunctionBusTests", ["FunctionBus", "BusContract", "BusTopics"]),
        tests("FunctionWorkerTests", ["FunctionWorker"]),
        tests(
            "FunctionHostTests", ["FunctionHost", "FunctionWorker", "shout", subprocess, logging],
            exclude: ["measure.sh"]),
        tests(
            "BusInProcessTests",
            ["BusInProcess", "FunctionBusTesting", "FunctionBus", "BusContract", "BusCore", "BusWire", nioCore]),
        tests("BusBenchTests", ["BusBench", "BusWire", nioCore]),
        tests("HouseTests", []),
        tests(
            "InteroperationTests", ["FunctionBus", "FunctionBusTesting"],
            resources: [.copy("paho_client.py"), .copy("transport_client.py")]),
    ]
)
