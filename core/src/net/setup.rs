//! Setting up a link: the hellos, by which both ends prove to know the graph before either says anything else.

use std::{sync::Arc, time::Duration};

use iroh::endpoint::{Connection, ReadExactError, RecvStream, SendStream};
use tokio::time::timeout;

use super::{
    Transport,
    connection::{NO_REASON, Peer},
    link::{LinkHandle, read_stream},
    transport::GraphEntry,
};
use crate::{
    io::Input,
    link::{DialId, FailureReason},
    wire::{EXPORTER_LABEL, HELLO_LEN, Hello, Stream, VERSION},
};

/// How long the other end may take for its hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens a link of a graph on a connection.
pub(super) async fn dial(
    transport: &Arc<Transport>,
    graph: &Arc<GraphEntry>,
    peer: &Arc<Peer>,
    dial: DialId,
) -> Result<(), FailureReason> {
    let exporter = exporter(&peer.connection).ok_or(FailureReason::Unreachable)?;
    let (mut send, mut receive) = peer.connection.open_bi().await.map_err(|_| FailureReason::Unreachable)?;
    let number: u64 = rand::random();
    let hello = Hello::new(&graph.secret, &exporter, number, VERSION, true);
    send.write_all(&hello.to_bytes()).await.map_err(|_| FailureReason::Unreachable)?;
    let mut answer = [0; HELLO_LEN];
    match timeout(HELLO_TIMEOUT, receive.read_exact(&mut answer)).await {
        Ok(Ok(())) => {}
        // A stream that ends without an answer: the other node does not know this graph.
        Ok(Err(ReadExactError::FinishedEarly(_))) => return Err(FailureReason::NotAuthenticated),
        Ok(Err(ReadExactError::ReadError(_))) if peer.connection.close_reason().is_none() => {
            return Err(FailureReason::NotAuthenticated);
        }
        Ok(Err(_)) | Err(_) => return Err(FailureReason::Unreachable),
    }
    let answer = Hello::from_bytes(&answer);
    if answer.link != number || !answer.proves(&graph.secret, &exporter, false) {
        return Err(FailureReason::NotAuthenticated);
    }
    if answer.version != VERSION {
        tracing::info!(version = answer.version, "the other end speaks another version of the protocol");
        return Err(FailureReason::UnsupportedVersion);
    }
    let opened = Opened { number, dial: Some(dial), exporter };
    open(transport, graph, peer, opened, send, receive);
    Ok(())
}

/// Answers a hello, if it proves to know one of our graphs.
pub(super) async fn accept(
    transport: &Arc<Transport>,
    peer: &Arc<Peer>,
    mut send: SendStream,
    mut receive: RecvStream,
) {
    let admitted = async {
        let _slot = transport.handshakes.try_acquire().ok()?;
        let mut hello = [0; HELLO_LEN];
        timeout(HELLO_TIMEOUT, receive.read_exact(&mut hello)).await.ok()?.ok()?;
        let hello = Hello::from_bytes(&hello);
        let exporter = exporter(&peer.connection)?;
        let graph = transport.find_graph(|secret| hello.proves(secret, &exporter, true))?;
        let answer = Hello::new(&graph.secret, &exporter, hello.link, VERSION, false);
        timeout(HELLO_TIMEOUT, send.write_all(&answer.to_bytes())).await.ok()?.ok()?;
        (hello.version == VERSION).then_some((graph, Opened { number: hello.link, dial: None, exporter }))
    };
    match admitted.await {
        Some((graph, opened)) => open(transport, &graph, peer, opened, send, receive),
        None => {
            // Whatever the reason, a stranger sees the same.
            let _ = send.reset(NO_REASON);
            let _ = receive.stop(NO_REASON);
        }
    }
}

/// A link whose ends have proven to know the graph.
struct Opened {
    number: u64,
    dial: Option<DialId>,
    exporter: [u8; 32],
}

fn open(
    transport: &Arc<Transport>,
    graph: &Arc<GraphEntry>,
    peer: &Arc<Peer>,
    opened: Opened,
    send: SendStream,
    receive: RecvStream,
) {
    let Opened { number, dial, exporter } = opened;
    let link = Arc::new(LinkHandle::new(transport, graph, peer, number, send));
    if !peer.add_link(&link) {
        if let Some(dial) = dial {
            graph.tell(Input::DialFailed { dial, why: FailureReason::Unreachable });
        }
        return;
    }
    graph.add_link(link.clone());
    graph.tell(Input::LinkOpened { link: link.id, node: peer.node, dial, exporter });
    let (transport, reading) = (transport.clone(), link);
    transport.clone().spawn(async move {
        read_stream(&transport, &reading, Stream::Control, receive).await;
        reading.read_out.cancel();
        reading.down(&transport, FailureReason::ClosedByPeer);
    });
}

fn exporter(connection: &Connection) -> Option<[u8; 32]> {
    let mut exporter = [0; 32];
    connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").ok()?;
    Some(exporter)
}
