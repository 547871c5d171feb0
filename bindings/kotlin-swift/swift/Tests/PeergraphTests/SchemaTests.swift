import Foundation
import Peergraph
import Testing

/// Read once.
private let interface = Result { try Interface.read() }

/// The package beside `tests/scenarios/schema.txt`, which the core writes: nothing is missing, and nothing is of its own but
/// what the tables here name. A line of a table that is not needed any more fails too.
@Suite struct SchemaTests {
    let lines: [[String]]
    let here: Interface

    init() throws {
        lines = file("schema.txt").split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            line.split(separator: " ").map(String.init)
        }
        here = try interface.get()
    }

    /// What follows a name, for each name after this word.
    private func table(_ word: String) -> [String: [[String]]] {
        Dictionary(grouping: lines.filter { $0[0] == word }, by: { $0[1] }).mapValues { $0.map { Array($0.dropFirst(2)) } }
    }

    @Test func x1_every_error_of_the_core_is_here_with_its_number() throws {
        let wanted = table("error").mapValues { UInt32($0[0][0])! }
        let cases = try #require(here.cases["PeergraphError"])
        #expect(Set(cases.map(\.name)) == Set(wanted.keys))
        #expect(cases.allSatisfy { $0.tells == ["message"] })
        #expect(Dictionary(uniqueKeysWithValues: everyError.map { ($0.kind, $0.code) }) == wanted)
        #expect(everyError.allSatisfy { $0.message == "why" && snake($0).contains("why") })
    }

    @Test func everyValueOfAnEnumerationIsHere() throws {
        for (name, values) in table("value") {
            let cases = try #require(here.cases[name], "\(name)")
            // A source of the key stands beside.
            let wanted = values.map { camel($0[0]) }.filter { name != "KeyProtection" || $0 != "source" }
            #expect(cases.map(\.name) == wanted, "\(name)")
        }
        let own: Set = ["Event", "InvitationKind", "NativeTarget", "PeergraphError", "Start", "Target", "Value", "Who"]
        #expect(Set(here.cases.keys).subtracting(table("value").keys) == own)
        // Words that two languages write are the same when they are printed, too.
        #expect(table("value")["Role"]!.map { camel($0[0]) } == [Role.reader, .member, .inviter, .admin, .owner].map { "\($0)" })
    }

    @Test func e23_every_event_tells_what_it_tells_in_the_core() throws {
        let (cases, tells) = (try #require(here.cases["Event"]), table("tells"))
        #expect(cases.map(\.name) == lines.filter { $0[0] == "event" }.map { camel($0[1]) })
        // What only some changes of a connection tell is told with the change.
        let withChange: Set = ["reason", "hop", "next"]
        for event in lines.filter({ $0[0] == "event" }).map({ $0[1] }) {
            var wanted = (tells[event] ?? []).map { camel($0[0]) }
            // A value of its own, which the callbacks of joins are told as well.
            if event == "sync_progress" { wanted = ["progress"] }
            if event.hasSuffix("_connection") { wanted.removeAll(where: withChange.contains) }
            #expect(cases.first { $0.name == camel(event) }?.tells == wanted, "\(event)")
        }
        let changes = try #require(here.cases["ConnectionChange"])
        #expect(Set(changes.flatMap(\.tells)) == withChange)
    }

    // Fields that are not here, and others that are.
    private static let less: [String: Set<String>] = [
        "Record": ["key", "replaced"], "Invitation": ["way"], "Ticket": ["secret"], "UpdateOutcome": ["id", "version"],
    ]
    private static let more: [String: Set<String>] = [
        "Record": ["bodyText", "element"], "Invitation": ["kind", "nodes", "subject", "text", "uses"], "Ticket": ["text"], "MemberInfo": ["isPresent"],
    ]
    // Structures of the core that are arguments, results or events here.
    private static let otherwise: Set = [
        "RecordChanged", "ConnectionEvent", "IncomingData", "RecordDraft", "JoinGroup", "JoinGraph", "UpdateOutcome",
    ]

    @Test func everyFieldIsHere() throws {
        let fields = table("field")
        #expect(Self.otherwise.isSubset(of: fields.keys))
        for (name, all) in fields where !Self.otherwise.contains(name) {
            let (wanted, less) = (Set(all.map { camel($0[0]) }), Self.less[name] ?? [])
            #expect(less.isSubset(of: wanted), "\(name): not needed in the table")
            let found = try #require(here.properties[name], "\(name)").subtracting(["description", "debugDescription", "customMirror"])
            #expect(found == wanted.subtracting(less).union(Self.more[name] ?? []), "\(name)")
        }
    }

    // Where the options are arguments: of which call, which of several by one of its arguments, and the arguments that are
    // something else.
    private static let calls: [String: (type: String, call: String, with: String, others: Set<String>)] = [
        "NodeConfig": ("NativeConfig", "init", "dataDir", []),
        "GraphProperties": ("GraphProperties", "init", "comment", []),
        "GroupRules": ("GroupRules", "init", "creatorName", []),
        "CreateGraph": ("Node", "createGraph", "seed", []),
        "OpenGraph": ("Node", "openGraph", "precedence", ["id", "ticket"]),
        "CreateGroup": ("Node", "createGroup", "rules", []),
        "PropertiesUpdate": ("Graph", "setProperties", "name", ["everybody"]),
        "RecordUpdate": ("Graph", "update", "id", ["id"]),
        "ConflictQuery": ("Graph", "conflicts", "record", []),
        "ListQuery": ("ListQuery", "init", "limit", []),
        "SubscribeOptions": ("Graph", "events", "filter", []),
        "ConnectOptions": ("Graph", "connect", "target", ["target", "progress"]),
        "CreateIdentity": ("Identities", "create", "name", []),
        "InviteMember": ("Group", "invite", "role", ["whom", "peer", "name"]),
        "InviteLink": ("Group", "inviteLink", "role", []),
        "InvitePassword": ("Group", "setPassword", "password", ["password"]),
        "RemoveMember": ("Group", "remove", "peer", ["peer"]),
        "ImportDatabase": ("Graph", "importDatabase", "file", ["file"]),
    ]
    // Defaults that the core gives out itself: compared as values, below.
    private static let fromTheCore: Set = ["NodeConfig", "GraphProperties", "GroupRules"]
    private static let defaults = [
        "nil": "none", ".seconds(60)": "60s", ".days(30)": "2592000s", ".days(7)": "604800s", ".member": "member",
        "Node.maxRecord": "\(Node.maxRecord)", "GroupRules()": "default", "EventFilter()": "all", ".now": "now",
        "UInt32(0)": "0",
    ]

    @Test func everyOptionIsHereWithItsDefault() throws {
        for (name, options) in table("option") {
            let at = try #require(Self.calls[name], "\(name)")
            let all = (here.calls[at.type]?[at.call] ?? []).filter { $0.arguments.contains { $0.name == at.with } }
            #expect(!all.isEmpty, "\(name)")
            for signature in all {
                var rest = Dictionary(uniqueKeysWithValues: signature.arguments.map { ($0.name, $0.standard) })
                for option in options {
                    let parts = name == "NodeConfig" && option[0] == "version" ? ["version_major", "version_minor"] : [option[0]]
                    for part in parts {
                        let taken = rest.removeValue(forKey: camel(part))
                        let standard = try #require(taken, "\(name) \(part)")
                        if Self.fromTheCore.contains(name) { continue }
                        // Without a default there is another call that needs none of this, with a name alone.
                        guard let standard else { #expect(option[0] == "properties"); continue }
                        #expect((Self.defaults[standard] ?? standard) == option[2], "\(name) \(part)")
                    }
                }
                #expect(Set(rest.keys).isSubset(of: at.others), "\(name): \(rest.keys)")
            }
        }
    }

    @Test func theDefaultsOfTheCoreAreHere() throws {
        func written(_ value: Any) -> String {
            let mirror = Mirror(reflecting: value)
            switch value {
            case _ where mirror.displayStyle == .optional: return mirror.children.first.map { written($0.value) } ?? "none"
            case let span as Duration: return "\(span.components.seconds)s"
            case let version as ApiVersion: return "\(version.major).\(version.minor)"
            case let text as String where text.isEmpty: return "\"\""
            default: return snake(value)
            }
        }
        let structures: [(String, Any)] = [
            ("NodeConfig", NodeConfig()), ("GraphProperties", GraphProperties()), ("GroupRules", GroupRules()),
        ]
        for (name, value) in structures {
            var fields = Dictionary(uniqueKeysWithValues: Mirror(reflecting: value).children.map { ($0.label!, $0.value) })
            for option in try #require(table("option")[name]) {
                let taken = fields.removeValue(forKey: camel(option[0]))
                let field = try #require(taken, "\(name) \(option[0])")
                #expect(written(field) == option[2], "\(name) \(option[0])")
            }
            #expect(Set(fields.keys) == (name == "NodeConfig" ? ["keySource"] : []), "\(name)")
        }
    }

    // How methods are called here that are called otherwise; an empty name: not needed in Swift.
    private static let handles: [String: [String: String]] = [
        "Node": ["open_group_with": "openGroup"],
        "Graph": ["connect_with": "connect", "nodes_of": "nodes", "subscribe": "events"],
        "Group": ["graph": "", "id": "", "close": "", "invite_peer": "invite", "credentials_of": "credentials"],
        "Identities": [:], "Identity": [:], "DirectConnection": [:], "SendReceipt": [:],
        "EventStream": ["is_finished": "", "next_batch": "drain", "ready": "", "set_wake_hook": ""],
        "IdentityDescription": ["issue": "", "signature": ""],
        "Invitation": ["access": "", "open": "", "signed": "", "unsigned": ""],
        "PeerName": [:], "RecordPages": ["next": "makeAsyncIterator", "collect": "all"],
        "NodeConfig": ["at": "dataDir", "keys": "keyProtection"], "Role": ["name": ""], "PeerId": [:],
        "EventFilter": ["all": "", "wants": "", "wants_data": "", "wants_record": ""],
        "Record": ["is_expired": ""],
    ]
    private static let own: [String: Set<String>] = [
        "Graph": ["records"], "EventStream": ["makeAsyncIterator"], "RecordPages": ["makeAsyncIterator"],
    ]
    // Waits here because it tells its outcome, or does not since it only asks what is there.
    private static let otherWaits: Set = ["connect", "drain", "makeAsyncIterator"]

    @Test(arguments: handles.keys.sorted()) func everyMethodIsHere(_ name: String) throws {
        let (otherwise, methods) = (Self.handles[name]!, try #require(table("method")[name]))
        #expect(Set(otherwise.keys).isSubset(of: methods.map { $0[0] }), "not needed in the table")
        let (calls, values) = (here.calls[name] ?? [:], here.properties[name] ?? [])
        var seen: Set<String> = []
        for method in methods {
            let found = otherwise[method[0]] ?? camel(method[0])
            if found.isEmpty { continue }
            seen.insert(found)
            guard let all = calls[found] else {
                #expect(values.contains(found) && method[1] == "plain", "\(name).\(found) is missing")
                continue
            }
            for call in all {
                #expect(call.documented || found == "makeAsyncIterator", "\(name).\(found) says nothing")
                if !Self.otherWaits.contains(found) { #expect(call.async == (method[1] == "async"), "\(name).\(found)") }
            }
        }
        let more = Set(calls.keys).subtracting(seen).subtracting(["init", "subscript"])
        #expect(more.subtracting(Self.own[name] ?? []) == [])
    }

    // Types of the core that are something else here.
    private static let otherTypes: Set = [
        "Attributes", "ConnectionId", "Connecting", "Error", "ErrorKind", "GraphRef", "GraphSecret", "Page", "RecordType",
        "Result", "SecretKey", "Timestamp", "UpdateOutcome", "RecordDraft", "JoinGroup", "JoinGraph", "OnProgress", "CreateGraph", "OpenGraph",
        "CreateGroup", "PropertiesUpdate", "RecordUpdate", "ConflictQuery", "ConnectOptions", "CreateIdentity", "InviteMember", "InviteLink",
        "InvitePassword", "RemoveMember", "ImportDatabase", "KeySource", "Call", "Moment",
        // For the tests of the core.
        "Census",
    ]
    private static let ownTypes: Set = ["ConflictPage", "InvitationKind", "PeergraphError", "RecordPage", "Start"]

    @Test func everyTypeIsHere() throws {
        let wanted = Set(table("type").keys)
        #expect(Self.otherTypes.isSubset(of: wanted), "not needed in the table")
        let generated = here.types.filter { $0.hasPrefix("Native") || $0.hasPrefix("Ffi") || $0.hasPrefix("Uniffi") }
        // Exported by the core in a module below its root: in the schema by values and fields only.
        let below = Set(table("value").keys).union(table("field").keys).subtracting(Self.otherwise)
        let missing = wanted.subtracting(Self.otherTypes).subtracting(here.types)
        #expect(missing == [])
        let more = here.types.subtracting(generated).subtracting(wanted).subtracting(below).subtracting(Self.ownTypes)
        #expect(more == [])
        #expect(Self.ownTypes.isSubset(of: here.types), "not needed in the table")
    }
}
