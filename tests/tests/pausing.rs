//! Applications in the background: a pause keeps the data safe and the network quiet, and ends within a second.

use std::time::Duration;

use peergraph::{
    ErrorKind, EventFilter, EventKind, InviteLink, JoinGroup, Node,
    events::{ConnectionChange, Event, FailureReason, MemberChange},
};
use peergraph_tests::{
    PATIENCE, converge, copy_all, eventually, expect, founder, group, joiner, node_at, note,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_node_says_goodbye_keeps_its_data_and_comes_back_synchronized() {
    let dir = tempfile::tempdir().unwrap();
    let (_ada, club) = group("pausing").await;
    let phone = node_at(dir.path()).await;
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let bens = phone.join_group(JoinGroup::from(link).named("Ben")).await.unwrap();
    let direct = EventFilter::kinds([EventKind::DirectConnection, EventKind::NeighborConnection]);
    let (here, there) = (bens.events(direct.clone()).unwrap(), club.events(direct).unwrap());
    bens.open_direct(club.nodes().await.unwrap()[0].node).await.unwrap();
    let seen = club.events(EventFilter::kinds([EventKind::MemberChanged])).unwrap();
    converge(&[&club, &bens]).await;

    phone.pause().await.unwrap();
    phone.pause().await.unwrap();
    assert!(phone.is_paused());
    let status = bens.status().await.unwrap();
    assert!(!status.listening && !status.has_connections && !status.synchronized);
    // Both links ended with a word, not by silence.
    let mut reasons = Vec::new();
    while reasons.len() < 2 {
        let ended = |event: &Event| match event {
            Event::DirectConnection(e) | Event::NeighborConnection(e) => match e.change {
                ConnectionChange::Disconnected { reason } => Some(reason),
                _ => None,
            },
            _ => None,
        };
        reasons.push(expect(&there, "a goodbye", ended).await);
    }
    assert_eq!(reasons, [FailureReason::ClosedByPeer; 2]);
    let gone = |event: &Event| match event {
        Event::MemberChanged { change: MemberChange::Disconnected, member } => Some(member.peer),
        _ => None,
    };
    assert_eq!(expect(&seen, "Ben is away", gone).await, phone.peer_id());
    // The disk has all of it at this moment: the system may end the process.
    let copy = tempfile::tempdir().unwrap();
    let own = bens.publish(note("written while paused")).await.unwrap();
    copy_all(dir.path(), copy.path());
    let restarted = node_at(copy.path()).await;
    let reopened = restarted.open_group_with(club.id(), peergraph_tests::offline()).await.unwrap();
    assert_eq!(reopened.fingerprint().await.unwrap(), bens.fingerprint().await.unwrap());
    assert!(reopened.get(own.id).await.unwrap().is_some());
    restarted.shutdown().await;

    // Nobody can be reached from here, and nobody reaches in.
    let refused = bens.connect(club.nodes().await.unwrap()[0].addr.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Paused, "{refused}");
    let refused = club.connect(phone.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotListening, "{refused}");
    let meanwhile = club.publish(note("written meanwhile")).await.unwrap();
    quiet(&phone).await;
    assert!(bens.get(meanwhile.id).await.unwrap().is_none());

    phone.resume().await.unwrap();
    phone.resume().await.unwrap();
    assert!(!phone.is_paused());
    let connected = |event: &Event| match event {
        Event::NeighborConnection(e) => matches!(e.change, ConnectionChange::Connected).then_some(()),
        _ => None,
    };
    expect(&here, "a neighbor again", connected).await;
    eventually("both have both", || async {
        bens.get(meanwhile.id).await.unwrap().is_some() && club.get(own.id).await.unwrap().is_some()
    })
    .await;
    let back = |event: &Event| match event {
        Event::MemberChanged { change: MemberChange::Connected, member } => Some(member.peer),
        _ => None,
    };
    assert_eq!(expect(&seen, "Ben is back", back).await, phone.peer_id());
    converge(&[&club, &bens]).await;
    let status = bens.status().await.unwrap();
    assert!(status.listening && status.has_connections && status.synchronized);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_opened_made_and_asked_for_during_a_pause_waits_for_its_end() {
    let (_ada, graph) = founder("pausing").await;
    let (ben, bens) = joiner(&graph).await;
    ben.pause().await.unwrap();
    let made = ben.create_group("made while paused").await.unwrap();
    let link = made.invite_link(InviteLink::default()).await.unwrap();
    let cas = peergraph_tests::node().await;
    let join = JoinGroup { deadline: Duration::from_millis(300), ..JoinGroup::from(link.clone()) };
    let refused = cas.join_group(join).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::NotListening | ErrorKind::TimedOut), "{refused:?}");
    let asked = bens.connect(graph.nodes().await.unwrap()[0].addr.clone()).await.unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::Paused, "{asked:?}");
    let asked = bens.open_direct(graph.nodes().await.unwrap()[0].addr.clone()).await.unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::Paused, "{asked:?}");
    ben.resume().await.unwrap();
    cas.join_group(link).await.unwrap();
    // A node that is shut down during a pause says so afterwards.
    ben.pause().await.unwrap();
    ben.shutdown().await;
    for closed in [ben.pause().await, ben.resume().await, ben.network_changed().await] {
        assert_eq!(closed.unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_network_is_taken_note_of_and_harms_no_link() {
    let (_ada, graph) = founder("network").await;
    let (ben, bens) = joiner(&graph).await;
    for _ in 0..5 {
        ben.network_changed().await.unwrap();
        let said = graph.publish(note("still there")).await.unwrap();
        eventually("it comes", || async { bens.get(said.id).await.unwrap().is_some() }).await;
    }
    converge(&[&graph, &bens]).await;
}

/// Waits until nothing has been sent for two seconds: twice as long as between pings.
async fn quiet(node: &Node) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let (mut sent, mut since) = (node.metrics().bytes_sent, tokio::time::Instant::now());
    while since.elapsed() < Duration::from_secs(2) {
        assert!(tokio::time::Instant::now() < deadline, "it goes on sending");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = node.metrics().bytes_sent;
        if now != sent {
            (sent, since) = (now, tokio::time::Instant::now());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_a_pause_and_its_end_take_effect_between_the_calls_on_a_graph() {
    let (ada, graph) = founder("pausing").await;
    let (ben, bens) = joiner(&graph).await;
    let addr = ada.addr();
    for _ in 0..10 {
        let (paused, refused) = (ben.pause(), bens.connect(addr.clone()));
        let (resumed, connected) = (ben.resume(), bens.connect(addr.clone()));
        connected.await.expect("it was called after the end of the pause");
        assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Paused);
        paused.await.unwrap();
        resumed.await.unwrap();
        assert!(!ben.is_paused());
    }
    // A graph that was still being opened belongs to those paused, and to those that go on.
    let (made, paused) = (ben.create_graph("made"), ben.pause());
    let made = made.await.unwrap();
    paused.await.unwrap();
    assert_eq!(made.connect(addr.clone()).await.unwrap_err().kind(), ErrorKind::Paused);
    ben.resume().await.unwrap();
    made.listen().await.unwrap();
    let ticket = made.ticket().await.unwrap();
    ada.join(ticket).await.expect("the end of the pause is that of all graphs");
    ben.shutdown().await;
    ada.shutdown().await;
}
