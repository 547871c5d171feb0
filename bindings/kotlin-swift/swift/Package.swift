// swift-tools-version: 6.0
import PackageDescription

// On Linux the native library is one of the system, found by -L or by pkg-config; on Apple's systems an xcframework.
#if os(Linux)
let native = Target.systemLibrary(name: "peergraphFFI", path: "Sources/peergraphFFI", pkgConfig: "peergraph")
#else
let native = Target.binaryTarget(name: "peergraphFFI", path: "peergraphFFI.xcframework")
#endif

let package = Package(
    name: "Peergraph",
    platforms: [.macOS(.v13), .iOS(.v16), .tvOS(.v16), .watchOS(.v9), .visionOS(.v1)],
    products: [.library(name: "Peergraph", targets: ["Peergraph"])],
    targets: [
        native,
        // Generated, but for the identifiers. In Swift 6 mode the compiler may fail on generated code.
        .target(name: "PeergraphCore", dependencies: ["peergraphFFI"], swiftSettings: [.swiftLanguageMode(.v5)]),
        .target(name: "Peergraph", dependencies: ["PeergraphCore"]),
        .testTarget(name: "PeergraphTests", dependencies: ["Peergraph"]),
    ]
)
