/// <reference lib="esnext.disposable" />

declare const kind: unique symbol
type Id<Kind extends string> = string & { readonly [kind]: Kind }

/** A person or service: the public key of an identity, as 64 hexadecimal digits. Compare with `===`. */
export type PeerId = Id<'PeerId'>
/** One running instance, by which it is dialled: 64 hexadecimal digits. */
export type NodeId = Id<'NodeId'>
/** A graph or group: 64 hexadecimal digits. */
export type GraphId = Id<'GraphId'>
/** A record, through all its versions: 32 hexadecimal digits. */
export type RecordId = Id<'RecordId'>

/** Reads an identifier from text or from its 32 bytes. @throws {InvalidIdError} it is none. */
export function PeerId(value: string | Uint8Array): PeerId
/** Reads an identifier from text or from its 32 bytes. @throws {InvalidIdError} it is none. */
export function NodeId(value: string | Uint8Array): NodeId
/** Reads an identifier from text or from its 32 bytes. @throws {InvalidIdError} it is none. */
export function GraphId(value: string | Uint8Array): GraphId
/** Reads an identifier from text or from its 16 bytes. @throws {InvalidIdError} it is none. */
export function RecordId(value: string | Uint8Array): RecordId
/** True if an identity signed this message with {@link Identity.sign}. */
export function verify(peer: PeerId, message: Bytes, signature: Uint8Array): boolean

/** Bytes that are given; text is encoded as UTF-8, and refused if it has half of a surrogate pair. */
export type Bytes = ArrayBufferView | ArrayBuffer | string

/**
 * A call that can be cancelled: when the signal is aborted, it is rejected with the signal's reason. That stops the waiting,
 * and no more: what was called may still happen, or may not; calls after it are not disturbed.
 */
export interface Cancellable {
  signal?: AbortSignal
}

/**
 * What a member may do. Each role may do all that those before it may. As text they compare by the alphabet (`'owner' <
 * 'reader'`): compare them with {@link compareRoles}.
 */
export type Role = 'reader' | 'member' | 'inviter' | 'admin' | 'owner'
/** All roles, the least first. */
export const ROLES: readonly Role[]
/**
 * Negative, 0, or positive, as the first role may do less than, the same as, or more than the second; `null`, no member,
 * may do the least.
 *
 * ```ts
 * if (compareRoles(await group.role(), 'admin') >= 0) console.log('may remove others')
 * ```
 */
export function compareRoles(a: Role | null, b: Role | null): number
/** A neighbor link carries records and data; a direct connection data only. */
export type ConnectionKind = 'neighbor' | 'direct'
/** Whether a database was made or found. */
export type OpenOutcome = 'created' | 'existing'
/** What {@link Graph.listen} did. */
export type ListenOutcome = 'started' | 'already_listening'
/** Whether this identity became a member, or was one. */
export type JoinOutcome = 'joined' | 'already_member'
/** How an invitation lets in. */
export type InvitationKind = 'identity' | 'link' | 'password'

/** How a node runs. What is left out is as for a node on the local network; only `dataDir` has to be said. */
export interface NodeConfig {
  /** Where keys and databases are kept, readable by their owner only; `false`: in memory, gone with the node. */
  dataDir: string | URL | false
  /** The private key (32 bytes) of the identity to act for; not written to the disk. Default: the directory's. */
  identity?: Uint8Array
  /** Seals the keys on the disk. Nothing opens them if it is lost. */
  passphrase?: string
  /** Seals the keys on the disk: 32 random bytes, instead of a passphrase. */
  key?: Uint8Array
  /**
   * Asked for the key at each start with a data directory, instead: such as a function that reads the platform's key
   * store. What it throws, the start throws.
   */
  keySource?: () => Uint8Array | Promise<Uint8Array>
  /** Whether to seal the databases too; needs a passphrase, a key or its source. Default false. */
  encryptDatabase?: boolean
  /** Whom the network may involve: no third party (the default), iroh's relays, or your own. */
  network?: 'local' | 'internet' | 'custom'
  /** URLs of your own relays, for `custom`. */
  relays?: readonly string[]
  /** URL of a pkarr server for address lookup, for `custom`. */
  lookup?: string
  /** UDP addresses to bind; port 0 picks a free one. Default: all interfaces, any port. */
  bind?: readonly string[]
  /** Whether to find nodes on the local network. Default true. */
  mdns?: boolean
  /** Neighbors each graph tries to keep. Default 5. */
  targetNeighbors?: number
  /** Neighbors each graph accepts. Default 8. */
  maxNeighbors?: number
  /** Neighbors below which a graph looks for more at once. Default 3. */
  minNeighbors?: number
  /** Milliseconds between pings on each link. A dead neighbor is noticed after about four. Default 1,000. */
  pingInterval?: number
  /** When a write is acknowledged: when it is on the disk (the default), or with the operating system. */
  durability?: 'synced' | 'relaxed'
  /** How many milliseconds deletes are remembered. Default 30 days. */
  tombstoneLifetime?: number
  /** The version of the library's interface that the caller was written for, such as `0.1`. Default: this one. */
  version?: string
}

/** What state a graph is in. The three are independent. */
export interface Status {
  /** Others can connect to this node. */
  listening: boolean
  /** There is at least one neighbor. */
  hasConnections: boolean
  /** The database is as current as a neighbor's. */
  synchronized: boolean
  /** How far this machine's clock is ahead of the graph's time (negative: behind), in milliseconds; `null` within 20 minutes. */
  clockSkewMs: number | null
}

/** How far a database is on its way here. */
export interface SyncFigures {
  /** Records received so far. */
  records: number
  /** Bytes received so far, of headers, attributes and bodies. */
  bytes: number
  /** Records in all; 0: not known yet. */
  recordsExpected: number
  /** Bytes in all, as far as they can be told before; exact in the end. 0: not known yet. */
  bytesExpected: number
}

/** A node and the ways to it. */
export interface NodeAddr {
  /** The node's public key. */
  node: NodeId
  /** UDP socket addresses, such as `192.168.1.4:4711`. */
  addrs: readonly string[]
  /** The URL of the relay it can be reached through. */
  relay?: string | null
}

/** Whom to reach: by ticket, by addresses, or a node or identity that the graph knows. */
export type Target = Ticket | string | NodeAddr | readonly NodeAddr[] | { node: NodeId } | { peer: PeerId }

/** What is known of a node. */
export interface NodeInfo {
  node: NodeId
  peer: PeerId
  addr: NodeAddr
  /** Free text of its application. */
  attributes: string
  /** When it was started, in peer time. */
  since: Date
}

/** What is known of a member. */
export interface MemberInfo {
  peer: PeerId
  /** The one it gave itself, or else the one it was invited under, or else the first ten digits of its id in brackets. */
  name: string
  /** `null` once it is no member any more. */
  role: Role | null
  /** When its membership ends, in peer time; `null`: not at all, or it ended. */
  notAfter: Date | null
  /** Who let it in; `null` for the creator. */
  issuer: PeerId | null
  /** Its nodes that are here. */
  nodes: NodeInfo[]
  /** True if one of its nodes is here. */
  isPresent: boolean
}

/** A neighbor link or direct connection, as it was when asked for. */
export interface ConnectionInfo {
  /** Its number on this node. */
  connection: number
  kind: ConnectionKind
  node: NodeId
  peer: PeerId
  addr: NodeAddr
  /** Smoothed round-trip time in milliseconds, once measured. */
  rtt: number | null
  /** How useful its records were lately: 0 to 4,096. */
  utility: number
}

/** A hop of a referral chain. */
export interface Progress {
  /** How many so far, counted from 1. */
  hop: number
  /** The node tried next. */
  next: NodeId
}

/** The properties of a graph that may change. */
export interface GraphProperties {
  /** At most 255 bytes. */
  name: string
  /** At most 512 bytes. */
  comment: string
  /** How many milliseconds a presence record lives unless refreshed; 5 minutes, which is the default, to 7 days. */
  presenceLifetime: number
  /** How many nodes publish their presence; `null`: all. */
  presenceMax: number | null
  /** True if nothing expires on a node while it has no neighbor. */
  deferExpiration: boolean
}

/** Who may write records of one type. Admins and owners may edit and delete in any case. */
export interface TypeRule {
  recordType: string
  /** The least role that publishes them. Default `member`. */
  publish?: Role
  /** Who updates and deletes them: whoever made the record (the default), or the least role. */
  edit?: Role | 'author'
}

/** What holds in a group from its beginning to its end. */
export interface GroupRules {
  /** At most 255 bytes. Default: the identity's name. */
  creatorName: string
  /** The least version of the protocol that members must speak. */
  minVersion: number
  /** Most grants between the creator and a member: 1 to 24. Default 8. */
  maxChain: number
  /** The least role that changes the properties. Default `owner`. */
  properties: Role
  /** True if a record must end with its author's membership. Default false. */
  recordsEndWithMembership: boolean
  /** True if bodies are encrypted, with a new key whenever somebody is removed. Default false. */
  encryptedBodies: boolean
  /** The types with rules of their own, at most 256. All others: members publish, authors edit. */
  types: readonly TypeRule[]
}

/** The unchangeable properties of a graph. Its hash is the graph's id. */
export interface Genesis {
  creator: PeerId
  /** Most bytes of body plus attributes in a record. */
  maxRecord: number
  nonce: Buffer
  /** `null`: a plain graph. */
  rules: GroupRules | null
}

/** An invitation by link that can still be used. */
export interface OpenInvitation {
  /** Names it, for {@link Group.revokeInvitation}. */
  key: PeerId
  issuer: PeerId
  role: Role
  /** How many may come. */
  uses: number
  /** How many came. */
  used: number
  /** Until when, in peer time. */
  notAfter: Date
}

/** A device that is refused. */
export interface RevokedDevice {
  /** Its node, for {@link Group.restoreDevice}. */
  node: NodeId
  /** Who refused it: the identity itself, for good; else the admin who did so first. */
  by: PeerId
  /** When, by the clock of whoever did. */
  at: Date
}

/** What became of the records of an exported database. */
export interface ImportCount {
  added: number
  known: number
  refused: number
  waiting: number
}

/** How many records a database has, and the fingerprint of their set: equal exactly if the databases are. */
export interface Fingerprint {
  count: number
  hash: Buffer
}

/** Bytes of a node since it was started. As JSON, numbers. */
export interface Metrics {
  bytesSent: bigint
  bytesReceived: bigint
}

declare abstract class Text {
  /** The text, which says it all. */
  toString(): string
  toJSON(): unknown
  equals(other: unknown): boolean
}

/**
 * The way into a plain graph. Whoever has its text can join: give it only to those who may. Showing it, and JSON, which end
 * up in logs, do not have the text.
 */
export class Ticket extends Text {
  /** @throws {InvalidTicketError} the text is not a ticket, or is cut off or mistyped. */
  constructor(text: string)
  readonly graph: GraphId
  /** Nodes to connect to, tried in turn. */
  readonly nodes: readonly NodeAddr[]
}

/**
 * The way into a group, and all there is to know before one takes it. Its text (`toString()`) is what whoever is invited
 * needs; showing it, and JSON, which end up in logs, do not have the text.
 */
export class Invitation extends Text {
  /** @throws {InvalidInvitationError} the text is not an invitation, or is cut off, mistyped or altered. */
  constructor(text: string)
  readonly group: GraphId
  readonly groupName: string
  /** Who invites. */
  readonly issuer: PeerId
  readonly issuerName: string
  /** What one becomes. */
  readonly role: Role
  /** From when on it can be used, in peer time. */
  readonly notBefore: Date
  /** Until when, in peer time; `null`: without end. */
  readonly notAfter: Date | null
  /** How it lets in. */
  readonly kind: InvitationKind
  /** For whom, if it is for one identity. */
  readonly subject: PeerId | null
  /** How many may come by it, if it is a link. */
  readonly uses: number | null
  /** Nodes by which the group is reached, tried in turn; none if only the one who is invited can tell. */
  readonly nodes: readonly NodeAddr[]
  /** The invitation as a QR code in SVG. Whoever can see the code has the invitation. @throws {TooLargeError} */
  qrSvg(): string
  /** The invitation as a QR code for a terminal of at least 75 columns. @throws {TooLargeError} */
  qrText(): string
}

/** A name that says who may bear it: `authority.classifier`, or the authority alone. */
export class PeerName extends Text {
  constructor(text: string)
  /** The name of an identity. @throws {TooLargeError} above 149 characters. {@link InvalidArgumentError}: control characters. */
  static secured(peer: PeerId, classifier?: string): PeerName
  /** A name that anybody may bear. */
  static unsecured(classifier: string): PeerName
  /** Another name of the same authority. Makes no identity. */
  derive(classifier?: string): PeerName
  /** Whose name it is; `null` for an unsecured one. */
  readonly peer: PeerId | null
  /** The part after the dot, if any. */
  readonly classifier: string | null
  /** True if its bearer can prove it. */
  readonly isSecured: boolean
}

/** An identity as others may know it: its key, its name, and its signature over both. Holds no secret. */
export class IdentityDescription extends Text {
  constructor(text: string)
  readonly peerId: PeerId
  /** The name that tells it from all others. */
  readonly peerName: PeerName
  /** The friendly name. */
  readonly name: string
}
