//! A data directory that was copied, or restored from a backup while the original is still in use: two nodes with one id.

use std::time::Duration;

use peergraph::{EventFilter, EventKind, InviteLink};
use peergraph_tests::{copy_all, eventually, group, node_at, note};

#[tokio::test(flavor = "multi_thread")]
async fn k16_two_nodes_of_one_directory_take_links_from_each_other_seldom() {
    let (_ada, club) = group("copied").await;
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let node = node_at(&first).await;
    node.join_group(club.invite_link(InviteLink::default()).await.unwrap()).await.unwrap();
    node.shutdown().await;
    copy_all(&first, &second);

    let seen = club.events(EventFilter::kinds([EventKind::NeighborConnection])).unwrap();
    let (original, copy) = (node_at(&first).await, node_at(&second).await);
    let ones = original.open_group(club.id()).await.unwrap();
    let others = copy.open_group(club.id()).await.unwrap();
    let mut changes = 0;
    let end = tokio::time::Instant::now() + Duration::from_secs(8);
    while tokio::time::timeout_at(end, seen.next()).await.is_ok() {
        changes += 1;
    }
    println!("{changes} changes of links in 8 s");
    // Hundreds a second, before there was a pause: this is one each for links made and lost, with pauses of 1, 2, 4 s.
    assert!((2..=24).contains(&changes), "{changes}");
    // What both write arrives all the same.
    let (one, other) =
        (ones.publish(note("one")).await.unwrap(), others.publish(note("other")).await.unwrap());
    eventually("the group has both", || async {
        club.get(one.id).await.unwrap().is_some() && club.get(other.id).await.unwrap().is_some()
    })
    .await;
    original.shutdown().await;
    copy.shutdown().await;
}
