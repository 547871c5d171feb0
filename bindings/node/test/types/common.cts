import peergraph = require('peergraph')

export async function program(): Promise<void> {
  const node: peergraph.Node = await peergraph.Node.inMemory()
  const graph = await node.createGraph()
  const stream: peergraph.EventStream<peergraph.EventOf<'record_changed'>> = graph.events('record_changed')
  const records: peergraph.Record[] = await graph.records()
  console.log(stream.cursor.length, records.length)
}
