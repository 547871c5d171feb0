//! Machines whose clocks are wrong, or were: real nodes whose wall clock is set off.

use std::time::Duration;

use peergraph::{
    ErrorKind, EventFilter, EventKind, InviteLink, JoinGroup, RemoveMember,
    events::{ChangeKind, Event},
    records::ListQuery,
};
use peergraph_tests::{eventually, expect, group, node_at, note};

const HOUR_MS: i64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn c10_c11_who_was_two_days_ahead_is_told_and_loses_nothing() {
    wrong_and_right_again(48 * HOUR_MS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_c11_who_was_half_an_hour_ahead_is_told_and_loses_nothing() {
    wrong_and_right_again(HOUR_MS / 2).await;
}

async fn wrong_and_right_again(off: i64) {
    let dir = tempfile::tempdir().unwrap();
    let (ada, club) = group("clocks").await;
    let ben = node_at(dir.path()).await;
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let bens = ben.join_group(JoinGroup::from(link).named("Ben")).await.unwrap();
    let own = bens.publish(note("in time")).await.unwrap();
    assert!(!own.held);
    ben.shutdown().await;

    // It starts with a wrong clock.
    let ben = node_at(dir.path()).await;
    ben.set_clock_off(off);
    let bens = ben.open_group(club.id()).await.unwrap();
    let told = bens.events(EventFilter::kinds([EventKind::StatusChanged])).unwrap();
    let _ = bens.listen().await;
    let _ = bens.connect(ada.addr()).await;
    let skew = |event: &Event| match event {
        Event::StatusChanged(status) => status.clock_skew_ms,
        _ => None,
    };
    let figure = expect(&told, "the figure", skew).await;
    assert!(figure.abs_diff(off) < 60_000, "{figure} instead of {off}");
    let ahead = bens.publish(note("from ahead")).await.unwrap();
    assert!(ahead.held, "others cannot take it yet, and it says so");
    let changed = bens.update(own.id, peergraph::RecordUpdate::body("changed ahead")).await.unwrap();
    assert!(changed.held);
    let listed = bens.list(ListQuery::default()).await.unwrap().items;
    assert!(listed.iter().filter(|record| record.id == ahead.id).all(|record| record.held));
    let hers = club.publish(note("from Ada")).await.unwrap();
    eventually("Ada's arrives at Ben's", || async { bens.get(hers.id).await.unwrap().is_some() }).await;
    assert!(club.get(ahead.id).await.unwrap().is_none());
    ben.shutdown().await;

    // And again with the right one.
    let ben = node_at(dir.path()).await;
    let bens = ben.open_group(club.id()).await.unwrap();
    let _ = bens.listen().await;
    let _ = bens.connect(ada.addr()).await;
    eventually("all of it arrives", || async {
        let new = club.get(ahead.id).await.unwrap().is_some();
        new && club.get(own.id).await.unwrap().unwrap().body_text() == Some("changed ahead")
    })
    .await;
    assert!(!bens.get(ahead.id).await.unwrap().unwrap().held);
    assert_eq!(bens.status().await.unwrap().clock_skew_ms, None);
    let next = bens.publish(note("afterwards")).await.unwrap();
    assert!(!next.held);
    eventually("so does what follows", || async { club.get(next.id).await.unwrap().is_some() }).await;
    ben.shutdown().await;
    ada.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_c11_a_clock_that_is_set_while_the_node_runs() {
    let (ada, club) = group("set").await;
    let ben = peergraph_tests::node().await;
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let bens = ben.join_group(JoinGroup::from(link).named("Ben")).await.unwrap();
    ben.set_clock_off(3 * HOUR_MS);
    let skewed = || async { bens.status().await.unwrap().clock_skew_ms.is_some() };
    eventually("the wrong clock is noticed", skewed).await;
    let ahead = bens.publish(note("from ahead")).await.unwrap();
    assert!(ahead.held);
    let changes = bens.events(EventFilter::kinds([EventKind::RecordChanged])).unwrap();
    ben.set_clock_off(0);
    let sent = |event: &Event| match event {
        Event::RecordChanged(e) if e.record.id == ahead.id && !e.record.held => {
            Some((e.change, e.conflict.is_some()))
        }
        _ => None,
    };
    assert_eq!(expect(&changes, "it is sent", sent).await, (ChangeKind::Updated, false));
    eventually("it arrives", || async { club.get(ahead.id).await.unwrap().is_some() }).await;
    eventually("and all is well", || async { bens.status().await.unwrap().clock_skew_ms.is_none() }).await;
    ada.shutdown().await;
    ben.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_who_is_an_hour_behind_is_not_synchronized() {
    let (ada, club) = group("behind").await;
    let ben = peergraph_tests::node().await;
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let bens = ben.join_group(JoinGroup::from(link).named("Ben")).await.unwrap();
    ben.set_clock_off(-HOUR_MS);
    eventually("it says so", || async {
        let status = bens.status().await.unwrap();
        status.clock_skew_ms.is_some_and(|skew| skew < 0) && !status.synchronized
    })
    .await;
    let hers = club.publish(note("from Ada")).await.unwrap();
    ben.set_clock_off(0);
    eventually("it catches up", || async {
        bens.get(hers.id).await.unwrap().is_some() && bens.status().await.unwrap().synchronized
    })
    .await;
    ada.shutdown().await;
    ben.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c27_who_removes_itself_is_told_to_leave() {
    let (ada, club) = group("itself").await;
    let ben = peergraph_tests::node().await;
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let bens = ben.join_group(JoinGroup::from(link).named("Ben")).await.unwrap();
    let kept = bens.publish(note("stays")).await.unwrap();
    for options in [RemoveMember::default(), RemoveMember { keep_records: false, ..RemoveMember::default() }]
    {
        let refused = bens.remove(ben.peer_id(), options).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert!(refused.message().contains("leave"), "{refused}");
    }
    eventually("nothing is lost", || async { club.get(kept.id).await.unwrap().is_some() }).await;
    tokio::time::timeout(Duration::from_secs(30), bens.leave()).await.expect("in time").unwrap();
    ada.shutdown().await;
    ben.shutdown().await;
}
