import { Bytes, Cancellable, GraphId, IdentityDescription, PeerId, PeerName } from './values.js'

/** One identity: a key pair with names. After `delete`, everything but the names fails with `IdentityDeletedError`. */
export class Identity {
  private constructor()
  /** The public key. */
  readonly peerId: PeerId
  /** The name that tells it from all others: public key and classifier. */
  readonly peerName: PeerName
  /** The friendly name; the peer name unless another was set. */
  readonly name: string
  /**
   * Sets the friendly name, at most 255 characters; without one resets it to the peer name.
   *
   * @throws {TooLargeError} {@link InvalidArgumentError}: the name breaks a rule. {@link KeyAccessError}, {@link StorageError},
   * {@link IdentityDeletedError}, {@link ClosedError}.
   */
  rename(name?: string | null, options?: Cancellable): Promise<void>
  /** What others may know of it, for whoever shall invite it. No secret. @throws {IdentityDeletedError} */
  describe(): IdentityDescription
  /**
   * The whole identity with its private key as text that only the password (8 characters at least) opens.
   *
   * @throws {InvalidArgumentError} the password is too short. {@link IdentityDeletedError}.
   */
  export(password: string, options?: Cancellable): Promise<string>
  /** Signs a message of the application: 64 bytes that `verify` checks anywhere. @throws {IdentityDeletedError} */
  sign(message: Bytes): Buffer
  /** The graphs of this key that are open or have a database here. */
  groups(options?: Cancellable): Promise<GraphId[]>
  /**
   * Deletes the identity: its keys are gone from disk and memory, for good unless they were exported.
   *
   * @throws {GroupsExistError} graphs of this key are open or have a database here.
   */
  delete(options?: Cancellable): Promise<void>
  toJSON(): { peerId: PeerId; name: string }
}

/** The identities of a node. */
export class Identities implements Iterable<Identity> {
  private constructor()
  /**
   * Makes an identity. When this resolves it is on the disk, if the node has one.
   *
   * @param name friendly name, at most 255 characters.
   * @param options.classifier what tells it from others with the same key, at most 149 characters.
   * @param options.key its private key, 32 bytes. Default: a new one.
   * @throws {AlreadyExistsError} there is one with this key and classifier. {@link TooLargeError},
   * {@link InvalidArgumentError}, {@link KeyAccessError}, {@link StorageError}, {@link ClosedError}.
   */
  create(name?: string, options?: { classifier?: string; key?: Uint8Array } & Cancellable): Promise<Identity>
  /** All identities, in the order of their peer names. A snapshot. */
  list(): Identity[]
  [Symbol.iterator](): IterableIterator<Identity>
  /** The identity that groups use unless told otherwise. */
  default(options?: Cancellable): Promise<Identity>
  /** Chooses the identity that later groups use unless told otherwise. Kept on the disk. @throws {NotFoundError} */
  setDefault(identity: Identity | PeerName | string, options?: Cancellable): Promise<void>
  /** The identity with this name. @throws {NotFoundError} */
  get(name: PeerName | string): Identity
  /**
   * Takes in an identity that {@link Identity.export} wrote, here or on another machine.
   *
   * @throws {InvalidArgumentError} the text is not an exported identity or was altered. {@link WrongPasswordError},
   * {@link UnsupportedVersionError}, {@link AlreadyExistsError}, {@link StorageError}, {@link ClosedError}.
   */
  importIdentity(text: string, password: string, options?: Cancellable): Promise<Identity>
}
