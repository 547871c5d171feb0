//! Databases written to files and taken in from them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use peergraph::{
    CreateGroup, Durability, ErrorKind, Graph, Group, ImportCount, ImportDatabase, ListQuery, Node,
    NodeConfig, OpenGraph, RecordType, RecordUpdate, Role, Timestamp,
    events::{ConnectionChange, Event, EventFilter, EventKind},
    ids::GraphId,
    record::{Header, Origin, SignedRecord},
    records::{ExportHead, ExportReader, ExportWriter},
    time::Hlc,
};
use peergraph_tests::{
    converge, expect, founder, group,
    identities::{key, with_key},
    joiner, member, node, note,
};

const PASSWORD: &str = "correct horse";
/// What stands before the content of a file in the clear.
const START: usize = 9;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// What is in a file in the clear.
fn read(path: &Path, graph: GraphId) -> (ExportHead, Vec<SignedRecord>) {
    let bytes = fs::read(path).unwrap();
    let mut reader = ExportReader::new(&bytes[START..]).unwrap();
    let mut records = Vec::new();
    while let Some(envelope) = reader.next_record().unwrap() {
        records.push(SignedRecord::decode(&graph, envelope, 1 << 20).unwrap());
    }
    (reader.head().clone(), records)
}

/// Writes a file in the clear, as somebody else's program might.
fn write(path: &Path, head: &ExportHead, envelopes: &[Vec<u8>]) {
    let mut writer = ExportWriter::new(b"peergdb1\0".to_vec(), head).unwrap();
    for envelope in envelopes {
        writer.record(envelope).unwrap();
    }
    fs::write(path, writer.finish().unwrap().0).unwrap();
}

async fn bodies(graph: &Graph) -> Vec<String> {
    let items = graph.list(ListQuery::default()).await.unwrap().items;
    let mut found: Vec<_> = items.iter().map(|record| record.body_text().unwrap().to_owned()).collect();
    found.sort_unstable();
    found
}

/// The owner of a group on another machine, offline and without a record.
async fn moved(group: &Group) -> (Node, Group) {
    let text = group.export_membership(PASSWORD).await.unwrap();
    let node = node().await;
    let moved = node.import_membership(&text, PASSWORD).await.unwrap();
    (node, moved)
}

async fn refused(graph: &Graph, path: &Path, options: ImportDatabase) -> ErrorKind {
    graph.import_database(path, options).await.unwrap_err().kind()
}

#[tokio::test(flavor = "multi_thread")]
async fn m26_r19_a_group_and_its_owner_move_by_files_alone() {
    let files = Files::new();
    let (ada, club) = group("Book club").await;
    let (ben, bens) = member(&club, Role::Member, "Ben").await;
    club.publish(note("ada's")).await.unwrap();
    let kept = bens.publish(note("ben's")).await.unwrap();
    let gone = bens.publish(note("deleted")).await.unwrap();
    bens.update(kept.id, RecordUpdate::body("ben's, better")).await.unwrap();
    bens.delete(gone.id).await.unwrap();
    converge(&[&club, &bens]).await;
    let path = files.path("club.peergraph");
    let count = club.export_database(&path, None).await.unwrap();
    assert_eq!(files.0.path().read_dir().unwrap().count(), 1, "nothing but the file");
    let membership = club.export_membership(PASSWORD).await.unwrap();
    ada.shutdown().await;

    let dir = tempfile::tempdir().unwrap();
    let new = Node::start(NodeConfig::loopback().at(dir.path())).await.unwrap();
    let club = new.import_membership(&membership, PASSWORD).await.unwrap();
    assert_eq!(club.publish(note("too early")).await.unwrap_err().kind(), ErrorKind::NeverSynchronized);
    let changes = club.events(EventFilter::kinds([EventKind::RecordChanged])).unwrap();
    let done = club.import_database(&path, ImportDatabase::default()).await.unwrap();
    assert_eq!(done, ImportCount { added: count, ..ImportCount::default() });
    assert_eq!(bodies(&club).await, ["ada's", "ben's, better"]);
    let told = expect(&changes, "ben's record is told", |event| match event {
        Event::RecordChanged(change) => (change.record.id == kept.id).then(|| change.record.author),
        _ => None,
    });
    assert_eq!(told.await, ben.peer_id());
    assert_eq!(club.properties().await.unwrap().name, "Book club");
    let names: Vec<_> = club.members().await.unwrap().into_iter().map(|m| (m.name, m.role)).collect();
    assert_eq!(names.len(), 2);
    assert_eq!((names[0].1, &names[1]), (Some(Role::Owner), &("Ben".into(), Some(Role::Member))));
    // A second time there is nothing new.
    let again = club.import_database(&path, ImportDatabase::default()).await.unwrap();
    assert_eq!(again, ImportCount { known: count, ..ImportCount::default() });

    // It needs nobody to go on, and survives a restart.
    new.shutdown().await;
    let new = Node::start(NodeConfig::loopback().at(dir.path())).await.unwrap();
    let club = new.open_group_with(club.id(), peergraph_tests::offline()).await.unwrap();
    club.publish(note("from the new machine")).await.unwrap();
    assert!(!club.status().await.unwrap().has_connections);
    // Once it listens, it finds Ben, whom the old machine knew.
    club.listen().await.unwrap();
    converge(&[&club, &bens]).await;
    assert_eq!(bodies(&bens).await, ["ada's", "ben's, better", "from the new machine"]);
    assert!(bens.get(gone.id).await.unwrap().is_none(), "what was deleted stays deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_an_export_is_one_moment_of_a_graph_that_goes_on() {
    let files = Files::new();
    let dir = tempfile::tempdir().unwrap();
    let config = NodeConfig { durability: Durability::Relaxed, ..NodeConfig::loopback().at(dir.path()) };
    let ada = Node::start(config).await.unwrap();
    let graph = ada.create_graph("r19").await.unwrap();
    graph.listen().await.unwrap();
    for n in 0..700 {
        graph.publish(note(&format!("{n:05}"))).await.unwrap();
    }
    let writing = tokio::spawn({
        let graph = graph.clone();
        async move {
            for n in 700..1100 {
                graph.publish(note(&format!("{n:05}"))).await.unwrap();
            }
        }
    });
    let mut exports = Vec::new();
    for n in 0..4 {
        let path = files.path(&n.to_string());
        graph.export_database(&path, (n % 2 == 1).then_some(PASSWORD)).await.unwrap();
        exports.push(path);
    }
    writing.await.unwrap();
    // One by one they were written, so what is in a file is all up to some point.
    for (n, path) in exports.iter().enumerate() {
        let other = node().await;
        let ticket = graph.ticket().await.unwrap();
        let opened = other.open_graph(ticket, OpenGraph::default()).await.unwrap();
        let options = ImportDatabase::default().exporter(ada.peer_id());
        let options = if n % 2 == 1 { options.password(PASSWORD) } else { options };
        let done = opened.import_database(path, options).await.unwrap();
        assert!(done.added >= 701 && (done.known, done.refused, done.waiting) == (0, 0, 0), "{done:?}");
        let mut found = Vec::new();
        let mut query = ListQuery::default();
        loop {
            let page = opened.list(query.clone()).await.unwrap();
            found.extend(page.items.iter().map(|r| r.body_text().unwrap().parse::<usize>().unwrap()));
            (query.after, query.through) = (page.next, Some(page.through));
            if page.next.is_none() {
                break;
            }
        }
        found.sort_unstable();
        assert!(found.len() >= 700 && found.iter().copied().eq(0..found.len()), "{}", found.len());
        opened.join_and_match(&graph).await;
    }
}

trait JoinAndMatch {
    async fn join_and_match(&self, other: &Graph);
}

impl JoinAndMatch for Graph {
    async fn join_and_match(&self, other: &Graph) {
        self.enter(other.ticket().await.unwrap()).await.unwrap();
        converge(&[self, other]).await;
        self.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m26_a_database_is_imported_before_connecting_or_not_at_all() {
    let files = Files::new();
    let path = files.path("club");
    let (_ada, club) = group("m26").await;
    club.publish(note("x")).await.unwrap();
    club.export_database(&path, None).await.unwrap();
    let options = ImportDatabase::default;
    assert_eq!(refused(&club, &path, options()).await, ErrorKind::GraphInUse, "it listens");

    // Connected, though it does not listen; and after that connection has ended.
    let (_second, connected) = moved(&club).await;
    let events = connected.events(EventFilter::kinds([EventKind::NeighborConnection])).unwrap();
    let link = connected.connect(connected.contacts().await.unwrap()).await.unwrap();
    assert_eq!(refused(&connected, &path, options()).await, ErrorKind::GraphInUse, "it is connected");
    connected.disconnect(link.connection).await.unwrap();
    expect(&events, "the link ends", |event| match event {
        Event::NeighborConnection(e) => {
            matches!(e.change, ConnectionChange::Disconnected { .. }).then_some(())
        }
        _ => None,
    })
    .await;
    assert_eq!(refused(&connected, &path, options()).await, ErrorKind::GraphInUse, "it was connected");
    // Closed and opened again, it is as at first.
    let (third, offline) = moved(&club).await;
    offline.import_database(&path, options()).await.unwrap();
    offline.listen().await.unwrap();
    let again = refused(&offline, &path, options()).await;
    assert_eq!(again, ErrorKind::GraphInUse, "it listens");
    drop(third);
    // A plain graph is no exception.
    let (ada, graph) = founder("plain").await;
    let plain = files.path("plain");
    graph.export_database(&plain, None).await.unwrap();
    assert_eq!(refused(&graph, &plain, options()).await, ErrorKind::GraphInUse);
    let (_ben, bens) = joiner(&graph).await;
    let by_ada = ImportDatabase::default().exporter(ada.peer_id());
    assert_eq!(refused(&bens, &plain, by_ada).await, ErrorKind::GraphInUse);
    bens.close().await;
    assert_eq!(refused(&bens, &plain, options()).await, ErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_m26_another_graphs_file_and_another_identitys_are_refused() {
    let files = Files::new();
    let (_ada, club) = group("m26").await;
    let (ben, bens) = member(&club, Role::Member, "Ben").await;
    let (_cyd, other) = group("other").await;
    converge(&[&club, &bens]).await;
    let (path, foreign, by_ben) = (files.path("club"), files.path("other"), files.path("ben"));
    club.export_database(&path, None).await.unwrap();
    other.export_database(&foreign, None).await.unwrap();
    bens.export_database(&by_ben, None).await.unwrap();
    let occupied = club.export_database(&path, None).await.unwrap_err();
    assert_eq!(occupied.kind(), ErrorKind::AlreadyExists, "{occupied}");

    let (_new, moved) = moved(&club).await;
    let options = ImportDatabase::default;
    assert_eq!(refused(&moved, &foreign, options()).await, ErrorKind::WrongGraph);
    assert_eq!(refused(&moved, &by_ben, options()).await, ErrorKind::WrongPeer);
    assert_eq!(refused(&moved, &files.path("none"), options()).await, ErrorKind::NotFound);
    let text = files.path("text");
    fs::write(&text, "no database at all").unwrap();
    assert_eq!(refused(&moved, &text, options()).await, ErrorKind::Damaged);
    let later = files.path("later");
    let mut bytes = fs::read(&path).unwrap();
    bytes[7] = b'2';
    fs::write(&later, bytes).unwrap();
    assert_eq!(refused(&moved, &later, options()).await, ErrorKind::UnsupportedVersion);
    assert_eq!(moved.fingerprint().await.unwrap().count, 0, "nothing was taken");
    // The head rewritten for this group does not make the other's records good.
    let (head, _) = read(&path, club.id());
    let (_, records) = read(&foreign, other.id());
    let mixed = files.path("mixed");
    write(&mixed, &head, &records.iter().map(|r| r.bytes().to_vec()).collect::<Vec<_>>());
    let done = moved.import_database(&mixed, options()).await.unwrap();
    assert_eq!((done.added, done.refused), (0, records.len() as u64));
    // Who says whose it is may take it.
    let done = moved.import_database(&by_ben, options().exporter(ben.peer_id())).await.unwrap();
    assert!(done.added > 0 && done.refused == 0, "{done:?}");
}

/// A record of the identity with key 9, written so long ago (or ahead) by the clock, in milliseconds.
fn written(graph: GraphId, body: &str, ago: i64, lifetime: Option<u64>) -> Vec<u8> {
    let now = Timestamp::from(std::time::SystemTime::now());
    let at = Timestamp(now.0.strict_sub_signed(ago));
    let header = Header {
        expires: lifetime.map(|lifetime| Timestamp(at.0 + lifetime)),
        origin: Some(Origin::First),
        ..Header::first(
            RecordType::new("test.note").unwrap(),
            [body.len() as u8; 16],
            key(9).peer(),
            Hlc::at(at),
        )
    };
    SignedRecord::sign(&graph, &key(9), header, body.as_bytes()).bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn m26_every_record_is_judged_like_a_strangers() {
    let files = Files::new();
    let ada = node().await;
    let identity = ada.identities().create(with_key(9, None)).await.unwrap();
    let club = ada.create_group(CreateGroup { identity: Some(identity), .."m26".into() }).await.unwrap();
    let (ben, bens) = member(&club, Role::Member, "Ben").await;
    club.publish(note("ada's")).await.unwrap();
    bens.publish(note("ben's")).await.unwrap();
    converge(&[&club, &bens]).await;
    let path = files.path("club");
    club.export_database(&path, None).await.unwrap();
    let (head, records) = read(&path, club.id());
    let of = |body: &str| records.iter().find(|r| r.body() == body).unwrap().bytes().to_vec();
    let is_bens = |r: &SignedRecord| {
        r.header().record_type.as_str() == RecordType::CREDENTIAL
            && contains(r.bytes(), ben.peer_id().as_bytes())
    };
    assert!(records.iter().any(is_bens));

    // Ben's credential left out; what cannot be let in; what is let in; what comes in later.
    let mut envelopes: Vec<_> =
        records.iter().filter(|r| !is_bens(r) && r.body() != "ada's").map(|r| r.bytes().to_vec()).collect();
    let good = envelopes.len() as u64 - 1;
    let mut unsigned = of("ada's");
    let at = unsigned.len() - "ada's".len() - 10;
    unsigned[at] ^= 1;
    let mut replaced = of("ada's");
    let end = replaced.len();
    replaced[end - 1] ^= 1;
    let cut = of("ada's")[..40].to_vec();
    envelopes.extend([unsigned, replaced, cut, b"nonsense".to_vec()]);
    const HOUR: i64 = 3_600_000;
    envelopes.push(written(club.id(), "expired", 2 * HOUR, Some(HOUR as u64)));
    envelopes.push(written(club.id(), "far ahead", -HOUR, None));
    envelopes.push(written(head.genesis.id(), "old", 2 * HOUR, None));
    envelopes.push(written(club.id(), "five minutes ahead", -HOUR / 12, None));
    // Whatever the order.
    envelopes.reverse();
    let forged = files.path("forged");
    write(&forged, &head, &envelopes);
    let (_new, moved) = moved(&club).await;
    let done = moved.import_database(&forged, ImportDatabase::default()).await.unwrap();
    assert_eq!(done, ImportCount { added: good + 1, known: 0, refused: 6, waiting: 2 });
    assert_eq!(bodies(&moved).await, ["old"], "ben's waits, invisible");
    assert_eq!(moved.members().await.unwrap().len(), 1);
    // With the credential it appears, whichever comes first.
    let mut envelopes: Vec<_> = records.iter().map(|r| r.bytes().to_vec()).collect();
    envelopes.reverse();
    let whole = files.path("whole");
    write(&whole, &head, &envelopes);
    let done = moved.import_database(&whole, ImportDatabase::default()).await.unwrap();
    assert_eq!((done.refused, done.waiting), (0, 0), "{done:?}");
    assert_eq!(bodies(&moved).await, ["ada's", "ben's", "old"]);
    moved.enter(moved.contacts().await.unwrap()).await.unwrap();
    converge(&[&club, &bens, &moved]).await;
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
