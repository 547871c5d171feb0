import Foundation
import Peergraph

private func target(_ step: Step) throws -> Target {
    if let text = step.opt("node") {
        let node = try NodeId(text)
        return step.opt("addr").map { .addr(NodeAddr(node: node, addrs: [$0], relay: nil)) } ?? .node(node)
    }
    if let peer = step.opt("peer") { return .peer(try PeerId(peer)) }
    if let ticket = step.opt("ticket") { return .ticket(try Ticket(ticket)) }
    throw Wrong("no target")
}

private func told(_ info: ConnectionInfo) -> Facts {
    ["connection": "\(info.connection)", "link": snake(info.kind), "node": "\(info.node)", "peer": "\(info.peer)"]
}

private func told(_ all: [ConnectionInfo]) -> Facts {
    ["count": "\(all.count)", "peers": sorted(all.map(\.peer)), "connection": orNone(all.first?.connection)]
}

private func told(_ invitation: Invitation) -> Facts {
    [
        "text": invitation.text, "kind": snake(invitation.kind), "role": snake(invitation.role),
        "group_name": invitation.groupName, "issuer": "\(invitation.issuer)", "issuer_name": invitation.issuerName,
        "subject": orNone(invitation.subject),
    ]
}

private func lifetime(_ step: Step, _ base: Duration?) throws -> Duration? {
    guard let text = step.opt("lifetime") else { return base }
    return text == "none" ? nil : try span(text)
}

extension World {
    func connections(_ step: Step) async throws -> Facts? {
        let name = step.names[0]
        switch step.verb {
        case "connect":
            return told(
                try await graph(step.names[1]).connect(
                    target(step), expectedPeer: step.opt("expected_peer").map { try PeerId($0) },
                    deadline: step.opt("deadline").map { try span($0) } ?? .seconds(60)))
        case "enter": try await graph(name).enter(target(step))
        case "direct": return told(try await graph(step.names[1]).openDirect(target(step)).info)
        case "neighbors": return told(try await graph(name).neighbors())
        case "direct-connections": return told(try await graph(name).directConnections())
        case "disconnect": try await graph(name).disconnect(step.read("connection") ?? 0)
        case "send":
            let data = Data((step.opt("data") ?? "").utf8)
            let receipt = try await graph(name).send(step.read("connection") ?? 0, step.need("type"), data)
            return ["delivered": "\(try await receipt.delivered())"]
        default: return nil
        }
        return [:]
    }

    private func createGroup(_ step: Step) async throws -> Facts {
        var rules = GroupRules()
        rules.minVersion = try step.read("min_version") ?? rules.minVersion
        rules.maxChain = try step.read("max_chain") ?? rules.maxChain
        rules.properties = try role(step.opt("properties")) ?? rules.properties
        rules.encryptedBodies = try step.read("encrypted_bodies") ?? false
        rules.types = try step.starting("rule.").map { type, rule in
            let words = rule.split(separator: ",").map(String.init)
            let edit: Who = words[1] == "author" ? .author : .atLeast(role: try role(words[1])!)
            return TypeRule(recordType: type, publish: try role(words[0])!, edit: edit)
        }
        let group = try await node(step.names[1]).createGroup(
            GraphProperties(name: step.opt("name") ?? ""), rules: rules,
            maxRecord: step.read("max_record") ?? Node.maxRecord, identity: step.opt("identity").map { try identity($0) })
        return added(step.names[0], group)
    }

    func groups(_ step: Step) async throws -> Facts? {
        if let told = try await lookAtGroup(step) { return told }
        if let told = try await invite(step) { return told }
        let name = step.names[0]
        switch step.verb {
        case "group": return try await createGroup(step)
        case "open-group":
            let offline = try step.read("offline") ?? false
            return added(name, try await node(step.names[1]).openGroup(GraphId(step.need("id")), offline: offline))
        case "import-membership":
            let node = try node(step.names[1])
            return added(name, try await node.importMembership(step.need("text"), password: step.need("password")))
        case "join-group":
            let watch = try Watch(step)
            let joined = try await node(step.names[1]).joinGroup(
                step.need("invitation"), name: step.opt("name") ?? "",
                identity: step.opt("identity").map { try identity($0) }, password: step.opt("password"),
                deadline: step.opt("deadline").map { try span($0) } ?? .seconds(60), onProgress: watch.callback)
            return added(name, joined).merging(watch.facts) { $1 }
        case "clear-password": try await group(name).clearPassword()
        case "revoke-invitation": try await group(name).revokeInvitation(PeerId(step.need("key")))
        case "renew": try await group(name).renew(PeerId(step.need("peer")), lifetime: lifetime(step, .days(30)))
        case "set-name": try await group(name).setName(step.need("name"))
        case "set-role": try await group(name).setRole(PeerId(step.need("peer")), role(step.need("role"))!)
        case "remove":
            try await group(name).remove(
                PeerId(step.need("peer")), reason: step.opt("reason") ?? "",
                keepRecords: step.read("keep_records") ?? true, withBranch: step.read("with_branch") ?? false,
                undo: step.read("undo") ?? false)
        case "revoke-device":
            try await group(name).revokeDevice(PeerId(step.need("peer")), NodeId(step.need("node")))
        case "restore-device":
            try await group(name).restoreDevice(PeerId(step.need("peer")), NodeId(step.need("node")))
        case "leave": try await group(name).leave()
        case "export-database":
            return ["count": "\(try await graph(name).exportDatabase(path(step), password: step.opt("password")))"]
        case "import-database":
            let count = try await graph(name).importDatabase(
                path(step), password: step.opt("password"), exporter: step.opt("exporter").map { try PeerId($0) })
            return [
                "added": "\(count.added)", "known": "\(count.known)", "refused": "\(count.refused)",
                "waiting": "\(count.waiting)",
            ]
        case "export-membership":
            return ["text": try await group(name).exportMembership(password: step.need("password"))]
        default: return nil
        }
        return [:]
    }

    private func invite(_ step: Step) async throws -> Facts? {
        let role = try role(step.opt("role")) ?? .member
        switch step.verb {
        case "link":
            return told(
                try await group(step.names[1]).inviteLink(
                    role: role, uses: step.read("uses") ?? 1, valid: step.opt("valid").map { try span($0) } ?? .days(7),
                    lifetime: lifetime(step, .days(30)), admitters: step.words("admitters").map { try PeerId($0) }))
        case "invite":
            let (group, lasts) = (try group(step.names[1]), try lifetime(step, .days(30)))
            if let whom = step.opt("whom") {
                return told(try await group.invite(IdentityDescription(whom), role: role, lifetime: lasts))
            }
            return told(
                try await group.invite(
                    PeerId(step.need("peer")), name: step.opt("name") ?? "", role: role, lifetime: lasts))
        case "password":
            return told(
                try await group(step.names[1]).setPassword(
                    step.need("password"), role: role, lifetime: lifetime(step, nil)))
        case "invitation": return told(try Invitation(step.need("text")))
        default: return nil
        }
    }

    private func lookAtGroup(_ step: Step) async throws -> Facts? {
        let name = step.names[0]
        switch step.verb {
        case "rules":
            let rules = try await group(name).rules()
            return [
                "creator_name": rules.creatorName, "max_chain": "\(rules.maxChain)", "min_version": "\(rules.minVersion)",
                "properties": snake(rules.properties), "encrypted_bodies": "\(rules.encryptedBodies)",
                "records_end_with_membership": "\(rules.recordsEndWithMembership)",
                "types": sorted(rules.types.map(\.recordType)),
            ]
        case "role": return ["role": orNone(try await group(name).role().map(snake))]
        case "members":
            let all = try await group(name).members()
            let present = all.filter(\.isPresent).count
            return ["count": "\(all.count)", "names": sorted(all.map(\.name)), "present": "\(present)"]
        case "member":
            let member = try await group(name).member(PeerId(step.need("peer")))
            return [
                "name": member.name, "role": orNone(member.role.map(snake)), "present": "\(member.isPresent)",
                "issuer": orNone(member.issuer),
            ]
        case "credentials": return ["count": "\(try await group(name).credentials().count)"]
        case "revoked-devices":
            let all = try await group(name).revokedDevices(PeerId(step.need("peer")))
            return ["count": "\(all.count)", "node": orNone(all.first?.node), "by": orNone(all.first?.by)]
        case "invitations":
            let all = try await group(name).invitations()
            return [
                "count": "\(all.count)", "key": orNone(all.first?.key), "role": orNone(all.first.map { snake($0.role) }),
                "uses": orNone(all.first?.uses), "used": orNone(all.first?.used),
            ]
        default: return nil
        }
    }
}
