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
   * The data of one type as a stream of bytes, in both directions, for `pipeline`. Both ends have to make one before they
   * send: what nobody subscribes to is not delivered. Empty data of the type ends a direction. Ending or destroying the
   * stream leaves the connection open; a connection that goes down ends the stream.
   */
  duplex(dataType: string, options?: DuplexOptions): Duplex
  /** Closes the connection for both ends. @throws {NotConnectedError} it was closed before. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
