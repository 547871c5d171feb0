package io.github.peergraph

import java.io.File
import javax.xml.parsers.DocumentBuilderFactory
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** What can be told of the Android module without the SDK. */
class AndroidTest {
    private val folder = File("../android")

    @Test
    fun `the rules for R8 name classes that are there`() {
        val rules = folder.resolve("consumer-rules.pro").readText()
        val names = Regex("""(?:class|interface|extends|implements) ((?:io|com)\.[\w.]+\w)(?=[ $\n])""").findAll(rules).map { it.groupValues[1] }.toList()
        assertTrue(names.size >= 6, "$names")
        for (name in names) Class.forName(name, false, javaClass.classLoader)
        assertTrue(PeergraphException::class.java.declaredClasses.isNotEmpty(), "of PeergraphException\$*")
    }

    @Test
    fun `the manifests are well-formed and ask for what a node needs`() {
        val parser = DocumentBuilderFactory.newInstance().newDocumentBuilder()
        val library = parser.parse(folder.resolve("src/main/AndroidManifest.xml")).getElementsByTagName("uses-permission")
        val asked = (0..<library.length).map { library.item(it).attributes.getNamedItem("android:name").nodeValue.substringAfterLast('.') }
        assertEquals(listOf("INTERNET", "ACCESS_NETWORK_STATE", "CHANGE_WIFI_MULTICAST_STATE"), asked)
        parser.parse(File("../../../examples/android/app/src/main/AndroidManifest.xml"))
    }

    @Test
    fun `its sources are this library's, and so are its versions`() {
        val build = folder.resolve("build.gradle.kts").readText()
        val folders = Regex(""""(\.\./kotlin/[\w/]+)"""").findAll(build).map { it.groupValues[1] }.toList()
        assertEquals(2, folders.size)
        for (sources in folders) assertTrue(folder.resolve(sources).isDirectory, sources)
        val pom = File("pom.xml").readText()
        for (version in listOf("kotlin", "coroutines")) {
            val wanted = Regex("<$version.version>(.*)</").find(pom)!!.groupValues[1]
            assertTrue(wanted in build, "$version $wanted")
        }
        val jna = Regex("<artifactId>jna</artifactId>\\s*<version>(.*)</").find(pom)!!.groupValues[1]
        assertTrue("jna:$jna@aar" in build, "JNA $jna")
    }
}
