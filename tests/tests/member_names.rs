//! Names of members: the one that a member gives itself is the one that everybody sees.

use peergraph::{
    CreateGroup, ErrorKind, Group, GroupRules, InviteLink, InviteMember, JoinGroup, Node, NodeConfig, PeerId,
    RemoveMember, Role,
    events::{Event, EventFilter, EventKind, MemberChange},
};
use peergraph_tests::{converge, eventually, expect, identities::key, member, node, node_as, node_at};

async fn name_in(group: &Group, peer: PeerId) -> Option<String> {
    group.member(peer).await.ok().map(|member| member.name)
}

/// Waits until all of these list a member under this name.
async fn listed(groups: &[&Group], peer: PeerId, name: &str) {
    for group in groups {
        eventually(name, || async { name_in(group, peer).await.as_deref() == Some(name) }).await;
    }
}

async fn invited(club: &Group, node: &Node, name: &str, joined_as: &str) -> Group {
    let invitation = club.invite_peer(node.peer_id(), name, InviteMember::default()).await.unwrap();
    node.join_group(JoinGroup::from(invitation).named(joined_as)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn c46_the_name_given_when_joining_is_what_the_list_of_members_shows() {
    let (_ada, club) = peergraph_tests::group("c46").await;
    let label = |peer: PeerId| format!("[{}]", peer.short());
    // Nobody knows a name of an identity that has none: not 64 digits, and nothing that could be somebody's name.
    let ben = node().await;
    let unnamed = ben.identities().default().await.unwrap().describe().unwrap();
    assert_eq!(unnamed.name().len(), 64);
    let invitation = club.invite(&unnamed, InviteMember::default()).await.unwrap();
    listed(&[&club], ben.peer_id(), &label(ben.peer_id())).await;
    let bens = ben.join_group(JoinGroup::from(invitation).named("Ben")).await.unwrap();
    listed(&[&bens, &club], ben.peer_id(), "Ben").await;
    // The grant came first and says something else.
    let cyd = node().await;
    let cyds = invited(&club, &cyd, "Cydney (sales)", "Cyd").await;
    listed(&[&cyds, &bens, &club], cyd.peer_id(), "Cyd").await;
    // Without a name of the joiner's the inviter's stands, and what looks like another's id is none.
    let (dan, eve) = (node().await, node().await);
    let dans = invited(&club, &dan, "Dan", "").await;
    let eves = invited(&club, &eve, "Eve", &label(ben.peer_id())).await;
    listed(&[&dans, &club], dan.peer_id(), "Dan").await;
    listed(&[&eves, &club], eve.peer_id(), "Eve").await;
    // An identity with a friendly name goes by it, unless another was given.
    let fay = node().await;
    fay.identities().default().await.unwrap().rename(Some("Fay")).await.unwrap();
    let fays = invited(&club, &fay, "", "").await;
    listed(&[&fays, &club], fay.peer_id(), "Fay").await;
    for refused in ["x".repeat(256), "a\nb".into()] {
        let invitation = club.invite_peer(key(7).peer(), "", InviteMember::default()).await.unwrap();
        let joined = fay.join_group(JoinGroup::from(invitation).named(refused)).await;
        assert!(matches!(joined.unwrap_err().kind(), ErrorKind::TooLarge | ErrorKind::InvalidArgument));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c46_on_a_second_node_of_an_identity_only_a_name_that_was_given_changes_it() {
    let (_ada, club) = peergraph_tests::group("c46").await;
    let (phone, laptop, tablet) = (node_as(&key(3)).await, node_as(&key(3)).await, node_as(&key(3)).await);
    let ben = phone.peer_id();
    let invitation = club.invite_peer(ben, "Benjamin", InviteMember::default()).await.unwrap();
    let first = phone.join_group(JoinGroup::from(invitation.clone()).named("Ben")).await.unwrap();
    listed(&[&first, &club], ben, "Ben").await;
    laptop.identities().default().await.unwrap().rename(Some("Benny")).await.unwrap();
    let second = laptop.join_group(invitation).await.unwrap();
    converge(&[&club, &first, &second]).await;
    listed(&[&second, &first, &club], ben, "Ben").await;
    // By a link, which makes no grant for a member.
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let third = tablet.join_group(JoinGroup::from(link).named("B.")).await.unwrap();
    listed(&[&third, &second, &first, &club], ben, "B.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c46_a_member_changes_its_name_and_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let rules = GroupRules { encrypted_bodies: true, ..GroupRules::default() };
    let ada = node().await;
    let club = ada.create_group(CreateGroup { rules, ..CreateGroup::from("c46") }).await.unwrap();
    let ben = node_at(dir.path()).await;
    let link = club.invite_link(InviteLink { role: Role::Reader, ..InviteLink::default() }).await.unwrap();
    let bens = ben.join_group(JoinGroup::from(link).named("Ben")).await.unwrap();
    let (_cyd, cyds) = member(&club, Role::Member, "Cyd").await;
    converge(&[&club, &bens, &cyds]).await;
    let me = ben.peer_id();
    let events = cyds.events(EventFilter::kinds([EventKind::MemberChanged])).unwrap();
    // One who may write nothing else may say what it is called.
    bens.set_name("Benjamin").await.unwrap();
    let told = expect(&events, "the new name", |event| match event {
        Event::MemberChanged { change: MemberChange::Updated, member } if member.peer == me => {
            Some(member.name.clone())
        }
        _ => None,
    });
    assert_eq!(told.await, "Benjamin");
    listed(&[&bens, &club, &cyds], me, "Benjamin").await;
    // The one that was granted is not lost, and a new grant does not bring it back.
    bens.set_name("").await.unwrap();
    listed(&[&bens, &club, &cyds], me, "Ben").await;
    bens.set_name("Benno").await.unwrap();
    club.renew(me, None).await.unwrap();
    club.set_role(me, Role::Member).await.unwrap();
    eventually("the role", || async { bens.role().await.unwrap() == Some(Role::Member) }).await;
    listed(&[&bens, &club, &cyds], me, "Benno").await;
    let kind = |outcome: peergraph::Result<()>| outcome.unwrap_err().kind();
    assert_eq!(kind(bens.set_name(&"x".repeat(256)).await), ErrorKind::TooLarge);
    for bad in ["a\u{7}", "   ", &ada.peer_id().to_string(), &format!("[{}]", ada.peer_id().short())] {
        assert_eq!(kind(bens.set_name(bad).await), ErrorKind::InvalidArgument, "{bad:?}");
    }
    // It is kept, here and elsewhere.
    ben.shutdown().await;
    let ben = Node::start(NodeConfig::loopback().at(dir.path())).await.unwrap();
    let bens = ben.open_group(club.id()).await.unwrap();
    assert_eq!(name_in(&bens, me).await.as_deref(), Some("Benno"));
    listed(&[&club, &cyds], me, "Benno").await;
    // It ends with the membership.
    eventually("Ben is here", || async { club.member(me).await.unwrap().is_present() }).await;
    club.remove(me, RemoveMember::default()).await.unwrap();
    eventually("he knows", || async { bens.role().await.unwrap().is_none() }).await;
    assert_eq!(kind(bens.set_name("Ghost").await), ErrorKind::Removed);
    eventually("nobody lists him", || async { name_in(&cyds, me).await.is_none() }).await;
}
