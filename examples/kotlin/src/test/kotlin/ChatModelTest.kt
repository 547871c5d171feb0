package io.github.peergraph.examples

import io.github.peergraph.NodeConfig
import java.nio.file.Files
import java.nio.file.Path
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
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
    fun `k6_what is cancelled leaves no group that the next start would be stuck with`(@TempDir dir: Path) = real {
        val config = NodeConfig.loopback().copy(dataDir = dir.resolve("a"))
        val first = ChatModel(this, config)
        first.reopen()
        repeat(20) { turn ->
            val creating = launch(Dispatchers.Default) { first.create("half", "Ann") }
            delay(turn.milliseconds)
            creating.cancelAndJoin()
            if (first.state.value.title != null) return@repeat
        }
        first.close()
        val again = ChatModel(this, config)
        again.reopen()
        assertNull(again.state.value.error)
        if (again.state.value.title == null) again.create("whole", "Ann")
        assertNull(again.state.value.error)
        again.send("it works")
        again.shows { it.said() == listOf("Ann: it works") }
        again.close()
    }

    @Test
    fun `k8_coming back alone waits for nobody, and pausing waits for no join`(@TempDir dir: Path) = real {
        val (ann, ben) = listOf("ann", "ben").map { ChatModel(this, NodeConfig.loopback().copy(dataDir = dir.resolve(it))) }
        ann.create("Book club", "Ann")
        val link = assertNotNull(ann.invite())
        ben.join(link.text, "Ben")
        ben.close()
        ann.close()
        // Nobody is there; the group is.
        val again = ChatModel(this, NodeConfig.loopback().copy(dataDir = dir.resolve("ben")))
        again.reopen()
        assertEquals("Book club", again.state.value.title)
        again.send("alone")
        assertEquals(listOf("Ben: alone"), again.shows { it.messages.isNotEmpty() }.said())
        again.pause()
        again.resume()
        assertNull(again.state.value.error)
        again.close()
        // A join that waits for somebody who is gone.
        val cyd = ChatModel(this, NodeConfig.loopback().copy(dataDir = dir.resolve("cyd")))
        cyd.reopen()
        val joining = launch { cyd.join(link.text, "Cyd") }
        cyd.shows { it.isBusy }
        cyd.pause()
        cyd.resume()
        cyd.close()
        joining.join()
        assertNull(cyd.state.value.title)
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
