// swift-tools-version: 6.0
import PackageDescription

let peergraph = Target.Dependency.product(name: "Peergraph", package: "Peergraph")
let package = Package(
    name: "Chat",
    platforms: [.macOS(.v15), .iOS(.v17)],
    products: [.library(name: "ChatModel", targets: ["ChatModel"])],
    dependencies: [.package(name: "Peergraph", path: "../../../bindings/kotlin-swift/swift")],
    targets: [
        // What a screen shows: the sample for iOS has it too.
        .target(name: "ChatModel", dependencies: [peergraph]),
        .executableTarget(name: "Chat", dependencies: ["ChatModel", peergraph]),
        .testTarget(name: "ChatTests", dependencies: ["Chat", "ChatModel", peergraph]),
    ]
)
