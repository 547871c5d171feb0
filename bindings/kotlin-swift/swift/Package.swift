// swift-tools-version: 6.0
import PackageDescription

// On Linux the native library is one of the system, found by pkg-config, -L or LIBRARY_PATH. On Apple's systems it is an
// xcframework: the one that xcframework.sh made here, or that of a release, whose address and check sum the release writes here.
let release: (url: String, checksum: String)? = nil
#if os(Linux)
let native = Target.systemLibrary(name: "peergraphFFI", path: "Sources/peergraphFFI", pkgConfig: "peergraph")
#else
let native =
    if let release {
        Target.binaryTarget(name: "peergraphFFI", url: release.url, checksum: release.checksum)
    } else {
        Target.binaryTarget(name: "peergraphFFI", path: "peergraphFFI.xcframework")
    }
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
        // Processes for the tests.
        .executableTarget(name: "PeergraphBusy", dependencies: ["Peergraph"], path: "Tests/PeergraphBusy"),
        .executableTarget(name: "PeergraphHeavy", dependencies: ["Peergraph"], path: "Tests/PeergraphHeavy"),
        .testTarget(name: "PeergraphTests", dependencies: ["Peergraph", "PeergraphBusy", "PeergraphHeavy"]),
    ]
)
