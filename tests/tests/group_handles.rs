//! Groups in programs: several handles on one, events by kind, finding members, and making and closing many.

use std::time::Duration;

use peergraph::{
    ErrorKind, InviteLink, InvitePassword, JoinGroup, ListQuery, NetworkMode, Node, NodeAddr, NodeConfig,
    PropertiesUpdate, RecordDraft, RecordType, Role, Target,
    events::{Event, EventFilter, EventKind, GroupFailure},
};
use peergraph_tests::{
    converge, eventually, expect, group, identities::key, leaks::access_mut, lookup::lookup, node, node_as,
    node_at, note,
};

const PASSWORD: &str = "twelve-green-parrots";

#[tokio::test(flavor = "multi_thread")]
async fn m23_m24_parts_of_a_program_share_a_group_and_close_it_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let (_ada, club) = group("m23").await;
    let ben = node_at(dir.path()).await;
    let link = club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    ben.join_group(link).await.unwrap().close().await;
    let open = || ben.open_group_with(club.id(), peergraph_tests::offline());
    let (chat, list) = (open().await.unwrap(), open().await.unwrap());
    assert_eq!(ben.open_graphs().len(), 1, "one group");
    // Online together: what one did is done for all.
    assert!(!list.status().await.unwrap().has_connections);
    chat.enter(Target::Peer(club.members().await.unwrap()[0].peer)).await.unwrap();
    assert!(list.status().await.unwrap().has_connections && list.status().await.unwrap().listening);
    // Each with types of its own: neither lists nor hears the other's.
    let of = |text: &str| text.parse::<RecordType>().unwrap();
    let only = |text: &str| {
        EventFilter::kinds([EventKind::RecordChanged, EventKind::IncomingData])
            .record_types([of(text)])
            .data_types([of(text)])
    };
    let (to_chat, to_list) =
        (chat.events(only("chat.line")).unwrap(), list.events(only("list.item")).unwrap());
    let draft = |of: &str, text: &str| RecordDraft::new(of, text.to_owned()).unwrap();
    club.publish(draft("chat.line", "hello")).await.unwrap();
    club.publish(draft("list.item", "milk")).await.unwrap();
    let to_ben = club.neighbors().await.unwrap()[0].connection;
    for data in ["chat.line", "list.item"] {
        assert!(club.send(to_ben, data, data).await.unwrap().delivered().await.unwrap());
    }
    for (events, name, body) in [(&to_chat, "chat.line", "hello"), (&to_list, "list.item", "milk")] {
        let (mut record, mut data) = (false, false);
        while !(record && data) {
            match expect(events, name, |event| Some(event.clone())).await {
                Event::RecordChanged(change) => {
                    assert_eq!(
                        (change.record.record_type.as_str(), change.record.body_text()),
                        (name, Some(body))
                    );
                    record = true;
                }
                Event::IncomingData(incoming) => {
                    assert_eq!(incoming.data_type.as_str(), name);
                    data = true;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(events.try_next().is_none(), "{name}: nothing of the other's");
        let query = ListQuery { record_type: Some(of(name)), ..ListQuery::default() };
        assert_eq!(list.list(query).await.unwrap().items.len(), 1);
    }
    // One closes, also twice and by a clone: the other does not notice.
    list.clone().close().await;
    list.close().await;
    assert_eq!(ben.delete_graph(club.id()).await.unwrap_err().kind(), ErrorKind::GraphInUse);
    assert!(chat.status().await.unwrap().has_connections);
    club.publish(draft("chat.line", "still there?")).await.unwrap();
    let heard = expect(&to_chat, "the next line", |event| match event {
        Event::RecordChanged(change) => change.record.body_text().map(str::to_owned),
        _ => None,
    });
    assert_eq!(heard.await, "still there?");
    // The last goes: offline, and free to be deleted, here alone.
    chat.close().await;
    assert_eq!(chat.status().await.unwrap_err().kind(), ErrorKind::Closed);
    eventually("Ben is offline", || async { club.neighbors().await.unwrap().is_empty() }).await;
    ben.delete_graph(club.id()).await.unwrap();
    assert!(ben.stored_graphs().is_empty());
    assert_eq!(ben.open_group(club.id()).await.unwrap_err().kind(), ErrorKind::UnknownGraph);
    assert_eq!(club.members().await.unwrap().len(), 2, "he is a member as before");
    assert_eq!(club.list(ListQuery::default()).await.unwrap().items.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn m11_members_are_found_by_what_is_known_and_by_lookup() {
    let (server, asked) = lookup().await;
    let config = |identity: u8| NodeConfig {
        identity: Some(key(identity)),
        network: NetworkMode::Custom { relays: Vec::new(), lookup: Some(server.clone()) },
        ..NodeConfig::loopback()
    };
    let ada = Node::start(config(1)).await.unwrap();
    let club = ada.create_group("m11").await.unwrap();
    let link = club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    // By address, with no lookup at all.
    let dir = tempfile::tempdir().unwrap();
    let cyd = node_at(dir.path()).await;
    let cyds = cyd.join_group(link.clone()).await.unwrap();
    converge(&[&club, &cyds]).await;
    // By lookup: of the node nothing is known but its name.
    let mut nameless = link;
    access_mut(&mut nameless).nodes = vec![NodeAddr::new(ada.id())];
    let nameless = nameless.signed(&key(1));
    eventually("her address is published", || async { asked.lock().unwrap().published > 0 }).await;
    let lost = node().await;
    let refused = lost.join_group(nameless.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unreachable, "who has no lookup finds nobody");
    let ben = Node::start(config(2)).await.unwrap();
    let bens = ben.join_group(JoinGroup::from(nameless).named("Ben")).await.unwrap();
    assert!(asked.lock().unwrap().found > 0);
    converge(&[&club, &bens, &cyds]).await;
    // By what is in the database: an identity, wherever its node was last.
    cyd.shutdown().await;
    let cyd = node_at(dir.path()).await;
    let cyds = cyd.open_group(club.id()).await.unwrap();
    cyds.enter(Target::Peer(ada.peer_id())).await.unwrap();
    // Its own dial of who was a neighbor before may take the place of this one at any moment.
    eventually("her node is a neighbor", || async {
        cyds.neighbors().await.unwrap().iter().any(|neighbor| neighbor.peer == ada.peer_id())
    })
    .await;
    // And all who are known, as a program that starts again does.
    cyds.close().await;
    let cyds = cyd.open_group(club.id()).await.unwrap();
    cyds.enter(cyds.contacts().await.unwrap()).await.unwrap();
    eventually("it is connected", || async { cyds.status().await.unwrap().has_connections }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e18_a_failed_attempt_is_told_once_with_its_reason() {
    let owner = key(1);
    let ada = node_as(&owner).await;
    let club = ada.create_group("e18").await.unwrap();
    let brief = InvitePassword { lifetime: Some(Duration::from_secs(5)), ..InvitePassword::default() };
    let by_password = club.set_password(PASSWORD, brief).await.unwrap();
    let ben = node().await;
    let bens = ben.join_group(JoinGroup::from(by_password.clone()).password(PASSWORD)).await.unwrap();
    bens.publish(note("his")).await.unwrap();
    converge(&[&club, &bens]).await;
    let quiet = club.events(EventFilter::kinds([EventKind::ConnectionFailed])).unwrap();
    // He was a member, has the group open, and would like to be one again.
    eventually("his time is over", || async { bens.role().await.unwrap().is_none() }).await;
    let events = bens.events(EventFilter::kinds([EventKind::ConnectionFailed])).unwrap();
    let once = |reason: GroupFailure| {
        let events = &events;
        async move {
            let told = expect(events, "a reason", |event| match event {
                Event::ConnectionFailed(why) => Some(*why),
                _ => None,
            });
            assert_eq!(told.await, reason);
            assert!(events.try_next().is_none(), "once");
        }
    };
    // By the other's clock a moment later: until then he is let in.
    let refused =
        || async { bens.enter(ada.addr()).await.is_err_and(|e| e.kind() == ErrorKind::NotAuthorized) };
    eventually("he is turned away", refused).await;
    once(GroupFailure::NotAuthorized).await;
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let at = |nodes: Vec<NodeAddr>| {
        let mut other = link.clone();
        access_mut(&mut other).nodes = nodes;
        other.signed(&owner)
    };
    assert_eq!(ben.join_group(at(Vec::new())).await.unwrap_err().kind(), ErrorKind::NotFound);
    once(GroupFailure::NoMembersFound).await;
    let gone = node().await;
    let nowhere = gone.addr();
    gone.shutdown().await;
    assert_eq!(ben.join_group(at(vec![nowhere])).await.unwrap_err().kind(), ErrorKind::Unreachable);
    once(GroupFailure::NoneConnectable).await;
    let guess = JoinGroup::from(by_password).password("twelve-red-parrots");
    assert_eq!(ben.join_group(guess).await.unwrap_err().kind(), ErrorKind::WrongPassword);
    once(GroupFailure::WrongPassword).await;
    let key = club.invitations().await.unwrap()[0].key;
    club.revoke_invitation(key).await.unwrap();
    assert_eq!(ben.join_group(link.clone()).await.unwrap_err().kind(), ErrorKind::InvitationRevoked);
    once(GroupFailure::InvitationInvalid).await;
    // None of it cost him what he has; and what succeeds tells nothing.
    assert_eq!(bens.list(ListQuery::default()).await.unwrap().items.len(), 1);
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let again = ben.join_group(link).await.unwrap();
    assert_eq!(again.role().await.unwrap(), Some(Role::Member));
    assert!(events.try_next().is_none() && quiet.try_next().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn e2_any_subset_of_the_group_events_can_be_registered() {
    use EventKind::{
        ConnectionFailed, DirectConnection, IncomingData, MemberChanged, NeighborConnection, PropertyChanged,
        RecordChanged, StatusChanged,
    };
    const GROUP: [EventKind; 8] = [
        StatusChanged,
        PropertyChanged,
        RecordChanged,
        NeighborConnection,
        DirectConnection,
        IncomingData,
        MemberChanged,
        ConnectionFailed,
    ];
    let dir = tempfile::tempdir().unwrap();
    let (ada, club) = group("e2").await;
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    let ben = node_at(dir.path()).await;
    ben.join_group(link).await.unwrap().close().await;
    let bens = ben.open_group_with(club.id(), peergraph_tests::offline()).await.unwrap();
    // Each alone, each pair of neighbors in the list, and all: before connecting.
    let mut subsets: Vec<Vec<EventKind>> = GROUP.iter().map(|kind| vec![*kind]).collect();
    subsets.extend(GROUP.windows(2).map(<[_]>::to_vec));
    subsets.push(GROUP.to_vec());
    let registered: Vec<_> = subsets
        .into_iter()
        .map(|kinds| (bens.events(EventFilter::kinds(kinds.clone())).unwrap(), kinds))
        .collect();
    // Then one thing of each kind happens to him; what fails is not authenticated.
    bens.enter(ada.addr()).await.unwrap();
    club.set_properties(PropertiesUpdate { comment: Some("new".into()), ..PropertiesUpdate::default() })
        .await
        .unwrap();
    club.publish(note("a record")).await.unwrap();
    let direct = club.open_direct(ben.id()).await.unwrap();
    assert!(direct.send("test.data", "data").await.unwrap().delivered().await.unwrap());
    club.remove(ben.peer_id(), Default::default()).await.unwrap();
    eventually("he is out", || async { bens.neighbors().await.unwrap().is_empty() }).await;
    assert_eq!(bens.enter(ada.addr()).await.unwrap_err().kind(), ErrorKind::NotAuthorized);
    for (events, kinds) in registered {
        let mut missing = kinds.clone();
        while !missing.is_empty() {
            let event =
                expect(&events, &format!("{missing:?} of {kinds:?}"), |event| Some(event.clone())).await;
            let kind = event.kind().expect("nothing was missed");
            assert!(kinds.contains(&kind), "{kind:?} was not registered: {kinds:?}");
            if let Event::ConnectionFailed(why) = event {
                assert_eq!(why, GroupFailure::NotAuthorized);
            }
            missing.retain(|wanted| *wanted != kind);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c43_a_group_that_one_part_closes_stays_open_for_the_part_that_opens_it() {
    let (node, mut group) = group("handed over").await;
    for round in 0..400 {
        let id = group.id();
        let opening = if round % 2 == 0 { Some(node.open_group(id)) } else { None };
        let (taker, ready) = (node.clone(), std::sync::Arc::new(std::sync::Barrier::new(2)));
        let together = ready.clone();
        let closing = tokio::task::spawn_blocking(move || {
            together.wait();
            group.close()
        });
        // Taken, or called and taken, in the same moment.
        let taking = tokio::task::spawn_blocking(move || {
            ready.wait();
            opening.unwrap_or_else(|| taker.open_group(id))
        });
        let taken = taking.await.unwrap().await;
        closing.await.unwrap().await;
        group = match taken {
            Ok(taken) => taken,
            // In memory nothing is left of a group that was closed before.
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::UnknownGraph, "round {round}");
                node.create_group("handed over").await.unwrap()
            }
        };
        group.status().await.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    node.shutdown().await;
}
