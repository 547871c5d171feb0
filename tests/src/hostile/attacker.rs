//! What an attack is made of: identities, raw links, signed records.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use peergraph::{
    GraphId, GraphSecret, NodeAddr, NodeId, SecretKey, Timestamp,
    authority::Act,
    limits::DEFAULT_MAX_RECORD,
    record::{Header, Origin, RecordType, SignedRecord},
    time::Hlc,
    wire::{Connect, HELLO_LEN, Hello, Message, Ping, Purpose, Stream, VERSION},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::{Mutex, watch},
    time::timeout,
};

use crate::{
    identities::key,
    insider::{Impostor, exporter},
};

/// The link, the connection or the node is gone, or does not answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended;

/// How many identities the attacker has: members, then a reader, then a removed member.
pub(super) const IDENTITIES: u8 = 7;
/// The member who is a reader only.
pub(super) const READER: u8 = 5;
/// The member who was removed.
pub(super) const REMOVED: u8 = 6;
/// Attackers come from another range of addresses than honest nodes: what one range may take is documented.
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 9, 0, 1));
/// A peer that does not answer for this long is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The attacker's identity of this number.
pub(super) fn identity(number: u8) -> SecretKey {
    key(100 + number)
}

/// Where the victim is, and what the attacker holds.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) addr: NodeAddr,
    pub(super) secret: GraphSecret,
    pub(super) graph: GraphId,
    /// The membership of each identity.
    pub(super) grants: Vec<SignedRecord>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
        let node = hex(self.addr.node.as_bytes());
        let (secret, graph) = (hex(self.secret.as_bytes()), hex(self.graph.as_bytes()));
        write!(f, "{node} {} {secret} {graph}", self.addr.addrs[0])?;
        self.grants.iter().try_for_each(|grant| write!(f, " {}", hex(grant.bytes())))
    }
}

impl Target {
    pub(super) fn parse(words: &[String]) -> Self {
        let [node, socket, secret, graph, grants @ ..] = words else { panic!("a target has four words") };
        let bytes = |word: &str| HEXLOWER.decode(word.as_bytes()).expect("hexadecimal digits");
        let id = |word: &str| -> [u8; 32] { bytes(word).try_into().expect("32 bytes") };
        let graph = GraphId::from_bytes(id(graph));
        let grant = |word: &String| {
            SignedRecord::decode(&graph, bytes(word).into(), DEFAULT_MAX_RECORD as usize).expect("a grant")
        };
        Self {
            addr: NodeAddr::at(NodeId::from_bytes(id(node)), [socket.parse().expect("an address")]),
            secret: GraphSecret::from_bytes(id(secret)),
            graph,
            grants: grants.iter().map(grant).collect(),
        }
    }
}

/// What the attacker has sent, and how often it was disconnected.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: AtomicU64,
    pub(super) ended: AtomicU64,
    /// Records that the victim took before the attack.
    pub(super) given: AtomicU64,
}

/// The attacker's process.
#[derive(Debug, Clone)]
pub(super) struct Attacker {
    pub(super) target: Target,
    pub(super) tally: Arc<Tally>,
    /// How long the attack lasts.
    pub(super) duration: Duration,
}

impl Attacker {
    /// The attack is prepared: says so and waits for the word to begin.
    pub(super) async fn ready(&self) {
        println!("ready {}", self.tally.given.load(Relaxed));
        let mut line = String::new();
        let mut input = BufReader::new(tokio::io::stdin());
        input.read_line(&mut line).await.expect("standard input");
        // Who started it may be gone, however that ended: nothing goes on attacking then.
        tokio::spawn(async move {
            while input.read_line(&mut line).await.is_ok_and(|read| read > 0) {}
            std::process::exit(0);
        });
        let tally = self.tally.clone();
        tokio::spawn(async move {
            loop {
                println!("sent {} {}", tally.sent.load(Relaxed), tally.ended.load(Relaxed));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }

    /// A new node of this identity.
    pub(super) async fn node(&self, who: u8) -> Impostor {
        Impostor::from_source(identity(who), SOURCE).await
    }

    /// A connection without a link.
    pub(super) async fn connection(&self, from: &Impostor) -> Result<Connection, Ended> {
        timeout(PATIENCE, from.try_connection(&self.target.addr)).await.ok().flatten().ok_or(Ended)
    }

    /// A link after the hellos, on a new connection.
    pub(super) async fn open(&self, from: &Impostor) -> Result<RawLink, Ended> {
        let connection = self.connection(from).await?;
        self.open_on(from, connection, 7).await
    }

    /// A link after the hellos.
    pub(super) async fn open_on(
        &self,
        from: &Impostor,
        connection: Connection,
        number: u64,
    ) -> Result<RawLink, Ended> {
        let (mut control, mut answers) = connection.open_bi().await.map_err(|_| Ended)?;
        let hello = Hello::new(&self.target.secret, &exporter(&connection), number, VERSION, true);
        control.write_all(&hello.to_bytes()).await.map_err(|_| Ended)?;
        let mut answer = [0; HELLO_LEN];
        timeout(PATIENCE, answers.read_exact(&mut answer)).await.map_err(|_| Ended)?.map_err(|_| Ended)?;
        Ok(RawLink {
            node: from.clone(),
            connection,
            number,
            control: Arc::new(Mutex::new(control)),
            answers: Some(answers),
            records: None,
            bulk: None,
            over: Arc::new(watch::Sender::new(false)),
            tally: self.tally.clone(),
        })
    }

    /// What this identity says when it connects.
    pub(super) fn connect(&self, from: &Impostor, who: u8, purpose: Purpose) -> Connect {
        let shown = match purpose {
            Purpose::Join => Vec::new(),
            Purpose::Neighbor | Purpose::Direct | Purpose::Probe => {
                vec![self.target.grants[usize::from(who)].bytes().clone()]
            }
        };
        match from.connect(purpose, shown) {
            Message::Connect(connect) => *connect,
            other => unreachable!("{other:?}"),
        }
    }

    /// A link that was set up, with what the victim said to it; `Ended` if it refuses.
    pub(super) async fn try_link(
        &self,
        who: u8,
        purpose: Purpose,
        change: impl FnOnce(&mut Connect),
    ) -> Result<(RawLink, Message), Ended> {
        let node = self.node(who).await;
        let mut link = self.open(&node).await?;
        let mut connect = self.connect(&node, who, purpose);
        change(&mut connect);
        link.send(&Message::Connect(Box::new(connect))).await?;
        match link.next().await? {
            welcome @ Message::Welcome(_) => Ok((link, welcome)),
            _ => Err(Ended),
        }
    }

    /// A link for this purpose, from new nodes until one is welcome.
    pub(super) async fn link(&self, who: u8, purpose: Purpose) -> RawLink {
        loop {
            if let Ok((link, _)) = self.try_link(who, purpose, |_| {}).await {
                return link;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A neighbor link whose answers are read and whose pings are answered.
    pub(super) async fn neighbor(&self, who: u8) -> RawLink {
        let mut link = self.link(who, Purpose::Neighbor).await;
        link.read_on();
        link
    }

    /// A record of this identity; `change` may alter the header.
    pub(super) fn record(
        &self,
        who: u8,
        nonce: u64,
        body: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> SignedRecord {
        let (key, mut bytes) = (identity(who), [who; 16]);
        bytes[..8].copy_from_slice(&nonce.to_le_bytes());
        let kind = RecordType::new("hostile.note").expect("a good type");
        let mut header = Header {
            expires: Some(now() + Duration::from_secs(86_400)),
            grant: Act::of(&self.target.grants[usize::from(who)]).map(|act| *act.id().as_bytes()),
            origin: Some(Origin::First),
            ..Header::first(kind, bytes, key.peer(), Hlc::at(now()))
        };
        change(&mut header);
        SignedRecord::sign(&self.target.graph, &key, header, body)
    }

    /// A later version of such a record.
    pub(super) fn later(&self, who: u8, first: &SignedRecord, body: &[u8]) -> SignedRecord {
        let key = identity(who);
        let header = Header {
            version: first.header().version + 1,
            hlc: Hlc(first.header().hlc.0 + 1),
            origin: first.next_origin(key.peer()),
            replaced: Some(first.key().element),
            earlier: first.lineage(),
            ..first.header().clone()
        };
        SignedRecord::sign(&self.target.graph, &key, header, body)
    }

    /// Gives the victim records and waits until it has acknowledged them.
    pub(super) async fn give(&self, who: u8, records: &[SignedRecord]) {
        let mut link = self.link(who, Purpose::Neighbor).await;
        for batch in records.chunks(100) {
            link.push(batch).await.expect("records are welcome");
        }
        let mut left = records.len();
        self.tally.given.fetch_max(left as u64, Relaxed);
        while left > 0 {
            match link.next().await.expect("records are welcome") {
                Message::Ack { useful, useless } => left = left.saturating_sub((useful + useless) as usize),
                Message::Ping(ping) => link.send(&Message::Pong(ping)).await.expect("an open link"),
                _ => {}
            }
        }
    }
}

/// The time of this machine.
pub(super) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// One hand-made link.
#[derive(Debug)]
pub(super) struct RawLink {
    pub(super) node: Impostor,
    pub(super) connection: Connection,
    number: u64,
    control: Arc<Mutex<SendStream>>,
    answers: Option<RecvStream>,
    records: Option<SendStream>,
    bulk: Option<SendStream>,
    /// True once the victim has ended the control stream, as far as that is read.
    over: Arc<watch::Sender<bool>>,
    tally: Arc<Tally>,
}

impl Drop for RawLink {
    fn drop(&mut self) {
        self.connection.close(0u32.into(), b"");
        // The socket stays until that was sent.
        let node = self.node.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(node);
        });
    }
}

/// A message as it travels.
pub(super) fn framed(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("a small frame").to_le_bytes(), bytes].concat()
}

impl RawLink {
    /// Sends a message on its stream.
    pub(super) async fn send(&mut self, message: &Message) -> Result<(), Ended> {
        self.raw(message.stream(), &framed(&message.encode())).await
    }

    /// Sends records as if they entered the graph at this node.
    pub(super) async fn push(&mut self, records: &[SignedRecord]) -> Result<(), Ended> {
        let records = records.iter().map(|record| record.bytes().clone()).collect();
        self.send(&Message::Push { origin: self.node.node.tag(), records }).await
    }

    /// Sends bytes on a stream, and counts those that were taken.
    pub(super) async fn raw(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Ended> {
        let Self { connection, number, control, records, bulk, over, tally, .. } = self;
        if *over.borrow() {
            return Err(Ended);
        }
        let (kind, slot) = match stream {
            Stream::Control => return counted(&mut *control.lock().await, bytes, tally).await,
            Stream::Records => (1, records),
            Stream::Bulk => (2, bulk),
        };
        if slot.is_none() {
            *slot = Some(open_stream(connection, kind, *number).await?);
        }
        let Some(open) = slot else { return Err(Ended) };
        counted(open, bytes, tally).await
    }

    /// Opens a stream of this kind: 1 records, 2 bulk, 3 data, 4 acknowledgements.
    pub(super) async fn stream(&self, kind: u8) -> Result<SendStream, Ended> {
        open_stream(&self.connection, kind, self.number).await
    }

    /// Writes to a stream of this link.
    pub(super) async fn write(&self, stream: &mut SendStream, bytes: &[u8]) -> Result<(), Ended> {
        counted(stream, bytes, &self.tally).await
    }

    /// The next message on the control stream.
    pub(super) async fn next(&mut self) -> Result<Message, Ended> {
        next(self.answers.as_mut().ok_or(Ended)?).await
    }

    /// From now on reads and drops what comes on all streams, and answers pings.
    pub(super) fn read_on(&mut self) {
        let Some(mut answers) = self.answers.take() else { return };
        let (control, tally, connection) =
            (self.control.clone(), self.tally.clone(), self.connection.clone());
        let over = self.over.clone();
        tokio::spawn(async move {
            while let Ok(message) = next(&mut answers).await {
                if let Message::Ping(ping) = message {
                    let pong = framed(&Message::Pong(ping).encode());
                    let _ = counted(&mut *control.lock().await, &pong, &tally).await;
                }
            }
            over.send_replace(true);
        });
        tokio::spawn(async move {
            while let Ok(mut stream) = connection.accept_uni().await {
                tokio::spawn(async move { while let Ok(Some(_)) = stream.read_chunk(64 * 1024).await {} });
            }
        });
    }

    /// Waits until the victim ends the connection or the link.
    pub(super) async fn ended(&mut self) {
        match self.answers.take() {
            Some(mut answers) => while next(&mut answers).await.is_ok() {},
            None => {
                let _ = self.over.subscribe().wait_for(|over| *over).await;
            }
        }
    }
}

async fn open_stream(connection: &Connection, kind: u8, number: u64) -> Result<SendStream, Ended> {
    let mut stream = connection.open_uni().await.map_err(|_| Ended)?;
    stream.write_all(&[&[kind][..], &number.to_le_bytes()].concat()).await.map_err(|_| Ended)?;
    Ok(stream)
}

async fn counted(stream: &mut SendStream, bytes: &[u8], tally: &Tally) -> Result<(), Ended> {
    for piece in bytes.chunks(64 * 1024) {
        stream.write_all(piece).await.map_err(|_| Ended)?;
        tally.sent.fetch_add(piece.len() as u64, Relaxed);
    }
    Ok(())
}

async fn next(answers: &mut RecvStream) -> Result<Message, Ended> {
    let read = async {
        let mut len = [0; 4];
        answers.read_exact(&mut len).await.map_err(io::Error::other)?;
        let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
        answers.read_exact(&mut bytes).await.map_err(io::Error::other)?;
        io::Result::Ok(bytes)
    };
    let bytes = read.await.map_err(|_| Ended)?;
    Message::decode(&Bytes::from(bytes)).map_err(|_| Ended)
}

/// A ping that says this time.
pub(super) fn ping(seq: u32, peer_time: Timestamp) -> Ping {
    Ping { seq, peer_time, mark: crate::insider::MARK }
}
