import { PeerId, RecordId } from './values.js'

/** A whole or broken number that is kept as a float, also where it is whole. Numbers without it: whole ones as integers. */
export class Float {
  constructor(value: number)
  readonly value: number
  valueOf(): number
}

/** A value of an attribute as it is given. Integers have 64 bits; a `bigint` beyond them is a `RangeError`. */
export type AttributeInput = string | number | bigint | boolean | Date | ArrayBufferView | ArrayBuffer | Float
/** A value of an attribute as it is read: a `bigint` where a number would not be exact. */
export type AttributeValue = string | number | bigint | boolean | Date | Buffer
/** Named values of a record: at most 2 KiB encoded; names of 1 to 40 letters, digits, `_`, `-` and `.`. */
export type AttributesInput =
  | Readonly<{ [name: string]: AttributeInput | readonly AttributeInput[] | undefined }>
  | ReadonlyMap<string, AttributeInput | readonly AttributeInput[]>
/** Named values of a record. */
export type Attributes = { [name: string]: AttributeValue | AttributeValue[] }

/** Whether a body could be read: yes; its key has not come yet, or will not; it is no encrypted body. */
export type BodyState = 'clear' | 'key_missing' | 'unreadable'

/**
 * A signed record as it is now.
 *
 * Plain data: its fields are its own, so that `deepStrictEqual`, `structuredClone`, `postMessage`, spreading and
 * `JSON.stringify` see all of them but `text`, which is read from the body. Its bytes are in buffers of their own: a clone, or a
 * record that is kept, has nothing of others with it.
 */
export class Record {
  private constructor()
  /** Stays the same through all versions. */
  readonly id: RecordId
  /** What kind of record this is, such as `chat.message`. */
  readonly recordType: string
  /** Counts from 1, one up with every update. */
  readonly version: number
  /** Who made the record. */
  readonly creator: PeerId
  /** Who wrote this version. */
  readonly author: PeerId
  /** When the record was made, in peer time. */
  readonly created: Date
  /** When this version was written, in peer time. */
  readonly modified: Date
  /** When it ceases to exist, in peer time; `null`: never. */
  readonly expires: Date | null
  /** True for what a delete leaves behind: no attributes, no body. */
  readonly deleted: boolean
  /** Whether the body could be read, in a group with encrypted bodies. */
  readonly bodyState: BodyState
  /** True for a version of this identity's that others cannot accept yet, because this machine's clock was ahead. */
  readonly held: boolean
  /** Named values. */
  readonly attributes: Attributes
  /** The content; empty if it could not be read. */
  readonly body: Buffer
  /** The content as text; `null` if it is not UTF-8. */
  readonly text: string | null
  /** The content as a Web stream. */
  stream(): ReadableStream<Uint8Array>
  /** True if the other is the same version with the same content. */
  equals(other: unknown): boolean
  /** With `text`, or `body` in base 64 if it is no text; 64-bit numbers as text, bytes in base 64. */
  toJSON(): object
}

/** What comes page by page: await it for all, or iterate. */
export class Pages<Item> implements PromiseLike<Item[]>, AsyncIterable<Item> {
  protected constructor()
  /** Page by page; a page ends at 4 MiB. */
  pages(): AsyncGenerator<Item[], void, undefined>
  /** All. */
  toArray(): Promise<Item[]>
  then<Value = Item[], Failure = never>(
    resolve?: ((items: Item[]) => Value | PromiseLike<Value>) | null,
    reject?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Value | Failure>
  [Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined>
}

/** A question for records. All pages are as of the moment the first was asked for. */
export class Records extends Pages<Record> {
  private constructor()
  /** How many there are: takes time in proportion to them. */
  count(): Promise<number>
}

/** Two versions of a record, neither written in knowledge of the other. */
export interface Conflict {
  /** The record as it is now; `deleted` if a delete won. */
  winner: Record
  /** The version that lost. */
  loser: Record
  /** When this node noticed. */
  noticed: Date
}
