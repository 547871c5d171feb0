package io.github.peergraph.examples

import android.app.Application
import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.activity.viewModels
import androidx.compose.material3.MaterialTheme
import androidx.lifecycle.AndroidViewModel
import androidx.lifecycle.DefaultLifecycleObserver
import androidx.lifecycle.LifecycleOwner
import androidx.lifecycle.ProcessLifecycleOwner
import androidx.lifecycle.viewModelScope
import io.github.peergraph.NodeConfig
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch

/** [ChatModel] as long as the application lives; paused while nobody looks at it. */
class ChatViewModel(application: Application) : AndroidViewModel(application), DefaultLifecycleObserver {
    val model = ChatModel(viewModelScope, NodeConfig(dataDir = application.filesDir.toPath()).lowPower())

    init {
        viewModelScope.launch { model.reopen() }
        ProcessLifecycleOwner.get().lifecycle.addObserver(this)
    }

    override fun onStart(owner: LifecycleOwner) {
        viewModelScope.launch { model.resume() }
    }

    override fun onStop(owner: LifecycleOwner) {
        viewModelScope.launch { model.pause() }
    }

    override fun onCleared() {
        ProcessLifecycleOwner.get().lifecycle.removeObserver(this)
        // The scope of the model is over; what is open closes all the same.
        CoroutineScope(SupervisorJob() + Dispatchers.Default).launch { model.close() }
    }
}

class MainActivity : ComponentActivity() {
    private val chat: ChatViewModel by viewModels()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        setContent { MaterialTheme { ChatScreen(chat.model) } }
    }
}
