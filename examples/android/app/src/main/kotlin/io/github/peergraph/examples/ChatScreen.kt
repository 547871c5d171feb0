package io.github.peergraph.examples

import android.content.Intent
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.safeDrawingPadding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.material3.Button
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.rememberCoroutineScope
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalContext
import androidx.compose.ui.text.font.FontWeight
import androidx.compose.ui.unit.dp
import androidx.lifecycle.compose.collectAsStateWithLifecycle
import kotlinx.coroutines.launch

@Composable
fun ChatScreen(model: ChatModel) {
    val state by model.state.collectAsStateWithLifecycle()
    Column(Modifier.fillMaxSize().safeDrawingPadding().padding(16.dp), Arrangement.spacedBy(8.dp)) {
        val progress = state.progress
        if (progress != null) LinearProgressIndicator({ progress }, Modifier.fillMaxWidth())
        else if (state.isBusy) LinearProgressIndicator(Modifier.fillMaxWidth())
        state.error?.let { Text(it, color = MaterialTheme.colorScheme.error) }
        if (state.title == null) Welcome(model) else Room(model, state)
    }
}

@Composable
private fun Welcome(model: ChatModel) {
    val scope = rememberCoroutineScope()
    var name by rememberSaveable { mutableStateOf("") }
    var invitation by rememberSaveable { mutableStateOf("") }
    OutlinedTextField(name, { name = it }, Modifier.fillMaxWidth(), label = { Text("Your name") })
    OutlinedTextField(invitation, { invitation = it }, Modifier.fillMaxWidth(), label = { Text("Invitation, if you have one") })
    Button({ scope.launch { if (invitation.isBlank()) model.create("Chat", name) else model.join(invitation, name) } }, enabled = name.isNotBlank()) {
        Text(if (invitation.isBlank()) "Make a group" else "Join")
    }
}

@Composable
private fun Room(model: ChatModel, state: ChatState) {
    val scope = rememberCoroutineScope()
    val context = LocalContext.current
    var text by remember { mutableStateOf("") }
    Row(Modifier.fillMaxWidth(), Arrangement.SpaceBetween) {
        Text("${state.title}: ${state.present.joinToString()}", style = MaterialTheme.typography.titleMedium)
        TextButton({
            scope.launch {
                val link = model.invite() ?: return@launch
                val send = Intent(Intent.ACTION_SEND).setType("text/plain").putExtra(Intent.EXTRA_TEXT, link.text)
                context.startActivity(Intent.createChooser(send, null))
            }
        }) { Text("Invite") }
    }
    LazyColumn(Modifier.weight(1f).fillMaxWidth(), reverseLayout = true) {
        items(state.messages.asReversed()) { message ->
            Text(message.author + if (message.isPrivate) " (private)" else "", fontWeight = FontWeight.Bold)
            Text(message.text, Modifier.padding(bottom = 8.dp))
        }
    }
    Row(Modifier.fillMaxWidth(), Arrangement.spacedBy(8.dp)) {
        OutlinedTextField(text, { text = it }, Modifier.weight(1f))
        Button({ scope.launch { model.send(text); if (model.state.value.error == null) text = "" } }, enabled = text.isNotBlank()) { Text("Send") }
    }
}
