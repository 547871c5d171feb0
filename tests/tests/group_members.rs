//! Members: who they are, what ends with them, and what becomes of a group's properties.

use std::time::Duration;

use peergraph::{
    CreateGroup, ErrorKind, GraphProperties, Group, GroupRules, InviteMember, InvitePassword, JoinGroup,
    ListQuery, PropertiesUpdate, RecordDraft, Role, Timestamp,
    authority::Content,
    events::{Event, EventFilter, EventKind, GroupFailure, MemberChange, MemberInfo},
    record::Genesis,
    wire::{Message, VERSION},
};
use peergraph_tests::{
    converge, eventually, expect,
    identities::key,
    insider::Impostor,
    leaks::{access_mut, access_of},
    member, node, node_as, node_of, note,
};

const HOUR: Duration = Duration::from_secs(3600);

fn renamed(name: &str) -> PropertiesUpdate {
    PropertiesUpdate { name: Some(name.into()), ..PropertiesUpdate::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn m2_owners_change_properties_and_owning_is_shared() {
    let (ada, club) = peergraph_tests::group("m2").await;
    for role in [Role::Reader, Role::Member, Role::Inviter, Role::Admin] {
        let (_node, theirs) = member(&club, Role::Reader, "x").await;
        club.set_role(_node.peer_id(), role).await.unwrap();
        eventually("the role", || async { theirs.role().await.unwrap() == Some(role) }).await;
        let refused = theirs.set_properties(renamed("theirs")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotAuthorized, "{role}");
    }
    assert_eq!(club.set_properties(renamed("hers")).await.unwrap().name, "hers");
    // A successor, named by the creator, who is gone then.
    let (ben, bens) = member(&club, Role::Member, "Ben").await;
    let (cyd, cyds) = member(&club, Role::Member, "Cyd").await;
    club.set_role(ben.peer_id(), Role::Owner).await.unwrap();
    eventually("Ben owns", || async { bens.role().await.unwrap() == Some(Role::Owner) }).await;
    converge(&[&club, &bens, &cyds]).await;
    let properties = club.properties().await.unwrap();
    ada.shutdown().await;
    let events = cyds.events(EventFilter::kinds([EventKind::PropertyChanged])).unwrap();
    bens.set_properties(renamed("his")).await.unwrap();
    let told = expect(&events, "the new name", |event| match event {
        Event::PropertyChanged { changed, properties } => Some((changed.clone(), properties.clone())),
        _ => None,
    });
    let told = told.await;
    assert_eq!(told, (["name"].into(), GraphProperties { name: "his".into(), ..properties }));
    bens.set_role(cyd.peer_id(), Role::Owner).await.unwrap();
    eventually("Cyd owns too", || async { cyds.role().await.unwrap() == Some(Role::Owner) }).await;
    cyds.set_properties(renamed("hers again")).await.unwrap();
    eventually("it is known", || async { bens.properties().await.unwrap().name == "hers again" }).await;
    // An owner can be made less again by one before it.
    bens.set_role(cyd.peer_id(), Role::Member).await.unwrap();
    eventually("Cyd owns no more", || async { cyds.role().await.unwrap() == Some(Role::Member) }).await;
    assert_eq!(cyds.set_properties(renamed("x")).await.unwrap_err().kind(), ErrorKind::NotAuthorized);
}

#[tokio::test(flavor = "multi_thread")]
async fn m2_what_is_fixed_is_in_the_groups_id() {
    let owner = key(1);
    let ada = node_as(&owner).await;
    let rules = GroupRules { properties: Role::Admin, ..GroupRules::default() };
    let club = ada.create_group(CreateGroup { rules, ..CreateGroup::from("m2") }).await.unwrap();
    // By a rule of the group admins may, from its beginning to its end.
    let (ben, bens) = member(&club, Role::Member, "Ben").await;
    club.set_role(ben.peer_id(), Role::Admin).await.unwrap();
    eventually("Ben may", || async { bens.role().await.unwrap() == Some(Role::Admin) }).await;
    bens.set_properties(renamed("his")).await.unwrap();
    // Even the creator, running an altered program, cannot give the same group to others with other rules.
    let host = Impostor::new(owner.clone()).await;
    let mut link = club.invite_link(Default::default()).await.unwrap();
    access_mut(&mut link).nodes = vec![host.addr()];
    let link = link.signed(&owner);
    let genesis = club.genesis().await.unwrap();
    let altered = [
        Genesis { max_record: genesis.max_record + 1, ..genesis.clone() },
        Genesis { creator: key(2).peer(), ..genesis.clone() },
        Genesis { rules: Some(GroupRules::default()), ..genesis },
    ];
    for genesis in altered {
        let cyd = node().await;
        let (joiner, join) = (cyd.clone(), link.clone());
        let joining = tokio::spawn(async move { joiner.join_group(join).await });
        let mut from_cyd = host.accept(&access_of(&link).secret, VERSION).await;
        let Message::Connect(_) = from_cyd.message().await else { panic!("a connect") };
        let now = club.peer_time().await.unwrap();
        from_cyd.say(&host.welcome(genesis, now, Vec::new())).await;
        assert_eq!(from_cyd.join_message().await, None, "she asks nothing of it");
        assert!(joining.await.unwrap().is_err());
        assert!(cyd.open_graphs().is_empty() && cyd.stored_graphs().is_empty());
    }
}

/// A member whose membership ends soon and is renewed by nobody.
async fn brief_member(group: &Group, lifetime: Duration) -> (peergraph::Node, Group) {
    let options = InvitePassword { lifetime: Some(lifetime), ..InvitePassword::default() };
    let invitation = group.set_password("twelve-green-parrots", options).await.unwrap();
    let node = node().await;
    let join = JoinGroup::from(invitation).password("twelve-green-parrots").named("Ben");
    let joined = node.join_group(join).await.unwrap();
    (node, joined)
}

#[tokio::test(flavor = "multi_thread")]
async fn m14_e18_one_whose_membership_ended_comes_back_once_it_is_renewed() {
    let (ada, club) = peergraph_tests::group("m14").await;
    let (ben, bens) = brief_member(&club, Duration::from_secs(6)).await;
    let written = bens.publish(note("while a member")).await.unwrap().id;
    converge(&[&club, &bens]).await;
    let events =
        bens.events(EventFilter::kinds([EventKind::MemberChanged, EventKind::ConnectionFailed])).unwrap();
    let expired = |event: &Event| match event {
        Event::MemberChanged { change: MemberChange::Expired, member } => Some(member.peer),
        _ => None,
    };
    assert_eq!(expect(&events, "his membership is over", expired).await, ben.peer_id());
    eventually("his link ends", || async { club.neighbors().await.unwrap().is_empty() }).await;
    assert_eq!(bens.role().await.unwrap(), None);
    let over = bens.publish(note("too late")).await.unwrap_err();
    assert_eq!(over.kind(), ErrorKind::InvitationExpired, "{over}");
    assert!(over.message().contains("renew"), "{over}");

    // Nobody renewed it: he is turned away, and told why, once.
    let refused = bens.enter(ada.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotAuthorized, "{refused}");
    let failed = |event: &Event| match event {
        Event::ConnectionFailed(why) => Some(*why),
        _ => None,
    };
    assert_eq!(expect(&events, "a reason", failed).await, GroupFailure::NotAuthorized);
    assert!(club.neighbors().await.unwrap().is_empty());

    // Published while he is away: he has heard nothing of it, shows what he has, and is let in.
    club.renew(ben.peer_id(), Some(HOUR)).await.unwrap();
    bens.enter(ada.addr()).await.unwrap();
    eventually("he knows", || async { bens.role().await.unwrap() == Some(Role::Member) }).await;
    let after = bens.publish(note("after")).await.unwrap().id;
    converge(&[&club, &bens]).await;
    assert!(club.get(written).await.unwrap().is_some() && club.get(after).await.unwrap().is_some());
    assert_eq!(club.member(ben.peer_id()).await.unwrap().name, "Ben");
    assert!(events.try_next().is_none_or(|event| !matches!(event, Event::ConnectionFailed(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn m17_records_live_no_longer_than_their_authors_membership() {
    let ada = node().await;
    let rules = GroupRules { records_end_with_membership: true, ..GroupRules::default() };
    let club = ada.create_group(CreateGroup { rules, ..CreateGroup::from("m17") }).await.unwrap();
    let (ben, bens) = brief_member(&club, Duration::from_secs(8)).await;
    let end = bens.member(ben.peer_id()).await.unwrap().not_after.unwrap();
    let until = |at: Option<Timestamp>| RecordDraft { expires: at, ..note("ben's") };
    for too_long in [None, Some(end + Duration::from_millis(1)), Some(end + HOUR)] {
        let refused = bens.publish(until(too_long)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotAuthorized, "{refused}");
    }
    let id = bens.publish(until(Some(end))).await.unwrap().id;
    converge(&[&club, &bens]).await;
    assert_eq!(club.get(id).await.unwrap().unwrap().expires, Some(end));
    // The creator is one without end, and so are her records.
    let hers = club.publish(note("hers")).await.unwrap().id;
    eventually("his ends with him", || async { club.get(id).await.unwrap().is_none() }).await;
    assert!(club.peer_time().await.unwrap() >= end && club.member(ben.peer_id()).await.is_err());
    assert!(club.get(hers).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn m20_members_are_listed_with_all_that_is_known_of_them() {
    let (ada, club) = peergraph_tests::group("m20").await;
    let (ben, bens) = member(&club, Role::Inviter, "Ben").await;
    let (cyd, cyds) = member(&bens, Role::Member, "Cyd").await;
    bens.set_node_attributes(Some("on the phone")).await.unwrap();
    club.invite_peer(key(5).peer(), "Dan", InviteMember::default()).await.unwrap();
    converge(&[&club, &bens, &cyds]).await;
    let here = |group: &Group| {
        let group = group.clone();
        async move { group.present_members().await.unwrap().len() }
    };
    for group in [&club, &bens, &cyds] {
        eventually("three are here, one is not", || async {
            here(group).await == 3 && group.members().await.unwrap().len() == 4
        })
        .await;
    }
    eventually("his attributes", || async {
        cyds.member(ben.peer_id()).await.unwrap().nodes[0].attributes == "on the phone"
    })
    .await;
    for (node, group) in [(&ada, &club), (&ben, &bens), (&cyd, &cyds)] {
        let all = group.members().await.unwrap();
        assert_eq!(all[0].peer, node.peer_id(), "this one first");
        assert_eq!(group.present_members().await.unwrap()[0].peer, node.peer_id());
        let dan = group.member(key(5).peer()).await.unwrap();
        assert_eq!((dan.name.as_str(), dan.is_present(), dan.nodes.len()), ("Dan", false, 0));
        let listed = group.member(ben.peer_id()).await.unwrap();
        assert!(all.contains(&listed), "the one is as among all");
        assert_eq!((listed.role, listed.issuer), (Some(Role::Inviter), Some(ada.peer_id())));
        assert!(listed.not_after.is_some_and(|end| end.since(listed.nodes[0].since) > 24 * HOUR));
        assert_eq!((listed.nodes[0].node, listed.nodes[0].peer), (ben.id(), ben.peer_id()));
        assert_eq!(listed.nodes[0].addr.addrs, ben.addr().addrs);
    }
    // What makes them members, from the creator down.
    let chain = club.credentials_of(cyd.peer_id()).await.unwrap();
    let grants: Vec<_> = chain.iter().filter_map(peergraph_tests::said).collect();
    let [Content::Grant(first), Content::Grant(second)] = &grants[..] else { panic!("{grants:?}") };
    assert_eq!((first.subject, second.subject, second.name.as_str()), (ben.peer_id(), cyd.peer_id(), "Cyd"));
    assert_eq!(chain.iter().map(|r| r.header().creator).collect::<Vec<_>>(), [ada.peer_id(), ben.peer_id()]);
    assert!(club.credentials_of(ada.peer_id()).await.unwrap().is_empty());
    for stranger in
        [club.member(key(6).peer()).await.map(drop), club.credentials_of(key(6).peer()).await.map(drop)]
    {
        assert_eq!(stranger.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m21_presence_can_be_off_and_members_are_listed_all_the_same() {
    let ada = node().await;
    let properties = GraphProperties { presence_max: Some(0), ..GraphProperties::default() };
    let club = ada.create_group(CreateGroup { properties, ..CreateGroup::default() }).await.unwrap();
    // What is a member's own to give, its name, it may keep to itself; it writes nothing, and is listed.
    let (ben, bens) = member(&club, Role::Reader, "").await;
    let (cyd, cyds) = member(&club, Role::Member, "Cyd").await;
    converge(&[&club, &bens, &cyds]).await;
    for group in [&club, &bens, &cyds] {
        eventually("all three are listed", || async { group.members().await.unwrap().len() == 3 }).await;
        let label = format!("[{}]", ben.peer_id().short());
        assert_eq!(group.member(ben.peer_id()).await.unwrap().name, label);
    }
    let present = club.present_members().await.unwrap();
    assert_eq!(present.iter().map(|member| member.peer).collect::<Vec<_>>(), [ada.peer_id()], "she herself");
    // One who wants to be seen is.
    cyds.force_presence(true).await.unwrap();
    eventually("Cyd is seen", || async { bens.member(cyd.peer_id()).await.unwrap().is_present() }).await;
    assert_eq!(bens.node_info(node_of(&cyds).await).await.unwrap().peer, cyd.peer_id());
    cyds.force_presence(false).await.unwrap();
    eventually("and no more", || async { !bens.member(cyd.peer_id()).await.unwrap().is_present() }).await;
    // With presence on again all are.
    let all = PropertiesUpdate { presence_max: Some(None), ..PropertiesUpdate::default() };
    club.set_properties(all).await.unwrap();
    eventually("all are seen", || async { bens.present_members().await.unwrap().len() == 3 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m21_r11_nothing_expires_while_a_node_is_alone() {
    let ada = node().await;
    let properties = GraphProperties { defer_expiration: true, ..GraphProperties::default() };
    let club = ada.create_group(CreateGroup { properties, ..CreateGroup::default() }).await.unwrap();
    assert!(club.properties().await.unwrap().defer_expiration);
    let (_ben, bens) = member(&club, Role::Member, "Ben").await;
    let events = club.events(EventFilter::kinds([EventKind::RecordChanged])).unwrap();
    let soon = |text: &'static str| async {
        let at = club.peer_time().await.unwrap() + Duration::from_millis(500);
        club.publish(RecordDraft { expires: Some(at), ..note(text) }).await.unwrap().id
    };
    // Not alone: it expires as ever.
    let first = soon("in company").await;
    eventually("it is gone", || async { club.get(first).await.unwrap().is_none() }).await;
    bens.close().await;
    eventually("she is alone", || async { club.neighbors().await.unwrap().is_empty() }).await;
    let second = soon("alone").await;
    let over = club.peer_time().await.unwrap() + Duration::from_secs(1);
    eventually("its time is over", || async { club.peer_time().await.unwrap() > over }).await;
    assert!(club.get(second).await.unwrap().is_some(), "it stays");
    assert_eq!(club.list(ListQuery::default()).await.unwrap().items.len(), 1);
    while let Some(event) = events.try_next() {
        assert!(!matches!(&event, Event::RecordChanged(change) if change.record.id == second
            && change.change == peergraph::record::ChangeKind::Expired));
    }
    // In company again: it goes, is told of, and reaches nobody.
    let (_cyd, cyds) = member(&club, Role::Member, "Cyd").await;
    let gone = expect(&events, "it expired", |event| match event {
        Event::RecordChanged(change) if change.change == peergraph::record::ChangeKind::Expired => {
            Some(change.record.id)
        }
        _ => None,
    });
    assert_eq!(gone.await, second);
    assert!(club.get(second).await.unwrap().is_none() && cyds.get(second).await.unwrap().is_none());
    // It is a property like others: an owner ends it.
    let off = PropertiesUpdate { defer_expiration: Some(false), ..PropertiesUpdate::default() };
    club.set_properties(off).await.unwrap();
    eventually("all know", || async { !cyds.properties().await.unwrap().defer_expiration }).await;
    cyds.close().await;
    eventually("alone again", || async { club.neighbors().await.unwrap().is_empty() }).await;
    let third = soon("alone").await;
    eventually("it expires", || async { club.get(third).await.unwrap().is_none() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e17_members_joining_and_going_are_told() {
    let (_ada, club) = peergraph_tests::group("e17").await;
    let events = club.events(EventFilter::kinds([EventKind::MemberChanged])).unwrap();
    let next = |what: MemberChange| {
        let events = &events;
        async move {
            expect(events, &format!("{what:?}"), |event| match event {
                Event::MemberChanged { change, member } if *change == what => Some(member.clone()),
                _ => None,
            })
            .await
        }
    };
    let (ben, bens) = member(&club, Role::Member, "Ben").await;
    let is_ben = |member: &MemberInfo| assert_eq!((member.peer, &*member.name), (ben.peer_id(), "Ben"));
    let joined = next(MemberChange::Joined).await;
    is_ben(&joined);
    assert_eq!((joined.role, joined.is_present()), (Some(Role::Member), false));
    let connected = next(MemberChange::Connected).await;
    is_ben(&connected);
    assert_eq!(connected.nodes[0].node, ben.id());
    // Of his role, and of what he says of himself.
    club.set_role(ben.peer_id(), Role::Inviter).await.unwrap();
    assert_eq!(next(MemberChange::Updated).await.role, Some(Role::Inviter));
    bens.set_node_attributes(Some("away")).await.unwrap();
    assert_eq!(next(MemberChange::Updated).await.nodes[0].attributes, "away");
    // Gone, not out.
    let id = bens.id();
    bens.close().await;
    let disconnected = next(MemberChange::Disconnected).await;
    is_ben(&disconnected);
    assert_eq!((disconnected.role, disconnected.is_present()), (Some(Role::Inviter), false));
    // By his own word.
    let link = club.invite_link(Default::default()).await.unwrap();
    let bens = ben.join_group(link).await.unwrap();
    assert_eq!(bens.id(), id);
    is_ben(&next(MemberChange::Connected).await);
    bens.leave().await.unwrap();
    let left = next(MemberChange::Left).await;
    is_ben(&left);
    assert_eq!(left.role, None);
    // By hers.
    let (cyd, _cyds) = member(&club, Role::Member, "Cyd").await;
    assert_eq!(next(MemberChange::Connected).await.peer, cyd.peer_id());
    club.remove(cyd.peer_id(), Default::default()).await.unwrap();
    assert_eq!(next(MemberChange::Removed).await.peer, cyd.peer_id());
    // By time.
    let (dan, _dans) = brief_member(&club, Duration::from_secs(5)).await;
    assert_eq!(next(MemberChange::Expired).await.peer, dan.peer_id());
}
