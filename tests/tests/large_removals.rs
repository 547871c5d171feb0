//! Removals among many records, over real nodes.

use peergraph::{CreateGroup, Group, ListQuery, Node, RemoveMember, Role};
use peergraph_tests::{converge, eventually, member, node, node_at, note};

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
async fn i19_other_calls_are_answered_while_a_removal_lists_what_stays() {
    let ada = node().await;
    let (club, [(ben, _bens), (_cyd, cyds)]) = busy(&ada).await;
    let is_member = |members: Vec<peergraph::events::MemberInfo>| {
        members.iter().any(|member| member.peer == ben.peer_id())
    };
    // In this order, and the removal is the last that is done.
    let removal = club.remove(ben.peer_id(), RemoveMember::default());
    let (published, members) = (club.publish(note("meanwhile")), club.members());
    published.await.unwrap();
    assert!(is_member(members.await.unwrap()), "both were answered between two of its steps");
    removal.await.unwrap();
    assert!(!is_member(club.members().await.unwrap()));
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
