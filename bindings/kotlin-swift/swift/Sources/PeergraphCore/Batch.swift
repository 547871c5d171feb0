import Foundation

extension NativeStream {
    /// Takes up to so many waiting events. Record changes, of which there may be many, are read here; all else by generated code.
    public func take(max: UInt32) -> [Event] {
        eventsPacked(drain(max: max))
    }
}

/// A list of events as the library writes it: big-endian numbers, lengths and choices of 32 bits, structures field by field in
/// the order of their declaration.
func eventsPacked(_ data: Data) -> [Event] {
    data.withUnsafeBytes { raw in
        var reader = Reader(data: data, raw: raw)
        let count = Int(reader.int32())
        var events: [Event] = []
        events.reserveCapacity(count)
        for _ in 0..<count { events.append(reader.event()) }
        precondition(reader.at == raw.count, "events are not read as they are written")
        return events
    }
}

/// The values of an enumeration in the order of their numbers, which begin with 1.
private func table<Value>(_ read: (inout (data: Data, offset: Data.Index)) throws -> Value) -> [Value] {
    var values: [Value] = []
    while true {
        var number = (data: Data([0, 0, 0, UInt8(values.count + 1)]), offset: 0)
        guard let value = try? read(&number) else { return values }
        values.append(value)
    }
}

private let changeKinds = table(FfiConverterTypeChangeKind.read)
private let changeOrigins = table(FfiConverterTypeChangeOrigin.read)
private let bodyStates = table(FfiConverterTypeBodyState.read)

private struct Reader {
    let data: Data
    let raw: UnsafeRawBufferPointer
    var at = 0

    init(data: Data, raw: UnsafeRawBufferPointer) {
        self.data = data
        self.raw = raw
    }

    private mutating func number<Number: FixedWidthInteger>() -> Number {
        precondition(at + MemoryLayout<Number>.size <= raw.count)
        defer { at += MemoryLayout<Number>.size }
        return Number(bigEndian: raw.loadUnaligned(fromByteOffset: at, as: Number.self))
    }

    mutating func int32() -> Int32 { number() }

    private mutating func flag() -> Bool { number() as UInt8 != 0 }

    private mutating func bytes() -> UnsafeRawBufferPointer {
        let count = Int(int32())
        precondition(count >= 0 && at + count <= raw.count)
        defer { at += count }
        return UnsafeRawBufferPointer(rebasing: raw[at..<at + count])
    }

    private mutating func text() -> String { String(decoding: bytes(), as: UTF8.self) }

    private mutating func date() -> Date { Date(milliseconds: number()) }

    private mutating func choice<Value>(_ values: [Value]) -> Value { values[Int(int32()) - 1] }

    /// By generated code.
    private mutating func other<Value>(_ read: (inout (data: Data, offset: Data.Index)) throws -> Value) -> Value {
        var reader = (data: data, offset: data.startIndex + at)
        do {
            let value = try read(&reader)
            at = reader.offset - data.startIndex
            return value
        } catch {
            preconditionFailure("the library and the package are not of one build: \(error)")
        }
    }

    mutating func event() -> Event {
        let begin = at
        // The number of `recordChanged`.
        guard int32() == 3 else {
            at = begin
            return other(FfiConverterTypeEvent.read)
        }
        let change = choice(changeKinds)
        let record = record()
        let origin = choice(changeOrigins)
        let conflict = flag() ? self.record() : nil
        return .recordChanged(change: change, record: record, origin: origin, conflict: conflict, cursor: Data(bytes()))
    }

    private mutating func record() -> Record {
        let (id, type, version) = (RecordId(bytes()), text(), number() as UInt64)
        let (creator, author, created, modified) = (PeerId(bytes()), PeerId(bytes()), date(), date())
        let expires = flag() ? date() : nil
        let (deleted, attributes) = (flag(), attributes())
        return Record(
            id: id, recordType: type, version: version, creator: creator, author: author, created: created, modified: modified,
            expires: expires, deleted: deleted, attributes: attributes, body: Data(bytes()), bodyState: choice(bodyStates),
            element: Data(bytes()), held: flag())
    }

    private mutating func attributes() -> [String: Value] {
        let count = Int(int32())
        if count == 0 { return [:] }
        var all: [String: Value] = [:]
        all.reserveCapacity(count)
        for _ in 0..<count {
            let name = text()
            all[name] = other(FfiConverterTypeValue.read)
        }
        return all
    }
}
