package io.github.peergraph

import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.TimeSource
import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeoutOrNull

/** What a step tells, by name. */
typealias Facts = Map<String, String>

/** A fault of the script, or something that is never to be right. */
class Wrong(message: String) : Exception(message)

/** Not what was expected; perhaps later. */
class Unmet(message: String) : Exception(message)

fun wrong(message: String): Nothing = throw Wrong(message)

/** The words of one step. */
data class Step(
    val line: Int,
    val verb: String,
    val names: List<String>,
    val keys: Map<String, String>,
    val facts: Map<String, String>,
    val error: String?,
    val until: Boolean,
    val repeat: Int?,
) {
    fun opt(key: String): String? = keys[key]

    fun need(key: String): String = keys[key] ?: wrong("$verb needs $key=")

    private fun <T : Any> read(key: String, parse: (String) -> T?): T? =
        keys[key]?.let { parse(it) ?: wrong("$key=$it cannot be read") }

    fun int(key: String): Int? = read(key, String::toIntOrNull)

    fun long(key: String): Long? = read(key, String::toLongOrNull)

    fun number(key: String): ULong? = read(key, String::toULongOrNull)

    fun flag(key: String): Boolean? = read(key, String::toBooleanStrictOrNull)

    fun words(key: String): List<String> = keys[key]?.split(',') ?: emptyList()

    fun starting(start: String): Map<String, String> =
        keys.filterKeys { it.startsWith(start) }.mapKeys { it.key.removePrefix(start) }
}

class Verb(val names: Int, val keys: List<String>, val facts: List<String>)

fun verbs(text: String): Map<String, Verb> =
    text.lines().filter { it.isNotEmpty() && !it.startsWith("#") }.associate { line ->
        val (takes, tells) = if (" -> " in line) line.split(" -> ") else listOf(line, "")
        val words = takes.split(' ')
        val (names, keys) = words.drop(1).partition { it.first().isUpperCase() }
        words[0] to Verb(names.size, keys, tells.split(' ').filter { it.isNotEmpty() })
    }

class Scenario(val name: String, val steps: MutableList<Step> = mutableListOf())

fun parse(text: String, verbs: Map<String, Verb>): List<Scenario> {
    val all = mutableListOf<Scenario>()
    text.lines().forEachIndexed { at, line ->
        val words = line.split(' ').filter { it.isNotEmpty() }
        when {
            words.isEmpty() || words[0].startsWith("#") -> {}
            words[0] == "scenario" && words.size == 2 -> all += Scenario(words[1])
            all.isEmpty() -> wrong("line ${at + 1}: a step before the first scenario")
            else -> all.last().steps += step(at + 1, words, verbs)
        }
    }
    return all
}

private fun listed(known: List<String>, word: String) = known.any { it == word || (it.endsWith(".") && word.startsWith(it)) }

private fun step(line: Int, all: List<String>, verbs: Map<String, Verb>): Step {
    var words = all
    val until = words[0] == "until"
    if (until) words = words.drop(1)
    var repeat: Int? = null
    if (words.firstOrNull() == "repeat") {
        repeat = words.getOrNull(1)?.toIntOrNull() ?: wrong("line $line: repeat needs a number")
        words = words.drop(2)
    }
    val name = words.firstOrNull() ?: ""
    val verb = verbs[name] ?: wrong("line $line: there is no verb \"$name\"")
    val names = mutableListOf<String>()
    val keys = mutableMapOf<String, String>()
    val facts = mutableMapOf<String, String>()
    var error: String? = null
    var telling = false
    for (word in words.drop(1)) {
        val at = word.indexOf('=')
        if (at < 0) {
            if (word == "->" && !telling) telling = true
            else if (!telling && keys.isEmpty()) names += word
            else wrong("line $line: \"$word\" stands in no place for a name")
            continue
        }
        val (key, value) = word.substring(0, at) to word.substring(at + 1)
        if (key == "error") {
            error = value
            continue
        }
        if (!listed(if (telling) verb.facts else verb.keys, key)) wrong("line $line: $name knows no \"$key\"")
        if ((if (telling) facts else keys).put(key, value) != null) wrong("line $line: \"$key\" is given twice")
    }
    if (names.size != verb.names) wrong("line $line: $name takes ${verb.names} names, not ${names.size}")
    if (telling && (facts.isEmpty() || error != null)) wrong("line $line: -> is for facts, and who fails tells none")
    return Step(line, name, names, keys, facts, error, until, repeat)
}

/** A word as it is meant: `@name.fact` is what an earlier step told, `x*9` nine of them. */
private fun meant(word: String, known: Facts): String {
    if (word.startsWith("@")) return known[word.drop(1)] ?: wrong("nothing told $word")
    val count = if (word.length > 2 && word[1] == '*') word.drop(2).toIntOrNull() else null
    return if (count != null) word.take(1).repeat(count) else word
}

/** Runs a scenario to its end, or to the first step that does not do what it should. */
suspend fun run(scenario: Scenario, patience: Duration) {
    val world = World(patience)
    val known = mutableMapOf<String, String>()
    try {
        for (step in scenario.steps) {
            for (turn in 0 until (step.repeat ?: 1)) {
                fun filled(map: Map<String, String>) = map.mapValues { (_, value) ->
                    meant(if (step.repeat != null) value.replace("#", "$turn") else value, known)
                }
                try {
                    val told = onceOrUntil(world, step.copy(keys = filled(step.keys), facts = filled(step.facts)), patience)
                    told.forEach { (fact, value) -> known["${step.names[0]}.$fact"] = value }
                } catch (fault: Exception) {
                    throw AssertionError("${scenario.name}, line ${step.line}: ${fault.message}", fault)
                }
            }
        }
    } finally {
        world.end()
    }
}

private suspend fun onceOrUntil(world: World, step: Step, patience: Duration): Facts {
    val begun = TimeSource.Monotonic.markNow()
    while (true) {
        try {
            return withTimeoutOrNull(io.github.peergraph.patience * 2) { judge(step, world) } ?: wrong("${step.verb} does not come to an end")
        } catch (unmet: Unmet) {
            if (!(step.until || step.verb == "find") || begun.elapsedNow() > patience) throw unmet
            if (step.until) delay(5.milliseconds)
        }
    }
}

private suspend fun judge(step: Step, world: World): Facts {
    val told = try {
        world.step(step)
    } catch (error: PeergraphException) {
        if (isForeign(error.message!!)) wrong("C48: ${error.message}")
        if (step.error == error.kind) return emptyMap()
        throw Unmet("${step.verb} failed with ${error.kind} (${error.message}), expected ${step.error}")
    }
    if (step.error != null) throw Unmet("${step.verb} should have failed with ${step.error}: $told")
    for ((fact, value) in step.facts) {
        if (told[fact] != value) throw Unmet("expected $fact=$value, ${step.verb} told $told")
    }
    return told
}
