import Foundation

/// One call or initialiser as its source has it: the labels of its arguments, with their defaults.
struct Signature {
    let async: Bool
    let documented: Bool
    var arguments: [(name: String, standard: String?)] = []
}

/// What the package shows: read from its own sources, generated and by hand, so that nothing is left out in either direction.
struct Interface {
    var cases: [String: [(name: String, tells: [String])]] = [:]
    var properties: [String: Set<String>] = [:]
    var calls: [String: [String: [Signature]]] = [:]
    var types: Set<String> = []

    /// Of all sources of the package.
    static func read() throws -> Interface {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources").standardizedFileURL
        var interface = Interface()
        for folder in ["Peergraph", "PeergraphCore"] {
            let dir = root.appendingPathComponent(folder)
            for file in try FileManager.default.contentsOfDirectory(atPath: dir.path) where file.hasSuffix(".swift") {
                interface.take(try String(contentsOf: dir.appendingPathComponent(file), encoding: .utf8))
            }
        }
        return interface
    }

    private mutating func take(_ source: String) {
        let whole = Self.withoutBlocks(source.replacingOccurrences(of: "\npublic \nenum", with: "\npublic enum"))
        var (type, documented, isPublic): (String?, Bool, Bool) = (nil, false, false)
        let lines = whole.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for (at, line) in lines.enumerated() {
            if line.first?.isLetter == true, let found = try? /^(public )?(?:final |open |indirect )*(class|struct|enum|extension) (\w+)/.prefixMatch(in: line) {
                type = String(found.3)
                isPublic = found.1 != nil
                if isPublic { types.insert(String(found.3)) }
                continue
            }
            if line.hasPrefix("}") { type = nil }
            guard let type else { continue }
            if line.hasPrefix("    ///") { documented = true; continue }
            guard line.hasPrefix("    public ") || line.hasPrefix("    case ") else {
                if !line.hasPrefix("    @") && !line.hasPrefix("    //") { documented = false }
                continue
            }
            member(of: type, line, lines[at...], documented)
            documented = false
        }
    }

    /// Generated comments stand between the arguments, too: they become lines of ours, or nothing.
    private static func withoutBlocks(_ source: String) -> String {
        let parts = source.components(separatedBy: "/**")
        return parts.dropFirst().reduce(into: parts[0]) { whole, part in
            let code = part.range(of: "*/").map { part[$0.upperBound...] } ?? ""
            whole += code.hasPrefix("\n") ? "///" : ""
            whole += code
        }
    }

    private mutating func member(of type: String, _ line: String, _ rest: ArraySlice<String>, _ documented: Bool) {
        if let found = line.firstMatch(of: /^    case `?(\w+)`?(\(?)/) {
            let tells = found.2.isEmpty ? [] : Self.signature(rest).arguments.map(\.name)
            cases[type, default: []].append((String(found.1), tells))
        } else if let found = line.firstMatch(of: /^    public (?:private\(set\) )?(?:static )?(?:var|let) (\w+)/) {
            properties[type, default: []].insert(String(found.1))
        } else if let found = line.firstMatch(of: /^    public (?:static |mutating )*(?:func `?(\w+)`?|(init|subscript)).*\(/) {
            let name = String(found.1 ?? found.2!)
            let signature = Self.signature(rest, documented: documented)
            calls[type, default: [:]][name, default: []].append(signature)
        }
    }

    /// From the first bracket to the one that closes it, and what follows on that line.
    private static func signature(_ lines: ArraySlice<String>, documented: Bool = false) -> Signature {
        var (depth, parts, part, tail): (Int, [String], String, String) = (0, [], "", "")
        scan: for line in lines {
            for (at, letter) in line.enumerated() {
                if "([{".contains(letter) { depth += 1; if depth == 1 { continue } }
                if ")]}".contains(letter) { depth -= 1 }
                if depth == 0, letter == ")" { tail = String(line.dropFirst(at)); break scan }
                if depth == 0 { continue }
                if depth == 1, letter == "," { parts.append(part); part = "" } else { part.append(letter) }
            }
            part.append(" ")
        }
        parts.append(part)
        var signature = Signature(async: tail.contains(" async"), documented: documented)
        for part in parts.map({ $0.trimmingCharacters(in: .whitespaces) }) where !part.isEmpty {
            let halves = part.components(separatedBy: " = ")
            let names = halves[0].prefix { $0 != ":" }.split(separator: " ")
            let name = names[0] == "_" ? names.last! : names[0]
            // Where a call begins: of all that have a place in the order of calls, and given by the compiler.
            if name == "isolation" { continue }
            signature.arguments.append((String(name), halves.count > 1 ? halves[1] : nil))
        }
        return signature
    }
}

/// A name of the core's as Swift writes it: `record_type` is `recordType`.
func camel(_ name: String) -> String {
    let words = name.split(separator: "_")
    return words.dropFirst().reduce(String(words[0])) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
}
