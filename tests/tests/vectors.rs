//! Golden vectors: the bytes of protocol version 1. Whoever changes one breaks every node that is out there.
//!
//! `PEERGRAPH_WRITE_VECTORS=1 cargo test -p peergraph-tests --test vectors` writes the file anew, for a new version of the
//! protocol and for nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    time::Duration,
};

use data_encoding::HEXLOWER;
use peergraph::{
    Attributes, Genesis, GraphId, GraphProperties, GraphSecret, NodeAddr, NodeId, PeerId, RecordId,
    RecordType, Role, SecretKey, Ticket, Timestamp, Value,
    authority::{Act, ActBody, Content, Credential, Invite, Keep, Remove, issuer_proof},
    crypto::LtHash,
    ids::ActId,
    record::{DeviceCertificate, Header, MemberName, Origin, Presence, RecordKey, SignedRecord},
    time::Hlc,
    wire::{
        Announce, Connect, Digest, Filter, Freshness, GivenKey, Goodbye, GoodbyeReason, HELLO_LEN, Hello,
        JoinDenied, JoinMessage, Lost, Mark, Message, Ping, Purpose, Range, RangeState, Refuse, RefuseReason,
        SyncMessage, TypeDigest, VERSION, Welcome, decode_exact,
    },
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/v1.json");

type Vectors = BTreeMap<String, String>;

/// Everything is made from the seeds 01…01 (identity and creator) and 02…02 (node), at the second 1,800,000,000.
struct Maker {
    identity: SecretKey,
    node_key: SecretKey,
    node: NodeId,
    now: Timestamp,
    genesis: Genesis,
    graph: GraphId,
    vectors: Vectors,
}

impl Maker {
    fn new() -> Self {
        let identity = SecretKey::from_bytes(&[1; 32]);
        let genesis = Genesis::new(identity.peer(), [4; 16]);
        Self {
            node_key: SecretKey::from_bytes(&[2; 32]),
            node: SecretKey::from_bytes(&[2; 32]).node(),
            now: Timestamp::from_secs(1_800_000_000),
            graph: genesis.id(),
            identity,
            genesis,
            vectors: Vectors::new(),
        }
    }

    fn put(&mut self, name: &str, bytes: &[u8]) {
        let old = self.vectors.insert(name.into(), HEXLOWER.encode(bytes));
        assert!(old.is_none(), "{name} twice");
    }

    fn message(&mut self, name: &str, message: &Message) {
        let bytes = message.encode();
        assert_eq!(&Message::decode(&bytes).unwrap(), message, "{name}");
        self.put(&format!("message {name}"), &bytes);
    }

    fn sync(&mut self, name: &str, message: SyncMessage) {
        self.message(&format!("sync {name}"), &Message::Sync(message));
    }

    fn addr(&self) -> NodeAddr {
        let sockets = ["192.0.2.1:1234".parse().unwrap(), "[2001:db8::1]:443".parse().unwrap()];
        NodeAddr { relay: Some("https://relay.example/".into()), ..NodeAddr::at(self.node, sockets) }
    }

    fn mark(&self) -> Mark {
        Mark { node: self.node, beat: 1_800_000_000 }
    }

    fn header(&self) -> Header {
        let attributes = Attributes::from_iter([
            ("bytes", Value::Bytes(vec![1, 2, 3].into())),
            ("flag", Value::Boolean(true)),
            ("float", Value::Float(0.5)),
            ("list", Value::List(vec![Value::Integer(-1), Value::String("two".into())])),
            ("time", Value::Time(self.now.into())),
        ]);
        Header {
            expires: Some(self.now + Duration::from_secs(3600)),
            attributes,
            ..Header::first(
                RecordType::new("app.note").unwrap(),
                [5; 16],
                self.identity.peer(),
                Hlc::at(self.now),
            )
        }
    }

    fn put_records<const N: usize>(&mut self, records: [(&str, &SignedRecord); N]) {
        for (name, record) in records {
            let read = SignedRecord::decode(&self.graph, record.bytes().clone(), 1 << 20).unwrap();
            assert!(read.verify(&self.graph) && read == *record);
            self.put(name, record.bytes());
            self.put(&format!("{name} id"), record.id().as_bytes());
            self.put(&format!("{name} key"), &record.key().to_bytes());
        }
    }

    /// A removal that keeps two records, and the list of them.
    fn put_acts(&mut self) {
        let kept = [RecordId::from_bytes([21; 16]), RecordId::from_bytes([22; 16])];
        let (keep, chunks) = Keep::list([], kept);
        let (subject, reason) = (SecretKey::from_bytes(&[4; 32]).peer(), "no more".into());
        let content = Content::Remove(Remove { subject, reason, keep, branch: true, undo: false });
        let after = vec![ActId::from_bytes([18; 32]), ActId::from_bytes([19; 32])];
        let author = self.identity.peer();
        let act = Act::draft(ActBody { author, by: None, after, at: self.now, content });
        self.put("hash of the act", act.id().as_bytes());
        self.put("hash of the kept records", &chunks[0].hash());
        let key = SecretKey::from_bytes(&[23; 32]);
        let (lifetime_ms, admitters) = (Some(86_400_000), vec![author]);
        let proof = issuer_proof(&key, &self.graph, &author);
        let invite = Invite {
            key: key.peer(),
            role: Role::Member,
            uses: 3,
            not_after: self.now,
            lifetime_ms,
            admitters,
            proof,
        };
        let invite =
            Act::draft(ActBody { after: Vec::new(), content: Content::Invite(invite), ..act.body().clone() });
        let records = [
            ("act", act.to_record()),
            ("act that invites", invite.to_record()),
            ("kept records", chunks[0].to_record(act.body())),
        ];
        for (name, (header, body)) in records {
            let record = SignedRecord::sign(&self.graph, &self.identity, header, &body);
            assert!(Credential::of(&record).is_ok());
            self.put_records([(name, &record)]);
        }
    }

    fn signed_objects(&mut self) -> [SignedRecord; 3] {
        let (identity, graph) = (self.identity.clone(), self.graph);
        self.put("genesis", &postcard::to_stdvec(&self.genesis).unwrap());
        self.put("graph id", graph.as_bytes());
        let device = DeviceCertificate::issue(&identity, self.node);
        self.put("device certificate", &postcard::to_stdvec(&device).unwrap());
        let record = SignedRecord::sign(&graph, &identity, self.header(), b"hello");
        let editor = SecretKey::from_bytes(&[3; 32]);
        let next = Header {
            editor: Some(editor.peer()),
            version: 2,
            hlc: Hlc(Hlc::at(self.now).0 + 1),
            replaced: Some(record.key().element),
            expires: None,
            attributes: Attributes::new(),
            ..self.header()
        };
        let first = Header { origin: Some(Origin::First), ..self.header() };
        let first = SignedRecord::sign(&graph, &identity, first, b"hello");
        let origin = first.next_origin(editor.peer());
        let edited = SignedRecord::sign(&graph, &editor, Header { origin, ..next.clone() }, b"");
        assert_eq!(first.id(), edited.id());
        self.put_records([("record of a group", &first), ("update of a group", &edited)]);
        self.put_acts();
        let update = SignedRecord::sign(&graph, &editor, next.clone(), b"");
        let tomb = Header { deleted: true, version: 3, ..next };
        let tombstone = SignedRecord::sign(&graph, &editor, tomb, b"");
        self.put_records([("record", &record), ("update", &update), ("tombstone", &tombstone)]);
        let properties = GraphProperties { name: "Book club".into(), ..GraphProperties::default() };
        self.put("properties", &postcard::to_stdvec(&properties).unwrap());
        let says = ("here".to_owned(), self.now);
        let presence = Presence::sign(&graph, &self.node_key, device, self.addr(), says);
        assert!(presence.is_sound(&graph));
        self.put("presence", &postcard::to_stdvec(&presence).unwrap());
        let named = MemberName { name: "Ada".into() };
        assert!(named.is_sound());
        self.put("member name", &postcard::to_stdvec(&named).unwrap());
        let ticket = Ticket { graph, secret: GraphSecret::from_bytes([6; 32]), nodes: vec![self.addr()] };
        assert_eq!(ticket.to_string().parse(), Ok(ticket.clone()));
        self.put("ticket (text)", ticket.to_string().as_bytes());
        [record, update, tombstone]
    }

    fn hashes(&mut self, records: &[SignedRecord]) {
        let mut hash = LtHash::new();
        self.put("fingerprint of nothing", &hash.fingerprint(0));
        records.iter().for_each(|record| hash.add(&record.key().to_bytes()));
        self.put("fingerprint of record, update, tombstone", &hash.fingerprint(3));
        let hello = Hello::new(&GraphSecret::from_bytes([6; 32]), &[7; 32], 8, VERSION, true);
        self.put("hello of the dialler (secret 06, exporter 07, link 8)", &hello.to_bytes());
        let hello = Hello::new(&GraphSecret::from_bytes([6; 32]), &[7; 32], 8, VERSION, false);
        self.put("hello of the acceptor", &hello.to_bytes());
    }

    fn messages(&mut self, record: &SignedRecord) {
        let device = DeviceCertificate::issue(&self.identity, self.node);
        let (addr, mark, key) = (self.addr(), self.mark(), record.key());
        let connect = Connect {
            purpose: Purpose::Neighbor,
            device: device.clone(),
            addr: addr.clone(),
            expected: Some(PeerId::from_bytes([9; 32])),
            wants_referrals: true,
            urgent: false,
            instance: 13,
            ping: 1000,
            mark,
            credentials: vec![b"shown".to_vec().into()],
        };
        self.message("connect", &Message::Connect(Box::new(connect)));
        let welcome = Welcome {
            device,
            addr: addr.clone(),
            genesis: self.genesis.clone(),
            instance: 14,
            ping: 15_000,
            peer_time: self.now,
            referrals: vec![addr.clone()],
            mark,
            credentials: Vec::new(),
        };
        self.message("welcome", &Message::Welcome(Box::new(welcome)));
        let referrals = vec![addr.clone()];
        self.message(
            "refuse",
            &Message::Refuse(Refuse {
                reason: RefuseReason::Busy,
                referrals: referrals.clone(),
                acts: vec![b"act".as_slice().into()],
            }),
        );
        let reason = GoodbyeReason::Leaving;
        self.message("goodbye", &Message::Goodbye(Goodbye { reason, referrals }));
        self.message("addresses", &Message::Addresses(addr));
        let ping = Ping { seq: 300, peer_time: self.now, mark };
        self.message("ping", &Message::Ping(ping));
        self.message("pong", &Message::Pong(ping));
        self.message("push", &Message::Push { origin: 10, records: vec![record.bytes().clone()] });
        self.message("announce", &Message::Announce(vec![Announce { origin: 10, key }]));
        self.message("prune", &Message::Prune(vec![10, 11]));
        self.message("graft", &Message::Graft { origin: 10, keys: vec![key] });
        self.message("ack", &Message::Ack { useful: 3, useless: 200 });
        self.message("records", &Message::Records { session: 1, records: vec![record.bytes().clone()] });
        self.message("lost", &Message::Lost(vec![Lost { node: self.node, seen: Hlc::at(self.now) }]));
        self.message("want keys", &Message::WantKeys(vec![[7; 32], [8; 32]]));
        let key = GivenKey { epoch: [7; 32], sealed: vec![9; 80].into() };
        self.message("give keys", &Message::GiveKeys(vec![key]));
    }

    fn joins(&mut self, record: &SignedRecord) {
        let name = || "Ben".to_owned();
        let (key, request) = (self.identity.peer(), bytes::Bytes::from_static(b"asked"));
        let device = DeviceCertificate::issue(&self.identity, self.node);
        let relayed =
            JoinMessage::Relayed { device, exporter: [16; 32], request: request.clone(), name: name() };
        let all = [
            ("invite", JoinMessage::Invite { key, issuer: key, signature: [15; 64], name: name() }),
            ("use", JoinMessage::Use(ActId::from_bytes([16; 32]))),
            ("used", JoinMessage::Used([17; 64])),
            ("password", JoinMessage::Password { request, name: name() }),
            ("challenge", JoinMessage::Challenge(b"challenged".to_vec().into())),
            ("proof", JoinMessage::Proof(b"proven".to_vec().into())),
            ("granted", JoinMessage::Granted { chain: vec![record.bytes().clone()], again: true }),
            (
                "denied",
                JoinMessage::Denied { reason: JoinDenied::Throttled(300), referrals: vec![self.addr()] },
            ),
            ("relayed", relayed),
        ];
        for (name, message) in all {
            self.message(&format!("join {name}"), &Message::Join(Box::new(message)));
        }
    }

    fn syncs(&mut self, records: &[SignedRecord; 3]) {
        let mut keys: Vec<RecordKey> = records.iter().map(SignedRecord::key).collect();
        keys.sort_unstable();
        let digest = Digest { count: 3, hash: [12; 16] };
        let record_type = RecordType::new("app.note").unwrap();
        let types = vec![TypeDigest { record_type: record_type.clone(), digest }];
        let (session, seen, idle, initiator) = (1, 3, false, true);
        let fresh = Freshness { synced: self.now, collected: Timestamp::from_secs(1_797_000_000) };
        self.sync("open", SyncMessage::Open { session, digest, types, fresh });
        self.sync(
            "compared",
            SyncMessage::Compared { session, equal: false, differing: vec![0], count: 7, fresh },
        );
        let ranges = vec![
            Range { to: Some(keys[1]), state: RangeState::Fingerprint(digest) },
            Range { to: Some(keys[2]), state: RangeState::Skip },
            Range { to: None, state: RangeState::Keys(vec![keys[2]]) },
        ];
        let filter = Filter::Only(record_type);
        self.sync("ranges", SyncMessage::Ranges { session, initiator, seen, idle, filter, ranges });
        let ranges = vec![Range { to: None, state: RangeState::Ask }];
        let filter = Filter::All;
        self.sync("ask", SyncMessage::Ranges { session, initiator, seen, idle, filter, ranges });
    }

    fn sync_transfers(&mut self, records: &[SignedRecord; 3]) {
        let mut keys: Vec<RecordKey> = records.iter().map(SignedRecord::key).collect();
        keys.sort_unstable();
        let (session, request, seen, idle, initiator) = (1, 2, 3, false, true);
        self.sync("have", SyncMessage::Have { session, initiator, seen, idle: true, keys: keys.clone() });
        self.sync("status", SyncMessage::Status { session, initiator: false, seen, idle });
        self.sync("fetch", SyncMessage::Fetch { session, initiator, request, keys: keys.clone() });
        let (from, to, max_bytes) = (keys[0], Some(keys[2]), 65_536);
        self.sync(
            "pull",
            SyncMessage::Pull { session, initiator, request, filter: Filter::All, from, to, max_bytes },
        );
        let next = Some(keys[1]);
        self.sync("sent", SyncMessage::Sent { session, initiator, request, records: 2, next });
        self.sync("done", SyncMessage::Done { session });
        self.sync("abort", SyncMessage::Abort { session, initiator });
    }

    fn make() -> Vectors {
        let mut maker = Self::new();
        let records = maker.signed_objects();
        maker.hashes(&records);
        maker.messages(&records[0]);
        maker.joins(&records[0]);
        maker.syncs(&records);
        maker.sync_transfers(&records);
        maker.vectors
    }
}

fn kept() -> Vectors {
    serde_json::from_str(&fs::read_to_string(FILE).expect("the vectors")).expect("names and hexadecimal text")
}

fn bytes_of(vectors: &Vectors, name: &str) -> Vec<u8> {
    HEXLOWER.decode(vectors[name].as_bytes()).expect("hexadecimal text")
}

#[test]
fn the_bytes_of_version_1_have_not_changed() {
    let made = Maker::make();
    if env::var_os("PEERGRAPH_WRITE_VECTORS").is_some() {
        fs::write(FILE, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let kept = kept();
    for (name, hex) in &made {
        assert_eq!(kept.get(name), Some(hex), "{name}");
    }
    assert_eq!(kept.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
}

/// The number of a message on the wire. Exhaustive on purpose: a new kind needs a vector.
const fn number_of(message: &Message) -> u8 {
    match message {
        Message::Connect(_) => 0,
        Message::Welcome(_) => 1,
        Message::Refuse(_) => 2,
        Message::Goodbye(_) => 3,
        Message::Addresses(_) => 4,
        Message::Ping(_) => 5,
        Message::Pong(_) => 6,
        Message::Push { .. } => 7,
        Message::Announce(_) => 8,
        Message::Prune(_) => 9,
        Message::Graft { .. } => 10,
        Message::Ack { .. } => 11,
        Message::Sync(_) => 12,
        Message::Records { .. } => 13,
        Message::Join(_) => 14,
        Message::Lost(_) => 15,
        Message::WantKeys(_) => 16,
        Message::GiveKeys(_) => 17,
    }
}

#[test]
fn every_message_of_the_vectors_is_refused_when_cut_short_or_followed_by_more() {
    let vectors = kept();
    let messages = vectors.keys().filter(|name| name.starts_with("message "));
    let mut numbers = BTreeSet::new();
    for name in messages {
        let bytes = bytes_of(&vectors, name);
        let number = number_of(&Message::decode(&bytes).unwrap());
        assert_eq!(bytes[0], number, "{name}");
        numbers.insert(number);
        for len in 0..bytes.len() {
            // A shorter list may be a whole message only if its length says so: never a prefix of this one.
            assert!(Message::decode(&bytes[..len]).is_err(), "{name} cut to {len}");
        }
        assert!(Message::decode(&[&bytes[..], &[0]].concat()).is_err(), "{name} with more");
    }
    assert_eq!(numbers, (0..=17).collect(), "every kind of message has a vector");
}

#[test]
fn records_of_the_vectors_hold_and_one_changed_bit_is_noticed() {
    let vectors = kept();
    let graph = decode_exact::<Genesis>(&bytes_of(&vectors, "genesis")).unwrap().id();
    assert_eq!(graph.as_bytes()[..], bytes_of(&vectors, "graph id"));
    for name in ["record", "update", "tombstone"] {
        let bytes = bytes_of(&vectors, name);
        let record = SignedRecord::decode(&graph, bytes.clone().into(), 1 << 20).unwrap();
        assert!(record.verify(&graph), "{name}");
        let id = RecordId::from_bytes(bytes_of(&vectors, &format!("{name} id")).try_into().unwrap());
        assert_eq!(record.id(), id);
        assert!(!record.verify(&GraphId::from_bytes([0; 32])), "{name} is nothing in another graph");
        for bit in 0..8 * bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[bit / 8] ^= 1 << (bit % 8);
            let holds = SignedRecord::decode(&graph, spoilt.into(), 1 << 20).is_ok_and(|r| r.verify(&graph));
            assert!(!holds, "{name}, bit {bit}");
        }
    }
    let ticket = String::from_utf8(bytes_of(&vectors, "ticket (text)")).unwrap();
    assert_eq!(ticket.parse::<Ticket>().unwrap().graph, graph);
    let presence = decode_exact::<Presence>(&bytes_of(&vectors, "presence")).unwrap();
    assert!(presence.is_sound(&graph));
    let hello: [u8; HELLO_LEN] = bytes_of(&vectors, "hello of the acceptor").try_into().unwrap();
    assert!(Hello::from_bytes(&hello).proves(&GraphSecret::from_bytes([6; 32]), &[7; 32], false));
}
