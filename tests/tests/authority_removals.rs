//! Removing, leaving and demoting against a hostile member, over real links between real nodes: each case with what is right,
//! before and after a restart.

use std::time::Duration;

use peergraph::{
    GroupRules, RecordType, RemoveMember, Role, TypeRule,
    authority::{Act, Content, Grant, Keep},
    ids::ActId,
    record::{SignedRecord, Who},
    time::Timestamp,
};
use peergraph_tests::{
    identities::key,
    two_sides::{Scene, plain_grant, plain_removal},
};

fn id(act: &SignedRecord) -> ActId {
    Act::of(act).expect("an act").id()
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_who_leaves_keeps_no_power_and_can_still_be_removed() {
    let mut scene = Scene::together("a3", GroupRules::default(), Role::Admin).await;
    let victim = scene.invited(40, Role::Member).await.peer();
    scene.meet().await;
    scene.part().await;
    let (known, now, me) = (scene.heads().await, scene.now().await, scene.rogue.peer());
    let before = scene.record(1, now, "test.note", "before").await;
    let kept = peergraph::authority::KeepChunk::new(vec![*before.key().element.as_bytes()]).unwrap();
    let leave =
        scene.act(&known, now, Content::Leave(Keep { chunks: vec![kept.hash()], cuts: Vec::new() })).await;
    let chunk = scene.sign(&scene.rogue, kept.to_record(Act::of(&leave).unwrap().body()));
    scene.show(&[before.clone(), leave, chunk]).await;
    for side in [&scene.ada, &scene.cyd] {
        assert_eq!(side.role(me).await, None);
    }
    // Dated back, with the past that it had; and with none.
    let earlier = Timestamp(now.0 - 60_000);
    let mut shown = vec![scene.record(2, earlier, "test.note", "dated back").await];
    for (number, past) in [(50, known), (51, Vec::new())] {
        let accomplice = plain_grant(key(number).peer(), Role::Admin, now);
        shown.push(scene.act(&past, earlier, Content::Grant(accomplice)).await);
        shown.push(scene.act(&past, earlier, plain_removal(victim)).await);
    }
    scene.show(&shown).await;
    scene.settle().await;
    let nothing_counts = async |scene: &Scene| {
        for side in [&scene.ada, &scene.cyd] {
            for number in [50, 51] {
                assert_eq!(side.role(key(number).peer()).await, None);
            }
            assert_eq!(side.role(victim).await, Some(Role::Member));
            assert_eq!(side.reads(&before).await.as_deref(), Some("before"));
            assert_eq!(side.reads(&shown[0]).await, None);
        }
    };
    nothing_counts(&scene).await;
    // The owner can say so all the same, and let it in again: nothing dated back comes to count by that.
    scene.ada.group.remove(me, RemoveMember::default()).await.unwrap();
    scene.settle().await;
    nothing_counts(&scene).await;
    let back = peergraph::InviteMember { role: Role::Reader, lifetime: None };
    scene.ada.group.invite_peer(me, "", back).await.unwrap();
    scene.settle().await;
    nothing_counts(&scene).await;
    assert_eq!(scene.cyd.role(me).await, Some(Role::Reader));
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_neither_a_renewal_nor_a_grant_by_who_had_not_heard_brings_anybody_back() {
    let mut scene = Scene::new("a4", GroupRules::default(), Role::Inviter).await;
    let (now, hour, guest) = (scene.now().await, Duration::from_secs(3600), key(50).peer());
    let grant = Grant { renew: true, not_after: Some(now + hour), ..plain_grant(guest, Role::Member, now) };
    let granted = scene.act(&scene.heads().await, now, Content::Grant(grant)).await;
    scene.show(std::slice::from_ref(&granted)).await;
    assert_eq!(scene.cyd.role(guest).await, Some(Role::Member));
    scene.ada.group.remove(guest, RemoveMember::default()).await.unwrap();
    // The inviter has not heard; its clock says that all this was later.
    let later = now + Duration::from_secs(60);
    let renewal = Content::Renew { grant: id(&granted), not_after: now + 2 * hour };
    let renewed = scene.act(&[id(&granted)], later, renewal).await;
    let again = plain_grant(guest, Role::Member, now);
    let again = scene.act(&[id(&renewed)], later, Content::Grant(again)).await;
    scene.show(&[renewed, again]).await;
    assert_eq!(scene.ada.role(guest).await, None);
    assert_eq!(scene.cyd.role(guest).await, Some(Role::Member), "Cyd has not heard either");
    scene.settle().await;
    assert_eq!((scene.ada.role(guest).await, scene.cyd.role(guest).await), (None, None));
    // Somebody who has heard of it can.
    scene.cyd.group.invite_peer(guest, "", Default::default()).await.unwrap();
    scene.settle().await;
    assert_eq!(scene.ada.role(guest).await, Some(Role::Member));
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_a_lower_role_takes_rights_and_no_history() {
    let types = vec![TypeRule {
        record_type: RecordType::new("test.news").unwrap(),
        publish: Role::Admin,
        edit: Who::Author,
    }];
    let mut scene = Scene::new("a6", GroupRules { types, ..GroupRules::default() }, Role::Admin).await;
    let (now, guest, boss) = (scene.now().await, key(50).peer(), key(51).peer());
    let known = scene.heads().await;
    let seen = scene.record(1, now, "test.news", "seen").await;
    scene.show(std::slice::from_ref(&seen)).await;
    scene.ada.group.set_role(scene.rogue.peer(), Role::Inviter).await.unwrap();
    // Written out of touch, by the old grant.
    let small = scene.record(2, now, "test.note", "a note").await;
    let unseen = scene.record(3, now, "test.news", "unseen").await;
    let member = scene.act(&known, now, Content::Grant(plain_grant(guest, Role::Member, now))).await;
    let admin = scene.act(&known, now, Content::Grant(plain_grant(boss, Role::Admin, now))).await;
    scene.show(&[small.clone(), unseen.clone(), member, admin]).await;
    scene.settle().await;
    for side in [&scene.ada, &scene.cyd] {
        assert_eq!(side.role(scene.rogue.peer()).await, Some(Role::Inviter));
        assert_eq!(side.reads(&seen).await.as_deref(), Some("seen"));
        assert_eq!(side.reads(&small).await.as_deref(), Some("a note"));
        assert_eq!(side.reads(&unseen).await, None, "an announcement needs the role that was taken");
        assert_eq!(side.role(guest).await, Some(Role::Member), "inviters let members in");
        assert_eq!(side.role(boss).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_two_removals_at_once_keep_what_either_had_seen() {
    let mut scene = Scene::together("a7", GroupRules::default(), Role::Inviter).await;
    // Of removers of different roles, the list of the higher one decides about records.
    scene.ada.group.set_role(key(2).peer(), Role::Owner).await.unwrap();
    scene.meet().await;
    scene.part().await;
    let (now, known) = (scene.now().await, scene.heads().await);
    let mut texts = Vec::new();
    for (number, text) in [(1, "at Ada"), (2, "at Cyd"), (3, "at neither")] {
        texts.push(scene.record(number, now, "test.note", text).await);
    }
    let mut guests = Vec::new();
    for number in [50, 51, 52] {
        let grant = plain_grant(key(number).peer(), Role::Member, now);
        guests.push(scene.act(&known, now, Content::Grant(grant)).await);
    }
    scene.show_to(false, &[texts[0].clone(), guests[0].clone()]).await;
    scene.show_to(true, &[texts[1].clone(), guests[1].clone()]).await;
    for side in [&scene.ada, &scene.cyd] {
        side.group.remove(scene.rogue.peer(), RemoveMember::default()).await.unwrap();
    }
    let all: Vec<SignedRecord> = texts.iter().chain(&guests).cloned().collect();
    scene.show(&all).await;
    scene.settle().await;
    for side in [&scene.ada, &scene.cyd] {
        assert_eq!(side.role(scene.rogue.peer()).await, None);
        for (number, stays) in [(0, true), (1, true), (2, false)] {
            assert_eq!(side.reads(&texts[number]).await.is_some(), stays, "{:?}", texts[number]);
            let guest = key(50 + u8::try_from(number).unwrap()).peer();
            assert_eq!(side.role(guest).await.is_some(), stays, "guest {number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_the_acts_of_the_removed_stay_and_so_do_their_removals_unless_undone() {
    let mut scene = Scene::together("a8", GroupRules::default(), Role::Admin).await;
    let victim = scene.invited(40, Role::Member).await.peer();
    scene.meet().await;
    scene.part().await;
    let (now, known, me) = (scene.now().await, scene.heads().await, scene.rogue.peer());
    let (fay, late) = (key(50).peer(), key(51).peer());
    let removed = scene.act(&known, now, plain_removal(victim)).await;
    let let_in = scene.act(&[id(&removed)], now, Content::Grant(plain_grant(fay, Role::Member, now))).await;
    scene.show(&[removed.clone(), let_in.clone()]).await;
    assert_eq!((scene.ada.role(victim).await, scene.ada.role(fay).await), (None, Some(Role::Member)));
    let all = RemoveMember { keep_records: false, with_branch: true, ..RemoveMember::default() };
    scene.ada.group.remove(me, all).await.unwrap();
    // What the admin signs meanwhile is void. Whoever hears it keeps it for itself: nobody needs it, so nobody is offered it.
    let void = scene.act(&[id(&let_in)], now, Content::Grant(plain_grant(late, Role::Admin, now))).await;
    scene.show(std::slice::from_ref(&void)).await;
    scene.settle().await;
    for side in [&scene.ada, &scene.cyd] {
        assert_eq!(side.role(victim).await, None, "removed by one who had the right");
        assert_eq!((side.role(fay).await, side.role(late).await), (None, None), "the branch went");
        for act in [&removed, &let_in] {
            assert!(side.has_act(act).await, "the history is whole");
        }
    }
    // Unless the remover says otherwise, also later, and by another admin's hand.
    let undoing = RemoveMember { undo: true, ..RemoveMember::default() };
    scene.ada.group.remove(me, undoing).await.unwrap();
    scene.settle().await;
    for side in [&scene.ada, &scene.cyd] {
        assert_eq!(side.role(victim).await, Some(Role::Member), "what the removed did is undone");
        assert_eq!((side.role(me).await, side.role(fay).await, side.role(late).await), (None, None, None));
        assert!(side.has_act(&removed).await, "and is still told");
    }
}
