package io.github.peergraph.examples

import com.github.ajalt.mordant.rendering.TextColors.brightBlue
import com.github.ajalt.mordant.rendering.TextColors.magenta
import com.github.ajalt.mordant.rendering.TextColors.red
import com.github.ajalt.mordant.rendering.TextStyles.bold
import com.github.ajalt.mordant.rendering.TextStyles.dim
import com.github.ajalt.mordant.terminal.Terminal
import io.github.peergraph.NodeConfig
import io.github.peergraph.qrText
import java.nio.file.Path
import kotlin.system.exitProcess
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext

private const val USAGE = """A chat: "chat NAME" makes a group, or goes on with the one there is; "chat NAME INVITATION" joins one.
Its data is in a folder chat-NAME. Write a line to say it to all, or:
  /to NAME TEXT   to say it to one who is here; kept nowhere
  /who            who is here
  /invite         a link for others, and its code
  /quit           the end; so does Ctrl-D"""

private const val PROMPT = "> "

/** The lines of a terminal, below which the prompt stays. */
private class Screen(private val terminal: Terminal) {
    private val prompts = terminal.terminalInfo.inputInteractive && terminal.terminalInfo.outputInteractive

    @Synchronized
    fun line(text: String) {
        if (prompts) terminal.rawPrint("\r\u001b[K")
        terminal.println(text)
        prompt()
    }

    /** A bar in the place of the prompt, for people only. */
    @Synchronized
    fun progress(done: Float?) {
        if (!prompts) return
        val filled = ((done ?: 0f) * 40).toInt()
        terminal.rawPrint("\r\u001b[K" + if (done == null) PROMPT else "[${"#".repeat(filled)}${" ".repeat(40 - filled)}] ${(done * 100).toInt()} %")
    }

    @Synchronized
    fun prompt() {
        if (prompts) terminal.rawPrint(PROMPT)
    }
}

/** Writes what is new in the state. */
private suspend fun show(model: ChatModel, screen: Screen) {
    var before = ChatState()
    model.state.collect { now ->
        for (message in now.messages - before.messages.toSet()) {
            val style = if (message.isPrivate) magenta + bold else brightBlue + bold
            screen.line("${style(message.author + (if (message.isPrivate) " (private)" else "") + ":")} ${message.text}")
        }
        for (name in now.present - before.present.toSet()) screen.line(dim("($name is here)"))
        for (name in before.present - now.present.toSet()) screen.line(dim("($name is gone)"))
        if (now.error != null && now.error != before.error) screen.line(red(now.error))
        if (now.progress != before.progress) screen.progress(now.progress)
        before = now
    }
}

private suspend fun obey(line: String, model: ChatModel, screen: Screen) {
    val words = line.split(' ', limit = 3)
    when {
        line.isBlank() -> screen.prompt()
        words[0] == "/who" -> screen.line(model.state.value.present.joinToString())
        words[0] == "/invite" -> model.invite()?.let { screen.line(it.qrText() + "\n" + it.text) }
        words[0] == "/to" && words.size == 3 -> model.whisper(words[1], words[2])
        line.startsWith("/") -> screen.line(USAGE)
        else -> model.send(line)
    }
}

private suspend fun chat(scope: CoroutineScope, name: String, invitation: String?): Int {
    val model = ChatModel(scope, NodeConfig(dataDir = Path.of("chat-$name")))
    val screen = Screen(Terminal())
    val shown = scope.launch { show(model, screen) }
    if (invitation != null) model.join(invitation, name) else model.reopen()
    if (invitation == null && model.state.value.title == null && model.state.value.error == null) model.create("Chat", name)
    if (model.state.value.title == null) {
        shown.cancel()
        System.err.println(model.state.value.error)
        model.close()
        return 1
    }
    if (invitation == null) obey("/invite", model, screen)
    while (true) {
        val line = withContext(Dispatchers.IO) { readlnOrNull() } ?: break
        if (line == "/quit") break
        obey(line, model, screen)
    }
    model.close()
    shown.cancel()
    return 0
}

fun main(arguments: Array<String>) {
    if (arguments.size !in 1..2 || arguments[0].isBlank() || arguments[0].startsWith("-")) {
        System.err.println(USAGE)
        exitProcess(2)
    }
    val code = runBlocking { coroutineScope { chat(this, arguments[0], arguments.getOrNull(1)) } }
    exitProcess(code)
}
