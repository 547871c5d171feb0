//! Memberships that ended: whoever held one is told why, and what to do.

use peergraph::{ErrorKind, GroupRules, InviteLink, JoinGroup, RemoveMember, Role};
use peergraph_tests::{
    eventually, group, identities::key, leaks::access_mut, member, node, node_at, note, offline,
    two_sides::Scene,
};

/// The kind of error that a call fails with, and that its text says this.
async fn told<T>(call: peergraph::Call<peergraph::Result<T>>, says: &str) -> ErrorKind {
    let Err(error) = call.await else { panic!("no member may do that") };
    assert!(error.message().contains(says), "{error}");
    error.kind()
}

#[tokio::test(flavor = "multi_thread")]
async fn m22_who_left_or_was_removed_hears_which_and_how_to_come_back() {
    let (_ada, club) = group("endings").await;
    let dir = tempfile::tempdir().unwrap();
    let ben = node_at(dir.path()).await;
    let bens = ben.join_group(club.invite_link(InviteLink::default()).await.unwrap()).await.unwrap();
    let (cyd, cyds) = member(&club, Role::Inviter, "Cyd").await;
    bens.leave().await.unwrap();
    let bens = ben.open_group_with(club.id(), offline()).await.unwrap();
    assert_eq!(told(bens.publish(note("after")), "left the group").await, ErrorKind::NotAMember);
    assert_eq!(told(bens.set_name("Benny"), "new invitation").await, ErrorKind::NotAMember);
    club.remove(cyd.peer_id(), RemoveMember::default()).await.unwrap();
    eventually("she hears it", || async { cyds.role().await.unwrap().is_none() }).await;
    assert_eq!(told(cyds.publish(note("after")), "was removed").await, ErrorKind::Removed);
    assert_eq!(told(cyds.invite_link(InviteLink::default()), "new invitation").await, ErrorKind::Removed);
    // As it says.
    bens.close().await;
    for (who, mine) in [(&ben, None), (&cyd, Some(cyds))] {
        if let Some(mine) = mine {
            mine.close().await;
        }
        let link = club.invite_link(InviteLink::default()).await.unwrap();
        let again = who.join_group(link).await.unwrap();
        again.publish(note("again")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_s27_the_guest_of_the_junior_hears_that_the_last_use_went_to_another() {
    let mut scene = Scene::together("displaced", GroupRules::default(), Role::Reader).await;
    let mut link = scene.ada.group.invite_link(InviteLink::default()).await.unwrap();
    scene.meet().await;
    scene.part().await;
    let mut guests = Vec::new();
    for (side, name) in [(&scene.ada, "Dan"), (&scene.cyd, "Fay")] {
        access_mut(&mut link).nodes = vec![side.node.addr()];
        let guest = node().await;
        let joining = JoinGroup::from(link.clone().signed(&key(1))).named(name);
        let joined = guest.join_group(joining).await.unwrap();
        eventually("a guest", || async { side.role(guest.peer_id()).await == Some(Role::Member) }).await;
        guests.push((guest, joined));
    }
    scene.meet().await;
    let [(dan, dans), (fay, fays)] = &guests[..] else { panic!("two") };
    for side in [&scene.ada, &scene.cyd] {
        assert_eq!(side.role(dan.peer_id()).await, Some(Role::Member), "the senior's guest stays");
        assert_eq!(side.role(fay.peer_id()).await, None);
    }
    eventually("she hears it", || async { fays.role().await.unwrap().is_none() }).await;
    assert_eq!(told(fays.publish(note("after")), "ask for a new one").await, ErrorKind::InvitationUsedUp);
    dans.publish(note("goes on")).await.unwrap();
    // As it says.
    fays.close().await;
    let mut another = scene.cyd.group.invite_link(InviteLink::default()).await.unwrap();
    access_mut(&mut another).nodes = vec![scene.cyd.node.addr()];
    let again = fay.join_group(another.signed(&key(2))).await.unwrap();
    again.publish(note("again")).await.unwrap();
}
