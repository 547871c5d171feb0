//! Setting up a link: the hellos, by which both ends prove to know the graph before either says anything else.

use std::sync::Arc;

use iroh::endpoint::{
    ConnectError, ConnectingError, Connection, ConnectionError, ReadError, ReadExactError, RecvStream,
    SendStream, VarInt,
};
use tokio::time::timeout;

use super::{
    Transport,
    admission::SetUp,
    connection::{BUSY, NO_REASON, Peer},
    link::{LinkHandle, read_stream},
    transport::GraphEntry,
};
use crate::{
    io::Input,
    limits::{DIAL_TIMEOUT, HELLO_TIMEOUT},
    link::{DialId, FailureReason},
    wire::{EXPORTER_LABEL, HELLO_LEN, Hello, Stream, VERSION},
};

/// Opens a link of a graph on a connection.
pub(super) async fn dial(
    transport: &Arc<Transport>,
    graph: &Arc<GraphEntry>,
    peer: &Arc<Peer>,
    dial: DialId,
) -> Result<(), FailureReason> {
    let exporter = exporter(&peer.connection).ok_or(FailureReason::Unreachable)?;
    let opened = peer.connection.open_bi().await;
    let (mut send, mut receive) = opened.map_err(|error| ended(&error))?;
    let number: u64 = rand::random();
    let hello = Hello::new(&graph.secret, &exporter, number, VERSION, true);
    send.write_all(&hello.to_bytes()).await.map_err(|_| FailureReason::Unreachable)?;
    let mut answer = [0; HELLO_LEN];
    match timeout(DIAL_TIMEOUT, receive.read_exact(&mut answer)).await {
        Ok(Ok(())) => {}
        // A stream that ends without an answer: the other node does not know this graph.
        Ok(Err(ReadExactError::FinishedEarly(_))) => return Err(FailureReason::NotAuthenticated),
        Ok(Err(ReadExactError::ReadError(ReadError::Reset(BUSY)))) => return Err(FailureReason::Busy),
        Ok(Err(ReadExactError::ReadError(ReadError::ConnectionLost(error)))) => return Err(ended(&error)),
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
    let opened = Opened { number, dial: Some(dial), exporter, setup: None };
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
    let code = match admit(transport, peer, &mut send, &mut receive).await {
        Ok((graph, opened)) => return open(transport, &graph, peer, opened, send, receive),
        Err(code) => code,
    };
    let _ = send.reset(code);
    let _ = receive.stop(code);
}

/// The graph that a hello proves to know, once there is a place; otherwise what the other end is told: without a proof
/// nothing, whatever the reason.
async fn admit(
    transport: &Arc<Transport>,
    peer: &Arc<Peer>,
    send: &mut SendStream,
    receive: &mut RecvStream,
) -> Result<(Arc<GraphEntry>, Opened), VarInt> {
    let read = async {
        let mut hello = [0; HELLO_LEN];
        timeout(HELLO_TIMEOUT, receive.read_exact(&mut hello)).await.ok()?.ok()?;
        let hello = Hello::from_bytes(&hello);
        let exporter = exporter(&peer.connection)?;
        let graph = transport.find_graph(|secret| hello.proves(secret, &exporter, true))?;
        Some((graph, hello, exporter))
    };
    let (graph, hello, exporter) = read.await.ok_or(NO_REASON)?;
    let setup = match hello.version == VERSION {
        true => Some(graph.setups.take(&transport.admission, peer.source, peer.node).await.ok_or(BUSY)?),
        false => None,
    };
    let answer = Hello::new(&graph.secret, &exporter, hello.link, VERSION, false);
    match timeout(HELLO_TIMEOUT, send.write_all(&answer.to_bytes())).await {
        Ok(Ok(())) if setup.is_some() => {}
        _ => return Err(NO_REASON),
    }
    Ok((graph, Opened { number: hello.link, dial: None, exporter, setup }))
}

/// Why a dial failed.
pub(super) fn not_reached(error: &ConnectError) -> FailureReason {
    match error {
        ConnectError::Connection { source, .. } => ended(source),
        ConnectError::Connecting { source: ConnectingError::ConnectionError { source, .. }, .. } => {
            ended(source)
        }
        _ => FailureReason::Unreachable,
    }
}

/// Why a connection failed or ended before there was a link.
pub(super) fn ended(error: &ConnectionError) -> FailureReason {
    match error {
        ConnectionError::ApplicationClosed(close) if close.error_code == BUSY => FailureReason::Busy,
        // Also of one whose transport refuses it: full nodes do, in a crowd of handshakes, and those that were closed.
        _ => FailureReason::Unreachable,
    }
}

/// A link whose ends have proven to know the graph.
struct Opened {
    number: u64,
    dial: Option<DialId>,
    exporter: [u8; 32],
    setup: Option<SetUp>,
}

fn open(
    transport: &Arc<Transport>,
    graph: &Arc<GraphEntry>,
    peer: &Arc<Peer>,
    opened: Opened,
    send: SendStream,
    receive: RecvStream,
) {
    let Opened { number, dial, exporter, setup } = opened;
    let link = Arc::new(LinkHandle::new(transport, graph, peer, number, send));
    link.set_up(setup);
    if !peer.add_link(&link) {
        if let Some(dial) = dial {
            graph.tell(Input::DialFailed { dial, why: FailureReason::Unreachable });
        }
        return;
    }
    graph.add_link(link.clone());
    let source = peer.source.public();
    graph.tell(Input::LinkOpened { link: link.id, node: peer.node, dial, source, exporter });
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
