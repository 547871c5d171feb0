package io.github.peergraph

import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

/** The scenarios that all languages share. What they say, and how, is in `tests/scenarios`. */
class ScenarioTest {
    private val dir = File(System.getProperty("peergraph.scenarios"))
    private val verbs = verbs(dir.resolve("verbs.txt").readText())

    @TestFactory
    fun scenarios(): List<DynamicTest> {
        val files = dir.listFiles { file -> file.extension == "scenario" }!!.sorted()
        val all = files.flatMap { parse(it.readText(), verbs) }
        assertTrue(all.size > 50, "${all.size} scenarios in $dir")
        return all.map { scenario -> DynamicTest.dynamicTest(scenario.name) { real { run(scenario, patience) } } }
    }

    @Test
    fun `what is wrong with a script fails`() {
        for ((steps, wanted) in listOf(
            "fly a" to "there is no verb",
            "listen a high=true" to "knows no \"high\"",
            "status a -> happy=true" to "knows no \"happy\"",
            "status a -> listening=true" to "expected listening=true",
            "until status a -> listening=true" to "expected listening=true",
            "listen a error=NotListening" to "should have failed with NotListening",
            "close a\nlisten a" to "failed with Closed",
            "close a\nlisten a error=NotFound" to "expected NotFound",
            "listen b" to "no graph is called b",
            "listen a b" to "takes 1 names, not 2",
            "publish r a" to "needs type=",
            "publish r a type=t body=1 body=2" to "is given twice",
            "publish r a type=t expires=soon" to "cannot be read",
            "publish r a type=t attribute.x=1" to "no value of an attribute",
            "delete a id=@r.id" to "nothing told @r.id",
            "status a -> listening=false error=Closed" to "who fails tells none",
            "events s a\nnext s" to "no event in time",
            "events s a\npublish r a type=t\nnext s -> kind=node_changed" to "expected kind=node_changed",
            "repeat many listen a" to "repeat needs a number",
            "listen -> outcome=started a" to "stands in no place",
        )) {
            val failed = kotlin.runCatching { play(steps) }.exceptionOrNull()
            assertTrue(failed?.message?.contains(wanted) == true, "$steps: ${failed?.message}")
        }
        assertEquals(Unit, play("status a -> listening=false"))
    }

    private fun play(steps: String) = real {
        run(parse("scenario tried\nnode n\ngraph a n name=one\n$steps", verbs)[0], 300.milliseconds)
    }
}
