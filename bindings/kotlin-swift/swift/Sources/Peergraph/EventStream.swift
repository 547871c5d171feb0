import Foundation
import PeergraphCore

/// A value behind a lock.
final class Locked<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    func with<T>(_ body: (inout Value) -> T) -> T {
        lock.lock()
        defer { lock.unlock() }
        return body(&value)
    }
}

/// Where one waits for a stream. Does not know the stream: if it did, nothing could free the two.
private final class Signal: WakeListener, Sendable {
    private struct State {
        var told = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Locked(State())

    func wake() {
        let waiting = state.with { state in
            defer { state.waiting = [] }
            state.told = state.waiting.isEmpty
            return state.waiting
        }
        for one in waiting { one.resume() }
    }

    /// Wakes those that wait already, for what one reader that was woken left; later ones look first.
    func wakeOthers() {
        let waiting = state.with { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        for one in waiting { one.resume() }
    }

    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let told = state.with { state in
                    defer { state.told = false }
                    if !state.told { state.waiting.append(continuation) }
                    return state.told
                }
                if told { continuation.resume() }
            }
        } onCancel: {
            wake()
        }
    }
}

/// Events of one subscription, from the moment it was made. `for await event in stream` waits for each.
///
/// A task that is cancelled ends its loop at once and loses nothing: a later loop gets what waits. Several loops, in any
/// tasks, share the events: each event goes to exactly one of them. Dropping the stream, or `close()`, unsubscribes. Up to 128
/// events, or about 1 MiB of them, are in memory in addition to the capacity.
public final class EventStream: AsyncSequence, Sendable {
    public typealias Element = Event

    private struct Buffer {
        var events: [Event] = []
        var next = 0
        var handedOut: Data
    }

    private let native: NativeStream
    private let signal = Signal()
    private let buffer: Locked<Buffer>

    init(_ native: NativeStream) {
        self.native = native
        buffer = Locked(Buffer(handedOut: native.cursor()))
        native.onWake(listener: signal)
    }

    deinit {
        native.onWake(listener: nil)
        native.end()
    }

    /// The next event if one is waiting.
    public func tryNext() -> Event? {
        buffer.with { buffer in
            if buffer.next == buffer.events.count {
                buffer.handedOut = native.cursor()
                buffer.events = native.take(max: 128)
                buffer.next = 0
            }
            guard buffer.next < buffer.events.count else { return nil }
            let event = buffer.events[buffer.next]
            buffer.next += 1
            switch event {
            case .recordChanged(_, _, _, _, let cursor), .caughtUp(let cursor): buffer.handedOut = cursor
            default: break
            }
            return event
        }
    }

    /// Takes up to so many waiting events, without waiting.
    public func drain(max: Int = .max) -> [Event] {
        var all: [Event] = []
        while all.count < max, let event = tryNext() { all.append(event) }
        return all
    }

    /// The place up to which everything was handed out: where a later subscription goes on (`Start.after`).
    public var cursor: Data {
        buffer.with { buffer in
            buffer.next == buffer.events.count ? native.cursor() : buffer.handedOut
        }
    }

    /// Unsubscribes: what is waiting is dropped.
    public func close() {
        native.end()
        buffer.with { buffer in
            buffer.events = []
            buffer.next = 0
        }
        signal.wake()
    }

    /// Waits for the next event; nil once the stream has ended, or the task is cancelled.
    public func next() async -> Event? {
        while !Task.isCancelled {
            if let event = tryNext() {
                signal.wakeOthers()
                return event
            }
            if native.isFinished() { return nil }
            await signal.wait()
        }
        signal.wakeOthers()
        return nil
    }

    public func makeAsyncIterator() -> Iterator {
        Iterator(stream: self)
    }

    public struct Iterator: AsyncIteratorProtocol {
        let stream: EventStream

        public mutating func next() async -> Event? {
            await stream.next()
        }

        /// What waits already is taken on the caller's actor, without a hop.
        @available(macOS 15, iOS 18, tvOS 18, watchOS 11, visionOS 2, *)
        public mutating func next(isolation actor: isolated (any Actor)?) async -> Event? {
            if !Task.isCancelled, let event = stream.tryNext() { return event }
            return await stream.next()
        }
    }
}
