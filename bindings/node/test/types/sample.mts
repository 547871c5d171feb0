// What a person writes; and, marked, what must not compile.
import { once, on } from 'node:events'
import { pipeline } from 'node:stream/promises'

import peergraph, { Float, Graph, Group, Invitation, InvitationExpiredError, Node, PeerId, PeergraphError, ROLES, compareRoles, loopback } from 'peergraph'
import type { Event, NodeId, Record, SyncFigures } from 'peergraph'

export async function program(): Promise<void> {
  await using node = await Node.start({ ...loopback(), network: 'local', durability: 'relaxed' })
  const group: Group = await node.createGroup('Book club', { rules: { types: [{ recordType: 'news', publish: 'admin' }] } })
  const invitation: Invitation = await group.invite({ role: 'member', uses: 2, lifetime: null })
  console.log(`${invitation}`, invitation.qrSvg().length, invitation.notAfter?.toISOString())
  await group.invite({ peer: node.peerId, name: 'Ann' }, { role: 'reader' })
  const note: Record = await group.publish('note', 'x', { attributes: { n: 1, big: 2n, f: new Float(1), at: new Date(), l: ['a'] } })
  const big: bigint = node.metrics.bytesSent
  console.log(note.body.readUInt8(0), note.text?.length, big, note.version + 1)

  for await (const event of group.events('record_changed', 'member_changed', { signal: AbortSignal.timeout(1) })) {
    switch (event.type) {
      case 'record_changed':
        console.log(event.record.text, event.change === 'added')
        break
      case 'member_changed':
        console.log(event.member.name)
        break
      case 'lagged':
        console.log(event.dropped)
        break
      case 'reset':
      case 'caught_up':
        break
      default: {
        const never: never = event
        console.log(never)
      }
    }
  }
  const opened: Group = await node.openGroup(group.id, { offline: true, precedence: ['note'] })
  const far = await node.joinGroup(invitation, { onProgress: ({ bytes, bytesExpected }) => console.log(bytes / bytesExpected) })
  const figures: SyncFigures | null = await far.syncProgress()
  const { clockSkewMs } = await opened.status()
  console.log(figures?.records, clockSkewMs === null ? 'right' : clockSkewMs.toFixed(), note.held satisfies boolean)
  opened.on('sync_progress', ({ recordsExpected }) => console.log(recordsExpected))
  console.log(compareRoles(await group.role(), 'admin') >= 0, ROLES.length)
  for await (const { winner, loser, noticed } of group.conflicts(note)) {
    console.log(winner.text, noticed.getTime(), (await group.acknowledgeConflict(loser)) satisfies boolean)
  }
  const every: Event | null = group.events().tryNext()
  console.log(every?.type)

  group.on('record_changed', (event) => console.log(event.record.id))
  group.on('close', () => {})
  const [event] = await once(group, 'member_changed', { signal: AbortSignal.timeout(1) })
  for await (const _ of on(group, 'record_changed')) break
  console.log(event)
  const notes: Record[] = await group.records('note')
  for await (const record of group.records('note', { pageSize: 10 })) console.log(record.id, notes.length)
  const connection = await group.openDirect({ peer: node.peerId })
  await pipeline(process.stdin, connection.duplex('file.part'))
  const plain: Graph = group
  await plain.setProperties({ presenceMax: null })
  try {
    await node.joinGroup('text', { signal: AbortSignal.timeout(5) })
  } catch (error) {
    if (error instanceof InvitationExpiredError) console.log(error.code satisfies 45, error.kind satisfies 'InvitationExpired')
    else if (error instanceof PeergraphError) console.log(error.code.toFixed(), error.kind)
  }
  console.log(peergraph.ERRORS.get(1)?.kind, PeerId('00'.repeat(32)) === node.peerId)
}

export async function wrong(node: Node, group: Group): Promise<void> {
  // @ts-expect-error a node is made by functions
  new Node()
  // @ts-expect-error a node's id is no identity's
  await group.member(node.id)
  // @ts-expect-error text has to be read first
  await group.member('00')
  // @ts-expect-error memory is asked for
  await Node.start({ network: 'local' })
  // @ts-expect-error a folder must be there
  await Node.open(process.env.NOWHERE)
  // @ts-expect-error there is no such option
  await group.publish('note', 'x', { room: 'main' })
  // @ts-expect-error there is no such filter
  group.events('record_changed', { recordType: 'note' })
  // @ts-expect-error changes are an object
  await group.update(await group.publish('a'), 'text')
  // @ts-expect-error a body is not a number
  await group.publish('note', 5)
  // @ts-expect-error there is no such role
  await group.setRole(node.peerId, 'king')
  // @ts-expect-error there is no such kind of event
  group.on('record_change', () => {})
  // @ts-expect-error there is no such kind of event
  group.events('record_change')
  // @ts-expect-error an attribute cannot be an object
  await group.publish('note', 'x', { attributes: { a: {} } })
  // @ts-expect-error a moment is a Date
  await group.publish('note', 'x', { expires: 5 })
  for await (const event of group.events('status_changed')) {
    // @ts-expect-error such an event has no record
    console.log(event.record)
  }
  // @ts-expect-error what a call gives must be waited for
  const id: NodeId = node.shutdown()
  // @ts-expect-error records cannot be changed
  ;(await group.get(await group.publish('a')))!.version = 2
  console.log(id)
}
