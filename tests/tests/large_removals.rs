//! Removals among many records, over real nodes.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use peergraph::{
    CreateGroup, Group, ListQuery, Node, RemoveMember, Role, authority::Act, limits::KEEP_CHUNK,
};
use peergraph_tests::{PATIENCE, converge, eventually, member, node, node_at, note};

/// More than a removal looks at in some steps.
const MANY: usize = 6000;

/// A group with two members, of whom one has written much.
async fn busy(ada: &Node) -> (Group, [(Node, Group); 2]) {
    let club = ada.create_group(CreateGroup::default()).await.unwrap();
    let ben = member(&club, Role::Member, "Ben").await;
    let cyd = member(&club, Role::Member, "Cyd").await;
    let written: Vec<_> = (0..MANY).map(|number| ben.1.publish(note(&number.to_string()))).collect();
    for record in written {
        record.await.unwrap();
    }
    converge(&[&club, &ben.1, &cyd.1]).await;
    (club, [ben, cyd])
}

async fn count(group: &Group) -> Option<u64> {
    group.list(ListQuery { count: true, limit: 1, ..ListQuery::default() }).await.unwrap().total
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_what_is_written_after_a_removal_comes_after_it_and_other_calls_are_answered_meanwhile() {
    let ada = node().await;
    let (club, [(ben, _bens), (_cyd, cyds)]) = busy(&ada).await;
    let is_member = |members: Vec<peergraph::events::MemberInfo>| {
        members.iter().any(|member| member.peer == ben.peer_id())
    };
    let mut removal = club.remove(ben.peer_id(), RemoveMember::default());
    let (members, status) = (club.members(), club.status());
    assert!(is_member(members.await.unwrap()), "both are answered between two of its steps");
    status.await.unwrap();
    // What writes comes after it, and so does what is called after that.
    let (published, members) = (club.publish(note("after")), club.members());
    published.await.unwrap();
    assert!(
        poll_fn(|cx| Poll::Ready(Pin::new(&mut removal).poll(cx).is_ready())).await,
        "it is over by then"
    );
    assert!(!is_member(members.await.unwrap()));
    eventually("all of it at the other", || async { count(&cyds).await == Some(MANY as u64 + 1) }).await;
    converge(&[&club, &cyds]).await;
    assert_eq!(count(&club).await, Some(MANY as u64 + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_a_close_carries_out_a_removal_and_leaving_is_one_by_oneself() {
    let dir = tempfile::tempdir().unwrap();
    let ada = node_at(dir.path()).await;
    let (club, [(_ben, bens), (cyd, cyds)]) = busy(&ada).await;
    bens.leave().await.unwrap();
    eventually("Ben has left", || async { club.members().await.unwrap().len() == 2 }).await;
    converge(&[&club, &cyds]).await;
    assert_eq!(count(&cyds).await, Some(MANY as u64));
    let written: Vec<_> = (0..MANY).map(|number| cyds.publish(note(&number.to_string()))).collect();
    for record in written {
        record.await.unwrap();
    }
    converge(&[&club, &cyds]).await;
    let removal = club.remove(cyd.peer_id(), RemoveMember::default());
    let id = club.id();
    club.close().await;
    removal.await.unwrap();
    let club = ada.open_group(id).await.unwrap();
    assert_eq!(club.members().await.unwrap().len(), 1);
    assert_eq!(count(&club).await, Some(2 * MANY as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_a_pause_waits_for_no_removal_and_what_is_written_in_it_neither() {
    let ada = node().await;
    let (club, [(ben, _bens), (_cyd, cyds)]) = busy(&ada).await;
    let removal = club.remove(ben.peer_id(), RemoveMember::default());
    let (behind, paused) = (club.publish(note("behind it")), ada.pause());
    tokio::time::timeout(PATIENCE, paused).await.expect("a pause in between").unwrap();
    let written = club.publish(note("in the pause"));
    let both = async { (behind.await.unwrap(), written.await.unwrap()) };
    let (behind, written) = tokio::time::timeout(PATIENCE, both).await.expect("nothing holds them up");
    assert!(behind.modified < written.modified);
    ada.resume().await.unwrap();
    removal.await.unwrap();
    eventually("all of it at the other", || async { count(&cyds).await == Some(MANY as u64 + 2) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w5_whoever_leaves_is_heard_with_the_whole_list_of_what_stays() {
    let ada = node().await;
    let club = ada.create_group(CreateGroup::default()).await.unwrap();
    let (_ben, bens) = member(&club, Role::Member, "Ben").await;
    let (_cyd, cyds) = member(&club, Role::Member, "Cyd").await;
    // More than a link takes at once.
    let written: Vec<_> = (0..3 * MANY).map(|number| bens.publish(note(&number.to_string()))).collect();
    for record in written {
        record.await.unwrap();
    }
    converge(&[&club, &bens, &cyds]).await;
    bens.leave().await.unwrap();
    for group in [&club, &cyds] {
        let listed = || async {
            let acts = group.credentials().await.unwrap();
            let chunks = acts.iter().filter(|record| Act::of(record).is_none()).count();
            (group.members().await.unwrap().len(), chunks) == (2, 3 * MANY * 2 / KEEP_CHUNK)
        };
        eventually("the leave and its list", listed).await;
    }
}
