import PeergraphCore

/// A call of the library, with its errors as what they are.
func call<T: Sendable>(_ body: @Sendable () async throws -> T) async throws(PeergraphError) -> T {
    do {
        return try await body()
    } catch let error as PeergraphError {
        throw error
    } catch {
        throw .Internal(message: "\(error)")
    }
}

/// A call that does not wait.
func at<T>(_ body: () throws -> T) throws(PeergraphError) -> T {
    do {
        return try body()
    } catch let error as PeergraphError {
        throw error
    } catch {
        throw .Internal(message: "\(error)")
    }
}

/// A call that can last: when its task is cancelled, the library is told, drops it, and it throws `Cancelled`.
func cancellable<T: Sendable>(
    _ body: @Sendable (NativeCancel) async throws -> T
) async throws(PeergraphError) -> T {
    let cancel = NativeCancel()
    return try await call {
        try await withTaskCancellationHandler {
            try await body(cancel)
        } onCancel: {
            cancel.cancel()
        }
    }
}
