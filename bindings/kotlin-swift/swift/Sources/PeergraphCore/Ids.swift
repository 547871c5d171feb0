import Foundation

extension Date {
    init(milliseconds: Int64) {
        self.init(timeIntervalSince1970: Double(milliseconds) / 1000)
    }

    /// Callers refuse what is not finite or too far; what slips through is the nearest there is.
    var milliseconds: Int64 {
        Int64(clamping: (timeIntervalSince1970 * 1000).rounded())
    }
}

extension Int64 {
    /// The nearest whole number there is.
    fileprivate init(clamping number: Double) {
        self = number.isNaN ? 0 : number >= 9.2e18 ? .max : number <= -9.2e18 ? .min : Int64(number)
    }
}

extension Duration {
    var wholeMicroseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, over) = seconds.multipliedReportingOverflow(by: 1_000_000)
        if over { return seconds < 0 ? .min : .max }
        return whole.addingReportingOverflow(attoseconds / 1_000_000_000_000).partialValue
    }
}

/// The bytes of an id, which need no memory of their own if there are as many as there should be.
struct Fixed: Hashable, Sendable {
    private enum Store: Hashable {
        case short(UInt64, UInt64)
        case long(UInt64, UInt64, UInt64, UInt64)
        case other(Data)
    }

    private let store: Store

    init(_ data: Data) {
        self = data.withUnsafeBytes { Fixed($0) }
    }

    init(_ raw: UnsafeRawBufferPointer) {
        func word(_ at: Int) -> UInt64 { raw.loadUnaligned(fromByteOffset: at * 8, as: UInt64.self).bigEndian }
        switch raw.count {
        case 16: store = .short(word(0), word(1))
        case 32: store = .long(word(0), word(1), word(2), word(3))
        default: store = .other(Data(raw))
        }
    }

    var data: Data {
        switch store {
        case .short(let a, let b): Self.data([a, b])
        case .long(let a, let b, let c, let d): Self.data([a, b, c, d])
        case .other(let data): data
        }
    }

    private static func data(_ words: [UInt64]) -> Data {
        words.map(\.bigEndian).withUnsafeBytes { Data($0) }
    }
}

func hex(_ bytes: Data) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

/// A person or service: the public key of an identity. Stable; may live on several nodes.
public struct PeerId: Hashable, Sendable, Comparable, CustomStringConvertible {
    let fixed: Fixed

    /// The raw bytes.
    public var bytes: Data { fixed.data }

    public init(bytes: Data) {
        fixed = Fixed(bytes)
    }

    init(_ raw: UnsafeRawBufferPointer) {
        fixed = Fixed(raw)
    }

    /// Of 64 hexadecimal digits. Throws `InvalidId`.
    public init(_ text: String) throws {
        self = try nativePeerId(text: text)
    }

    /// All hexadecimal digits.
    public var description: String { hex(bytes) }

    /// The first ten hexadecimal digits, for logs and screens.
    public var short: String { hex(bytes.prefix(5)) }

    public static func < (one: Self, other: Self) -> Bool {
        one.bytes.lexicographicallyPrecedes(other.bytes)
    }
}

/// One running instance, by which it is dialled.
public struct NodeId: Hashable, Sendable, Comparable, CustomStringConvertible {
    let fixed: Fixed

    /// The raw bytes.
    public var bytes: Data { fixed.data }

    public init(bytes: Data) {
        fixed = Fixed(bytes)
    }

    init(_ raw: UnsafeRawBufferPointer) {
        fixed = Fixed(raw)
    }

    /// Of 64 hexadecimal digits. Throws `InvalidId`.
    public init(_ text: String) throws {
        self = try nativeNodeId(text: text)
    }

    /// All hexadecimal digits.
    public var description: String { hex(bytes) }

    /// The first ten hexadecimal digits, for logs and screens.
    public var short: String { hex(bytes.prefix(5)) }

    public static func < (one: Self, other: Self) -> Bool {
        one.bytes.lexicographicallyPrecedes(other.bytes)
    }
}

/// A graph or group.
public struct GraphId: Hashable, Sendable, Comparable, CustomStringConvertible {
    let fixed: Fixed

    /// The raw bytes.
    public var bytes: Data { fixed.data }

    public init(bytes: Data) {
        fixed = Fixed(bytes)
    }

    init(_ raw: UnsafeRawBufferPointer) {
        fixed = Fixed(raw)
    }

    /// Of 64 hexadecimal digits. Throws `InvalidId`.
    public init(_ text: String) throws {
        self = try nativeGraphId(text: text)
    }

    /// All hexadecimal digits.
    public var description: String { hex(bytes) }

    /// The first ten hexadecimal digits, for logs and screens.
    public var short: String { hex(bytes.prefix(5)) }

    public static func < (one: Self, other: Self) -> Bool {
        one.bytes.lexicographicallyPrecedes(other.bytes)
    }
}

/// A record, through all its versions.
public struct RecordId: Hashable, Sendable, Comparable, CustomStringConvertible {
    let fixed: Fixed

    /// The raw bytes.
    public var bytes: Data { fixed.data }

    public init(bytes: Data) {
        fixed = Fixed(bytes)
    }

    init(_ raw: UnsafeRawBufferPointer) {
        fixed = Fixed(raw)
    }

    /// Of 32 hexadecimal digits. Throws `InvalidId`.
    public init(_ text: String) throws {
        self = try nativeRecordId(text: text)
    }

    /// All hexadecimal digits.
    public var description: String { hex(bytes) }

    /// The first ten hexadecimal digits, for logs and screens.
    public var short: String { hex(bytes.prefix(5)) }

    public static func < (one: Self, other: Self) -> Bool {
        one.bytes.lexicographicallyPrecedes(other.bytes)
    }
}

extension PeerId {
    /// True if this identity signed the message with `Identity.sign`.
    public func verify(_ message: Data, signature: Data) -> Bool {
        guard message.count < Int32.max - 16, signature.count == 64 else { return false }
        return (try? nativeVerify(peer: self, message: message, signature: signature)) ?? false
    }
}
