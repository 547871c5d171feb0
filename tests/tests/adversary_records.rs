//! Members of a graph who withhold, flood and replay; and the history that members of a group cannot deny.

use peergraph::{
    Graph, RecordType, RecordUpdate, Role, SecretKey, Ticket,
    authority::Content,
    group::Membership,
    record::{Header, SignedRecord},
    time::Hlc,
    wire::{Announce, Message},
};
use peergraph_tests::{converge, eventually, founder, group, insider::Insider, joiner, member, note, said};

const RECORDS: u8 = 1;

/// A record by an insider.
async fn written(graph: &Graph, key: &SecretKey, number: u64, body: &[u8]) -> SignedRecord {
    let now = graph.peer_time().await.unwrap();
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    let header = Header::first(RecordType::new("test.note").unwrap(), nonce, key.peer(), Hlc::at(now));
    SignedRecord::sign(&graph.id(), key, header, body)
}

fn push(records: &[SignedRecord]) -> Vec<u8> {
    let records = records.iter().map(|record| record.bytes().clone()).collect();
    let message = Message::Push { origin: 1, records }.encode();
    [&u32::try_from(message.len()).unwrap().to_le_bytes()[..], &message].concat()
}

/// The way to one node of a graph.
async fn way_to(graph: &Graph, node: &peergraph::Node) -> Ticket {
    let mut ticket = graph.ticket().await.unwrap();
    ticket.nodes = vec![node.addr()];
    ticket
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_a_body_that_is_announced_and_withheld_comes_from_another() {
    let (ada, graph) = founder("s24").await;
    let (ben, bens) = joiner(&graph).await;
    let mut liar = Insider::neighbor(&way_to(&graph, &ben).await).await;
    let giver = Insider::neighbor(&way_to(&graph, &ada).await).await;
    // Too large to be pushed on: announced, and pulled by whoever has it not.
    let record = written(&graph, &giver.key, 1, &vec![7; 200 * 1024]).await;
    liar.say(&Message::Announce(vec![Announce { origin: 1, key: record.key() }])).await;
    loop {
        if let Message::Graft { keys, .. } = liar.message().await {
            assert_eq!(keys, [record.key()], "Ben asks, and is never answered");
            break;
        }
    }
    giver.stream(RECORDS, &push(std::slice::from_ref(&record))).await;
    eventually("Ada has it", || async { graph.get(record.id()).await.unwrap().is_some() }).await;
    eventually("Ben has it from her", || async { bens.get(record.id()).await.unwrap().is_some() }).await;
    assert_eq!(bens.get(record.id()).await.unwrap().unwrap().body.len(), 200 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_a_flood_by_one_author_does_not_drown_the_others() {
    let (ada, graph) = founder("s14").await;
    let (_ben, bens) = joiner(&graph).await;
    let flooder = Insider::neighbor(&way_to(&graph, &ada).await).await;
    let mut flood = Vec::new();
    for batch in 0..30u64 {
        let mut records = Vec::new();
        for number in 0..100 {
            records.push(written(&graph, &flooder.key, 100 * batch + number, &[1; 500]).await);
        }
        flood.push(push(&records));
    }
    let last = written(&graph, &flooder.key, u64::MAX, b"the last").await;
    flooder.stream(RECORDS, &[flood.concat(), push(std::slice::from_ref(&last))].concat()).await;
    // Between them: both ways, one after another.
    for number in 0..10 {
        let hers = graph.publish(note(&format!("hers {number}"))).await.unwrap().id;
        let his = bens.publish(note(&format!("his {number}"))).await.unwrap().id;
        eventually("hers at his", || async { bens.get(hers).await.unwrap().is_some() }).await;
        eventually("his at hers", || async { graph.get(his).await.unwrap().is_some() }).await;
    }
    eventually("the flood is over", || async { bens.get(last.id()).await.unwrap().is_some() }).await;
    converge(&[&graph, &bens]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_an_insider_replays_all_it_ever_heard() {
    let (ada, graph) = founder("s5").await;
    let (_ben, bens) = joiner(&graph).await;
    let way = way_to(&graph, &ada).await;
    let mut heard: Vec<SignedRecord> = Vec::new();
    let first = Insider::neighbor(&way).await;
    for number in 0..50 {
        heard.push(written(&graph, &first.key, number, b"by the insider").await);
    }
    first.stream(RECORDS, &push(&heard)).await;
    eventually("all are there", || async { bens.get(heard[49].id()).await.unwrap().is_some() }).await;
    let mine = graph.publish(note("first")).await.unwrap();
    graph.update(mine.id, RecordUpdate::body("second")).await.unwrap();
    for record in &heard {
        graph.delete(record.id()).await.unwrap();
    }
    converge(&[&graph, &bens]).await;
    let before = graph.fingerprint().await.unwrap();
    // What is said last was heard last.
    let insider = Insider::neighbor(&way).await;
    let marker = written(&graph, &insider.key, 1000, b"done").await;
    let all = [push(&heard), push(&heard), push(&heard), push(std::slice::from_ref(&marker))];
    insider.stream(RECORDS, &all.concat()).await;
    eventually("all was heard", || async { bens.get(marker.id()).await.unwrap().is_some() }).await;
    converge(&[&graph, &bens]).await;
    assert_eq!(graph.fingerprint().await.unwrap().count, before.count + 1);
    for record in &heard {
        assert_eq!(graph.get(record.id()).await.unwrap(), None);
        assert_eq!(bens.get(record.id()).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_a_link_has_one_stream_of_each_kind() {
    let (ada, graph) = founder("s16").await;
    let way = way_to(&graph, &ada).await;
    for kind in [RECORDS, 2, 3, 4] {
        let mut insider = Insider::neighbor(&way).await;
        // Each might hold almost a whole frame.
        insider.stream(kind, &[]).await;
        insider.stream(kind, &[]).await;
        assert!(insider.is_thrown_out().await, "kind {kind}");
    }
}

/// Who is a member by these credentials and nothing else, as somebody far away would find.
fn judge(
    club: &peergraph::Genesis,
    credentials: &[SignedRecord],
    now: peergraph::Timestamp,
) -> Vec<(peergraph::PeerId, Role)> {
    let mut members = Membership::new(club).expect("a group");
    let mut waiting: Vec<&SignedRecord> =
        credentials.iter().filter(|record| record.verify(&club.id())).collect();
    let mut left = usize::MAX;
    while waiting.len() < left {
        left = waiting.len();
        waiting.retain(|record| {
            let fits = members.vet(record).is_ok();
            if fits {
                members.enter(record);
            }
            !fits
        });
    }
    members.judge();
    members.list(now).into_iter().map(|(peer, standing)| (peer, standing.role)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s34_who_let_whom_in_and_removed_whom_is_proven_without_a_node() {
    let (ada, club) = group("s34").await;
    let (ben, bens) = member(&club, Role::Inviter, "Ben").await;
    let (cyd, _cyds) = member(&bens, Role::Member, "Cyd").await;
    let (dan, dans) = member(&club, Role::Member, "Dan").await;
    converge(&[&club, &bens, &dans]).await;
    club.set_role(dan.peer_id(), Role::Reader).await.unwrap();
    club.remove(ben.peer_id(), Default::default()).await.unwrap();
    converge(&[&club, &dans]).await;

    // Kept elsewhere, by an admin or by a mere reader; as bytes.
    let (genesis, now) = (club.genesis().await.unwrap(), club.peer_time().await.unwrap());
    for exported in [club.credentials().await.unwrap(), dans.credentials().await.unwrap()] {
        let bytes: Vec<bytes::Bytes> = exported.iter().map(|record| record.bytes().clone()).collect();
        let read = bytes.into_iter().map(|b| SignedRecord::decode(&genesis.id(), b, 1 << 20).unwrap());
        let history: Vec<SignedRecord> = read.collect();
        assert!(history.iter().all(|record| record.verify(&genesis.id())));
        let mut members = judge(&genesis, &history, now);
        members.sort_unstable();
        let mut known: Vec<_> =
            [(ada.peer_id(), Role::Owner), (cyd.peer_id(), Role::Member), (dan.peer_id(), Role::Reader)]
                .into();
        known.sort_unstable();
        assert_eq!(members, known);
        // The removed one's own grant is still there, and who gave and took it.
        let authors = |what: fn(&Content) -> bool| {
            let all = history.iter().filter(|record| said(record).is_some_and(|content| what(&content)));
            all.map(|record| record.header().author()).collect::<Vec<_>>()
        };
        assert_eq!(authors(|content| matches!(content, Content::Remove(_))), [ada.peer_id()]);
        let lower = authors(|content| matches!(content, Content::Grant(grant) if grant.demotes.is_some()));
        assert_eq!(lower, [ada.peer_id()]);
        assert!(authors(|content| matches!(content, Content::Grant(_))).contains(&ben.peer_id()));
        // Nobody can leave an act out unnoticed by those who have it, nor add one.
        let forged = SignedRecord::sign(
            &genesis.id(),
            &SecretKey::from_bytes(&[9; 32]),
            history[0].header().clone(),
            &history[0].body(),
        );
        assert!(!forged.verify(&genesis.id()));
        let without: Vec<SignedRecord> =
            history.iter().filter(|r| !matches!(said(r), Some(Content::Remove(_)))).cloned().collect();
        assert!(
            judge(&genesis, &without, now).iter().any(|(peer, _)| *peer == ben.peer_id()),
            "the removal was what counted"
        );
    }
}
