//! Groups with encrypted bodies, over real nodes.

use std::fs;

use peergraph::{
    BodyState, CreateGroup, ErrorKind, Group, GroupRules, ImportDatabase, InviteLink, InviteMember,
    JoinGroup, ListQuery, Node, NodeConfig, RecordUpdate, RemoveMember, Role,
    authority::{Act, Content},
    events::{Event, EventFilter, EventKind},
};
use peergraph_tests::{
    converge, eventually, expect, group,
    identities::{holders, key},
    member, node, node_at, note, offline, said,
    two_sides::{Scene, act_that, plain_grant},
};

const TEXT: &str = "a recognisable sentence";
const ATTRIBUTE: &str = "a recognisable subject";

async fn hidden(node: &Node) -> Group {
    let rules = GroupRules { encrypted_bodies: true, ..GroupRules::default() };
    node.create_group(CreateGroup { rules, ..CreateGroup::default() }).await.unwrap()
}

async fn join_at(dir: &std::path::Path, group: &Group) -> (Node, Group) {
    let link = group.invite_link(InviteLink::default()).await.unwrap();
    let node = node_at(dir).await;
    let joined = node.join_group(JoinGroup::from(link)).await.unwrap();
    (node, joined)
}

/// What a member lists, in the order of the texts.
async fn bodies(group: &Group) -> Vec<(BodyState, String)> {
    let items = group.list(ListQuery::default()).await.unwrap().items;
    let mut found: Vec<_> =
        items.iter().map(|record| (record.body_state, record.body_text().unwrap().to_owned())).collect();
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}

fn clear(texts: &[&str]) -> Vec<(BodyState, String)> {
    texts.iter().map(|text| (BodyState::Clear, (*text).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_read_and_no_database_nor_export_has_a_body_in_the_clear() {
    let (dir, bens_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = node_at(dir.path()).await;
    let club = hidden(&first).await;
    let id = club.id();
    let (second, bens) = join_at(bens_dir.path(), &club).await;
    let (_third, readers) = member(&club, Role::Reader, "").await;
    let events = readers.events(EventFilter::kinds([EventKind::RecordChanged])).unwrap();
    club.publish(note(TEXT).with("subject", ATTRIBUTE)).await.unwrap();
    let told = expect(&events, "the record", |event| match event {
        Event::RecordChanged(change) => Some(change.record.clone()),
        _ => None,
    });
    let told = told.await;
    assert_eq!((told.body_text(), told.body_state), (Some(TEXT), BodyState::Clear));
    let own = bens.publish(note(&format!("{TEXT} too"))).await.unwrap();
    assert_eq!(own.body_text(), Some("a recognisable sentence too"));
    let own = bens.update(own.id, RecordUpdate::body(format!("{TEXT} again"))).await.unwrap();
    assert_eq!(own.version, 2);
    converge(&[&club, &bens, &readers]).await;
    let expected = clear(&[TEXT, "a recognisable sentence again"]);
    for group in [&club, &bens, &readers] {
        assert_eq!(bodies(group).await, expected);
    }
    let export = dir.path().join("export");
    club.export_database(&export, None).await.unwrap();
    first.shutdown().await;
    second.shutdown().await;
    for dir in [&dir, &bens_dir] {
        assert!(holders(dir.path(), TEXT.as_bytes()).is_empty());
        assert!(!holders(dir.path(), ATTRIBUTE.as_bytes()).is_empty(), "attributes stay readable");
    }
    assert!(fs::metadata(&export).unwrap().len() > 1000);

    // The keys come back from the database, for whoever has the identity's.
    let second = node_at(bens_dir.path()).await;
    let bens = second.open_group(id).await.unwrap();
    assert_eq!(bodies(&bens).await, expected);
    bens.publish(note("after a restart")).await.unwrap();
    assert!(bodies(&bens).await.contains(&clear(&["after a restart"])[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_who_is_handed_a_database_reads_only_what_was_before() {
    let (dir, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = node().await;
    let club = hidden(&first).await;
    let (_second, bens) = member(&club, Role::Member, "Ben").await;
    let (third, kims) = join_at(dir.path(), &club).await;
    let before = club.publish(note("before")).await.unwrap();
    converge(&[&club, &bens, &kims]).await;
    assert_eq!(bodies(&kims).await, clear(&["before"]));
    let (id, kim) = (club.id(), third.identities().default().await.unwrap().peer_id());
    third.shutdown().await;

    club.remove(kim, RemoveMember::default()).await.unwrap();
    let after = club.publish(note("after")).await.unwrap();
    converge(&[&club, &bens]).await;
    let bens_after = bens.publish(note("by Ben, after")).await.unwrap();
    bens.update(before.id, RecordUpdate::body("changed")).await.unwrap_err();
    club.update(before.id, RecordUpdate::body("changed")).await.unwrap();
    converge(&[&club, &bens]).await;
    assert_eq!(bodies(&bens).await, clear(&["after", "by Ben, after", "changed"]));
    let ben = bens.members().await.unwrap()[0].peer;
    let leaked = files.path().join("leaked");
    bens.export_database(&leaked, None).await.unwrap();

    let third = node_at(dir.path()).await;
    let kims = third.open_group_with(id, offline()).await.unwrap();
    assert_eq!(bodies(&kims).await, clear(&["before"]), "what she had she keeps");
    let count = kims.import_database(&leaked, ImportDatabase::default().exporter(ben)).await.unwrap();
    assert_eq!(count.refused, 0);
    for later in [after.id, bens_after.id, before.id] {
        let record = kims.get(later).await.unwrap().unwrap();
        assert_eq!((record.body_state, record.body.len()), (BodyState::KeyMissing, 0));
    }
    third.shutdown().await;
    assert!(holders(dir.path(), b"by Ben, after").is_empty());

    // Who comes after all that reads everything with one key.
    let (_fourth, zoes) = member(&club, Role::Member, "Zoe").await;
    converge(&[&club, &bens, &zoes]).await;
    assert_eq!(bodies(&zoes).await, clear(&["after", "by Ben, after", "changed"]));
    zoes.publish(note("by Zoe")).await.unwrap();
    converge(&[&club, &bens, &zoes]).await;
    assert!(bodies(&bens).await.contains(&clear(&["by Zoe"])[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_have_got_out_is_renewed_by_admins() {
    let first = node().await;
    let club = hidden(&first).await;
    let (_second, bens) = member(&club, Role::Member, "Ben").await;
    club.publish(note("before")).await.unwrap();
    converge(&[&club, &bens]).await;
    assert_eq!(bens.renew_body_key().await.unwrap_err().kind(), ErrorKind::NotAuthorized);
    let epochs = async |group: &Group| {
        let all = group.credentials().await.unwrap();
        let epoch = |record| matches!(said(record), Some(Content::Epoch(_)));
        all.iter().filter(|record| epoch(record)).count()
    };
    assert_eq!(epochs(&club).await, 1);
    club.renew_body_key().await.unwrap();
    assert_eq!(epochs(&club).await, 2);
    converge(&[&club, &bens]).await;
    bens.publish(note("after")).await.unwrap();
    converge(&[&club, &bens]).await;
    for reader in [&club, &bens] {
        assert_eq!(bodies(reader).await, clear(&["after", "before"]));
    }
    let (_other, plain) = group("plain").await;
    assert_eq!(plain.renew_body_key().await.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn c45_a_removed_member_hears_that_it_was_removed_whatever_it_calls() {
    let first = node().await;
    let club = hidden(&first).await;
    let (second, bens) = member(&club, Role::Inviter, "Ben").await;
    let (third, cyds) = member(&club, Role::Member, "Cyd").await;
    let (ben, cyd) = (second.peer_id(), third.peer_id());
    let id = bens.publish(note("mine")).await.unwrap().id;
    converge(&[&club, &bens, &cyds]).await;
    let events = bens.events(EventFilter::kinds([EventKind::MemberChanged])).unwrap();
    club.remove(ben, RemoveMember::default()).await.unwrap();
    expect(&events, "the removal", |event| match event {
        Event::MemberChanged { member, .. } if member.peer == ben && member.role.is_none() => Some(()),
        _ => None,
    })
    .await;
    let mut told = Vec::new();
    let mut hear = |call: &'static str, error: Option<peergraph::Error>| {
        told.push((call, error.map(|error| error.kind())));
    };
    hear("publish", bens.publish(note("more")).await.err());
    hear("update", bens.update(id, RecordUpdate::body("other")).await.err());
    hear("delete", bens.delete(id).await.err());
    hear("set_properties", bens.set_properties(Default::default()).await.err());
    hear("invite_link", bens.invite_link(InviteLink::default()).await.err());
    hear("invite_peer", bens.invite_peer(first.peer_id(), "", Default::default()).await.err());
    hear("set_password", bens.set_password("long enough", Default::default()).await.err());
    hear("clear_password", bens.clear_password().await.err());
    hear("renew", bens.renew(cyd, None).await.err());
    hear("set_role", bens.set_role(cyd, Role::Reader).await.err());
    hear("remove", bens.remove(cyd, RemoveMember::default()).await.err());
    hear("renew_body_key", bens.renew_body_key().await.err());
    hear("revoke_invitation", bens.revoke_invitation(ben).await.err());
    hear("revoke_device", bens.revoke_device(ben, second.id()).await.err());
    hear("restore_device", bens.restore_device(ben, second.id()).await.err());
    for (call, kind) in told {
        assert_eq!(kind, Some(ErrorKind::Removed), "{call}");
    }
    // What it has can still be read.
    assert_eq!(bens.get(id).await.unwrap().unwrap().body_text(), Some("mine"));
    bens.properties().await.unwrap();
    for node in [first, second, third] {
        node.shutdown().await;
    }
}

/// A hostile inviter lets somebody in and seals it nonsense: the acts say that it has the key, so nobody gives it again.
#[tokio::test(flavor = "multi_thread")]
async fn x10_a_member_to_whom_a_wrong_key_was_sealed_gets_the_right_one_from_a_neighbor() {
    let rules = GroupRules { encrypted_bodies: true, ..GroupRules::default() };
    let mut scene = Scene::together("x10", rules, Role::Inviter).await;
    let dan = key(70);
    scene.ada.group.publish(note(TEXT)).await.unwrap();
    converge(&[&scene.ada.group, &scene.cyd.group]).await;
    let epoch = act_that(&scene.ada, |content| matches!(content, Content::Epoch(_))).await;
    let (heads, now) = (scene.heads().await, scene.now().await);
    let grant = scene.act(&heads, now, Content::Grant(plain_grant(dan.peer(), Role::Member, now))).await;
    let by_grant = [Act::of(&grant).unwrap().id()];
    let keys = vec![(dan.peer(), vec![7; 80])];
    let wrong = scene.act(&by_grant, now, Content::EpochKeys { epoch, keys }).await;
    scene.show_to(false, &[grant, wrong]).await;
    converge(&[&scene.ada.group, &scene.cyd.group]).await;

    let options = InviteMember { role: Role::Member, lifetime: None };
    let invitation = scene.ada.group.invite_peer(dan.peer(), "Dan", options).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = || NodeConfig { identity: Some(dan.clone()), ..NodeConfig::loopback().at(dir.path()) };
    let dans = Node::start(config()).await.unwrap();
    let his = dans.join_group(JoinGroup::from(invitation)).await.unwrap();
    eventually("he reads what was written before", || async {
        let items = his.list(ListQuery::default()).await.unwrap().items;
        items.iter().any(|record| record.body_text() == Some(TEXT))
    })
    .await;
    let own = his.publish(note("by Dan")).await.unwrap();
    converge(&[&scene.ada.group, &scene.cyd.group, &his]).await;
    assert_eq!(scene.cyd.group.get(own.id).await.unwrap().unwrap().body_text(), Some("by Dan"));
    // By no act: that of the inviter is the only one that names him.
    let acts = his.credentials().await.unwrap();
    let to_him = |keys: &[(peergraph::PeerId, Vec<u8>)]| keys.iter().any(|(to, _)| *to == dan.peer());
    let naming = acts.iter().filter_map(said).filter(|said| match said {
        Content::Epoch(epoch) => to_him(&epoch.keys),
        Content::EpochKeys { keys, .. } => to_him(keys),
        _ => false,
    });
    assert_eq!(naming.count(), 1);

    // He keeps it: after a start he needs nobody.
    let id = his.id();
    dans.shutdown().await;
    let dans = Node::start(config()).await.unwrap();
    let his = dans.open_group_with(id, offline()).await.unwrap();
    let items = his.list(ListQuery::default()).await.unwrap().items;
    assert!(items.iter().any(|record| record.body_text() == Some(TEXT)));
    dans.shutdown().await;
}
