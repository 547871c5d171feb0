import Foundation
import Peergraph
import Testing

private let dir = ProcessInfo.processInfo.environment["PEERGRAPH_SCENARIOS"] ?? "../../../tests/scenarios"

func file(_ name: String) -> String {
    guard let text = try? String(contentsOfFile: "\(dir)/\(name)", encoding: .utf8) else {
        fatalError("no \(name) in \(dir): set PEERGRAPH_SCENARIOS")
    }
    return text
}

private let known = verbs(file("verbs.txt"))

/// All scenarios of all files.
private let all: [Scenario] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: dir)) ?? []
    let files = names.filter { $0.hasSuffix(".scenario") }.sorted()
    return files.flatMap { name in
        do {
            return try parse(file(name), known)
        } catch {
            fatalError("\(name), \(error)")
        }
    }
}()

/// The scenarios that all languages share. What they say, and how, is in `tests/scenarios`.
@Suite(.serialized) struct ScenarioTests {
    @Test(arguments: all) func scenario(_ scenario: Scenario) async throws {
        try await run(scenario, patience)
    }

    @Test func thereAreAllOfThem() {
        #expect(all.count > 50)
        #expect(Set(all.map(\.name)).count == all.count)
    }

    @Test(arguments: [
        ("fly a", "there is no verb"),
        ("listen a high=true", "knows no \"high\""),
        ("status a -> happy=true", "knows no \"happy\""),
        ("status a -> listening=true", "expected listening=true"),
        ("until status a -> listening=true", "expected listening=true"),
        ("listen a error=NotListening", "should have failed with NotListening"),
        ("close a\nlisten a", "failed with Closed"),
        ("close a\nlisten a error=NotFound", "expected NotFound"),
        ("listen b", "no graph is called b"),
        ("listen a b", "takes 1 names, not 2"),
        ("publish r a", "needs type="),
        ("publish r a type=t body=1 body=2", "is given twice"),
        ("publish r a type=t expires=soon", "cannot be read"),
        ("publish r a type=t attribute.x=1", "no value of an attribute"),
        ("delete a id=@r.id", "nothing told @r.id"),
        ("status a -> listening=false error=Closed", "who fails tells none"),
        ("events s a\nnext s", "no event in time"),
        ("events s a\npublish r a type=t\nnext s -> kind=node_changed", "expected kind=node_changed"),
        ("repeat many listen a", "repeat needs a number"),
        ("listen -> outcome=started a", "stands in no place"),
    ]) func whatIsWrongWithAScriptFails(steps: String, wanted: String) async throws {
        do {
            let script = "scenario tried\nnode n\ngraph a n name=one\n\(steps)"
            try await run(try parse(script, known)[0], .milliseconds(300))
            Issue.record("\(steps) went well")
        } catch {
            #expect("\(error)".contains(wanted))
        }
    }
}
