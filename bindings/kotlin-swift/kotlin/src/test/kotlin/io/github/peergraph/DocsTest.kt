package io.github.peergraph

import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class DocsTest {
    @Test
    fun `what is public is documented`() {
        val sources = File("src/main/kotlin").walk().filter { it.extension == "kt" }.toList()
        var documented = 0
        val bare = sources.flatMap { file ->
            val lines = file.readLines()
            lines.indices.filter { Regex("""^\s*public (?!companion)""").containsMatchIn(lines[it]) }.mapNotNull { at ->
                val before = lines.subList(0, at).last { line -> !line.trim().startsWith("@") }
                if (before.trim().endsWith("*/")) documented += 1
                // One of several of a kind says it for all, as the next line of a list.
                "${file.name}:${at + 1}".takeIf { !before.trim().endsWith("*/") && !before.trim().startsWith("public") }
            }
        }
        assertTrue(documented > 100, "$documented")
        assertEquals(listOf(), bare)
    }
}
