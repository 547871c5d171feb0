import { Duplex, DuplexOptions } from 'node:stream'

import { Bytes, Cancellable, ConnectionInfo } from './values.js'

/** What became of sent data. */
export class SendReceipt {
  private constructor()
  /**
   * Waits until the receiving node has handed the data to a subscriber (true), or found that nobody there subscribes to it
   * (false). Can be asked once.
   *
   * @throws {NotConnectedError} the connection ended before either was known.
   * @throws {InvalidArgumentError} it was asked before.
   */
  delivered(options?: Cancellable): Promise<boolean>
}

/** What a stream of {@link DirectConnection.duplex} can be told: the options of Node's own, as far as they fit bytes. */
export type DataDuplexOptions = Pick<
  DuplexOptions,
  | 'highWaterMark'
  | 'readableHighWaterMark'
  | 'writableHighWaterMark'
  | 'allowHalfOpen'
  | 'encoding'
  | 'defaultEncoding'
  | 'emitClose'
  | 'autoDestroy'
  | 'signal'
>

/**
 * A connection to one node for application data only. Open until closed by either end.
 *
 * ```ts
 * await using connection = await graph.openDirect({ peer })
 * const receipt = await connection.send('file.part', bytes)
 * console.log(await receipt.delivered())
 * ```
 */
export class DirectConnection {
  private constructor()
  /** Its number on this node, as events name it. */
  readonly id: number
  /** The other end, as it was when the connection was made. */
  readonly info: ConnectionInfo
  /**
   * Sends data of a type, at most 16 MiB. Resolves when it is accepted for sending, in order; a slow reader makes this wait.
   *
   * @throws {TooLargeError} more than 16 MiB.
   * @throws {InvalidArgumentError} the type is no name.
   * @throws {NotConnectedError} the connection is closed.
   */
  send(dataType: string, data: Bytes, options?: Cancellable): Promise<SendReceipt>
  /**
   * The data of one type as a stream of bytes, in both directions, for `pipeline`. The other end makes one of the same type;
   * until it has, what is written here waits. The stream finishes when the other end has taken everything.
   *
   * A connection that goes down before the end is an error with the code `ERR_STREAM_PREMATURE_CLOSE`, and so is the other
   * end's stream being destroyed before its end. Ending or destroying the stream leaves the connection open.
   *
   * On the wire, for the other languages: each chunk is one piece of data of the type `T` (a longer one is split), an empty
   * one ends a direction, and one of the type `T.abort` says that a direction was broken off.
   *
   * @param dataType 1 to 64 letters, digits, `.`, `_` and `-`; of more than 58, the other end does not hear of breaking off.
   */
  duplex(dataType: string, options?: DataDuplexOptions): Duplex
  /** Closes the connection for both ends. @throws {NotConnectedError} it was closed before. */
  close(options?: Cancellable): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
