import Foundation
import PeergraphCore

// What would end the process, or be copied in vain, is refused before it is written for the native library. Swift's strings
// are always Unicode, so nothing is to be checked of them.

private let limits = nativeLimits()

func invalid(_ argument: String, _ why: String) -> PeergraphError {
    .InvalidArgument(message: "\(argument): \(why)")
}

private func bounded(_ argument: String, _ size: Int, _ most: UInt32) throws(PeergraphError) {
    if size > Int(most) { throw .TooLarge(message: "\(argument): \(size) bytes, more than \(most)") }
}

/// The body of a record. The limit of the graph is checked by the core.
func checked(body: Data) throws(PeergraphError) -> Data {
    try bounded("body", body.count, limits.maxRecord)
    return body
}

func checked(body: String) throws(PeergraphError) -> Data {
    try bounded("body", body.utf8.count, limits.maxRecord)
    return Data(body.utf8)
}

/// A message for a connection.
func checked(message: Data) throws(PeergraphError) -> Data {
    try bounded("data", message.count, limits.maxData)
    return message
}

/// Bytes whose length the core checks, but which must be writable.
func checked(_ argument: String, _ bytes: Data) throws(PeergraphError) -> Data {
    try bounded(argument, bytes.count, UInt32(Int32.max) - 16)
    return bytes
}

/// A moment that can be written as milliseconds since 1970 in 64 bits.
func checked(_ argument: String, _ moment: Date) throws(PeergraphError) -> Date {
    let seconds = moment.timeIntervalSince1970
    guard seconds.isFinite, abs(seconds) < 9.2e15 else {
        throw invalid(argument, seconds.isFinite ? "the date is too far from 1970" : "the date is not a number")
    }
    return moment
}

/// A moment that a clock can show: not before 1970.
func checked(clock argument: String, _ moment: Date) throws(PeergraphError) -> Date {
    if try checked(argument, moment).timeIntervalSince1970 < 0 { throw invalid(argument, "the date is before 1970") }
    return moment
}

func checked(clock argument: String, _ moment: Date?) throws(PeergraphError) -> Date? {
    guard let moment else { return nil }
    return try checked(clock: argument, moment) as Date
}

func checked(_ attributes: [String: Value]) throws(PeergraphError) -> [String: Value] {
    var size = 0
    for (name, value) in attributes {
        size += name.utf8.count
        try weigh(name, value, &size)
    }
    try bounded("attributes", size, limits.maxAttributes)
    return attributes
}

private func weigh(_ name: String, _ value: Value, _ size: inout Int) throws(PeergraphError) {
    switch value {
    case .text(let text): size += text.utf8.count
    case .bytes(let bytes): size += bytes.count
    case .time(let moment): _ = try checked("attribute \"\(name)\"", moment)
    case .several(let values): for each in values { try weigh(name, each, &size) }
    case .integer, .float, .boolean: break
    }
}

/// The path of a file URL: the path of any other is a file that nobody meant.
func checked(_ argument: String, file: URL) throws(PeergraphError) -> String {
    guard file.isFileURL else { throw invalid(argument, "not a file URL: use URL(fileURLWithPath:)") }
    guard !file.relativePath.isEmpty, !file.path.isEmpty else { throw invalid(argument, "the path is empty") }
    return file.path
}
