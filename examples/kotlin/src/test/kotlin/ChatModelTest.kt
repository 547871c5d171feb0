package io.github.peergraph.examples

import io.github.peergraph.NodeConfig
import java.nio.file.Files
import java.nio.file.Path
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.io.TempDir

/** What a screen shows, against a real group on the loopback interface. */
class ChatModelTest {
    private suspend fun ChatModel.shows(what: (ChatState) -> Boolean): ChatState = withTimeout(30.seconds) { state.first(what) }

    private fun ChatState.said() = messages.map { "${it.author}: ${it.text}" }

    private fun real(test: suspend CoroutineScope.() -> Unit) = runBlocking {
        withTimeout(120.seconds) {
            coroutineScope {
                test()
                coroutineContext.cancelChildren()
            }
        }
    }

    @Test
    fun `two talk, and who comes later reads what was said`(@TempDir dir: Path) = real {
        val (ann, ben) = listOf("ann", "ben").map { ChatModel(this, NodeConfig.loopback().copy(dataDir = dir.resolve(it))) }
        ann.create("Book club", "Ann")
        ann.send("who is there?")
        val link = assertNotNull(ann.invite(), ann.state.value.error)
        ben.join(link.text, "Ben")
        assertEquals("Book club", ben.shows { it.said() == listOf("Ann: who is there?") && it.present == listOf("Ann", "Ben") }.title)
        ben.send("I am")
        ann.shows { it.said() == listOf("Ann: who is there?", "Ben: I am") && it.present == listOf("Ann", "Ben") }

        ann.whisper("Ben", "good")
        assertEquals(true, ben.shows { it.messages.size == 3 }.messages.last().isPrivate)
        assertEquals("me to Ben: good", ann.state.value.said().last())
        ann.whisper("Cyd", "hello?")
        assertContains(ann.state.value.error!!, "Cyd is not here")

        // An application in the background is not there; back, it has what was said meanwhile.
        ben.pause()
        ann.shows { it.present == listOf("Ann") }
        ann.send("gone?")
        ben.resume()
        ben.shows { it.said().last() == "Ann: gone?" }
        ann.shows { it.present == listOf("Ann", "Ben") }

        ben.close()
        ann.shows { it.present == listOf("Ann") }
        // The same device later: its group is there, and so are the others.
        val again = ChatModel(this, NodeConfig.loopback().copy(dataDir = dir.resolve("ben")))
        again.reopen()
        again.shows { it.messages.size == 3 && it.present == listOf("Ann", "Ben") }
        assertNull(again.state.value.error)
        again.close()
        ann.close()
    }

    @Test
    fun `what goes wrong is told`(@TempDir dir: Path) = real {
        val model = ChatModel(this, NodeConfig.loopback().copy(dataDir = dir.resolve("a")))
        model.send("too early")
        assertContains(model.state.value.error!!, "Closed")
        model.join("no link", "Ann")
        assertContains(model.state.value.error!!, "InvalidInvitation")
        model.create("a", "Ann")
        assertNull(model.state.value.error)
        model.create("b", "Ann")
        assertContains(model.state.value.error!!, "AlreadyExists")
        model.send("x".repeat(2 shl 20))
        assertContains(model.state.value.error!!, "TooLarge")
        val same = ChatModel(this, NodeConfig.loopback().copy(dataDir = dir.resolve("a")))
        same.reopen()
        assertContains(same.state.value.error!!, "DirectoryInUse")
        model.close()
        val file = Files.createFile(dir.resolve("file"))
        val nowhere = ChatModel(this, NodeConfig.loopback().copy(dataDir = file))
        nowhere.create("a", "Ann")
        assertNotNull(nowhere.state.value.error)
    }
}
