// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "Bench",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "Peergraph", path: "..")],
    targets: [.executableTarget(name: "Bench", dependencies: [.product(name: "Peergraph", package: "Peergraph")])]
)
