//! Groups between real nodes: making, inviting, joining, roles, members.

use std::time::Duration;

use peergraph::{
    ErrorKind, Invitation, InviteLink, InviteMember, JoinGroup, JoinOutcome, ListQuery, RecordUpdate, Role,
    events::{EventFilter, EventKind, MemberChange},
    group::Way,
};
use peergraph_tests::{converge, eventually, expect, group, member, node, node_at, note};

#[tokio::test(flavor = "multi_thread")]
async fn m1_create_needs_only_an_identity_and_is_reachable_at_once() {
    let (ada, club) = group("Book club").await;
    let genesis = club.genesis().await.unwrap();
    assert_eq!((genesis.creator, genesis.id()), (ada.peer_id(), club.id()));
    assert_eq!(club.role().await.unwrap(), Some(Role::Owner));
    let me = &club.members().await.unwrap()[0];
    assert_eq!((me.peer, me.role, me.not_after), (ada.peer_id(), Some(Role::Owner), None));
    assert!(club.status().await.unwrap().listening);
    assert_eq!(club.properties().await.unwrap().name, "Book club");
    // Two groups of one identity have nothing in common.
    assert_ne!(ada.create_group("Book club").await.unwrap().id(), club.id());
    club.publish(note("first")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn m3_an_identity_is_invited_by_two_texts() {
    let (_ada, club) = group("m3").await;
    club.publish(note("hello")).await.unwrap();
    let ben = node().await;
    // Out of band: the description one way, the invitation the other.
    let description = ben.identities().default().await.unwrap().describe().unwrap().to_string();
    let whom = description.parse().unwrap();
    let text = club.invite(&whom, InviteMember::default()).await.unwrap().to_string();
    let read: Invitation = text.parse().unwrap();
    assert_eq!((read.group, read.group_name.as_str(), read.role), (club.id(), "m3", Role::Member));
    assert!(matches!(read.way, Way::Identity { subject, .. } if subject == ben.peer_id()));
    assert!(read.not_after.is_some_and(|end| end.since(read.not_before) > Duration::from_secs(29 * 86_400)));
    let joined = ben.join_group(JoinGroup::parse(&text).unwrap()).await.unwrap();
    assert_eq!(joined.join_outcome(), JoinOutcome::Joined);
    let notes = joined.list(ListQuery::default()).await.unwrap();
    assert_eq!(notes.items[0].body_text(), Some("hello"));
    joined.publish(note("from ben")).await.unwrap();
    converge(&[&club, &joined]).await;

    // The same text is of no use to anybody else.
    let eve = node().await;
    let refused = eve.join_group(JoinGroup::parse(&text).unwrap()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvitationNotForYou);
    assert!(eve.stored_graphs().is_empty() && eve.open_graphs().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lets_in_as_often_as_it_says() {
    let (_ada, club) = group("link").await;
    let events = club.events(EventFilter::kinds([EventKind::MemberChanged])).unwrap();
    let link = club.invite_link(InviteLink { uses: 2, ..InviteLink::default() }).await.unwrap();
    let (ben, cyd, dan) = (node().await, node().await, node().await);
    let joined = ben.join_group(JoinGroup::from(link.clone()).named("Ben")).await.unwrap();
    let told = expect(&events, "ben joined", |event| match event {
        peergraph::Event::MemberChanged { change: MemberChange::Joined, member } => Some(member.clone()),
        _ => None,
    })
    .await;
    assert_eq!((told.peer, told.name.as_str(), told.role), (ben.peer_id(), "Ben", Some(Role::Member)));
    assert_eq!(club.invitations().await.unwrap()[0].used, 1);
    cyd.join_group(link.clone()).await.unwrap();
    eventually("no use is left", || async { club.invitations().await.unwrap().is_empty() }).await;
    let refused = dan.join_group(link.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvitationUsedUp, "{refused}");
    // Ben is a member already: the link does no harm.
    joined.close().await;
    let again = ben.join_group(link).await.unwrap();
    assert_eq!(again.join_outcome(), JoinOutcome::AlreadyMember);
    assert_eq!(club.members().await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn m18_others_records_are_for_admins() {
    let (_ada, club) = group("m18").await;
    let (_ben, bens) = member(&club, Role::Member, "Ben").await;
    let (_cyd, cyds) = member(&club, Role::Member, "Cyd").await;
    let id = bens.publish(note("ben's")).await.unwrap().id;
    converge(&[&club, &bens, &cyds]).await;
    let refused = cyds.update(id, RecordUpdate::body("cyd's")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotAuthorized);
    assert_eq!(cyds.delete(id).await.unwrap_err().kind(), ErrorKind::NotAuthorized);
    bens.update(id, RecordUpdate::body("better")).await.unwrap();
    converge(&[&club, &bens, &cyds]).await;
    club.update(id, RecordUpdate::body("the owner's")).await.unwrap();
    converge(&[&club, &bens, &cyds]).await;
    assert_eq!(cyds.get(id).await.unwrap().unwrap().body_text(), Some("the owner's"));
}

#[tokio::test(flavor = "multi_thread")]
async fn m15_a_role_changes_without_a_reconnect() {
    let (_ada, club) = group("m15").await;
    let (ben, bens) = member(&club, Role::Reader, "Ben").await;
    assert_eq!(bens.publish(note("x")).await.unwrap_err().kind(), ErrorKind::NotAuthorized);
    let before = bens.neighbors().await.unwrap();
    club.set_role(ben.peer_id(), Role::Admin).await.unwrap();
    eventually("ben is an admin", || async { bens.role().await.unwrap() == Some(Role::Admin) }).await;
    bens.publish(note("as an admin")).await.unwrap();
    converge(&[&club, &bens]).await;
    club.set_role(ben.peer_id(), Role::Reader).await.unwrap();
    eventually("ben reads again", || async { bens.role().await.unwrap() == Some(Role::Reader) }).await;
    assert_eq!(bens.publish(note("y")).await.unwrap_err().kind(), ErrorKind::NotAuthorized);
    converge(&[&club, &bens]).await;
    let notes = club.list(ListQuery::default()).await.unwrap();
    assert_eq!(notes.items.len(), 1, "what he wrote as an admin stays");
    assert_eq!(before[0].connection, bens.neighbors().await.unwrap()[0].connection, "on the same link");
}

#[tokio::test(flavor = "multi_thread")]
async fn m22_a_removed_member_is_cut_off_everywhere() {
    let (_ada, club) = group("m22").await;
    let (ben, bens) = member(&club, Role::Member, "Ben").await;
    let (_cyd, cyds) = member(&club, Role::Member, "Cyd").await;
    let kept = bens.publish(note("before")).await.unwrap().id;
    converge(&[&club, &bens, &cyds]).await;
    let events = cyds.events(EventFilter::kinds([EventKind::MemberChanged])).unwrap();
    let his = bens.events(EventFilter::kinds([EventKind::MemberChanged])).unwrap();
    club.remove(ben.peer_id(), Default::default()).await.unwrap();
    let removed = |event: &peergraph::Event| match event {
        peergraph::Event::MemberChanged { change: MemberChange::Removed, member } => Some(member.peer),
        _ => None,
    };
    assert_eq!(expect(&events, "told at the others", removed).await, ben.peer_id());
    assert_eq!(expect(&his, "told at his own node", removed).await, ben.peer_id());
    eventually("his links end", || async { bens.neighbors().await.unwrap().is_empty() }).await;
    assert_eq!(bens.role().await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(bens.publish(note("after")).await.unwrap_err().kind(), ErrorKind::Removed);
    }
    // Nor is he let in again.
    let target = club.node_info(peergraph_tests::node_of(&club).await).await.unwrap().addr;
    let refused = bens.connect(target).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotAuthorized, "{refused}");
    assert_eq!(cyds.get(kept).await.unwrap().unwrap().body_text(), Some("before"), "what was known stays");
    assert_eq!(cyds.members().await.unwrap().len(), 2);
    converge(&[&club, &cyds]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m22_who_was_removed_while_away_hears_it_when_it_is_back() {
    let (_ada, club) = group("m22").await;
    let dir = tempfile::tempdir().unwrap();
    let ben = node_at(dir.path()).await;
    let link = club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    let bens = ben.join_group(JoinGroup::from(link.clone()).named("Ben")).await.unwrap();
    converge(&[&club, &bens]).await;
    ben.shutdown().await;
    // What happens meanwhile is in the past of the removal, and news to Ben.
    let (_cyd, _cyds) = member(&club, Role::Inviter, "Cyd").await;
    club.set_password("correct horse battery", Default::default()).await.unwrap();
    club.remove(ben.peer_id(), Default::default()).await.unwrap();

    let ben = node_at(dir.path()).await;
    let bens = ben.open_group(club.id()).await.unwrap();
    let his = bens.events(EventFilter::kinds([EventKind::MemberChanged])).unwrap();
    let removed = |event: &peergraph::Event| match event {
        peergraph::Event::MemberChanged { change: MemberChange::Removed, member } => Some(member.peer),
        _ => None,
    };
    if bens.role().await.unwrap().is_some() {
        assert_eq!(expect(&his, "told when he is back", removed).await, ben.peer_id());
    }
    assert_eq!(bens.role().await.unwrap(), None);
    assert_eq!(bens.publish(note("after")).await.unwrap_err().kind(), ErrorKind::Removed);
    let again = ben.join_group(link).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Removed, "{again}");
    ben.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m12_with_nobody_online_joiners_fail_and_members_wait() {
    let (hers, his) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ada = node_at(hers.path()).await;
    let club = ada.create_group("m12").await.unwrap();
    let link = club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    let ben = node_at(his.path()).await;
    let bens = ben.join_group(link.clone()).await.unwrap();
    bens.publish(note("online")).await.unwrap();
    converge(&[&club, &bens]).await;
    ada.shutdown().await;
    bens.close().await;

    let cyd = node().await;
    let refused = cyd.join_group(link).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unreachable, "{refused}");
    assert!(cyd.open_graphs().is_empty());
    // Who has a database waits alone.
    let alone = ben.open_group(club.id()).await.unwrap();
    let events = alone.events(EventFilter::kinds([EventKind::ConnectionFailed])).unwrap();
    alone.enter(alone.contacts().await.unwrap()).await.unwrap();
    let status = alone.status().await.unwrap();
    assert!(status.listening && !status.has_connections);
    alone.publish(note("alone")).await.unwrap();
    assert_eq!(alone.list(ListQuery::default()).await.unwrap().items.len(), 2);
    assert!(events.try_next().is_none());
    // And merges with whoever comes.
    let ada = node_at(hers.path()).await;
    let club = ada.open_group(club.id()).await.unwrap();
    club.publish(note("hers meanwhile")).await.unwrap();
    club.enter(club.contacts().await.unwrap()).await.unwrap();
    converge(&[&club, &alone]).await;
    assert_eq!(club.list(ListQuery::default()).await.unwrap().items.len(), 3);
}
