package io.github.peergraph.examples

import java.io.File
import java.nio.file.Path
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.test.fail
import org.junit.jupiter.api.io.TempDir

/** The program itself, by its lines. */
class ChatProcessTest {
    private class Chat(dir: Path, vararg arguments: String) : AutoCloseable {
        val process: Process = ProcessBuilder(
            ProcessHandle.current().info().command().get(), "-cp", System.getProperty("java.class.path"),
            "io.github.peergraph.examples.ChatKt", *arguments,
        ).directory(dir.toFile()).redirectErrorStream(true).start()
        private val lines = LinkedBlockingQueue<String>()
        private val reading = thread { process.inputStream.bufferedReader().forEachLine(lines::put) }

        fun says(fits: (String) -> Boolean): String {
            val seen = mutableListOf<String>()
            while (true) {
                val line = lines.poll(60, TimeUnit.SECONDS) ?: fail("only: $seen")
                if (fits(line)) return line
                seen += line
            }
        }

        fun type(line: String) = process.outputStream.run { write("$line\n".toByteArray()); flush() }

        fun ends(): Pair<Int, String> {
            process.outputStream.close()
            assertTrue(process.waitFor(60, TimeUnit.SECONDS), "it does not end")
            reading.join()
            return process.exitValue() to lines.joinToString("\n")
        }

        override fun close() {
            process.destroyForcibly()
        }
    }

    @Test
    fun `two processes chat`(@TempDir dir: Path) {
        Chat(dir, "Ann").use { ann ->
            val link = ann.says { it.startsWith("peergraph-invitation:") }
            Chat(dir, "Ben", link).use { ben ->
                ben.says { it == "(Ben is here)" }
                ann.says { it == "(Ben is here)" }
                ann.type("hello")
                ben.says { it == "Ann: hello" }
                ben.type("/to Ann a secret")
                ann.says { it == "Ben (private): a secret" }
                ben.type("/who")
                ben.says { it == "Ann, Ben" }
                ben.type("/to Cyd hello")
                assertContains(ben.says { it.startsWith("NotFound") }, "Cyd is not here")
                assertEquals(0, ben.ends().first)
            }
            ann.says { it == "(Ben is gone)" }
            ann.type("/quit")
            assertEquals(0, ann.ends().first)
        }
        // What there is goes on.
        Chat(dir, "Ann").use { again ->
            again.says { it == "Ann: hello" }
            assertEquals(0, again.ends().first)
        }
    }

    @Test
    fun `wrong input is told in words`(@TempDir dir: Path) {
        File(dir.toFile(), "chat-Dan").writeText("a file")
        for ((code, words, arguments) in listOf(
            Triple(2, "makes a group", arrayOf()),
            Triple(2, "makes a group", arrayOf("--help")),
            Triple(1, "InvalidInvitation", arrayOf("Ann", "no link")),
            Triple(1, "Storage", arrayOf("Dan")),
        )) {
            Chat(dir, *arguments).use { chat ->
                val (ended, said) = chat.ends()
                assertEquals(code, ended, said)
                assertContains(said, words)
                assertTrue("at io.github" !in said, said)
            }
        }
    }
}
