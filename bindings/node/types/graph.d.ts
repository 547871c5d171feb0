import { EventEmitter } from 'node:events'

import { DirectConnection, SendReceipt } from './connection.js'
import { Event, EventKind, EventOf, EventOptions, EventStream, GraphEvents } from './events.js'
import { AttributesInput, Conflict, Pages, Record, Records } from './records.js'
import {
  Bytes,
  Cancellable,
  ConnectionInfo,
  Fingerprint,
  Genesis,
  GraphId,
  GraphProperties,
  GroupRules,
  IdentityDescription,
  ImportCount,
  Invitation,
  JoinOutcome,
  ListenOutcome,
  MemberInfo,
  NodeAddr,
  NodeId,
  NodeInfo,
  OpenInvitation,
  OpenOutcome,
  PeerId,
  Progress,
  RecordId,
  RevokedDevice,
  Role,
  Status,
  SyncFigures,
  Target,
  Ticket,
} from './values.js'

/**
 * What a body can be: bytes, text (as UTF-8), or what gives bytes piece by piece. Bytes are taken at the call: what happens
 * to a buffer later changes nothing. A stream is read to its end first, which is when the call has its place in the order;
 * it is stopped as soon as it has more bytes than a record of the graph may have, or when the signal of the call is aborted.
 */
export type Body = Bytes | Blob | ReadableStream<Uint8Array> | AsyncIterable<Bytes>

/**
 * A graph that is open in a node: whoever has its ticket can read and write everything in it.
 *
 * It is an emitter: `graph.on('record_changed', (event) => ...)`. The first listener of a kind subscribes to it, from the
 * end of the current turn or the next call on, whichever is first; kinds whose listeners are added together come in order.
 * When the last listener of these kinds is removed, the subscription ends. A listener that throws loses no event, and keeps
 * none from others; what it threw is an `uncaughtException` of the process. A listener of a name that there is not is a
 * `TypeError`.
 *
 * Calls take effect in the order in which they are made, also without waiting for each; `close` carries out what was called
 * before it. Open until `close` or the node's end.
 */
export class Graph extends EventEmitter<GraphEvents> {
  protected constructor()

  readonly id: GraphId
  /** Whether its database was found or made when it was opened. */
  readonly openOutcome: OpenOutcome

  /**
   * Publishes a record: signs it, makes it durable, sends it to the neighbors. Resolves when it is durable here.
   *
   * ```ts
   * const note = await graph.publish('note', 'buy milk', { attributes: { list: 'shopping', urgent: true } })
   * ```
   *
   * @param recordType 1 to 64 letters, digits, `.`, `_` and `-`, such as `chat.message`.
   * @param body the content. A `TypeError` if it is of another type than {@link Body}. With the attributes at most `Genesis.maxRecord` bytes.
   * @param options.attributes named values by which it can be found.
   * @param options.expires when it ceases to exist, in peer time.
   * @throws {InvalidArgumentError} {@link ReservedError}, {@link TooLargeError}, {@link InvalidExpirationError}: a rule is
   * broken.
   * @throws {NeverSynchronizedError} connect first.
   * @throws {RemovedError} {@link NotAMemberError}, {@link InvitationExpiredError}, {@link InvitationUsedUpError}: this identity is
   * no member of the group any more: it was removed, it left, its time is over, its place went to another by the same
   * invitation.
   * @throws {NotAuthorizedError} {@link StorageError}, {@link ClosedError}.
   */
  publish(
    recordType: string,
    body?: Body,
    options?: { attributes?: AttributesInput | null; expires?: Date | null } & Cancellable,
  ): Promise<Record>
  /**
   * Publishes a new version of a record. What is left out stays; attributes replace all.
   *
   * @throws {NotFoundError} {@link DeletedError}: there is none.
   * @throws {VersionMismatchError} it has another version than `expectedVersion`. And as {@link Graph.publish}.
   */
  update(
    record: Record | RecordId,
    changes: { body?: Body; attributes?: AttributesInput; expires?: Date; expectedVersion?: number } & Cancellable,
  ): Promise<Record>
  /**
   * Deletes a record everywhere; it cannot come back under its id. It wins over edits that had not seen it: those are
   * reported as {@link Graph.conflicts}. Resolves to the version of what is left.
   *
   * @throws {NotFoundError} {@link DeletedError}: there is none. And as {@link Graph.publish}.
   */
  delete(record: Record | RecordId, options?: Cancellable): Promise<number>
  /** The current version of a record; `null` if there is none, or it is deleted or expired. */
  get(record: Record | RecordId, options?: Cancellable): Promise<Record | null>
  /**
   * Records, oldest change first. Await it for an array, or iterate; see {@link Records}.
   *
   * @param recordType of this type. Default: all but the library's own.
   * @param options.creator made by this identity.
   * @param options.includeDeleted what deletes left behind too.
   * @param options.includeReserved the library's own types too.
   * @param options.pageSize records on a page. Default: as many as may be.
   */
  records(
    recordType?: string,
    options?: { creator?: PeerId; includeDeleted?: boolean; includeReserved?: boolean; pageSize?: number } & Cancellable,
  ): Records

  /**
   * Conflicts that were not acknowledged, the oldest first, of one record if given: kept through restarts, until they are
   * acknowledged, for a tombstone's lifetime at most.
   *
   * ```ts
   * for await (const { winner, loser } of graph.conflicts()) {
   *   await graph.update(winner, { body: `${winner.text}\n${loser.text}` })
   *   await graph.acknowledgeConflict(loser)
   * }
   * ```
   */
  conflicts(record?: Record | RecordId, options?: { pageSize?: number } & Cancellable): Pages<Conflict>
  /**
   * Drops a version that lost, as `conflicts` or the `conflict` of an event gave it; on this node only. False if it is not
   * here any more.
   */
  acknowledgeConflict(loser: Record, options?: Cancellable): Promise<boolean>

  /**
   * Subscribes to events of these kinds, or all. Nothing that happens after this returns is missed.
   *
   * @throws {InvalidArgumentError} the cursor or a name of a type is no good. {@link ClosedError}. A `TypeError` for a kind
   * or option that there is not.
   */
  events(options?: EventOptions): EventStream<Event>
  events<Kind extends EventKind>(...kinds: Kind[]): EventStream<EventOf<Kind>>
  events<Kind extends EventKind>(...args: [...kinds: Kind[], options: EventOptions]): EventStream<EventOf<Kind>>
  /** Keeps a cursor under a name of 1 to 64 bytes, in this database, to go on from after a restart. */
  saveCursor(name: string, cursor: Uint8Array, options?: Cancellable): Promise<void>
  /** A cursor kept under a name. */
  loadCursor(name: string, options?: Cancellable): Promise<Buffer | null>

  /** A ticket with this node, if it listens, and some neighbors. Whoever has it can join. */
  ticket(options?: Cancellable): Promise<Ticket>
  /** Lets others connect to this node. @throws {NeverSynchronizedError} this node has nothing to offer yet. */
  listen(options?: Cancellable): Promise<ListenOutcome>
  /**
   * Connects to a neighbor; exactly one outcome, after following referrals.
   *
   * @param options.expectedPeer fail if somebody else answers.
   * @param options.deadline give up after this, referrals included. Default one minute.
   * @param options.progress called with each hop of the referral chain.
   * @throws {ConnectToSelfError} {@link AlreadyNeighborError}, {@link WrongGraphError}, {@link WrongPeerError},
   * {@link RefusedError}, {@link BusyError}, {@link UnreachableError}, {@link TimedOutError}, {@link ClosedError}.
   * @throws {NotFoundError} the target has no known node.
   */
  connect(
    target: Target,
    options?: { expectedPeer?: PeerId; deadline?: number; progress?: (hop: Progress) => void } & Cancellable,
  ): Promise<ConnectionInfo>
  /**
   * Connects, waits until this node is synchronised (a minute at most), and listens. A node with a database from before
   * needs nobody to be there.
   */
  enter(target: Target, options?: Cancellable): Promise<void>
  /**
   * Opens a direct connection to a node or peer of the graph.
   *
   * @throws {DirectNotAcceptedError} the other end has not subscribed to `direct_connection`. And as {@link Graph.connect}.
   */
  openDirect(target: Target, options?: Cancellable): Promise<DirectConnection>
  /** A direct connection by its number, as an event gave it. @throws {NotConnectedError} */
  directConnection(connection: number, options?: Cancellable): Promise<DirectConnection>
  /** Sends data on a neighbor link or direct connection; see {@link DirectConnection.send}. */
  send(connection: number, dataType: string, data: Bytes, options?: Cancellable): Promise<SendReceipt>
  /** Closes one neighbor link or direct connection. @throws {NotConnectedError} */
  disconnect(connection: number, options?: Cancellable): Promise<void>
  /** The nodes that are here, of one identity if given; this one first. A snapshot. */
  nodes(peer?: PeerId, options?: Cancellable): Promise<NodeInfo[]>
  /** What is known of one node. @throws {NotFoundError} */
  nodeInfo(node: NodeId, options?: Cancellable): Promise<NodeInfo>
  /** The neighbors. A snapshot. */
  neighbors(options?: Cancellable): Promise<ConnectionInfo[]>
  /** The direct connections. A snapshot. */
  directConnections(options?: Cancellable): Promise<ConnectionInfo[]>
  /** Where nodes of this graph can be dialled, those of earlier times too. A snapshot. */
  contacts(options?: Cancellable): Promise<NodeAddr[]>
  /** Sets the text (at most 1,024 bytes) that others read beside this node. @throws {TooLargeError} */
  setNodeAttributes(text?: string | null, options?: Cancellable): Promise<void>
  /** Publishes this node's presence whatever the graph's policy says, or leaves it to the policy again. */
  forcePresence(forced: boolean, options?: Cancellable): Promise<void>

  /** Listening, connected, synchronised; and whether this machine's clock is wrong. */
  status(options?: Cancellable): Promise<Status>
  /** How far the database is on its way here; `null` while nothing is known to be missing. `sync_progress` tells it as it goes. */
  syncProgress(options?: Cancellable): Promise<SyncFigures | null>
  /** What cannot change. @throws {NeverSynchronizedError} before the first connect. */
  genesis(options?: Cancellable): Promise<Genesis>
  /** What may change. @throws {NeverSynchronizedError} before the first connect. */
  properties(options?: Cancellable): Promise<GraphProperties>
  /**
   * Changes properties, for all nodes; what is left out stays. Resolves to the new ones.
   *
   * @throws {TooLargeError} {@link InvalidArgumentError}: one is out of bounds. {@link NotAuthorizedError}.
   */
  setProperties(changes: Partial<GraphProperties> & Cancellable): Promise<GraphProperties>
  /** The clock this graph agrees on, now. */
  peerTime(options?: Cancellable): Promise<Date>
  /** A moment of this machine's clock as the graph would name it. */
  toPeerTime(local: Date, options?: Cancellable): Promise<Date>
  /** A moment of the graph's clock as this machine would name it. */
  toLocalTime(peer: Date, options?: Cancellable): Promise<Date>
  /** Of the database: equal on two nodes exactly if their databases are. */
  fingerprint(options?: Cancellable): Promise<Fingerprint>
  /**
   * Writes all records to a new file, sealed if there is a password (8 characters at least). Resolves to how many.
   *
   * @throws {AlreadyExistsError} there is such a file. {@link InvalidArgumentError}, {@link StorageError}.
   */
  exportDatabase(path: string | URL, password?: string, options?: Cancellable): Promise<number>
  /**
   * Takes in the records of such a file, before this graph connects or listens. Each is validated. Calls made after this one
   * wait until it is over.
   *
   * @throws {GraphInUseError} it has connected or listened.
   * @throws {WrongGraphError} {@link WrongPeerError}: it is another graph's, or not by `exporter` (default: this identity).
   * @throws {WrongPasswordError} {@link DamagedError}, {@link NotFoundError}.
   */
  importDatabase(path: string | URL, password?: string, options?: { exporter?: PeerId } & Cancellable): Promise<ImportCount>

  /** Lets listeners keep the process alive: the default. */
  ref(): this
  /** Lets the process end though there are listeners. */
  unref(): this
  /** Says goodbye to the neighbors, closes the database, ends all event streams. */
  close(options?: Cancellable): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** What somebody is invited to. */
export interface Invite {
  /** What they become; by a link at most `inviter`. Default `member`. */
  role?: Role
  /**
   * How many milliseconds the membership lasts. One of a day or more is renewed by whoever may before it ends; a shorter one is
   * not, and ends then unless a person renews it. `null`: as long as one's own. Default 30 days.
   */
  lifetime?: number | null
}

/** What a link lets in. */
export interface InviteLink extends Invite {
  /** How many may come. Default 1. */
  uses?: number
  /** How many milliseconds it can be used. Default 7 days. */
  valid?: number
  /** Who may let people in by it, at most 16. Default: every inviter, admin and owner. */
  admitters?: readonly PeerId[]
}

/**
 * A group that is open in a node. Everything a {@link Graph} can do, it can, under membership.
 *
 * `close` gives up this handle; the group goes offline when all handles are closed.
 */
export class Group extends Graph {
  /** Whether this identity became a member when the group was opened, or was one. */
  readonly joinOutcome: JoinOutcome
  /** What was fixed when the group was made. @throws {NeverSynchronizedError} */
  rules(options?: Cancellable): Promise<GroupRules>
  /** The members, this identity first. A snapshot. */
  members(options?: Cancellable): Promise<MemberInfo[]>
  /** The members of whom a node is here. A snapshot. */
  presentMembers(options?: Cancellable): Promise<MemberInfo[]>
  /** One member. @throws {NotFoundError} */
  member(peer: PeerId, options?: Cancellable): Promise<MemberInfo>
  /** What this identity may do; `null` if it is not, or no longer, a member. */
  role(options?: Cancellable): Promise<Role | null>

  /**
   * Makes a link for whoever has it.
   *
   * ```ts
   * const invitation = await group.invite({ role: 'member', uses: 5 })
   * console.log(`${invitation}`) // to be sent
   * console.log(invitation.qrText()) // to be scanned
   * ```
   *
   * @throws {NotAuthorizedError} the role is above one's own, or this identity may not let in.
   * @throws {InvalidPeriodError} it would outlast one's own membership. {@link InvalidArgumentError}, {@link StorageError}.
   */
  invite(link?: InviteLink & Cancellable): Promise<Invitation>
  /**
   * Invites one identity, by its description (or the text of it), or by its id. The invitation is of no use to anybody else.
   *
   * @throws {ChainTooLongError} {@link CircularChainError}, {@link TooLargeError}, and as for a link.
   */
  invite(whom: IdentityDescription | string | { peer: PeerId; name?: string }, options?: Invite & Cancellable): Promise<Invitation>
  /**
   * Lets in whoever has this invitation and knows the password (8 characters at least); replaces an earlier one. The role
   * is `member` or `reader`, the lifetime a day, unless told otherwise.
   */
  setPassword(password: string, options?: Invite & Cancellable): Promise<Invitation>
  /** Lets nobody in by password any more. */
  clearPassword(options?: Cancellable): Promise<void>
  /** The links that can still be used. A snapshot. */
  invitations(options?: Cancellable): Promise<OpenInvitation[]>
  /** Takes a link back. @throws {NotFoundError} {@link NotAuthorizedError}. */
  revokeInvitation(key: PeerId | OpenInvitation, options?: Cancellable): Promise<void>
  /**
   * Gives a membership anew, for another time: 30 days by default, `null`: as long as one's own. One of a day or more is renewed
   * by itself from then on, as by {@link invite}.
   */
  renew(peer: PeerId, lifetime?: number | null, options?: Cancellable): Promise<void>
  /**
   * Changes the friendly name that this identity goes by in the group, at most 255 bytes; an empty one resets it to the
   * one its invitation gave it. The others are told by `memberChanged`.
   *
   * @throws {TooLargeError} {@link InvalidArgumentError} for control characters or what looks like an id,
   * {@link NotAMemberError}, {@link RemovedError}.
   */
  setName(name: string, options?: Cancellable): Promise<void>
  /** Gives a member another role, at once. @throws {NotAuthorizedError} {@link NotAMemberError}. */
  setRole(peer: PeerId, role: Role, options?: Cancellable): Promise<void>
  /**
   * Removes a member: its links end, and whatever comes from it later counts nowhere, however it is dated. What it did as a
   * member and is known here stands: those whom it let in, and removed.
   *
   * @param options.reason for the others to read; at most 255 bytes.
   * @param options.keepRecords keep the records of theirs that are here now. Default true.
   * @param options.withBranch remove those too who are members by their word. Default false.
   * @param options.undo undo as well all that they did as members: whom they let in, gave a role or removed, invitations,
   * refused devices. With it, somebody can be removed who was already. Their records are for `keepRecords` to say; records of
   * whoever is a member by nothing else any more go. Default false.
   * @throws {NotAMemberError} if it is no member; with `undo`, if there is nothing to undo either.
   * {@link NotAuthorizedError}, {@link InvalidArgumentError} for this identity itself, {@link TooLargeError}.
   */
  remove(
    peer: PeerId,
    options?: { reason?: string; keepRecords?: boolean; withBranch?: boolean; undo?: boolean } & Cancellable,
  ): Promise<void>
  /** In a group with encrypted bodies: encrypts what follows under a new key. Removals do it by themselves. */
  renewBodyKey(options?: Cancellable): Promise<void>
  /**
   * Refuses one device of an identity: its node is not let in any more, and its links end. An admin can take that back with
   * {@link restoreDevice}; what an identity refuses of its own devices is refused for good.
   *
   * @throws {NotAuthorizedError} if it is another's and this identity is no admin who is senior to it.
   * @throws {NotAMemberError} if the other identity is none here: nobody let it in yet, it left, or it was removed (whose
   * membership is over by time is still one). Also this, {@link RemovedError} or {@link InvitationExpiredError} if this identity
   * is none itself.
   */
  revokeDevice(peer: PeerId, node: NodeId, options?: Cancellable): Promise<void>
  /**
   * Takes back that a device is refused: its node is let in again.
   *
   * @throws {NotFoundError} if it is not refused.
   * @throws {NotAuthorizedError} if its own identity refused it; or unless this identity is an admin, and refused it itself or
   * ranks above those who did.
   */
  restoreDevice(peer: PeerId, node: NodeId, options?: Cancellable): Promise<void>
  /** The devices of an identity that are refused. A snapshot. */
  revokedDevices(peer: PeerId, options?: Cancellable): Promise<RevokedDevice[]>
  /** Leaves the group for good, and closes it. @throws {NotAuthorizedError} for the creator. */
  leave(options?: Cancellable): Promise<void>
  /** All grants, invitations and removals as signed records; of one member, the grants from the creator's down to theirs. */
  credentials(peer?: PeerId, options?: Cancellable): Promise<Buffer[]>
  /** This membership as text that only the password (8 characters at least) opens, for {@link Node.importMembership}. */
  exportMembership(password: string, options?: Cancellable): Promise<string>
}
