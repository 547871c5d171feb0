import Foundation

extension Date {
    init(milliseconds: Int64) {
        self.init(timeIntervalSince1970: Double(milliseconds) / 1000)
    }

    var milliseconds: Int64 {
        Int64(clamping: (timeIntervalSince1970 * 1000).rounded())
    }
}

extension Int64 {
    /// The nearest whole number there is.
    fileprivate init(clamping number: Double) {
        self = number >= 9.2e18 ? .max : number <= -9.2e18 ? .min : Int64(number)
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

func hex(_ bytes: Data) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

/// A person or service: the public key of an identity. Stable; may live on several nodes.
public struct PeerId: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The raw bytes.
    public let bytes: Data

    public init(bytes: Data) {
        self.bytes = bytes
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
    /// The raw bytes.
    public let bytes: Data

    public init(bytes: Data) {
        self.bytes = bytes
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
    /// The raw bytes.
    public let bytes: Data

    public init(bytes: Data) {
        self.bytes = bytes
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
    /// The raw bytes.
    public let bytes: Data

    public init(bytes: Data) {
        self.bytes = bytes
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
        (try? nativeVerify(peer: self, message: message, signature: signature)) ?? false
    }
}
