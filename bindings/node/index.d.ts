/**
 * Groups of peers that share a database of signed records, see who is there, send each other data, and hear of every
 * change. No server.
 *
 * ```ts
 * import { Node } from 'peergraph'
 *
 * const node = await Node.open('data')
 * const group = await node.createGroup('Book club')
 * console.log(`join with: ${await group.invite()}`)
 * for await (const event of group.events('record_changed')) {
 *   if (event.type === 'record_changed') console.log(event.record.author, event.record.text)
 * }
 * ```
 *
 * A {@link Node} is where a program begins; {@link Graph} and {@link Group} hold records, events and connections; every
 * error is a {@link PeergraphError}. Lengths of time are milliseconds, moments are `Date`, bytes that come are `Buffer`.
 *
 * @packageDocumentation
 */
import { EventEmitter } from 'node:events'

import { Graph, Group } from './types/graph.js'
import { Identities, Identity } from './types/identities.js'
import { Cancellable, GraphId, GraphProperties, GroupRules, Invitation, Metrics, NodeAddr, NodeConfig, NodeId, PeerId, SyncFigures, Ticket } from './types/values.js'

export * from './types/connection.js'
export * from './types/errors.js'
export * from './types/events.js'
export * from './types/graph.js'
export * from './types/identities.js'
export * from './types/records.js'
export * from './types/values.js'

/** What a {@link Node} emits. */
export interface NodeEvents {
  /** A graph or group was made, opened or joined. */
  open: [graph: Graph]
  /** The node has shut down. */
  close: []
  /** An asynchronous listener was rejected. */
  error: [error: unknown]
}

/** What a new graph is like. */
export interface CreateGraph extends Cancellable {
  /** All that may change later; `name` given beside it counts more. */
  properties?: Partial<GraphProperties>
  /** Most bytes of body plus attributes of a record, 1 KiB to 60 MiB (groups: from 64 KiB). Fixed for ever. Default 1 MiB. */
  maxRecord?: number
  /** Record types to synchronise first, in order; each is told by `synchronized`. */
  precedence?: readonly string[]
}

/** How a graph or group that is here is opened. */
export interface OpenGraph {
  /** Record types to synchronise first, in order; each is told by `synchronized`. */
  precedence?: readonly string[]
  /** True to open without any traffic: it neither listens nor connects until told to. Default false. */
  offline?: boolean
}

/** How a graph is joined. */
export interface Join {
  /** Give up if nobody was reached, or let this identity in, after so many milliseconds. Default one minute. */
  deadline?: number
  /** Called with how far the database is on its way, a few times a second and in the end. */
  onProgress?: (progress: SyncFigures) => void
}

/** How a group is joined. */
export interface JoinGroup extends Join {
  /** The friendly name to go by there, at most 255 bytes. Default: the identity's. */
  name?: string
  /** As whom. Default: the one the invitation is for, or the node's default. */
  identity?: Identity
  /** The password, where the invitation asks for one. */
  password?: string
}

/**
 * One running instance, with a key of its own, acting for an identity.
 *
 * An open node keeps a process alive only while somebody waits: for a call, for the next event of a stream, or with a
 * listener. {@link Node.unref} lets the process end all the same.
 */
export class Node extends EventEmitter<NodeEvents> {
  private constructor()

  /**
   * Opens a node on a data directory, which is made if it is not there. A `TypeError` if there is no path, such as of a
   * variable of the environment that is not set.
   *
   * @throws {DirectoryInUseError} another node has it.
   * @throws {KeyAccessError} {@link DamagedError}, {@link StorageError}, {@link NetworkError}.
   */
  static open(dataDir: string | URL, options?: Cancellable): Promise<Node>
  /** Opens a node in memory: it writes nothing to the disk, and all is gone with it. */
  static inMemory(options?: Cancellable): Promise<Node>
  /**
   * Opens a node as configured.
   *
   * @throws {InvalidArgumentError} the configuration contradicts itself. A `TypeError` for an option that there is not, or
   * without `dataDir`: memory is asked for with `false`.
   * @throws {UnsupportedVersionError} and as {@link Node.open}.
   */
  static start(config: NodeConfig, options?: Cancellable): Promise<Node>

  /** The node's public key, by which it is dialled. */
  readonly id: NodeId
  /** The identity that the node acts for. */
  readonly peerId: PeerId
  /** The identities of this node. */
  readonly identities: Identities
  /** Where this node can be dialled, as far as it knows. */
  readonly addr: NodeAddr
  /** The socket addresses it has bound. */
  readonly bound: string[]
  /** Bytes sent and received since the start. */
  readonly metrics: Metrics

  /**
   * Makes a graph: whoever has its ticket can read and write everything in it, for good. It does not listen yet.
   *
   * @param options.seed 32 bytes from which id and secret follow; as secret as a ticket. Default: random.
   * @throws {InvalidArgumentError} {@link TooLargeError}: a property is out of bounds.
   * @throws {AlreadyExistsError} the graph of this seed is here. {@link StorageError}, {@link ClosedError}.
   */
  createGraph(name?: string, options?: CreateGraph & { seed?: Uint8Array }): Promise<Graph>
  /**
   * Opens a graph that is here, or one whose ticket is given. One that is here is online at once: it listens and dials the
   * nodes it knew in the background, and waits for nobody.
   *
   * @throws {UnknownGraphError} no database here, and no ticket.
   * @throws {NotAuthorizedError} it is a group; use {@link Node.openGroup}.
   */
  openGraph(graph: GraphId | Ticket | string, options?: OpenGraph & Cancellable): Promise<Graph>
  /**
   * Opens a graph by its ticket, connects, waits until it is synchronised, and listens. Once a node is reached the database
   * may take as long as it does, while there is progress; what came stays, and the next try goes on from there.
   *
   * @throws {InvalidTicketError} {@link UnreachableError}, {@link RefusedError}, {@link TimedOutError}, {@link WrongGraphError},
   * {@link BusyError}, {@link NotFoundError}, {@link ClosedError}.
   */
  join(ticket: Ticket | string, options?: Join & Cancellable): Promise<Graph>
  /**
   * Makes a group. The identity is its owner without end. It is reachable as soon as this resolves.
   *
   * @param options.rules what holds for ever: who may write what.
   * @param options.identity who makes it. Default: the node's default identity.
   * @throws {InvalidArgumentError} {@link TooLargeError}: a property or rule is out of bounds.
   */
  createGroup(name?: string, options?: CreateGraph & { rules?: Partial<GroupRules>; identity?: Identity }): Promise<Group>
  /**
   * Opens a group that is here, and is online at once: it listens and dials the nodes it knew in the background, and waits
   * for nobody. What to do after a restart. One that is open is handed out again.
   *
   * ```ts
   * const [id] = node.storedGroups
   * const group = id === undefined ? await node.createGroup('Book club') : await node.openGroup(id)
   * ```
   *
   * @throws {UnknownGraphError} no database here.
   * @throws {NotAMemberError} it is a plain graph. {@link NotFoundError}: the identity is not here.
   */
  openGroup(group: GraphId, options?: OpenGraph & Cancellable): Promise<Group>
  /**
   * Joins a group by an invitation: becomes a member, connects, waits until it is synchronised, and listens. Once let in, the
   * database may take as long as it does, while there is progress; what came stays, and the next try goes on from there.
   *
   * ```ts
   * const group = await node.joinGroup(text, {
   *   onProgress: ({ records, recordsExpected }) => console.log(`${records} of ${recordsExpected}`),
   * })
   * ```
   *
   * @throws {InvalidInvitationError} the text is no invitation.
   * @throws {InvitationExpiredError} or another error of its kind: not let in.
   * @throws {UnreachableError} {@link TimedOutError}, {@link RefusedError}, {@link BusyError}: nobody could be reached.
   */
  joinGroup(invitation: Invitation | string, options?: JoinGroup & Cancellable): Promise<Group>
  /** Takes in a membership that {@link Group.exportMembership} wrote on another machine, and opens its group. */
  importMembership(text: string, password: string, options?: Cancellable): Promise<Group>

  /** The graphs and groups that are open. */
  readonly openGraphs: GraphId[]
  /** The graphs and groups that have a database here, open or not. */
  readonly storedGraphs: GraphId[]
  /** The groups that have a database here, open or not. */
  readonly storedGroups: GraphId[]
  /**
   * Deletes a graph's database.
   *
   * @throws {GraphInUseError} it is open; close it first. {@link UnknownGraphError}: there is none.
   */
  deleteGraph(graph: GraphId, options?: Cancellable): Promise<void>

  /** Lets listeners of its graphs keep the process alive: the default. */
  ref(): this
  /** Lets the process end though graphs of this node have listeners. */
  unref(): this
  /**
   * Makes all data durable, withdraws presence, says goodbye to the neighbors, and is quiet until {@link resume}: no
   * timers, no dials, nobody let in. For an application that goes to the background. Reading and writing work; connects
   * fail with {@link PausedError}.
   *
   * @throws {ClosedError}
   */
  pause(options?: Cancellable): Promise<void>
  /**
   * Ends a pause: former neighbors are dialled at once. With one in reach a graph is synchronised within a second;
   * `status_changed` tells.
   *
   * @throws {ClosedError}
   */
  resume(options?: Cancellable): Promise<void>
  /** True between {@link pause} and {@link resume}. */
  readonly isPaused: boolean
  /**
   * Tells the node that the system has another network than before: links are tested, and nodes that did not answer dialled
   * again. Changes are noticed without it too, only later.
   *
   * @throws {ClosedError}
   */
  networkChanged(options?: Cancellable): Promise<void>
  /**
   * Closes all graphs and the network; event streams end. What was called before is carried out first. Repeated calls wait for
   * the first.
   */
  shutdown(options?: Cancellable): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** The configuration of a node in memory that binds a free port of the loopback interface and looks for nobody: for tests. */
export function loopback(): NodeConfig
/** The same on a data directory. */
export function loopback(dataDir: string | URL | false): NodeConfig
/**
 * A configuration for a device that should sleep: a ping each 15 s, and two neighbors, four at most. A dead neighbor is
 * noticed after a minute rather than four seconds; records come as fast as ever. See also {@link Node.pause}.
 */
export function lowPower(config: NodeConfig): NodeConfig
export function lowPower(config?: Partial<NodeConfig>): Partial<NodeConfig>
