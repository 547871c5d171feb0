import Foundation
import Peergraph

/// What a step tells, by name.
typealias Facts = [String: String]

/// A fault of the script, or something that is never to be right.
struct Wrong: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Not what was expected; perhaps later.
struct Unmet: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The words of one step.
struct Step: Sendable {
    var line: Int
    var verb = ""
    var names: [String] = []
    var keys: [String: String] = [:]
    var facts: Facts = [:]
    var error: String?
    var until = false
    var times: Int?

    func opt(_ key: String) -> String? { keys[key] }

    func need(_ key: String) throws -> String {
        guard let value = keys[key] else { throw Wrong("\(verb) needs \(key)=") }
        return value
    }

    /// A value that may be left out, read as a number, a boolean, ...
    func read<T: LosslessStringConvertible>(_ key: String, as type: T.Type = T.self) throws -> T? {
        guard let text = keys[key] else { return nil }
        guard let value = T(text) else { throw Wrong("\(key)=\(text) cannot be read") }
        return value
    }

    func words(_ key: String) -> [String] { keys[key]?.split(separator: ",").map(String.init) ?? [] }

    func starting(_ start: String) -> [(String, String)] {
        keys.filter { $0.key.hasPrefix(start) }.map { (String($0.key.dropFirst(start.count)), $0.value) }
    }
}

struct Verb: Sendable {
    var names: Int
    var keys: [String]
    var facts: [String]
}

func verbs(_ text: String) -> [String: Verb] {
    var all: [String: Verb] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
        let halves = String(line).components(separatedBy: " -> ")
        let words = halves[0].split(separator: " ").map(String.init)
        let names = words.dropFirst().filter { $0.first!.isUppercase }
        all[words[0]] = Verb(
            names: names.count, keys: words.dropFirst().filter { !$0.first!.isUppercase },
            facts: halves.count > 1 ? halves[1].split(separator: " ").map(String.init) : [])
    }
    return all
}

struct Scenario: Sendable, CustomStringConvertible {
    let name: String
    var steps: [Step] = []
    var description: String { name }
}

func parse(_ text: String, _ verbs: [String: Verb]) throws -> [Scenario] {
    var all: [Scenario] = []
    for (at, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        let words = line.split(separator: " ").map(String.init)
        guard let first = words.first, !first.hasPrefix("#") else { continue }
        if first == "scenario", words.count == 2 {
            all.append(Scenario(name: words[1]))
        } else if all.isEmpty {
            throw Wrong("line \(at + 1): a step before the first scenario")
        } else {
            all[all.count - 1].steps.append(try step(at + 1, words, verbs))
        }
    }
    return all
}

private func listed(_ known: [String], _ word: String) -> Bool {
    known.contains { $0 == word || ($0.hasSuffix(".") && word.hasPrefix($0)) }
}

private func step(_ line: Int, _ all: [String], _ verbs: [String: Verb]) throws -> Step {
    func wrong(_ what: String) -> Wrong { Wrong("line \(line): \(what)") }
    var (words, made) = (all[...], Step(line: line))
    if words.first == "until" {
        made.until = true
        words = words.dropFirst()
    }
    if words.first == "repeat" {
        words = words.dropFirst()
        guard let count = words.popFirst().flatMap({ Int($0) }) else { throw wrong("repeat needs a number") }
        made.times = count
    }
    made.verb = words.popFirst() ?? ""
    guard let verb = verbs[made.verb] else { throw wrong("there is no verb \"\(made.verb)\"") }
    var telling = false
    for word in words {
        guard let at = word.firstIndex(of: "=") else {
            if word == "->", !telling { telling = true }
            else if !telling, made.keys.isEmpty { made.names.append(word) }
            else { throw wrong("\"\(word)\" stands in no place for a name") }
            continue
        }
        let (key, value) = (String(word[..<at]), String(word[word.index(after: at)...]))
        if key == "error" {
            made.error = value
            continue
        }
        guard listed(telling ? verb.facts : verb.keys, key) else { throw wrong("\(made.verb) knows no \"\(key)\"") }
        let old = telling ? made.facts.updateValue(value, forKey: key) : made.keys.updateValue(value, forKey: key)
        if old != nil { throw wrong("\"\(key)\" is given twice") }
    }
    if made.names.count != verb.names {
        throw wrong("\(made.verb) takes \(verb.names) names, not \(made.names.count)")
    }
    if telling, made.facts.isEmpty || made.error != nil { throw wrong("-> is for facts, and who fails tells none") }
    return made
}

/// A word as it is meant: `@name.fact` is what an earlier step told, `x*9` nine of them.
private func meant(_ word: String, _ known: Facts) throws -> String {
    if word.hasPrefix("@") {
        guard let told = known[String(word.dropFirst())] else { throw Wrong("nothing told \(word)") }
        return told
    }
    if word.dropFirst().first == "*", let count = Int(word.dropFirst(2)) {
        return String(repeating: String(word.first!), count: count)
    }
    return word
}

/// Runs a scenario to its end, or to the first step that does not do what it should.
func run(_ scenario: Scenario, _ patience: Duration) async throws {
    let world = World(patience)
    var failed: (any Error)?
    do {
        var known: Facts = [:]
        for step in scenario.steps {
            for turn in 0..<(step.times ?? 1) {
                do {
                    var filled = step
                    let word = { (value: String) in
                        try meant(step.times == nil ? value : value.replacingOccurrences(of: "#", with: "\(turn)"), known)
                    }
                    filled.keys = try step.keys.mapValues(word)
                    filled.facts = try step.facts.mapValues(word)
                    for (fact, value) in try await onceOrUntil(world, filled, patience) {
                        known["\(step.names[0]).\(fact)"] = value
                    }
                } catch {
                    throw Wrong("\(scenario.name), line \(step.line): \(error)")
                }
            }
        }
    } catch {
        failed = error
    }
    await world.end()
    if let failed { throw failed }
}

private func onceOrUntil(_ world: World, _ step: Step, _ patience: Duration) async throws -> Facts {
    let begun = ContinuousClock.now
    while true {
        do {
            return try await judge(step, world)
        } catch let unmet as Unmet {
            if !(step.until || step.verb == "find") || ContinuousClock.now - begun > patience { throw unmet }
            if step.until { try await Task.sleep(for: .milliseconds(5)) }
        }
    }
}

private func judge(_ step: Step, _ world: World) async throws -> Facts {
    let told: Facts
    do {
        told = try await world.step(step)
    } catch let error as PeergraphError {
        if isForeign(error.message) { throw Wrong("C48: \(error.message)") }
        if step.error == error.kind { return [:] }
        throw Unmet("\(step.verb) failed with \(error.kind) (\(error.message)), expected \(step.error ?? "nothing")")
    }
    if let error = step.error { throw Unmet("\(step.verb) should have failed with \(error): \(told)") }
    for (fact, value) in step.facts where told[fact] != value {
        throw Unmet("expected \(fact)=\(value), \(step.verb) told \(told)")
    }
    return told
}
