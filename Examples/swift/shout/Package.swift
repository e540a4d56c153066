// swift-tools-version: 6.3
import PackageDescription

// A copy of this folder elsewhere names fcbus by its path or address here.
let package = Package(
    name: "shout",
    dependencies: [.package(name: "fcbus", path: "../../..")],
    targets: [
        .executableTarget(name: "shout", dependencies: [.product(name: "FunctionWorker", package: "fcbus")])
    ]
)
