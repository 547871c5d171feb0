package io.github.peergraph

import java.util.concurrent.TimeUnit
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class MemoryTest {
    @Test
    fun `k9_many large records are read with a small heap`() {
        val java = ProcessHandle.current().info().command().get()
        val started = ProcessBuilder(java, "-Xmx256m", "-cp", System.getProperty("java.class.path"), "io.github.peergraph.HeavyKt")
            .redirectErrorStream(true).start()
        val said = started.inputStream.bufferedReader().readText()
        assertTrue(started.waitFor(60, TimeUnit.SECONDS), "the process does not end")
        assertEquals(0, started.exitValue(), said)
        for (line in listOf("live: 400", "snapshot: 400", "records: 400")) assertTrue(line in said.lines(), said)
    }
}
