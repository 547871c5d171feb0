//! Those who get hold of a data directory: what they read there, and what they change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use peergraph::{
    ErrorKind, GraphId, Group, InviteLink, InvitePassword, ListQuery, Node, NodeConfig, PeerId, Role,
    SecretKey,
    authority::{Act, ActBody, Content, Grant},
    crypto::open_from,
    events::{Cursor, Event, EventFilter, EventKind, Start, SubscribeOptions},
    record::SignedRecord,
};
use peergraph_tests::{
    converge, eventually, expect,
    identities::{holders, key},
    leaks::spellings,
    member, node_as, node_at, note, said,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const PASSWORD: &str = "correct horse battery";

/// A node on a directory, as this identity.
async fn on(dir: &Path, identity: &SecretKey) -> Node {
    let config = NodeConfig { identity: Some(identity.clone()), ..NodeConfig::loopback() };
    Node::start(config.at(dir)).await.expect("a data directory and a loopback socket")
}

/// Another file in the place of a database, as a restored backup is.
fn put_back(dir: &Path, graph: GraphId, bytes: &[u8]) {
    let file = database(dir, graph);
    for beside in ["db", "db-wal", "db-shm"] {
        let _ = fs::remove_file(file.with_extension(beside));
    }
    fs::write(file, bytes).unwrap();
}

fn database(dir: &Path, graph: GraphId) -> PathBuf {
    dir.join("graphs").join(format!("{graph}.db"))
}

#[tokio::test(flavor = "multi_thread")]
async fn m8_s26_a_members_directory_has_no_verifier_and_no_password() {
    let (dir, owner) = (tempfile::tempdir().unwrap(), key(1));
    let ada = node_as(&owner).await;
    let club = ada.create_group("s26").await.unwrap();
    club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    // One who may not let in came by the password itself; another may, and has it sealed to him alone.
    let invitation = club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let ben = node_at(dir.path()).await;
    let bens = ben.join_group(peergraph::JoinGroup::from(invitation).password(PASSWORD)).await.unwrap();
    let (_cyd, cyds) = member(&club, Role::Inviter, "Cyd").await;
    club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let has_two = |said: &Content| matches!(said, Content::Password(rule) if rule.verifiers.len() == 2);
    eventually("the verifier is sealed to both", || async {
        bens.credentials().await.unwrap().iter().filter_map(said).any(|rule| has_two(&rule))
    })
    .await;
    converge(&[&club, &bens, &cyds]).await;
    let rules = bens.credentials().await.unwrap();
    ben.shutdown().await;

    let own_key = fs::read(dir.path().join("identity.key")).unwrap();
    let own_key = SecretKey::from_bytes(&own_key.try_into().expect("a plain key"));
    let mut verifiers = 0;
    for record in rules {
        let sealed = match said(&record) {
            Some(Content::Password(rule)) => rule.verifiers,
            Some(Content::PassOn { verifiers, .. }) => verifiers,
            _ => continue,
        };
        for (peer, sealed) in sealed {
            assert!(open_from(&own_key, club.id().as_bytes(), &sealed).is_none());
            let Some(verifier) = open_from(&owner, club.id().as_bytes(), &sealed) else { continue };
            assert_eq!(peer, owner.peer());
            verifiers += 1;
            for part in verifier.chunks_exact(16) {
                assert!(holders(dir.path(), part).is_empty());
            }
            // What is looked for is what would be found: the sealed form is there.
            assert!(!holders(dir.path(), &sealed[..64]).is_empty());
        }
    }
    assert!(verifiers >= 2, "{verifiers}");
    let spelt = spellings(PASSWORD.as_bytes()).into_iter().chain([PASSWORD.to_owned()]);
    for text in spelt {
        assert!(holders(dir.path(), text.as_bytes()).is_empty(), "{text}");
    }
}

/// The stored envelope of a member's grant.
fn stored_grant(file: &rusqlite::Connection, graph: GraphId, subject: PeerId) -> (i64, SignedRecord) {
    let mut all = file.prepare("SELECT lsn, envelope FROM records").unwrap();
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
    let decoded = rows
        .map(Result::unwrap)
        .filter_map(|(lsn, bytes)| Some((lsn, SignedRecord::decode_stored(&graph, bytes.into()).ok()?)));
    let names =
        |record: &SignedRecord| matches!(said(record), Some(Content::Grant(g)) if g.subject == subject);
    decoded.into_iter().find(|(_, record)| names(record)).expect("a stored grant")
}

#[tokio::test(flavor = "multi_thread")]
async fn s30_a_role_raised_in_the_file_is_not_believed() {
    let (dir, owner) = (tempfile::tempdir().unwrap(), key(1));
    let ada = on(dir.path(), &owner).await;
    let club = ada.create_group("s30").await.unwrap();
    let id = club.id();
    let (ben, bens) = member(&club, Role::Member, "Ben").await;
    bens.publish(note("as a member")).await.unwrap();
    converge(&[&club, &bens]).await;
    ada.shutdown().await;

    let file = rusqlite::Connection::open(database(dir.path(), id)).unwrap();
    let (lsn, record) = stored_grant(&file, id, ben.peer_id());
    // All fits but the signature, which wants a key that is not in the file.
    let act = Act::of(&record).expect("an act");
    let Content::Grant(grant) = act.body().content.clone() else { panic!("a grant") };
    let raised = Content::Grant(Grant { role: Role::Owner, ..grant });
    let (header, body) = Act::draft(ActBody { content: raised, ..act.body().clone() }).to_record();
    let raised = SignedRecord::sign(&id, &key(9), header, &body);
    file.execute("UPDATE records SET envelope = ?1 WHERE lsn = ?2", (&raised.bytes()[..], lsn)).unwrap();
    file.close().unwrap();

    let ada = on(dir.path(), &owner).await;
    let club = ada.open_group_with(id, peergraph_tests::offline()).await.unwrap();
    let believed =
        |member: peergraph::Result<peergraph::events::MemberInfo>| member.map(|m| m.role).ok().flatten();
    assert_eq!(believed(club.member(ben.peer_id()).await), None, "thrown out, not raised");
    // The true one comes back from whoever has it.
    club.listen().await.unwrap();
    eventually("his true role", || async {
        believed(club.member(ben.peer_id()).await) == Some(Role::Member)
    })
    .await;
    converge(&[&club, &bens]).await;
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[tokio::test(flavor = "multi_thread")]
async fn s30_flipped_bytes_are_found_out_or_harmless_and_never_a_panic() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        shown(info);
    }));
    let (dir, owner) = (tempfile::tempdir().unwrap(), key(1));
    let ada = on(dir.path(), &owner).await;
    let club = ada.create_group("flips").await.unwrap();
    let id = club.id();
    for name in [3, 4, 5] {
        club.invite_peer(key(name).peer(), "somebody", Default::default()).await.unwrap();
    }
    club.invite_link(InviteLink::default()).await.unwrap();
    let mut bodies = Vec::new();
    for number in 0..40 {
        bodies.push(format!("number {number}"));
        club.publish(note(&bodies[number]).with("n", i64::try_from(number).unwrap())).await.unwrap();
    }
    let members: Vec<(PeerId, Option<Role>)> = roles(&club).await;
    ada.shutdown().await;
    let whole = fs::read(database(dir.path(), id)).unwrap();

    let seed = 0x530;
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut opened, mut refused) = (0, 0);
    for round in 0..40 {
        let mut bytes = whole.clone();
        for _ in 0..[1, 4, 64][round % 3] {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
        put_back(dir.path(), id, &bytes);
        let ada = on(dir.path(), &owner).await;
        match ada.open_group(id).await {
            Ok(club) => {
                opened += 1;
                check(&club, &bodies, &members, round).await;
            }
            Err(error) => {
                refused += 1;
                let known =
                    [ErrorKind::Damaged, ErrorKind::Storage, ErrorKind::UnknownGraph, ErrorKind::NotAMember];
                assert!(
                    known.contains(&error.kind()) || error.kind() == ErrorKind::NotFound,
                    "{round}: {error:?}"
                );
            }
        }
        ada.shutdown().await;
    }
    println!("{opened} opened, {refused} refused");
    assert!(opened > 0, "single bits seldom matter");
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}

async fn roles(club: &Group) -> Vec<(PeerId, Option<Role>)> {
    club.members().await.unwrap().into_iter().map(|member| (member.peer, member.role)).collect()
}

/// Whatever is shown was said by who is named: records and members may be missing, never others.
async fn check(club: &Group, bodies: &[String], members: &[(PeerId, Option<Role>)], round: usize) {
    for member in roles(club).await {
        assert!(members.contains(&member), "round {round}: {member:?}");
    }
    // The stored records are checked from the beginning on, some at a time.
    eventually("what was altered is gone", || async {
        match club.list(ListQuery::default()).await {
            Ok(page) => {
                page.items.iter().all(|r| r.body_text().is_some_and(|text| bodies.iter().any(|b| b == text)))
            }
            Err(error) => [ErrorKind::Damaged, ErrorKind::Storage, ErrorKind::Closed].contains(&error.kind()),
        }
    })
    .await;
}

/// Takes an index out of the file in a way that SQLite notices when it is written, and not before.
fn spoil_index(file: &Path, index: &str) {
    let (root, size): (u64, u64) = {
        let conn = rusqlite::Connection::open(file).unwrap();
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        let number = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0).map(i64::cast_unsigned);
        let root = conn.query_row(root, [index], number).unwrap();
        (root, conn.query_row("PRAGMA page_size", [], number).unwrap())
    };
    let mut bytes = fs::read(file).unwrap();
    let at = usize::try_from((root - 1) * size).unwrap();
    bytes[at..at + 8].fill(0xff);
    fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn s30_a_graph_whose_file_cannot_be_written_any_more_stops_and_shows_nothing_altered() {
    let (dir, owner) = (tempfile::tempdir().unwrap(), key(1));
    let ada = on(dir.path(), &owner).await;
    let graph = ada.create_graph("unwritable").await.unwrap();
    let id = graph.id();
    for number in 0..5 {
        graph.publish(note(&format!("number {number}"))).await.unwrap();
    }
    ada.shutdown().await;
    let whole = fs::read(database(dir.path(), id)).unwrap();

    // A record is altered, and what would throw it out fails.
    let file = rusqlite::Connection::open(database(dir.path(), id)).unwrap();
    let (lsn, envelope): (i64, Vec<u8>) = file
        .query_row("SELECT lsn, envelope FROM records ORDER BY lsn DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let at = envelope.windows(8).position(|part| part == b"number 4").expect("its body");
    let mut altered = envelope;
    altered[at..at + 6].copy_from_slice(b"forged");
    file.execute("UPDATE records SET envelope = ?1 WHERE lsn = ?2", (&altered[..], lsn)).unwrap();
    file.close().unwrap();
    spoil_index(&database(dir.path(), id), "records_creator");

    let ada = on(dir.path(), &owner).await;
    let other = ada.create_graph("beside").await.unwrap();
    let graph = ada.open_graph(id, peergraph::OpenGraph::default()).await.unwrap();
    let events = graph.events(EventFilter::all()).unwrap();
    let kind = || async { graph.list(ListQuery::default()).await.err().map(|error| error.kind()) };
    eventually("it stops", || async { kind().await == Some(ErrorKind::Damaged) }).await;
    while events.next().await.is_some() {}
    for error in [
        graph.status().await.unwrap_err(),
        graph.publish(note("later")).await.unwrap_err(),
        graph.events(EventFilter::all()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(error.to_string().contains("damaged and cannot be written"), "{error}");
    }
    other.publish(note("the other one goes on")).await.unwrap();

    // Closed and restored, it is what it was.
    graph.close().await;
    put_back(dir.path(), id, &whole);
    let graph = ada.open_graph(id, peergraph::OpenGraph::default()).await.unwrap();
    let bodies = graph.list(ListQuery::default()).await.unwrap().items;
    let bodies: Vec<_> = bodies.iter().filter_map(|record| record.body_text()).collect();
    assert_eq!(bodies, ["number 0", "number 1", "number 2", "number 3", "number 4"]);
    graph.publish(note("after")).await.unwrap();
    ada.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s30_an_old_backup_put_back_resets_its_readers() {
    let (dir, owner) = (tempfile::tempdir().unwrap(), key(1));
    let kinds = || EventFilter::kinds([EventKind::RecordChanged]);
    let ada = on(dir.path(), &owner).await;
    let club = ada.create_group("backup").await.unwrap();
    let id = club.id();
    club.publish(note("kept")).await.unwrap();
    ada.shutdown().await;
    let backup = fs::read(database(dir.path(), id)).unwrap();

    let ada = on(dir.path(), &owner).await;
    let club = ada.open_group(id).await.unwrap();
    let events = club.events(kinds()).unwrap();
    for number in 0..5 {
        club.publish(note(&format!("lost {number}"))).await.unwrap();
    }
    expect(&events, "the last", |event| match event {
        Event::RecordChanged(change) if change.record.body_text() == Some("lost 4") => Some(()),
        _ => None,
    })
    .await;
    let cursor = events.cursor().to_bytes();
    ada.shutdown().await;

    // Put back; then written on, so that its count comes to where the cursor was, or not.
    for more in [0, 3, 9] {
        put_back(dir.path(), id, &backup);
        let ada = on(dir.path(), &owner).await;
        let club = ada.open_group(id).await.unwrap();
        for number in 0..more {
            club.publish(note(&format!("after {number}"))).await.unwrap();
        }
        let start = Start::After(Cursor::from_bytes(&cursor));
        let events = club.subscribe(SubscribeOptions::new(kinds()).start(start)).unwrap();
        let first = expect(&events, "a word", |event| Some(event.clone())).await;
        assert_eq!(first, Event::Reset, "{more} written since");
        let mut seen = Vec::new();
        loop {
            match expect(&events, "the full set", |event| Some(event.clone())).await {
                Event::RecordChanged(change) => seen.extend(change.record.body_text().map(str::to_owned)),
                Event::CaughtUp(_) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen.iter().filter(|text| *text == "kept").count(), 1);
        assert_eq!(seen.iter().filter(|text| text.starts_with("after")).count(), more);
        ada.shutdown().await;
    }
}
