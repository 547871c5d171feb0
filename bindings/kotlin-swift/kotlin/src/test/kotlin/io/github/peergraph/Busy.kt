package io.github.peergraph

import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

/** A process that ends in the middle of it all. */
@OptIn(DelicateCoroutinesApi::class)
fun main() = runBlocking {
    val graph = node().createGraph("busy")
    val events = graph.subscribe()
    GlobalScope.launch { while (true) graph.publish("t", "busy") }
    GlobalScope.launch { graph.events().collect {} }
    repeat(20) { check(events.hasNext()); events.next() }
    println("busy")
}
