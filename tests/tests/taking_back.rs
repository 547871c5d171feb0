//! Taking back: all that a removed member did, and the refusal of a device.

use peergraph::{
    ErrorKind, Group, InviteLink, InviteMember, JoinGroup, ListQuery, Node, NodeId, PeerId, RemoveMember,
    Role,
};
use peergraph_tests::{converge, eventually, identities::key, member, node_as, node_at, node_of, note};

/// Removing with all that they did.
fn undoing() -> RemoveMember {
    RemoveMember { undo: true, ..RemoveMember::default() }
}

async fn is_member(group: &Group, peer: PeerId) -> bool {
    group.members().await.unwrap().iter().any(|member| member.peer == peer)
}

/// The kind of error, and that its text says what to do or why.
async fn kind(call: peergraph::Call<peergraph::Result<()>>, says: &str) -> ErrorKind {
    let error = call.await.expect_err("not allowed");
    assert!(error.message().contains(says), "{error}");
    error.kind()
}

/// Bob, an admin by the creator's word, and Cyd, who came by his link.
async fn with_guest(name: &str, of_cyd: &std::path::Path) -> (Node, Group, (Node, Group), (Node, Group)) {
    let (ada, club) = peergraph_tests::group(name).await;
    let (bob, bobs) = member(&club, Role::Member, "Bob").await;
    club.set_role(bob.peer_id(), Role::Admin).await.unwrap();
    eventually("he is an admin", || async { bobs.role().await.unwrap() == Some(Role::Admin) }).await;
    let link = bobs.invite_link(InviteLink::default()).await.unwrap();
    let cyd = node_at(of_cyd).await;
    let cyds = cyd.join_group(JoinGroup::from(link).named("Cyd")).await.unwrap();
    converge(&[&club, &bobs, &cyds]).await;
    (ada, club, (bob, bobs), (cyd, cyds))
}

#[tokio::test(flavor = "multi_thread")]
async fn m22_what_the_removed_did_can_be_undone_later() {
    let dir = tempfile::tempdir().unwrap();
    let (_ada, club, (bob, bobs), (cyd, cyds)) = with_guest("undone", dir.path()).await;
    let (_dan, dans) = member(&club, Role::Member, "Dan").await;
    let dan = dans.nodes().await.unwrap()[0].peer;
    let his = bobs.publish(note("Bob's")).await.unwrap().id;
    let hers = cyds.publish(note("Cyd's")).await.unwrap().id;
    converge(&[&club, &bobs, &cyds, &dans]).await;
    bobs.remove(dan, RemoveMember::default()).await.unwrap();
    eventually("Dan is out", || async { !is_member(&club, dan).await }).await;

    assert_eq!(kind(cyds.remove(bob.peer_id(), undoing()), "senior").await, ErrorKind::NotAuthorized);
    club.remove(bob.peer_id(), RemoveMember::default()).await.unwrap();
    assert!(!is_member(&club, dan).await && is_member(&club, cyd.peer_id()).await, "what he did stands");
    let again = club.remove(bob.peer_id(), RemoveMember::default());
    assert_eq!(kind(again, "not a member").await, ErrorKind::NotAMember);
    club.remove(bob.peer_id(), undoing()).await.unwrap();
    assert!(is_member(&club, dan).await && !is_member(&club, cyd.peer_id()).await, "and stands no more");
    let again = club.remove(bob.peer_id(), undoing());
    assert_eq!(kind(again, "not a member").await, ErrorKind::NotAMember);
    assert_eq!(club.get(his).await.unwrap().unwrap().body_text(), Some("Bob's"), "records stay");
    eventually("a guest's go", || async { club.get(hers).await.unwrap().is_none() }).await;

    eventually("she hears it", || async { cyds.role().await.unwrap().is_none() }).await;
    assert_eq!(cyds.publish(note("after")).await.unwrap_err().kind(), ErrorKind::Removed);
    dans.enter(vec![club.node_info(node_of(&club).await).await.unwrap().addr]).await.unwrap();
    eventually("Dan is in again", || async { dans.role().await.unwrap() == Some(Role::Member) }).await;
    converge(&[&club, &dans]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m22_a_guest_who_was_away_hears_that_it_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (_ada, club, (bob, bobs), (cyd, cyds)) = with_guest("away", dir.path()).await;
    let guest = cyd.peer_id();
    cyds.close().await;
    cyd.shutdown().await;
    drop(bobs);
    club.remove(bob.peer_id(), undoing()).await.unwrap();
    let gone = RemoveMember { undo: true, keep_records: false, ..RemoveMember::default() };
    assert_eq!(kind(club.remove(guest, gone), "not a member").await, ErrorKind::NotAMember);
    bob.shutdown().await;

    let cyd = node_at(dir.path()).await;
    let cyds = cyd.open_group(club.id()).await.unwrap();
    eventually("she hears it", || async { cyds.role().await.unwrap().is_none() }).await;
    assert_eq!(cyds.publish(note("after")).await.unwrap_err().kind(), ErrorKind::Removed);
    cyd.shutdown().await;
    // And it holds after a start without anybody to ask.
    let cyd = node_at(dir.path()).await;
    let cyds = cyd.open_group_with(club.id(), peergraph_tests::offline()).await.unwrap();
    assert_eq!(cyds.role().await.unwrap(), None);
    cyd.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m22_a_refused_device_can_be_let_in_again() {
    let (ada, ben) = (node_as(&key(1)).await, key(2));
    let club = ada.create_group("devices").await.unwrap();
    let invitation = club.invite_peer(ben.peer(), "Ben", InviteMember::default()).await.unwrap();
    let (phone, desk) = (node_as(&ben).await, node_as(&ben).await);
    let at_desk = desk.join_group(invitation.clone()).await.unwrap();
    let on_phone = phone.join_group(invitation).await.unwrap();
    let (dan, dans) = member(&club, Role::Member, "Dan").await;
    club.set_role(dan.peer_id(), Role::Admin).await.unwrap();
    converge(&[&club, &at_desk, &on_phone, &dans]).await;
    let (who, node) = (ben.peer(), phone.id());

    assert_eq!(kind(club.restore_device(who, node), "refused").await, ErrorKind::NotFound);
    assert_eq!(kind(at_desk.revoke_device(dan.peer_id(), dan.id()), "role").await, ErrorKind::NotAuthorized);
    let senior = dans.revoke_device(ada.peer_id(), ada.id());
    assert_eq!(kind(senior, "senior").await, ErrorKind::NotAuthorized);
    club.revoke_device(who, node).await.unwrap();
    club.revoke_device(who, node).await.unwrap();
    eventually("its links end", || async { on_phone.neighbors().await.unwrap().is_empty() }).await;
    let refused = |of: Vec<peergraph::RevokedDevice>| {
        of.into_iter().map(|device| (device.node, device.by)).collect::<Vec<(NodeId, PeerId)>>()
    };
    eventually("all hear it", || async {
        refused(dans.revoked_devices(who).await.unwrap()) == [(node, ada.peer_id())]
    })
    .await;
    // Neither another admin, nor the identity, nor one below takes that back; the desk goes on.
    for (group, says) in [(&dans, "refused the device"), (&at_desk, "refused the device")] {
        assert_eq!(kind(group.restore_device(who, node), says).await, ErrorKind::NotAuthorized);
    }
    let entry = club.node_info(node_of(&club).await).await.unwrap().addr;
    assert_eq!(on_phone.connect(entry.clone()).await.unwrap_err().kind(), ErrorKind::NotAuthorized);

    club.restore_device(who, node).await.unwrap();
    assert!(club.revoked_devices(who).await.unwrap().is_empty());
    eventually("it is let in", || async {
        !on_phone.neighbors().await.unwrap().is_empty() || on_phone.connect(entry.clone()).await.is_ok()
    })
    .await;
    on_phone.publish(note("from the phone")).await.unwrap();
    converge(&[&club, &at_desk, &on_phone, &dans]).await;
    assert_eq!(dans.list(ListQuery::default()).await.unwrap().items.len(), 1);

    // What an admin refused stays refused when the admin is removed, and can be taken back all the same.
    dans.revoke_device(who, node).await.unwrap();
    converge(&[&club, &at_desk, &dans]).await;
    club.remove(dan.peer_id(), RemoveMember::default()).await.unwrap();
    assert_eq!(refused(club.revoked_devices(who).await.unwrap()), [(node, dan.peer_id())]);
    club.restore_device(who, node).await.unwrap();
    assert!(club.revoked_devices(who).await.unwrap().is_empty());

    // What the identity refuses itself is for good, whoever refused it before.
    club.revoke_device(who, node).await.unwrap();
    at_desk.revoke_device(who, node).await.unwrap();
    eventually("all hear it", || async {
        refused(club.revoked_devices(who).await.unwrap()) == [(node, who)]
    })
    .await;
    for group in [&club, &at_desk] {
        let says = "new data directory";
        assert_eq!(kind(group.restore_device(who, node), says).await, ErrorKind::NotAuthorized);
    }
}
