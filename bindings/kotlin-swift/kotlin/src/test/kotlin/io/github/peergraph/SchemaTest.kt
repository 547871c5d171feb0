package io.github.peergraph

import java.io.File
import kotlin.reflect.KClass
import kotlin.reflect.KFunction
import kotlin.reflect.KVisibility
import kotlin.reflect.full.declaredMemberFunctions
import kotlin.reflect.full.memberFunctions
import kotlin.reflect.full.memberProperties
import kotlin.reflect.full.primaryConstructor
import kotlin.reflect.full.superclasses
import kotlin.reflect.full.valueParameters
import kotlin.reflect.jvm.kotlinFunction
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlin.time.Duration

/**
 * The library beside `tests/scenarios/schema.txt`, which the core writes: nothing is missing, and nothing is of its own but what
 * the tables here name. A line of a table that is not needed any more fails too.
 */
class SchemaTest {
    private val lines = File(System.getProperty("peergraph.scenarios"), "schema.txt").readLines()
        .filterNot { it.startsWith("#") }.map { it.split(' ') }

    /** What follows a name, for each name after this word. */
    private fun table(word: String): Map<String, List<List<String>>> =
        lines.filter { it[0] == word }.groupBy({ it[1] }, { it.drop(2) })

    private fun type(name: String): KClass<*> =
        try {
            Class.forName("io.github.peergraph.$name").kotlin
        } catch (error: ClassNotFoundException) {
            throw AssertionError("$name is missing", error)
        }

    private fun camel(name: String) = name.split('_').reduce { all, word -> all + word.replaceFirstChar(Char::uppercase) }

    private fun KClass<*>.words(): List<String> =
        if (java.isEnum) java.enumConstants.map { snake((it as Enum<*>).name) } else sealedSubclasses.map { snake(it.simpleName!!) }

    private fun KClass<*>.shown() = visibility == KVisibility.PUBLIC

    /** Functions and properties outside of any class, by the class they extend. */
    private val extensions: Map<String, Set<String>> = listOf("Errors", "Events", "Ids", "Records", "Texts", "Config", "Connections")
        .flatMap { file -> Class.forName("io.github.peergraph.${file}Kt").declaredMethods.toList() }
        .filter { java.lang.reflect.Modifier.isPublic(it.modifiers) && it.parameterCount > 0 }
        .groupBy({ it.parameterTypes[0].simpleName }, { it.name.removePrefix("get").replaceFirstChar(Char::lowercase) })
        .mapValues { it.value.toSet() }

    @Test
    fun x1_every_error_of_the_core_is_here_with_its_number() {
        val wanted = table("error").mapValues { it.value[0][0].toInt() }
        assertEquals(wanted.keys, PeergraphException::class.sealedSubclasses.map { it.simpleName }.toSet())
        val made = PeergraphException::class.sealedSubclasses.map { it.primaryConstructor!!.call("why") }
        assertEquals(wanted, made.associate { it.kind to it.code })
        assertTrue(made.all { it.message == "why" })
    }

    @Test
    fun `every value of an enumeration is here`() {
        for ((name, values) in table("value")) {
            // A source of the key stands beside.
            val wanted = values.map { it[0] } - setOf("source").takeIf { name == "KeyProtection" }.orEmpty()
            assertEquals(wanted.toSet(), type(name).words().toSet(), name)
            if (type(name).java.isEnum) assertEquals(wanted, type(name).words(), "$name: the order")
        }
        val kinds = type("EventKind").words()
        assertEquals(lines.filter { it[0] == "event" }.map { it[1] }.toSet(), type("Event").words().toSet())
        assertTrue(type("Event").words().containsAll(kinds))
    }

    @Test
    fun e23_every_event_tells_what_it_tells_in_the_core() {
        // What only some changes of a connection tell is told with the change.
        val withChange = setOf("reason", "hop", "next")
        val tells = table("tells")
        for (event in Event::class.sealedSubclasses) {
            val name = snake(event.simpleName!!)
            val wanted = tells[name].orEmpty().map { it[0] }.filterNot { name.endsWith("_connection") && it in withChange }
            val here = event.primaryConstructor?.takeIf { event.objectInstance == null }?.valueParameters.orEmpty().map { it.name }
            // A value of its own, which the callbacks of joins are told as well.
            assertEquals(if (name == "sync_progress") listOf("progress") else wanted.map(::camel), here, name)
        }
        val changes = ConnectionChange::class.sealedSubclasses.filter { it.objectInstance == null }
        assertEquals(withChange, changes.flatMap { it.primaryConstructor!!.valueParameters }.map { it.name }.toSet())
    }

    // Fields that are not here, and others that are.
    private val less = mapOf("Record" to setOf("key", "replaced"), "Invitation" to setOf("way"), "Ticket" to setOf("secret"))
    private val more = mapOf("Record" to setOf("element"), "Invitation" to setOf("kind", "nodes", "subject", "text", "uses"), "Ticket" to setOf("text"))

    // Structures of the core that are arguments, results or events here.
    private val otherwise =
        setOf("RecordChanged", "ConnectionEvent", "IncomingData", "RecordDraft", "JoinGroup", "JoinGraph", "UpdateOutcome")

    @Test
    fun `every field is here`() {
        val fields = table("field")
        assertTrue(fields.keys.containsAll(otherwise), "not needed in the table")
        for ((name, all) in fields - otherwise) {
            val wanted = all.map { camel(it[0]) }.toSet()
            assertTrue(wanted.containsAll(less[name].orEmpty()), "$name: not needed in the table")
            val here = type(name).memberProperties.map { it.name }.toSet()
            assertEquals(wanted - less[name].orEmpty() + more[name].orEmpty(), here, name)
        }
    }

    private class Call(val type: KClass<*>, val name: String, val with: String, vararg val others: String)

    // Where the options are arguments: of which call, which of several by one of its arguments, and the arguments that are
    // something else.
    private val calls = mapOf(
        "CreateGraph" to Call(Node::class, "createGraph", "properties"),
        "OpenGraph" to Call(Node::class, "openGraph", "precedence", "id", "ticket"),
        "CreateGroup" to Call(Node::class, "createGroup", "properties"),
        "PropertiesUpdate" to Call(Graph::class, "setProperties", "name", "everybody"),
        "RecordUpdate" to Call(Graph::class, "update", "id", "id"),
        "ConflictQuery" to Call(Graph::class, "conflicts", "record"),
        "SubscribeOptions" to Call(Graph::class, "subscribe", "filter"),
        "ConnectOptions" to Call(Graph::class, "connect", "target", "target", "progress"),
        "CreateIdentity" to Call(Identities::class, "create", "name"),
        "InviteMember" to Call(Group::class, "invite", "role", "whom", "peer", "name"),
        "InviteLink" to Call(Group::class, "inviteLink", "role"),
        "InvitePassword" to Call(Group::class, "setPassword", "password", "password"),
        "RemoveMember" to Call(Group::class, "remove", "peer", "peer"),
        "ImportDatabase" to Call(Graph::class, "importDatabase", "path", "path"),
    )
    private val structures = mapOf(
        "NodeConfig" to NodeConfig(), "GraphProperties" to graphProperties(), "GroupRules" to groupRules(), "ListQuery" to ListQuery(),
    )

    // What must be given here: the other call of this name takes a name alone.
    private val mandatory = setOf("CreateGroup properties", "RecordUpdate body")

    @Test
    fun `every option is here and optional where it is optional`() {
        assertEquals(table("option").keys, calls.keys + structures.keys)
        for ((name, call) in calls) {
            val all = call.type.declaredMemberFunctions.filter { it.name == call.name && it.valueParameters.any { p -> p.name == call.with } }
            assertTrue(all.isNotEmpty(), name)
            for (function in all) {
                val rest = function.valueParameters.associateBy { it.name }.toMutableMap()
                for ((option) in table("option").getValue(name).map { listOf(it[0]) }) {
                    val found = assertNotNull(rest.remove(camel(option)), "$name $option")
                    assertTrue(found.isOptional || "$name $option" in mandatory, "$name $option")
                }
                assertEquals(emptySet(), rest.keys - call.others.toSet(), name)
            }
        }
    }

    @Test
    fun `the defaults of the core are here`() {
        fun written(value: Any?): String = when (value) {
            null -> "none"
            is Duration -> "${value.inWholeSeconds}s"
            is ApiVersion -> "${value.major}.${value.minor}"
            is Enum<*> -> snake(value.name)
            "" -> "\"\""
            is NetworkMode, is KeyProtection -> snake(value::class.simpleName!!)
            else -> "$value"
        }
        for ((name, value) in structures) {
            val fields = value::class.memberProperties.associate { it.name to it.getter.call(value) }.toMutableMap()
            for ((option, _, standard) in table("option").getValue(name)) {
                assertTrue(camel(option) in fields, "$name $option")
                assertEquals(standard, written(fields.remove(camel(option))), "$name $option")
            }
            assertEquals(if (name == "NodeConfig") setOf("keySource") else setOf(), fields.keys, name)
        }
    }

    // How methods are called here that are called otherwise; an empty name: not needed in Kotlin.
    private val handles = mapOf(
        "Node" to mapOf("open_group_with" to "openGroup"),
        "Graph" to mapOf("connect_with" to "connect"),
        "Group" to mapOf("graph" to "", "id" to "", "close" to "", "invite_peer" to "invite"),
        "Identities" to mapOf(), "Identity" to mapOf(), "DirectConnection" to mapOf(), "SendReceipt" to mapOf(),
        "EventStream" to mapOf("is_finished" to "", "next_batch" to "drain", "ready" to "hasNext", "set_wake_hook" to ""),
        "IdentityDescription" to mapOf("issue" to "", "signature" to ""),
        "Invitation" to mapOf("access" to "", "open" to "", "signed" to "", "unsigned" to ""),
        "PeerName" to mapOf("secured" to "", "unsecured" to ""), "PeerId" to mapOf(), "Role" to mapOf(),
        "Record" to mapOf("is_expired" to ""),
    )
    private val elsewhere = mapOf("EventStream" to "EventSubscription")
    private val own = mapOf(
        "Node" to setOf("use"), "Graph" to setOf("pages", "use"),
        "EventStream" to setOf("asFlow", "iterator", "receive"),
    )

    // Waits here, because it tells its outcome, or does not, since it takes what is there or is a flow.
    private val otherWaits = setOf("connect", "drain", "next")

    @Test
    fun `every method is here`() {
        val methods = table("method")
        for ((name, otherwise) in handles) {
            val (all, kotlin) = methods.getValue(name) to type(elsewhere[name] ?: name)
            assertTrue(all.map { it[0] }.containsAll(otherwise.keys), "$name: not needed in the table")
            val companion = kotlin.java.declaredClasses.firstOrNull { it.simpleName == "Companion" }?.kotlin
            val functions = (kotlin.memberFunctions + companion?.declaredMemberFunctions.orEmpty())
                .filter { it.visibility == KVisibility.PUBLIC }.groupBy { it.name }
            val values = kotlin.memberProperties.map { it.name } + extensions[kotlin.simpleName].orEmpty()
            val seen = mutableSetOf<String>()
            for (method in all) {
                val here = otherwise[method[0]] ?: camel(method[0])
                if (here.isEmpty()) continue
                seen += here
                val found: List<KFunction<*>>? = functions[here]
                if (found == null) {
                    assertTrue(here in values && method[1] == "plain", "$name.$here is missing")
                } else if (here !in otherWaits) {
                    assertTrue(found.all { it.isSuspend == (method[1] == "async") }, "$name.$here")
                }
            }
            val inherited = setOf("equals", "hashCode", "toString", "copy", "toBytes", "compareTo", "parse") +
                kotlin.superclasses.filter { it.shown() && it != Any::class }.flatMap { it.memberFunctions }.map { it.name } +
                (1..30).map { "component$it" }
            assertEquals(own[name].orEmpty(), functions.keys - inherited - seen, name)
        }
    }

    // Types of the core that are something else here.
    private val otherTypes = setOf(
        "Attributes", "ConnectionId", "Connecting", "Error", "ErrorKind", "GraphRef", "GraphSecret", "Page", "RecordType", "Result",
        "SecretKey", "Timestamp", "UpdateOutcome", "RecordDraft", "JoinGroup", "JoinGraph", "OnProgress", "CreateGraph", "OpenGraph", "CreateGroup",
        "PropertiesUpdate", "RecordUpdate", "ConflictQuery", "ConnectOptions", "CreateIdentity", "InviteMember", "InviteLink", "InvitePassword",
        "RemoveMember", "ImportDatabase", "RecordPages", "EventStream", "KeySource", "Call", "Moment",
        // For the tests of the core.
        "Census",
    )
    private val ownTypes = setOf("ConflictPage", "EventIterator", "EventSubscription", "Id", "InvitationKind", "PeergraphException", "PeergraphFailure", "RecordPage", "Start", "Texts")

    @Test
    fun `every type is here`() {
        val wanted = table("type").keys
        assertTrue(wanted.containsAll(otherTypes), "not needed in the table")
        val classes = File(Node::class.java.protectionDomain.codeSource.location.toURI()).resolve("io/github/peergraph")
            .list()!!.filter { it.endsWith(".class") && '$' !in it }.map { it.removeSuffix(".class") }
            .filter { it[0].isUpperCase() && !it.endsWith("Kt") && !it.startsWith("Native") && !it.startsWith("Uniffi") && !it.startsWith("Ffi") }
        val here = classes.filter { Class.forName("io.github.peergraph.$it").kotlin.shown() }.toSet()
        // Exported by the core in a module below its root: in the schema by values and fields only.
        val below = table("value").keys + table("field").keys - otherwise
        assertEquals(setOf(), wanted - otherTypes - here)
        assertEquals(ownTypes, here - wanted - below - generated)
    }

    // Of the generator, which makes them public.
    private val generated = setOf("Disposable", "ForeignBytes", "HopListener", "HopListenerImpl", "InternalException", "NoHandle",
        "ProgressListener", "ProgressListenerImpl", "RustBuffer", "WakeListener", "WakeListenerImpl")
}
