import ChatModel
import Observation
import Peergraph
import SwiftUI

/// The model of the terminal's chat, as SwiftUI watches it.
@MainActor @Observable final class Screen {
    private(set) var state = ChatState()
    @ObservationIgnored let model: ChatModel

    init() {
        // With a key from the Keychain: `config.keySource`.
        model = ChatModel(NodeConfig(dataDir: URL.applicationSupportDirectory.appending(path: "chat")).lowPower())
        model.onChange = { [weak self] in self?.state = $0 }
    }
}

@main struct ChatApp: App {
    @Environment(\.scenePhase) private var phase
    @State private var screen = Screen()

    var body: some Scene {
        WindowGroup {
            ChatView(screen: screen).task { await screen.model.reopen() }
        }
        .onChange(of: phase) { _, now in
            switch now {
            case .background: Task { await paused() }
            case .active: Task { await screen.model.resume() }
            default: break
            }
        }
    }

    /// The system gives an application some seconds: that is enough for a goodbye.
    private func paused() async {
        let task = UIApplication.shared.beginBackgroundTask()
        await screen.model.pause()
        UIApplication.shared.endBackgroundTask(task)
    }
}
