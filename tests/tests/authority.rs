//! The holes of the first protocol of membership, over real links between real nodes: what no number, claim, link or
//! password gives to a hostile member. Each with what is right, before and after a restart. Those that are about removing are in
//! `authority_removals.rs`, A10 in `group_joining.rs`, A11 in `group_security.rs`.

use std::time::Duration;

use peergraph::{
    ErrorKind, GroupRules, InviteLink, InviteMember, InvitePassword, JoinGroup, ListQuery, RecordDraft,
    RecordType, Role, SecretKey, TypeRule,
    authority::{Act, Content, Grant, InvitationUse, Invite, Keep, Remove, issuer_proof, use_message},
    crypto::Domain,
    group::Way,
    limits::MAX_REVOKED_DEVICES,
    record::{Header, Origin, Who},
    time::{Hlc, Timestamp},
};
use peergraph_tests::{
    converge, eventually,
    identities::key,
    leaks::access_mut,
    node, note,
    two_sides::{Scene, act_that, own_refusal, plain_grant},
};

/// Announcements are the admins'; votes are everybody's and stay as they are.
fn rules() -> GroupRules {
    let rule = |record_type: &str, publish, edit| TypeRule {
        record_type: RecordType::new(record_type).unwrap(),
        publish,
        edit,
    };
    let types = vec![
        rule("test.news", Role::Admin, Who::Author),
        rule("test.vote", Role::Member, Who::Role(Role::Admin)),
    ];
    GroupRules { types, ..GroupRules::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_no_version_number_and_no_change_of_type_gives_a_right() {
    let mut scene = Scene::together("a1", rules(), Role::Member).await;
    let true_news = RecordDraft::new("test.news", "by an admin").unwrap();
    scene.ada.group.publish(true_news).await.unwrap();
    scene.part().await;
    let now = scene.now().await;
    let ballot = scene.record(1, now, "test.vote", "yes").await;
    let small = scene.record(2, now, "test.note", "a note").await;
    scene.show(&[ballot.clone(), small.clone()]).await;
    let me = scene.rogue.peer();
    let later = Hlc::at(now + Duration::from_secs(1));
    let news = scene.header(3, now + Duration::from_secs(1), "test.news").await;
    let base = |record: &peergraph::record::SignedRecord| Header { hlc: later, ..record.header().clone() };
    let forged = [
        // An announcement: as a first version, as a second, and out of a note.
        news.clone(),
        Header { version: 2, ..news.clone() },
        Header { version: 2, origin: ballot.next_origin(me), ..news },
        Header {
            version: 2,
            record_type: RecordType::new("test.news").unwrap(),
            origin: small.next_origin(me),
            ..base(&small)
        },
        // The vote again: under its number, under a later one, and as if an admin had changed it.
        Header { created: later.timestamp(), origin: Some(Origin::First), ..base(&ballot) },
        Header { version: 2, origin: ballot.next_origin(me), ..base(&ballot) },
        Header {
            version: 3,
            editor: Some(key(1).peer()),
            origin: ballot.next_origin(key(1).peer()),
            ..base(&ballot)
        },
    ];
    for header in forged {
        let forgery = scene.sign(&scene.rogue, (header, b"no".to_vec()));
        scene.show(&[forgery]).await;
    }
    scene.settle().await;
    for side in [&scene.ada, &scene.cyd] {
        let news = RecordType::new("test.news").ok();
        let listed = ListQuery { record_type: news, ..ListQuery::default() };
        let listed = side.group.list(listed).await.unwrap().items;
        assert_eq!(listed.iter().map(|r| r.body_text()).collect::<Vec<_>>(), [Some("by an admin")]);
        assert_eq!(side.reads(&ballot).await.as_deref(), Some("yes"));
        let small = side.group.get(small.id()).await.unwrap().unwrap();
        assert_eq!((small.record_type.as_str(), small.body_text()), ("test.note", Some("a note")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_a_junior_spoils_no_seniors_link() {
    let mut scene = Scene::together("a2", GroupRules::default(), Role::Inviter).await;
    let link = scene.ada.group.invite_link(InviteLink::default()).await.unwrap();
    let Way::Link { key: bytes, .. } = link.way else { panic!("a link") };
    let true_key = SecretKey::from_bytes(&bytes);
    let guest = node().await;
    let guests = guest.join_group(JoinGroup::from(link).named("Dan")).await.unwrap();
    let hers = guests.publish(note("by the guest")).await.unwrap().id;
    converge(&[&scene.ada.group, &scene.cyd.group, &guests]).await;
    guest.shutdown().await;
    scene.part().await;

    let public = true_key.peer();
    let invite =
        act_that(&scene.ada, |content| matches!(content, Content::Invite(invite) if invite.key == public))
            .await;
    let (now, graph) = (scene.now().await, scene.ada.group.id());
    // Without the link's key; and by one who came by it, at the same moment and before.
    let mut shown = Vec::new();
    for (number, by, past, ago) in [
        (50, &scene.rogue.clone(), vec![invite], 60_000),
        (51, &true_key, vec![invite], 60_000),
        (52, &true_key, Vec::new(), 500_000),
        (53, &true_key, scene.heads().await, 0),
    ] {
        let subject = key(number).peer();
        let proof = by.sign(Domain::InvitationUse, graph.as_bytes(), &use_message(&invite, &subject));
        let admission = Some(InvitationUse { invite, proof });
        let grant = Grant { admission, ..plain_grant(subject, Role::Member, now) };
        shown.push(scene.act(&past, Timestamp(now.0 - ago), Content::Grant(grant)).await);
    }
    scene.show(&shown).await;
    scene.settle().await;
    for side in [&scene.ada, &scene.cyd] {
        assert_eq!(side.role(guest.peer_id()).await, Some(Role::Member), "the guest stays");
        assert_eq!(side.group.get(hers).await.unwrap().unwrap().body_text(), Some("by the guest"));
        for number in 50..54 {
            assert_eq!(side.role(key(number).peer()).await, None, "nobody by grant {number}");
        }
        assert!(!side.has_act(&shown[0]).await, "without a proof it is no act");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_who_has_not_the_key_of_a_link_offers_nothing_under_it() {
    let mut scene = Scene::together("t3", GroupRules::default(), Role::Inviter).await;
    let link = scene.ada.group.invite_link(InviteLink::default()).await.unwrap();
    let Way::Link { key: bytes, .. } = link.way else { panic!("a link") };
    let (true_key, graph) = (SecretKey::from_bytes(&bytes), scene.ada.group.id());
    converge(&[&scene.ada.group, &scene.cyd.group]).await;
    // An inviter claims its key: by a proof of its own, and by the issuer's.
    let not_after = Timestamp(scene.now().await.0 + 3_600_000);
    let heads = scene.heads().await;
    let mut claims = Vec::new();
    for proof in [
        issuer_proof(&scene.rogue, &graph, &scene.rogue.peer()),
        issuer_proof(&true_key, &graph, &scene.ada.node.peer_id()),
    ] {
        let (role, lifetime_ms, admitters) = (Role::Inviter, None, Vec::new());
        let invite =
            Invite { key: true_key.peer(), role, uses: 99, not_after, lifetime_ms, admitters, proof };
        claims.push(scene.act(&heads, scene.now().await, Content::Invite(invite)).await);
    }
    scene.show(&claims).await;
    // Newcomers are the issuer's guests.
    let guest = node().await;
    let joined = guest.join_group(JoinGroup::from(link).named("Dan")).await.unwrap();
    converge(&[&scene.ada.group, &scene.cyd.group, &joined]).await;
    let members = scene.cyd.group.members().await.unwrap();
    let dan = members.iter().find(|member| member.peer == guest.peer_id()).unwrap();
    assert_eq!((dan.role, dan.issuer), (Some(Role::Member), Some(scene.ada.node.peer_id())));
    guest.shutdown().await;
    scene.settle().await;
    for side in [&scene.ada, &scene.cyd] {
        for claim in &claims {
            assert!(!side.has_act(claim).await, "without a proof it is no act");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_one_act_is_one_record_and_a_missing_past_makes_it_wait() {
    let mut scene = Scene::new("a5", GroupRules::default(), Role::Inviter).await;
    let now = scene.now().await;
    let heads = scene.heads().await;
    let guest = key(50).peer();
    let act = scene.act(&heads, now, Content::Grant(plain_grant(guest, Role::Member, now))).await;
    let (header, body) = Act::of(&act).unwrap().to_record();
    let twins = [
        Header { created: Timestamp(header.created.0 - 1), ..header.clone() },
        Header { hlc: Hlc(header.hlc.0 + 1), ..header.clone() },
        Header { nonce: [5; 16], ..header },
    ];
    let mut shown: Vec<_> =
        twins.into_iter().map(|twin| scene.sign(&scene.rogue, (twin, body.clone()))).collect();
    // Ada hears the twins first and the child last, Cyd the child first.
    let id = Act::of(&act).unwrap().id();
    shown.push(act.clone());
    shown.push(scene.act(&[id], now, Content::Merge).await);
    scene.show(&shown).await;
    scene.settle().await;
    for side in [&scene.ada, &scene.cyd] {
        assert_eq!(side.role(guest).await, Some(Role::Member));
        assert!(side.has_act(&act).await && side.has_act(&shown[4]).await);
        for twin in &shown[..3] {
            assert!(!side.has_act(twin).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_an_old_password_never_comes_back() {
    let mut scene = Scene::together("a9", GroupRules::default(), Role::Admin).await;
    let old = "correct horse battery";
    let mut invitation = scene.ada.group.set_password(old, InvitePassword::default()).await.unwrap();
    converge(&[&scene.ada.group, &scene.cyd.group]).await;
    let password = act_that(&scene.ada, |content| matches!(content, Content::Password(_))).await;
    let verifiers = match act_content(&scene, password).await {
        Content::Password(rule) => rule.verifiers,
        other => panic!("{other:?}"),
    };
    let unheard = scene.heads().await;
    scene.part().await;
    // Cyd is away while Ada clears it. The admin has not heard either, passes it on with a later time, and sets it once more.
    scene.ada.group.clear_password().await.unwrap();
    let later = scene.now().await + Duration::from_secs(60);
    let pass_on = Content::PassOn { password, verifiers: verifiers.clone() };
    let passed = scene.act(&unheard, later, pass_on).await;
    let again = scene.act(&[Act::of(&passed).unwrap().id()], later, Content::Merge).await;
    scene.show(&[passed.clone(), again]).await;
    scene.settle().await;
    let addr = scene.ada.node.addr();
    for (side, addr) in [("Ada", addr), ("Cyd", scene.cyd.node.addr())] {
        access_mut(&mut invitation).nodes = vec![addr];
        invitation = invitation.signed(&key(1));
        let joiner = node().await;
        let denied = joiner.join_group(JoinGroup::from(invitation.clone()).password(old)).await.unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::NotAuthorized, "at {side}: {denied}");
        joiner.shutdown().await;
    }
    // Another one is another one, at both.
    let fresh = "quite another horse";
    let mut invitation = scene.ada.group.set_password(fresh, InvitePassword::default()).await.unwrap();
    converge(&[&scene.ada.group, &scene.cyd.group]).await;
    access_mut(&mut invitation).nodes = vec![scene.cyd.node.addr()];
    let joiner = node().await;
    let joining = JoinGroup::from(invitation.signed(&key(1))).password(fresh);
    joiner.join_group(joining).await.unwrap();
}

async fn act_content(scene: &Scene, id: peergraph::ids::ActId) -> Content {
    let acts = scene.ada.group.credentials().await.unwrap();
    let act = acts.iter().filter_map(Act::of).find(|act| act.id() == id).expect("it is here");
    act.body().content.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_version_that_one_side_alone_saw_expire_ends_the_record_on_both() {
    let mut scene = Scene::new("a12", GroupRules::default(), Role::Member).await;
    let now = scene.now().await;
    let first = scene.record(1, now, "test.note", "for long").await;
    scene.show(std::slice::from_ref(&first)).await;
    let soon = now + Duration::from_secs(3);
    let brief = Header {
        version: 2,
        expires: Some(soon),
        hlc: Hlc::at(now + Duration::from_millis(1)),
        origin: first.next_origin(scene.rogue.peer()),
        ..first.header().clone()
    };
    let brief = scene.sign(&scene.rogue, (brief, b"for a moment".to_vec()));
    scene.show_to(false, &[brief]).await;
    eventually("it is gone at Ada", || async { scene.ada.reads(&first).await.is_none() }).await;
    assert_eq!(scene.cyd.reads(&first).await.as_deref(), Some("for long"));
    scene.settle().await;
    // The author shows the longer version again, to each.
    scene.show(std::slice::from_ref(&first)).await;
    for side in [&scene.ada, &scene.cyd] {
        assert_eq!(side.reads(&first).await, None, "nothing that is gone comes back");
    }
    converge(&[&scene.ada.group, &scene.cyd.group]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_what_a_reader_says_of_its_own_devices_is_bounded_the_same_way_on_both() {
    let mut scene = Scene::new("a13", GroupRules::default(), Role::Reader).await;
    let before = scene.ada.group.credentials().await.unwrap().len();
    let (now, heads, me) = (scene.now().await, scene.heads().await, scene.rogue.peer());
    let mut shown = Vec::new();
    for number in 0..3 * MAX_REVOKED_DEVICES {
        let refusal = own_refusal(me, u8::try_from(number).unwrap());
        shown.push(scene.act(&heads, Timestamp(now.0 + number as u64), refusal).await);
    }
    scene.show(&shown).await;
    scene.settle().await;
    let refused = scene.ada.group.revoked_devices(me).await.unwrap();
    assert_eq!(refused.len(), MAX_REVOKED_DEVICES);
    assert_eq!(scene.cyd.group.revoked_devices(me).await.unwrap(), refused);
    assert_eq!(scene.ada.group.credentials().await.unwrap().len(), before + MAX_REVOKED_DEVICES);
    // Removed, it says no more.
    scene.ada.group.remove(me, Default::default()).await.unwrap();
    converge(&[&scene.ada.group, &scene.cyd.group]).await;
    let acts = scene.ada.group.credentials().await.unwrap().len();
    scene.show(&shown).await;
    scene.settle().await;
    assert_eq!(scene.cyd.group.credentials().await.unwrap().len(), acts);
}

#[tokio::test(flavor = "multi_thread")]
async fn t5_a_gift_is_used_for_what_it_alone_allows_and_goes_alone() {
    let mut scene = Scene::together("t5", GroupRules::default(), Role::Inviter).await;
    let ben = node().await;
    let link = scene.cyd.group.invite_link(InviteLink::default()).await.unwrap();
    let bens = ben.join_group(JoinGroup::from(link).named("Ben")).await.unwrap();
    converge(&[&scene.ada.group, &scene.cyd.group, &bens]).await;
    // The hostile inviter makes Cyd's guest, who may let nobody in, an inviter.
    let grant = Grant { depth: 3, ..plain_grant(ben.peer_id(), Role::Inviter, scene.now().await) };
    let gift = scene.act(&scene.heads().await, scene.now().await, Content::Grant(grant)).await;
    scene.show(std::slice::from_ref(&gift)).await;
    eventually("the gift", || async { bens.role().await.unwrap() == Some(Role::Inviter) }).await;
    let hers = bens.publish(note("by her word")).await.unwrap().id;
    let guest = key(50).peer();
    bens.invite_peer(guest, "", InviteMember::default()).await.unwrap();
    converge(&[&scene.ada.group, &scene.cyd.group, &bens]).await;
    let gift = Act::of(&gift).unwrap().id();
    let acts = scene.ada.group.credentials().await.unwrap();
    let let_in = acts
        .iter()
        .filter_map(Act::of)
        .find(|act| matches!(&act.body().content, Content::Grant(grant) if grant.subject == guest));
    assert_eq!(let_in.unwrap().body().by, Some(gift), "Cyd's grant does not allow it");
    // It takes its gift back with all that was done by it, as no honest node would.
    let (subject, reason, keep) = (ben.peer_id(), String::new(), Keep::default());
    let remove = Remove { subject, reason, keep, branch: false, undo: true };
    let back = scene.act(&scene.heads().await, scene.now().await, Content::Remove(remove)).await;
    scene.show(&[back]).await;
    eventually("it is gone", || async { bens.role().await.unwrap() == Some(Role::Member) }).await;
    bens.publish(note("and goes on")).await.unwrap();
    converge(&[&scene.ada.group, &scene.cyd.group, &bens]).await;
    ben.shutdown().await;
    scene.settle().await;
    for side in [&scene.ada, &scene.cyd] {
        assert_eq!(side.role(ben.peer_id()).await, Some(Role::Member));
        assert_eq!(side.role(guest).await, None, "came by the gift alone");
        assert_eq!(side.group.get(hers).await.unwrap().unwrap().body_text(), Some("by her word"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_a_membership_of_less_than_a_day_is_for_nobody_to_renew() {
    let scene = Scene::together("u4", GroupRules::default(), Role::Member).await;
    let day = Duration::from_secs(24 * 3600);
    let mut said = Vec::new();
    for (number, lifetime) in [(50, day / 2), (51, day)] {
        let lifetime = Some(lifetime);
        let options = InviteMember { role: Role::Inviter, lifetime };
        scene.ada.group.invite_peer(key(number).peer(), "", options).await.unwrap();
        let link = InviteLink { lifetime, ..InviteLink::default() };
        let link = scene.cyd.group.invite_link(link).await.unwrap();
        let guest = node().await;
        let guests = guest.join_group(JoinGroup::from(link).named("Dan")).await.unwrap();
        converge(&[&scene.ada.group, &scene.cyd.group, &guests]).await;
        // Another role is for as long, and no longer.
        scene.ada.group.set_role(guest.peer_id(), Role::Reader).await.unwrap();
        said.extend([key(number).peer(), guest.peer_id()].map(|peer| (peer, lifetime == Some(day))));
        guest.shutdown().await;
    }
    let acts = scene.ada.group.credentials().await.unwrap();
    for (peer, renewed) in said {
        let given = acts.iter().filter_map(Act::of).filter_map(|act| match &act.body().content {
            Content::Grant(grant) if grant.subject == peer => Some(grant.renew),
            _ => None,
        });
        let given: Vec<bool> = given.collect();
        assert!(!given.is_empty() && given.iter().all(|renew| *renew == renewed), "{given:?}");
    }
}
