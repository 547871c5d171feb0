//! What strangers can do at a node's door, and that it stops nobody else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use peergraph::{
    ErrorKind, GraphSecret, Group, InviteLink, JoinGroup, JoinOutcome, NodeAddr,
    limits::{MAX_NODE_GUESTS, MAX_VISITORS},
    wire::{HELLO_LEN, Hello, Message, Purpose, Refuse, RefuseReason, VERSION},
};
use peergraph_tests::{
    PATIENCE,
    identities::key,
    insider::{Impostor, exporter},
    leaks::{access_mut, access_of},
    node, node_as,
};
use tokio::{task::JoinSet, time::timeout};

/// Lets some in, one after another.
async fn several_join(group: &Group, count: u32) {
    let link = group.invite_link(InviteLink { uses: count, ..InviteLink::default() }).await.unwrap();
    for _ in 0..count {
        let joiner = node().await;
        let joined = joiner.join_group(link.clone()).await.expect("a stranger keeps nobody out");
        assert_eq!(joined.join_outcome(), JoinOutcome::Joined);
    }
}

/// A byte on each of four streams, again and again, on connections that are made anew when they end.
async fn trickle(target: NodeAddr, opened: Arc<AtomicUsize>) {
    loop {
        let stranger = Impostor::new(key(9)).await;
        let Some(connection) = stranger.try_connection(&target).await else { continue };
        let mut streams = Vec::new();
        while let Ok((mut send, receive)) = connection.open_bi().await {
            let _ = send.write_all(&[1]).await;
            streams.push((send, receive));
            opened.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_byte_on_each_of_many_streams_stops_no_join() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("b1").await.unwrap();
    let opened = Arc::new(AtomicUsize::new(0));
    let mut strangers = JoinSet::new();
    for _ in 0..20 {
        strangers.spawn(trickle(ada.addr(), opened.clone()));
    }
    let attacked = async {
        while opened.load(Ordering::Relaxed) < 64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, attacked).await.expect("as many streams as there were places");
    several_join(&club, 4).await;
    assert_eq!(club.members().await.unwrap().len(), 5);
    strangers.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_idle_connections_are_few_and_end_and_stop_no_join() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("b2").await.unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let mut strangers = JoinSet::new();
    for _ in 0..12 {
        let (target, made) = (ada.addr(), made.clone());
        strangers.spawn(async move {
            let mut kept = Vec::new();
            loop {
                let stranger = Impostor::new(key(9)).await;
                if let Some(connection) = stranger.try_connection(&target).await {
                    made.fetch_add(1, Ordering::Relaxed);
                    kept.push((stranger, connection));
                }
            }
        });
    }
    let crowded = async {
        while made.load(Ordering::Relaxed) < 2 * MAX_VISITORS {
            let connections = ada.census().connections;
            assert!(connections <= MAX_VISITORS, "{connections} connections");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(4 * PATIENCE, crowded).await.expect("twice as many as there are places");
    several_join(&club, 2).await;
    strangers.shutdown().await;
    // Whoever says nothing is not kept, whoever holds the other end.
    let idle = Impostor::new(key(9)).await;
    let connection = idle.connection(&ada.addr()).await;
    timeout(PATIENCE, connection.closed()).await.expect("an end in time");
}

/// Opens links of this graph, and says nothing more.
async fn silent_links(target: &NodeAddr, secret: &GraphSecret, count: u64) -> Vec<impl Send + use<>> {
    let stranger = Impostor::new(key(9)).await;
    let connection = stranger.connection(target).await;
    let mut links = Vec::new();
    for number in 0..count {
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let hello = Hello::new(secret, &exporter(&connection), number, VERSION, true);
        send.write_all(&hello.to_bytes()).await.unwrap();
        let mut answer = [0; HELLO_LEN];
        receive.read_exact(&mut answer).await.expect("an answer: there are places");
        links.push((stranger.clone(), connection.clone(), send, receive));
    }
    links
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_links_that_are_never_set_up_make_joins_wait_and_no_more() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("b2").await.unwrap();
    let secret = access_of(&club.invite_link(InviteLink::default()).await.unwrap()).secret;
    let mut held = Vec::new();
    for _ in 0..12 {
        held.extend(silent_links(&ada.addr(), &secret, 4).await);
    }
    // All places are taken that one source may have: whoever comes now waits until these are given up, and comes in.
    several_join(&club, 2).await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_one_node_looks_by_few_times_at_once() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("b2").await.unwrap();
    let secret = access_of(&club.invite_link(InviteLink::default()).await.unwrap()).secret;
    let stranger = Impostor::new(key(9)).await;
    let mut links = Vec::new();
    for _ in 0..MAX_NODE_GUESTS {
        let mut link = stranger.dial(&ada.addr(), &secret).await.expect("the secret is known");
        link.say(&stranger.connect(Purpose::Join, Vec::new())).await;
        assert!(matches!(link.message().await, Message::Welcome(_)));
        links.push(link);
    }
    let mut link = stranger.dial(&ada.addr(), &secret).await.expect("the secret is known");
    link.say(&stranger.connect(Purpose::Join, Vec::new())).await;
    let refused = link.message().await;
    assert!(matches!(refused, Message::Refuse(Refuse { reason: RefuseReason::Busy, .. })), "{refused:?}");
    drop(links);
    several_join(&club, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_who_hears_that_a_node_is_busy_asks_again_and_says_so_in_the_end() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("b1").await.unwrap();
    let mut link = club.invite_link(InviteLink::default()).await.unwrap();
    let busy = Impostor::new(key(2)).await;
    access_mut(&mut link).nodes = vec![busy.addr()];
    let link = link.signed(&key(1));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let answering = tokio::spawn(async move { busy.is_busy(&counted).await });
    let joiner = node().await;
    let join = JoinGroup { deadline: Duration::from_secs(8), ..JoinGroup::from(link) };
    let error = joiner.join_group(join).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(asked.load(Ordering::Relaxed) >= 2, "asked {} times", asked.load(Ordering::Relaxed));
    answering.abort();
}
