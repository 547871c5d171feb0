//! A stranger who holds the ticket and speaks the protocol by hand, from PROTOCOL.md: what a hostile or faulty
//! implementation could do.

use std::time::Duration;

use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayMode, TransportAddr,
    endpoint::{Connection, RecvStream, SendStream, presets},
};
use peergraph::{
    NodeAddr, NodeId, SecretKey, Ticket,
    record::DeviceCertificate,
    wire::{
        ALPN, Connect, EXPORTER_LABEL, HELLO_LEN, Hello, Mark, Message, Purpose, Refuse, RefuseReason,
        VERSION,
    },
};
use tokio::time::timeout;

use crate::PATIENCE;

/// The link number every insider uses.
const LINK: u64 = 7;

/// One hand-made link. Panics wherever an honest node would not answer as it must.
#[derive(Debug)]
pub struct Insider {
    /// Its key as a node; also its identity.
    pub key: SecretKey,
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    // Kept: the connection ends with it.
    _endpoint: Endpoint,
}

impl Drop for Insider {
    fn drop(&mut self) {
        self.connection.close(0u32.into(), b"");
    }
}

impl Insider {
    /// Dials the ticket's first node; `None` if it does not answer the hello.
    ///
    /// # Panics
    /// If there is no socket or no connection.
    pub async fn dial(ticket: &Ticket) -> Option<Self> {
        let key = SecretKey::from_bytes(&iroh::SecretKey::generate().to_bytes());
        let endpoint = Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .secret_key(iroh::SecretKey::from_bytes(&key.to_bytes()))
            .bind()
            .await
            .expect("a socket");
        let target = &ticket.nodes[0];
        let id = EndpointId::from_bytes(target.node.as_bytes()).expect("a node id");
        let sockets = target.addrs.iter().map(|addr| TransportAddr::Ip(*addr));
        let connection =
            endpoint.connect(EndpointAddr::from_parts(id, sockets), ALPN).await.expect("a connection");
        let (mut send, mut receive) = connection.open_bi().await.expect("a stream");
        let mut exporter = [0; 32];
        connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").expect("keying material");
        let hello = Hello::new(&ticket.secret, &exporter, LINK, VERSION, true);
        send.write_all(&hello.to_bytes()).await.expect("an open stream");
        let mut answer = [0; HELLO_LEN];
        let read = timeout(PATIENCE, receive.read_exact(&mut answer)).await.expect("an answer or a reset");
        read.ok()?;
        assert!(Hello::from_bytes(&answer).proves(&ticket.secret, &exporter, false));
        Some(Self { key, connection, send, receive, _endpoint: endpoint })
    }

    /// Dials and becomes a neighbor, if need be once those before it are gone.
    ///
    /// # Panics
    /// If it is not welcome in time.
    pub async fn neighbor(ticket: &Ticket) -> Self {
        let trying = async {
            loop {
                if let Some(insider) = Self::try_neighbor(ticket).await {
                    return insider;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, trying).await.expect("a place in time")
    }

    async fn try_neighbor(ticket: &Ticket) -> Option<Self> {
        let mut insider = Self::dial(ticket).await.expect("an answer to a true hello");
        let node = insider.key.node();
        let connect = Connect {
            purpose: Purpose::Neighbor,
            device: DeviceCertificate::issue(&insider.key, node),
            addr: NodeAddr::new(node),
            expected: None,
            wants_referrals: false,
            urgent: false,
            instance: 1,
            // Never the lowest: it shall not disturb the graph's own mark.
            mark: Mark { node: NodeId::from_bytes([255; 32]), beat: 1 },
            credentials: Vec::new(),
        };
        insider.frame(&Message::Connect(Box::new(connect)).encode()).await;
        match insider.message().await {
            Message::Welcome(_) => Some(insider),
            Message::Refuse(Refuse { reason: RefuseReason::Busy, .. }) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Sends a frame on the control stream.
    pub async fn frame(&mut self, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).expect("a small frame");
        self.raw(&[&len.to_le_bytes(), bytes].concat()).await;
    }

    /// Sends bytes on the control stream; a stream that was stopped already is as good.
    pub async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.send.write_all(bytes).await;
    }

    /// Opens another stream of the link (1 records, 2 bulk, 3 data) and sends bytes on it.
    ///
    /// # Panics
    /// If the connection has ended.
    pub async fn stream(&self, kind: u8, bytes: &[u8]) {
        let mut stream = self.connection.open_uni().await.expect("an open connection");
        let preamble = [&[kind][..], &LINK.to_le_bytes()].concat();
        let _ = stream.write_all(&[&preamble, bytes].concat()).await;
        let _ = stream.finish();
    }

    /// The next message of the control stream.
    ///
    /// # Panics
    /// If none comes in time, or it cannot be read.
    pub async fn message(&mut self) -> Message {
        let read = async {
            let mut len = [0; 4];
            self.receive.read_exact(&mut len).await.expect("a frame");
            let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
            self.receive.read_exact(&mut bytes).await.expect("the rest of the frame");
            Message::decode(&bytes).expect("an honest node's message")
        };
        timeout(PATIENCE, read).await.expect("a message in time")
    }

    /// True if the other end closes the link within the patience of a test.
    pub async fn is_thrown_out(&mut self) -> bool {
        let ended = async { while let Ok(Some(_)) = self.receive.read_chunk(64 * 1024).await {} };
        timeout(PATIENCE, ended).await.is_ok()
    }

    /// True if the link is still there after a while: for what must be tolerated.
    pub async fn is_tolerated(&mut self) -> bool {
        let ended = async { while let Ok(Some(_)) = self.receive.read_chunk(64 * 1024).await {} };
        timeout(Duration::from_millis(300), ended).await.is_err()
    }
}
