import Foundation
import Peergraph

/// One line of the chat.
public struct Message: Identifiable, Equatable, Sendable {
    public let id = UUID()
    public let author: String
    public let text: String
    public let at: Date
    public var isPrivate = false
}

/// All that a screen shows.
public struct ChatState: Equatable, Sendable {
    public var title: String?
    public var messages: [Message] = []
    public var present: [String] = []
    public var error: String?
    /// How much of what others have is here, from 0 to 1, while it comes in.
    public var progress: Double?
    /// Calls that are under way.
    public var calls = 0
    public var isBusy: Bool { calls > 0 }

    public init() {}
}

/// A chat in a group, for any screen: calls do something, `state` tells what is to be seen. Nothing here is SwiftUI's or a
/// terminal's. What goes wrong is in `state.error` until the next call.
///
/// Messages are records of the group, so whoever joins later reads them too; private ones go over a direct connection and are
/// kept nowhere.
@MainActor public final class ChatModel {
    public private(set) var state = ChatState() {
        didSet { onChange?(state) }
    }
    /// Told of each change.
    public var onChange: (@MainActor (ChatState) -> Void)?

    private let config: NodeConfig
    private var node: Node?
    private var group: Group?
    private var reading: Task<Void, Never>?
    /// One group at a time is made, joined or opened, which may take as long as the others do. Nothing else waits for it.
    private var entering: Task<Void, Never>?
    private var isAway = false
    private var names: [PeerId: String] = [:]

    public init(_ config: NodeConfig) {
        self.config = config
    }

    /// Makes a group.
    public func create(_ title: String, as name: String) async {
        var rules = GroupRules()
        rules.creatorName = name
        await enter { [rules] in try await $0.createGroup(GraphProperties(name: title), rules: rules) }
    }

    /// Joins a group by what `invite` gave somebody else.
    public func join(_ invitation: String, as name: String) async {
        let link = invitation.trimmingCharacters(in: .whitespacesAndNewlines)
        await enter { node in
            try await node.joinGroup(link, name: name) { progress in
                Task { @MainActor [weak self] in self?.show(progress) }
            }
        }
    }

    /// Goes on with the group that the data directory has, if it has one: online at once, with or without the others.
    public func reopen() async {
        await enter { node in
            guard let id = try node.storedGroups().first else { return nil }
            return try await node.openGroup(id)
        }
    }

    /// A link for up to 20 others; nil if that did not work.
    public func invite() async -> Invitation? {
        var link: Invitation?
        await doing { link = try await self.entered().inviteLink(uses: 20) }
        return link
    }

    /// Says something to all.
    public func send(_ text: String) async {
        await doing { try await self.entered().publish("chat.message", text) }
    }

    /// Says something to one of those who are here.
    public func whisper(to name: String, _ text: String) async {
        await doing {
            let group = try self.entered()
            let found = try await group.presentMembers().filter { $0.name == name && $0.peer != self.node?.peerId }
            guard let member = found.first, found.count == 1 else {
                throw PeergraphError.NotFound(
                    message: found.isEmpty ? "\(name) is not here" : "there are \(found.count) of that name")
            }
            let direct = try await group.openDirect(.peer(member.peer))
            let delivered = try await direct.send("chat.private", Data(text.utf8)).delivered()
            try await direct.close()
            if !delivered { throw PeergraphError.NotConnected(message: "\(name) is gone") }
            self.show(Message(author: "me to \(name)", text: text, at: Date(), isPrivate: true))
        }
    }

    /// When the application goes to the background. Waits for no call that waits for others.
    public func pause() async {
        isAway = true
        await settle()
    }

    /// When it comes back.
    public func resume() async {
        isAway = false
        await settle()
    }

    /// The end: everything is on the disk when this returns. What is under way ends with an error.
    public func close() async {
        reading?.cancel()
        await node?.shutdown()
        await entering?.value
        await node?.shutdown()
        (node, group, reading) = (nil, nil, nil)
    }

    private func settle() async {
        await doing {
            guard let node = self.node else { return }
            // Asked again until it is as it should be: the application may come and go meanwhile.
            while node.isPaused != self.isAway {
                if self.isAway { try await node.pause() } else { try await node.resume() }
            }
        }
    }

    private func started() async throws(PeergraphError) -> Node {
        if let node { return node }
        let node = try await Node.start(config)
        self.node = node
        // The application went to the background before there was a node.
        if isAway { await settle() }
        return node
    }

    private func entered() throws(PeergraphError) -> Group {
        guard let group else { throw .Closed(message: "there is no group yet: make one or join one") }
        return group
    }

    private func enter(_ open: @escaping @MainActor (Node) async throws -> Group?) async {
        let before = entering
        let mine = Task {
            await before?.value
            await doing {
                if self.group != nil { throw PeergraphError.AlreadyExists(message: "there is a group already") }
                if let group = try await open(try await self.started()) { try await self.follow(group) }
            }
        }
        entering = mine
        await withTaskCancellationHandler {
            await mine.value
        } onCancel: {
            mine.cancel()
        }
    }

    private func doing(_ call: @MainActor () async throws -> Void) async {
        state.calls += 1
        state.error = nil
        do {
            try await call()
        } catch let failure as PeergraphError {
            state.error = "\(failure.kind): \(failure.message)"
        } catch {
            state.error = "\(error)"
        }
        state.calls -= 1
    }

    private func follow(_ group: Group) async throws(PeergraphError) {
        do {
            try await learn(group)
            let title = try await group.properties().name
            let kinds: [EventKind] = [.recordChanged, .memberChanged, .directConnection, .incomingData, .syncProgress]
            let filter = EventFilter(kinds: kinds, recordTypes: ["chat.message"], dataTypes: ["chat.private"])
            let events = try group.events(filter, start: .snapshot)
            self.group = group
            state.title = title
            reading = Task { [weak self] in
                for await event in events { try? await self?.take(group, event) }
            }
        } catch {
            await group.close()
            throw error
        }
    }

    private func learn(_ group: Group) async throws(PeergraphError) {
        let members = try await group.members()
        for member in members { names[member.peer] = member.name }
        state.present = members.filter(\.isPresent).map(\.name).sorted()
    }

    private func show(_ progress: SyncProgress) {
        let (all, here) = (Double(progress.recordsExpected), Double(progress.records))
        state.progress = here < all ? here / all : nil
    }

    private func show(_ message: Message) {
        state.messages = (state.messages + [message]).sorted { $0.at < $1.at }
    }

    private func take(_ group: Group, _ event: Event) async throws(PeergraphError) {
        switch event {
        case .recordChanged(.added, let record, _, _, _):
            if names[record.author] == nil { try await learn(group) }
            let author = names[record.author] ?? record.author.short
            show(Message(author: author, text: record.bodyText ?? "(no text)", at: record.created))
        case .memberChanged:
            try await learn(group)
        case .incomingData(_, _, _, let peer, _, let data):
            if names[peer] == nil { try await learn(group) }
            let text = String(decoding: data, as: UTF8.self)
            show(Message(author: names[peer] ?? peer.short, text: text, at: Date(), isPrivate: true))
        case .syncProgress(let progress): show(progress)
        default: break
        }
    }
}
