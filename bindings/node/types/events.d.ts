import { Record } from './records.js'
import { Cancellable, ConnectionKind, GraphProperties, MemberInfo, NodeId, NodeInfo, PeerId, Status, SyncFigures } from './values.js'

/** What happened to a record. */
export type ChangeKind = 'added' | 'updated' | 'deleted' | 'expired'
/** Where a change came from: here, a neighbor as it happened, comparing databases, or read back (unknown). */
export type ChangeOrigin = 'local' | 'flood' | 'sync' | 'feed'
/** What happened to a connection. `referred` is progress, not failure: another node is tried next. */
export type ConnectionChange = 'connected' | 'disconnected' | 'failed' | 'referred'
/** Why a connection failed or ended. */
export type FailureReason =
  | 'refused'
  | 'unreachable'
  | 'not_authenticated'
  | 'timed_out'
  | 'cancelled'
  | 'closed'
  | 'closed_by_peer'
  | 'lost'
  | 'pruned'
  | 'protocol'
  | 'unsupported_version'
  | 'busy'
/** Why a connection is wanted: a routine look, or no neighbor and nobody left to dial. */
export type RequiredReason = 'probe' | 'isolated'
/** What happened to a node. */
export type NodeChange = 'connected' | 'disconnected' | 'updated'
/** What happened to a member. */
export type MemberChange = 'joined' | 'updated' | 'connected' | 'disconnected' | 'left' | 'removed' | 'expired'
/** Why a group could not be entered. */
export type GroupFailure =
  | 'no_members_found'
  | 'none_connectable'
  | 'cannot_listen'
  | 'not_authorized'
  | 'invitation_invalid'
  | 'wrong_password'
  | 'throttled'
  | 'timed_out'
  | 'busy'

/** The graph listens, has connections, is synchronised; or no longer. */
export interface StatusChanged {
  type: 'status_changed'
  status: Status
}

/** Changeable properties have new values. */
export interface PropertyChanged {
  type: 'property_changed'
  /** The names of those that changed. */
  changed: (keyof GraphProperties)[]
  properties: GraphProperties
}

/** A record was added, updated, deleted or expired; alike for local, flooded and synchronised changes. */
export class RecordChanged {
  private constructor()
  readonly type: 'record_changed'
  readonly change: ChangeKind
  /** The record as it is now; without attributes and body when deleted or expired. */
  readonly record: Record
  readonly origin: ChangeOrigin
  /** The version that lost, if the two were written without knowledge of each other. */
  readonly conflict: Record | null
  /** Where to go on after this event: 24 opaque bytes that survive restarts. */
  readonly cursor: Buffer
  toJSON(): object
}

/** Application data arrived on a direct connection or neighbor link. */
export class IncomingData {
  private constructor()
  readonly type: 'incoming_data'
  /** On which connection. */
  readonly connection: number
  readonly kind: ConnectionKind
  /** The sender's node. */
  readonly node: NodeId
  /** The sender. */
  readonly peer: PeerId
  /** What kind of data, in the sender's word. */
  readonly dataType: string
  /** The data. */
  readonly data: Buffer
  /** With the data in base 64. */
  toJSON(): object
}

interface ConnectionEvent {
  change: ConnectionChange
  /** Which connection; in a failed attempt, the attempt. */
  connection: number
  node: NodeId | null
  peer: PeerId | null
  /** Why, when disconnected or failed. */
  reason: FailureReason | null
  /** Hops so far, when referred. */
  hop: number | null
  /** The node tried next, when referred. */
  next: NodeId | null
}

/** A direct connection came up, went down, or could not be made. */
export interface DirectConnectionChanged extends ConnectionEvent {
  type: 'direct_connection'
}

/** A neighbor link came up, went down, or could not be made. */
export interface NeighborConnectionChanged extends ConnectionEvent {
  type: 'neighbor_connection'
}

/** A node outside of what the graph knows would help. */
export interface ConnectionRequired {
  type: 'connection_required'
  reason: RequiredReason
}

/** A node came, went, or changed its addresses or attributes. */
export interface NodeChanged {
  type: 'node_changed'
  change: NodeChange
  node: NodeInfo
}

/** A record type that was given precedence is synchronised, or (`null`) everything is. */
export interface Synchronized {
  type: 'synchronized'
  recordType: string | null
}

/**
 * The database is on its way here: told when that begins, at most four times a second, and in the end with
 * `records === recordsExpected`. Nothing is told when nothing is missing.
 */
export interface SyncProgress extends SyncFigures {
  type: 'sync_progress'
}

/** A member of a group came, went, joined, changed, left or was removed. */
export interface MemberChanged {
  type: 'member_changed'
  change: MemberChange
  member: MemberInfo
}

/** A group could not be entered: once for each attempt. */
export interface ConnectionFailed {
  type: 'connection_failed'
  reason: GroupFailure
}

/** This subscriber was too slow: so many connection and presence events are gone. Read the current state. */
export interface Lagged {
  type: 'lagged'
  dropped: number
}

/** The cursor does not fit this database: the complete current set follows, ended by `caught_up`. */
export interface Reset {
  type: 'reset'
}

/** All that was there when the subscription began has been delivered; what follows is new. */
export interface CaughtUp {
  type: 'caught_up'
  cursor: Buffer
}

/** The kinds of events, by what they are called, and what comes. */
export interface EventKinds {
  status_changed: StatusChanged
  property_changed: PropertyChanged
  record_changed: RecordChanged
  /** Subscribing to it is what lets others open direct connections. */
  direct_connection: DirectConnectionChanged
  neighbor_connection: NeighborConnectionChanged
  incoming_data: IncomingData
  connection_required: ConnectionRequired
  node_changed: NodeChanged
  synchronized: Synchronized
  member_changed: MemberChanged
  connection_failed: ConnectionFailed
  sync_progress: SyncProgress
}
/** A kind of event. */
export type EventKind = keyof EventKinds

/** What streams of these kinds can tell. `switch` on `type`. */
export type EventOf<Kind extends EventKind> =
  | EventKinds[Kind]
  | Lagged
  | ('record_changed' extends Kind ? Reset | CaughtUp : never)

/** Something an application can be told: plain data, that can be compared, cloned and sent to workers. `switch` on `type`; later versions may have more, so have a `default`. */
export type Event = EventOf<EventKind>

/** What a {@link Graph} emits. */
export type GraphEvents = { [Kind in EventKind]: [event: EventKinds[Kind]] } & {
  /** Listeners were too slow for connection and presence events. */
  lagged: [event: Lagged]
  /** The graph was closed. */
  close: []
  /** An asynchronous listener was rejected, or a subscription failed. */
  error: [error: unknown]
}

/** What to subscribe to, beside kinds, and from where on. */
export interface EventOptions extends Cancellable {
  /** Of record changes, only those of these types. */
  recordTypes?: string | Iterable<string>
  /** Of record changes, only those whose latest version is by these identities. */
  authors?: PeerId | Iterable<PeerId>
  /** Of incoming data, only that of these types. */
  dataTypes?: string | Iterable<string>
  /** Begin with the records that are there, each as added, then `caught_up`. */
  snapshot?: boolean
  /** Begin with what changed since this cursor, then `caught_up`. */
  after?: Uint8Array | null
  /** Record changes kept in memory, 1 to 1,024 (the default). More are read from the database. */
  capacity?: number
}

/**
 * Events of one subscription: an async iterator that is also disposable.
 *
 * It ends when the graph is closed, or when it is closed itself: by `break`, {@link EventStream.close}, `await using`, an
 * aborted signal, or when nobody refers to it any more. Whatever is aborted, no event is lost, and of several readers each
 * event goes to exactly one. Up to 512 events are taken over at a time, beyond those that the subscription itself keeps in
 * memory.
 *
 * ```ts
 * for await (const event of group.events('record_changed', 'member_changed', { signal })) {
 *   switch (event.type) {
 *     case 'record_changed':
 *       console.log(event.record.text)
 *       break
 *     case 'member_changed':
 *       console.log(event.member.name, event.change)
 *   }
 * }
 * ```
 */
export class EventStream<E = Event> implements AsyncIterableIterator<E> {
  private constructor()
  /** The next event; waits for it without limit, or until the signal is aborted: then none is lost. */
  next(options?: Cancellable): Promise<IteratorResult<E, undefined>>
  /** Waits for events and takes up to `limit` (512) of them, less if they are large; none once the stream has ended. */
  batch(limit?: number, options?: Cancellable): Promise<E[]>
  /** The next event if one is waiting; `null` if not. */
  tryNext(): E | null
  /** All that is waiting, until there is nothing. */
  drain(): Generator<E, void, undefined>
  /**
   * Where to go on after a restart, for `after` and {@link Graph.saveCursor}: up to here all was handed out to the reader.
   * What this stream has taken over and not yet handed out does not count.
   */
  readonly cursor: Buffer
  /** True when the stream has ended and nothing is left to take. */
  readonly finished: boolean
  /** The same as a Web stream, for pipes. Cancelling it closes this one. */
  readableStream(): ReadableStream<E>
  /** Lets whoever waits for an event keep the process alive: the default. */
  ref(): this
  /** Lets the process end though somebody waits for an event. */
  unref(): this
  /** Unsubscribes: what is waiting is dropped, and whoever waits gets the end of the stream. */
  close(): void
  return(value?: undefined): Promise<IteratorResult<E, undefined>>
  throw(error?: unknown): Promise<IteratorResult<E, undefined>>
  [Symbol.asyncIterator](): this
  [Symbol.asyncDispose](): Promise<void>
}
