import ChatModel
import SwiftUI

struct ChatView: View {
    let screen: Screen

    var body: some View {
        NavigationStack {
            VStack {
                if let progress = screen.state.progress { ProgressView(value: progress) }
                if let error = screen.state.error { Text(error).foregroundStyle(.red) }
                if screen.state.title == nil { Welcome(model: screen.model) } else { Room(screen: screen) }
            }
            .padding()
            .overlay { if screen.state.isBusy, screen.state.progress == nil { ProgressView() } }
        }
    }
}

private struct Welcome: View {
    let model: ChatModel
    @State private var name = ""
    @State private var invitation = ""

    var body: some View {
        Form {
            TextField("Your name", text: $name)
            TextField("Invitation, if you have one", text: $invitation, axis: .vertical)
            Button(invitation.isEmpty ? "Make a group" : "Join") {
                Task {
                    if invitation.isEmpty { await model.create("Chat", as: name) } else { await model.join(invitation, as: name) }
                }
            }
            .disabled(name.isEmpty)
        }
    }
}

private struct Room: View {
    let screen: Screen
    @State private var text = ""
    @State private var link: String?

    var body: some View {
        List(screen.state.messages) { message in
            VStack(alignment: .leading) {
                Text(message.author + (message.isPrivate ? " (private)" : "")).bold()
                Text(message.text)
            }
        }
        .navigationTitle(screen.state.title ?? "")
        .toolbar {
            if let link {
                ShareLink(item: link)
            } else {
                Button("Invite") { Task { link = await screen.model.invite()?.text } }
            }
        }
        Text(screen.state.present.joined(separator: ", ")).font(.footnote)
        HStack {
            TextField("Message", text: $text)
            Button("Send") {
                Task {
                    await screen.model.send(text)
                    if screen.state.error == nil { text = "" }
                }
            }
            .disabled(text.isEmpty)
        }
    }
}
