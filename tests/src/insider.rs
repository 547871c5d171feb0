//! A stranger who holds the ticket and speaks the protocol by hand, from PROTOCOL.md: what a hostile or faulty
//! implementation could do.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayMode, TransportAddr,
    endpoint::{Connection, RecvStream, SendStream, presets},
};
use peergraph::{
    Genesis, GraphSecret, NodeAddr, NodeId, SecretKey, Ticket, Timestamp,
    record::DeviceCertificate,
    wire::{
        ALPN, Connect, EXPORTER_LABEL, HELLO_LEN, Hello, JoinMessage, Mark, Message, Purpose, Refuse,
        RefuseReason, VERSION, Welcome,
    },
};
use tokio::time::timeout;

use crate::PATIENCE;

/// The link number every insider dials with.
const LINK: u64 = 7;

/// One hand-made link. Panics wherever an honest node would not answer as it must.
#[derive(Debug)]
pub struct Insider {
    /// Its key as an identity; also as a node, if it dialled a ticket.
    pub key: SecretKey,
    /// 32 bytes that only the two ends of its connection know.
    pub exporter: [u8; 32],
    number: u64,
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    // Kept: the connection ends with it.
    _endpoint: Endpoint,
}

/// Somebody with a node of their own, who dials and is dialled.
#[derive(Debug, Clone)]
pub struct Impostor {
    /// Its identity.
    pub identity: SecretKey,
    /// Its node.
    pub node: NodeId,
    endpoint: Endpoint,
}

/// All that came back to a greeting, and how the stream ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The end in words.
    pub end: String,
}

impl Impostor {
    /// Acts for this identity, on a new node.
    ///
    /// # Panics
    /// If there is no socket.
    pub async fn new(identity: SecretKey) -> Self {
        Self::on(identity, SecretKey::from_bytes(&iroh::SecretKey::generate().to_bytes())).await
    }

    /// The same, dialling from this address.
    ///
    /// # Panics
    /// If there is no socket.
    pub async fn from_source(identity: SecretKey, source: IpAddr) -> Self {
        let node = SecretKey::from_bytes(&iroh::SecretKey::generate().to_bytes());
        Self::bound(identity, node, source).await
    }

    async fn on(identity: SecretKey, node: SecretKey) -> Self {
        Self::bound(identity, node, Ipv4Addr::LOCALHOST.into()).await
    }

    async fn bound(identity: SecretKey, node: SecretKey, source: IpAddr) -> Self {
        let endpoint = Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .secret_key(iroh::SecretKey::from_bytes(&node.to_bytes()))
            .alpns(vec![ALPN.to_vec()])
            .clear_ip_transports()
            .bind_addr(SocketAddr::new(source, 0))
            .expect("a good address")
            .bind()
            .await
            .expect("a socket");
        Self { identity, node: node.node(), endpoint }
    }

    /// Where it can be dialled.
    pub fn addr(&self) -> NodeAddr {
        NodeAddr::at(self.node, self.endpoint.bound_sockets())
    }

    /// A connection without a link.
    ///
    /// # Panics
    /// If there is none.
    pub async fn connection(&self, target: &NodeAddr) -> Connection {
        let id = EndpointId::from_bytes(target.node.as_bytes()).expect("a node id");
        let sockets = target.addrs.iter().map(|addr| TransportAddr::Ip(*addr));
        self.endpoint.connect(EndpointAddr::from_parts(id, sockets), ALPN).await.expect("a connection")
    }

    /// The same; `None` if the other end refuses.
    ///
    /// # Panics
    /// If the target is no node.
    pub async fn try_connection(&self, target: &NodeAddr) -> Option<Connection> {
        let id = EndpointId::from_bytes(target.node.as_bytes()).expect("a node id");
        let sockets = target.addrs.iter().map(|addr| TransportAddr::Ip(*addr));
        self.endpoint.connect(EndpointAddr::from_parts(id, sockets), ALPN).await.ok()
    }

    /// Tells whoever opens links that it is busy, on one connection after another.
    pub async fn is_busy(&self, asked: &AtomicUsize) {
        while let Some(incoming) = self.endpoint.accept().await {
            let Ok(connection) = incoming.await else { continue };
            while let Ok((mut send, _)) = connection.accept_bi().await {
                asked.fetch_add(1, Ordering::Relaxed);
                let _ = send.reset(1u32.into());
            }
        }
    }

    /// Opens a stream with these bytes on a new connection, `greeting` made from its exporter.
    ///
    /// # Panics
    /// If there is no connection, or no end to the answer in time.
    pub async fn greet(&self, target: &NodeAddr, greeting: impl FnOnce(&[u8; 32]) -> Vec<u8>) -> Answer {
        let connection = self.connection(target).await;
        let (mut send, mut receive) = connection.open_bi().await.expect("a stream");
        let _ = send.write_all(&greeting(&exporter(&connection))).await;
        let _ = send.finish();
        let mut bytes = Vec::new();
        let read = async {
            loop {
                match receive.read_chunk(64 * 1024).await {
                    Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                    Ok(None) => return "finished".to_owned(),
                    Err(error) => return error.to_string(),
                }
            }
        };
        let end = timeout(PATIENCE, read).await.expect("an end in time");
        connection.close(0u32.into(), b"");
        Answer { bytes, end }
    }

    /// Dials a node and proves to know the secret; `None` if it does not answer the hello.
    ///
    /// # Panics
    /// If there is no connection.
    pub async fn dial(&self, target: &NodeAddr, secret: &GraphSecret) -> Option<Insider> {
        let connection = self.connection(target).await;
        let (mut send, mut receive) = connection.open_bi().await.expect("a stream");
        let exporter = exporter(&connection);
        let hello = Hello::new(secret, &exporter, LINK, VERSION, true);
        send.write_all(&hello.to_bytes()).await.expect("an open stream");
        let mut answer = [0; HELLO_LEN];
        let read = timeout(PATIENCE, receive.read_exact(&mut answer)).await.expect("an answer or a reset");
        read.ok()?;
        assert!(Hello::from_bytes(&answer).proves(secret, &exporter, false));
        Some(self.link(LINK, connection, send, receive))
    }

    /// Waits to be dialled, and answers the hello with this version of the protocol.
    ///
    /// # Panics
    /// If nobody who knows the secret comes in time.
    pub async fn accept(&self, secret: &GraphSecret, version: u16) -> Insider {
        let come = async {
            let incoming = self.endpoint.accept().await.expect("an open endpoint");
            let connection = incoming.await.expect("a connection");
            let (mut send, mut receive) = connection.accept_bi().await.expect("a stream");
            let mut hello = [0; HELLO_LEN];
            receive.read_exact(&mut hello).await.expect("a hello");
            let (hello, exporter) = (Hello::from_bytes(&hello), exporter(&connection));
            assert!(hello.proves(secret, &exporter, true));
            let answer = Hello::new(secret, &exporter, hello.link, version, false);
            send.write_all(&answer.to_bytes()).await.expect("an open stream");
            self.link(hello.link, connection, send, receive)
        };
        timeout(PATIENCE, come).await.expect("a caller in time")
    }

    /// What it says when it connects.
    pub fn connect(&self, purpose: Purpose, credentials: Vec<Bytes>) -> Message {
        Message::Connect(Box::new(Connect {
            purpose,
            device: DeviceCertificate::issue(&self.identity, self.node),
            addr: NodeAddr::new(self.node),
            expected: None,
            wants_referrals: false,
            urgent: false,
            instance: 1,
            ping: 1000,
            mark: MARK,
            credentials,
        }))
    }

    /// What it says when it was connected to.
    pub fn welcome(&self, genesis: Genesis, peer_time: Timestamp, credentials: Vec<Bytes>) -> Message {
        Message::Welcome(Box::new(Welcome {
            device: DeviceCertificate::issue(&self.identity, self.node),
            addr: NodeAddr::new(self.node),
            genesis,
            instance: 1,
            ping: 1000,
            peer_time,
            referrals: Vec::new(),
            mark: MARK,
            credentials,
        }))
    }

    fn link(&self, number: u64, connection: Connection, send: SendStream, receive: RecvStream) -> Insider {
        let exporter = exporter(&connection);
        let (key, _endpoint) = (self.identity.clone(), self.endpoint.clone());
        Insider { key, exporter, number, connection, send, receive, _endpoint }
    }
}

/// Never the lowest: it shall not disturb the graph's own mark.
pub(crate) const MARK: Mark = Mark { node: NodeId::from_bytes([255; 32]), beat: 1 };

/// 32 bytes that only the two ends of a connection know.
///
/// # Panics
/// If the handshake is not over.
pub fn exporter(connection: &Connection) -> [u8; 32] {
    let mut exporter = [0; 32];
    connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").expect("keying material");
    exporter
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
        let impostor = Impostor::on(key.clone(), key).await;
        impostor.dial(&ticket.nodes[0], &ticket.secret).await
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
            ping: 1000,
            mark: MARK,
            credentials: Vec::new(),
        };
        insider.frame(&Message::Connect(Box::new(connect)).encode()).await;
        match insider.message().await {
            Message::Welcome(_) => Some(insider),
            Message::Refuse(Refuse { reason: RefuseReason::Busy, .. }) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Sends a message on the control stream.
    pub async fn say(&mut self, message: &Message) {
        self.frame(&message.encode()).await;
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
        let mut stream = self.open(kind).await;
        let _ = stream.write_all(bytes).await;
        let _ = stream.finish();
    }

    /// Opens another stream of the link, which stays open.
    ///
    /// # Panics
    /// If the connection has ended.
    pub async fn open(&self, kind: u8) -> SendStream {
        let mut stream = self.connection.open_uni().await.expect("an open connection");
        let preamble = [&[kind][..], &self.number.to_le_bytes()].concat();
        let _ = stream.write_all(&preamble).await;
        stream
    }

    /// The next message of the control stream.
    ///
    /// # Panics
    /// If none comes in time, or it cannot be read.
    pub async fn message(&mut self) -> Message {
        self.next().await.expect("an open link")
    }

    /// The same; `None` if the link ends instead.
    ///
    /// # Panics
    /// If nothing comes in time, or it cannot be read.
    pub async fn next(&mut self) -> Option<Message> {
        let read = async {
            let mut len = [0; 4];
            self.receive.read_exact(&mut len).await.ok()?;
            let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
            if bytes.is_empty() {
                return None; // the end of the control stream
            }
            self.receive.read_exact(&mut bytes).await.ok()?;
            Some(Message::decode(&bytes).expect("an honest node's message"))
        };
        timeout(PATIENCE, read).await.expect("a message in time")
    }

    /// The next message that is about joining; `None` if the link ends before.
    pub async fn join_message(&mut self) -> Option<JoinMessage> {
        loop {
            if let Message::Join(message) = self.next().await? {
                return Some(*message);
            }
        }
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
