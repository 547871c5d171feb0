//! The holes of the first protocol of membership, A1 to A9 and A13, on real engines: each with what is right.

use std::time::Duration;

use super::{
    Removal,
    group_tests::{Village, plain_grant},
};
use crate::{
    authority::{Act, Content, Grant, InvitationUse, Invite, Keep, Remove, issuer_proof, use_message},
    crypto::{Domain, PasswordVerifier, SecretKey},
    ids::{ActId, NodeId, PeerId},
    limits::MAX_REVOKED_DEVICES,
    record::{
        GroupRules, Header, Made, MadeProof, Origin, RecordDraft, RecordType, RecordUpdate, Role,
        SignedRecord, TypeRule, Who,
    },
    records::Verdict,
    time::{Hlc, Timestamp},
};

fn news() -> RecordType {
    RecordType::new("test.news").unwrap()
}

fn vote() -> RecordType {
    RecordType::new("test.vote").unwrap()
}

/// Announcements are the admins'; votes are everybody's and stay as they are.
fn ruled(seed: u64, count: usize) -> Village {
    let rule = |record_type, publish, edit| TypeRule { record_type, publish, edit };
    let types =
        vec![rule(news(), Role::Admin, Who::Author), rule(vote(), Role::Member, Who::Role(Role::Admin))];
    Village::with_rules(seed, count, GroupRules { types, ..GroupRules::default() })
}

fn publish(village: &mut Village, by: usize, record_type: RecordType, text: &str) -> SignedRecord {
    let draft = RecordDraft::new(record_type.as_str(), text.to_owned()).unwrap();
    let id = village.act(by, |engine, now| engine.publish(now, draft)).unwrap().id;
    village.engines[by].current(&id).unwrap().unwrap()
}

fn signed(village: &Village, who: usize, header: Header, body: &[u8]) -> SignedRecord {
    SignedRecord::sign(&village.graph(), &village.keys[who], header, body)
}

/// Whether a version is the one that counts at an engine.
pub(super) fn is_here(village: &Village, at: usize, record: &SignedRecord) -> bool {
    village.engines[at].store.contains(&record.key()).unwrap()
}

pub(super) fn plain_removal(subject: PeerId) -> Content {
    let (reason, keep) = (String::new(), Keep::default());
    Content::Remove(Remove { subject, reason, keep, branch: false, undo: false })
}

pub(super) fn remove(village: &mut Village, by: usize, whom: usize, removal: Removal) {
    let peer = village.peer(whom);
    village.act(by, |engine, now| engine.remove(now, peer, "", removal)).unwrap();
}

/// Records of member 1, who may publish notes and votes, that its rights do not cover.
fn forgeries_of(village: &Village, [true_news, note, ballot]: [&SignedRecord; 3]) -> [Header; 7] {
    let grant = village.engines[1].group.own_grant();
    let later = Hlc::at(village.engines[1].peer_time(village.now()) + Duration::from_secs(1));
    let made = |content, proof| Origin::Later(Made { grant, content, proof });
    let base = |record: &SignedRecord| Header { hlc: later, grant, ..record.header().clone() };
    let own = Some(made([7; 16], None));
    let (member, creator) = (village.peer(1), village.peer(0));
    let first =
        Header { grant, origin: Some(Origin::First), ..Header::first(news(), [7; 16], member, later) };
    let proof = MadeProof { header: [3; 32], signature: [4; 64] };
    let Some(Origin::Later(stolen)) = true_news.next_origin(member) else { panic!("a proof") };
    [
        // An announcement, as a first version, as a second, and as an admin's that was never made.
        first.clone(),
        Header { version: 2, origin: own.clone(), ..first.clone() },
        Header {
            version: 2,
            creator,
            editor: Some(member),
            origin: Some(made([7; 16], Some(proof))),
            ..first.clone()
        },
        Header {
            version: 2,
            creator,
            editor: Some(member),
            origin: Some(Origin::Later(Made { content: [8; 16], ..stolen })),
            ..first
        },
        // A note that becomes an announcement.
        Header { version: 2, record_type: news(), origin: note.next_origin(member), ..base(note) },
        // The vote again: under its number, under a later one.
        Header { created: later.timestamp(), origin: Some(Origin::First), ..base(ballot) },
        Header { version: 2, origin: ballot.next_origin(member), ..base(ballot) },
    ]
}

#[test]
fn a1_no_version_number_and_no_change_of_type_gives_a_right() {
    let mut village = ruled(0xa1, 3);
    assert!(village.grant(0, 1, Role::Member) && village.grant(0, 2, Role::Admin));
    village.converge(0xa1);
    let draft = RecordDraft::new("test.news", "mine").unwrap();
    village.act(1, |engine, now| engine.publish(now, draft)).unwrap_err();
    let true_news = publish(&mut village, 0, news(), "by an admin");
    let ballot = publish(&mut village, 1, vote(), "yes");
    let note = village.publish(1, "an ordinary note").unwrap();
    village.converge(0xa1);

    let forgeries = forgeries_of(&village, [&true_news, &note, &ballot]);
    for (number, header) in forgeries.into_iter().enumerate() {
        let forged = signed(&village, 1, header, b"no");
        village.give(0, vec![forged.clone()]);
        // The vote of another content is another record, which its author may make.
        let another = number == 5 && forged.id() != ballot.id();
        assert!(another || !is_here(&village, 0, &forged), "forgery {number}: {forged:?}");
    }
    for record in [&true_news, &ballot, &note] {
        assert!(is_here(&village, 0, record));
    }
    // Who may change the vote can, also after another editor; and the proof goes with it.
    for (editor, text) in [(2, "recounted"), (0, "and again")] {
        let update = RecordUpdate::body(text);
        village.act(editor, |engine, now| engine.update(now, &ballot.id(), update)).unwrap();
        village.converge(0xa1);
        let here = village.engines[1].current(&ballot.id()).unwrap().unwrap();
        assert_eq!((here.body(), here.header().creator), (text.into(), village.peer(1)));
    }
}

#[test]
fn a2_a_junior_spoils_no_seniors_link() {
    let mut village = Village::new(0xa2, 5);
    assert!(village.grant(0, 1, Role::Inviter));
    village.converge(0xa2);
    let key = SecretKey::from_bytes(&village.rng.random_key());
    let not_after = village.engines[0].peer_time(village.now()) + Duration::from_secs(1000);
    let (role, lifetime_ms, admitters) = (Role::Member, None, Vec::new());
    let proof = issuer_proof(&key, &village.graph(), &village.peer(0));
    let invite = Invite { key: key.peer(), role, uses: 1, not_after, lifetime_ms, admitters, proof };
    village.act(0, |engine, now| engine.issue(now, Content::Invite(invite))).unwrap();
    let id = village.engines[0].membership().unwrap().invite_ids(key.peer())[0];
    village.converge(0xa2);
    let graph = village.graph();
    let use_by = |by: &SecretKey, guest| {
        let proof = by.sign(Domain::InvitationUse, graph.as_bytes(), &use_message(&id, &guest));
        let admission = Some(InvitationUse { invite: id, proof });
        Content::Grant(Grant { admission, ..plain_grant(guest, Role::Member) })
    };
    let (guest, nobody) = (village.peer(3), village.peer(4));
    let admitted = use_by(&key, guest);
    village.act(0, |engine, now| engine.issue(now, admitted)).unwrap();
    let guests = {
        village.copy(0, 3);
        village.publish(3, "by the guest").unwrap()
    };
    // Without the link's key; and by one who came by it, at the same moment.
    let junior = village.keys[1].clone();
    let forged = village.sign(1, vec![id], use_by(&junior, nobody));
    let holder = village.sign(1, vec![id], use_by(&key, nobody));
    village.give(0, vec![forged.clone(), holder]);
    village.converge(0xa2);
    for at in 0..4 {
        assert!(!is_here(&village, at, &forged), "no proof, no act");
        assert_eq!((village.role(at, 3), village.role(at, 4)), (Some(Role::Member), None), "at {at}");
        assert!(is_here(&village, at, &guests));
    }
}

#[test]
fn a3_who_leaves_keeps_no_power_and_can_still_be_removed() {
    let mut village = Village::new(0xa3, 5);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
    village.converge(0xa3);
    let before = village.publish(1, "before").unwrap();
    let known = village.heads(1);
    village.act(1, |engine, now| engine.resign(now)).unwrap();
    village.converge(0xa3);
    assert_eq!(village.role(0, 1), None);
    // Dated back, with the past that it had; and with none.
    let grant = village.records(1).iter().filter_map(Act::of).find_map(|act| match &act.body().content {
        Content::Grant(grant) if grant.subject == village.peer(1) => Some(act.id()),
        _ => None,
    });
    let at = Timestamp(village.engines[0].peer_time(village.now()).0 - 1);
    let victim = village.peer(2);
    for (number, after) in [(3, known), (4, Vec::new())] {
        let accomplice = village.peer(number);
        for content in [Content::Grant(plain_grant(accomplice, Role::Admin)), plain_removal(victim)] {
            let body = crate::authority::ActBody {
                author: village.peer(1),
                by: grant,
                after: after.clone(),
                at,
                content,
            };
            let act = village.sign_as(1, body);
            village.give(0, vec![act]);
        }
    }
    let forged = Header {
        grant: grant.map(|grant| *grant.as_bytes()),
        origin: Some(Origin::First),
        ..Header::first(RecordType::new("test.note").unwrap(), [9; 16], village.peer(1), Hlc::at(at))
    };
    let forged = signed(&village, 1, forged, b"dated back");
    village.give(0, vec![forged.clone()]);
    village.converge(0xa3);
    let nothing_dated_back_counts = |village: &Village| {
        for at in [0, 2] {
            assert_eq!((village.role(at, 3), village.role(at, 4)), (None, None));
            assert_eq!(village.role(at, 2), Some(Role::Member));
            assert!(is_here(village, at, &before) && !is_here(village, at, &forged));
        }
    };
    nothing_dated_back_counts(&village);
    // The owner can say so all the same: nothing dated back comes to count by that. And let it in again.
    remove(&mut village, 0, 1, Removal::default());
    village.converge(0xa3);
    nothing_dated_back_counts(&village);
    assert!(village.grant(0, 1, Role::Reader));
    village.converge(0xa3);
    assert_eq!(village.role(2, 1), Some(Role::Reader));
}

#[test]
fn a4_a_renewal_brings_nobody_back_and_none_comes_before_the_first_comparison() {
    let mut village = Village::new(0xa4, 4);
    assert!(village.grant(0, 1, Role::Inviter));
    village.converge(0xa4);
    let (member, day) = (village.peer(2), Duration::from_secs(24 * 3600));
    village.act(1, |engine, now| engine.grant(now, member, "", Role::Member, Some(day))).unwrap();
    village.converge(0xa4);
    // Removed while the inviter's node is off; that one starts when a renewal is due.
    remove(&mut village, 0, 2, Removal::default());
    village.pass(52_000);
    let acts = |village: &Village| village.engines[1].credentials().unwrap().len();
    let before = acts(&village);
    for _ in 0..3 {
        village.act(1, |engine, now| engine.handle_timeout(now));
        village.pass(100);
    }
    assert_eq!(acts(&village), before, "nothing was compared yet");
    // And if it had heard of everything but this.
    village.engines[1].group.compared = true;
    for _ in 0..3 {
        village.pass(100);
        village.act(1, |engine, now| engine.handle_timeout(now));
    }
    assert_eq!(acts(&village), before + 1, "it renews");
    village.converge(0xa4);
    for at in 0..4 {
        assert_eq!(village.role(at, 2), None, "at {at}");
    }
}

#[test]
fn a5_one_act_is_one_record_and_a_missing_past_makes_it_wait() {
    let mut village = Village::new(0xa5, 4);
    assert!(village.grant(0, 1, Role::Inviter));
    village.converge(0xa5);
    let guest = village.peer(2);
    let act = village.sign(1, village.heads(1), Content::Grant(plain_grant(guest, Role::Member)));
    let (header, body) = Act::of(&act).unwrap().to_record();
    for twin in [
        Header { created: Timestamp(header.created.0 - 1), ..header.clone() },
        Header { hlc: Hlc(header.hlc.0 + 1), ..header.clone() },
        Header { nonce: [5; 16], ..header },
    ] {
        let twin = signed(&village, 1, twin, &body);
        village.give(0, vec![twin.clone()]);
        assert!(!is_here(&village, 0, &twin));
    }
    let unheard = village.sign(1, vec![Act::of(&act).unwrap().id()], Content::Merge);
    village.give(3, vec![unheard.clone()]);
    assert!(!is_here(&village, 3, &unheard) && village.engines[3].waiting.contains(&unheard.key()));
    village.copy(0, 3);
    village.give(3, vec![act]);
    assert!(is_here(&village, 3, &unheard));
    assert_eq!(village.role(3, 2), Some(Role::Member));
}

#[test]
fn a6_a_lower_role_takes_rights_and_no_history() {
    let mut village = ruled(0xa6, 4);
    assert!(village.grant(0, 1, Role::Admin));
    village.converge(0xa6);
    let seen = publish(&mut village, 1, news(), "seen");
    village.copy(1, 0);
    // Out of touch: a note, an announcement, and a guest.
    let note = village.publish(1, "a note").unwrap();
    let unseen = publish(&mut village, 1, news(), "unseen");
    assert!(village.grant(1, 2, Role::Member));
    let peer = village.peer(1);
    village.act(0, |engine, now| engine.set_role(now, peer, Role::Inviter)).unwrap();
    village.converge(0xa6);
    for at in 0..2 {
        assert_eq!(village.role(at, 1), Some(Role::Inviter));
        assert!(is_here(&village, at, &seen) && is_here(&village, at, &note), "at {at}");
        assert!(!is_here(&village, at, &unseen), "an announcement needs the role that was taken");
        assert_eq!(village.role(at, 2), Some(Role::Member), "inviters let members in");
    }
    assert!(village.publish(1, "and goes on").is_some());
    let draft = RecordDraft::new("test.news", "no more").unwrap();
    village.act(1, |engine, now| engine.publish(now, draft)).unwrap_err();
}

#[test]
fn a7_two_removals_at_once_keep_what_either_had_seen() {
    let mut village = Village::new(0xa7, 4);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 3, Role::Admin));
    assert!(village.grant(0, 2, Role::Member));
    village.converge(0xa7);
    let at_one = village.publish(2, "seen by one").unwrap();
    village.give(1, vec![at_one.clone()]);
    let at_other = village.publish(2, "seen by the other").unwrap();
    village.give(3, vec![at_other.clone()]);
    let at_nobodys = village.publish(2, "seen by neither").unwrap();
    for admin in [1, 3] {
        remove(&mut village, admin, 2, Removal::default());
    }
    village.converge(0xa7);
    for at in 0..4 {
        assert!(is_here(&village, at, &at_one) && is_here(&village, at, &at_other), "at {at}");
        assert!(!is_here(&village, at, &at_nobodys));
    }
}

#[test]
fn a8_the_acts_of_the_removed_stay_and_so_do_their_removals() {
    let mut village = Village::new(0xa8, 5);
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Member));
    village.converge(0xa8);
    remove(&mut village, 1, 2, Removal::default());
    assert!(village.grant(1, 3, Role::Member));
    village.converge(0xa8);
    let before = village.engines[0].credentials().unwrap();
    remove(&mut village, 0, 1, Removal { keep_records: false, with_branch: true, undo: false });
    // What the admin signed meanwhile is void. Nobody needs it: it is kept where it is, and offered to nobody.
    assert!(village.grant(1, 4, Role::Admin));
    village.converge(0xa8);
    for at in 0..4 {
        assert_eq!(village.role(at, 2), None, "removed by one who had the right");
        assert_eq!(village.role(at, 3), None, "the branch went");
        assert_eq!(village.role(at, 4), None);
        assert!(before.iter().all(|record| is_here(&village, at, record)), "the history is whole");
        assert_eq!(village.engines[at].credentials().unwrap().len(), before.len() + 1);
    }
    let withheld = village.engines[1]
        .store
        .withheld(&crate::wire::Filter::All, crate::record::RecordKey::MIN, 9)
        .unwrap();
    assert_eq!(withheld.len(), 1);
}

#[test]
fn a9_an_old_password_never_comes_back() {
    let mut village = Village::new(0xa9, 4);
    assert!(village.grant(0, 1, Role::Admin));
    village.converge(0xa9);
    let old = PasswordVerifier::new("correct horse battery", [1; 32]);
    village.act(0, |engine, now| engine.set_password(now, Some(&old), Role::Member, None)).unwrap();
    village.converge(0xa9);
    village.act(0, |engine, now| engine.set_password(now, None, Role::Member, None)).unwrap();
    // The admin has not heard, and passes the old one on to a new inviter.
    village.pass(60);
    assert!(village.grant(1, 2, Role::Inviter));
    let passed_on = |village: &Village| {
        let acts = village.engines[1].credentials().unwrap();
        acts.iter().filter_map(Act::of).any(|act| matches!(act.body().content, Content::PassOn { .. }))
    };
    assert!(passed_on(&village));
    village.converge(0xa9);
    for at in 0..4 {
        assert_eq!(village.engines[at].membership().unwrap().password().map(|(id, _)| id), None, "at {at}");
    }
    // Another one is another one.
    let new = PasswordVerifier::new("quite another horse", [2; 32]);
    village.act(1, |engine, now| engine.set_password(now, Some(&new), Role::Member, None)).unwrap();
    village.converge(0xa9);
    for at in 0..3 {
        let members = village.engines[at].membership().unwrap();
        assert_eq!(members.verifiers().count(), 3, "for owner, admin and inviter");
    }
}

#[test]
fn a13_what_a_reader_says_of_its_own_devices_is_bounded_and_costs_nobody_a_walk() {
    let mut village = Village::new(0xa13, 3);
    assert!(village.grant(0, 1, Role::Reader));
    village.converge(0xa13);
    for number in 0..200 {
        village.publish(0, &format!("{number}")).unwrap();
    }
    let count = village.engines[0].credentials().unwrap().len();
    let (identity, after) = (village.peer(1), village.heads(1));
    let refusals: Vec<SignedRecord> = (0..3 * MAX_REVOKED_DEVICES)
        .map(|number| {
            let node = NodeId::from_bytes([number as u8; 32]);
            village.sign(1, after.clone(), Content::RevokeDevice { identity, node })
        })
        .collect();
    village.give(0, refusals.clone());
    assert!(village.engines[0].group.sweep.is_over(), "no record is looked at");
    assert_eq!(village.engines[0].credentials().unwrap().len(), count + MAX_REVOKED_DEVICES);
    // The same ones everywhere, in whatever order they come.
    village.give(2, refusals);
    village.converge(0xa13);
    // A removal does not outlast them, nor they it.
    remove(&mut village, 0, 1, Removal::default());
    village.converge(0xa13);
    assert_eq!(village.role(2, 1), None);
}

#[test]
fn what_a_removal_reaches_is_looked_at_in_steps_and_a_crash_in_between_is_made_good() {
    let mut village = Village::new(0x5eeb, 2);
    assert!(village.grant(0, 1, Role::Member));
    village.converge(0x5eeb);
    let theirs: Vec<SignedRecord> =
        (0..1000).map(|number| village.publish(1, &format!("{number}")).unwrap()).collect();
    village.give(0, theirs.clone());
    village.publish(0, "another's").unwrap();
    let left = |village: &Village| theirs.iter().filter(|record| is_here(village, 0, record)).count();
    assert_eq!(left(&village), 1000);
    remove(&mut village, 0, 1, Removal { keep_records: false, with_branch: false, undo: false });
    let first = left(&village);
    assert!(first > 600, "{first} left after the first step");
    // It goes on by itself, at once.
    assert_eq!(village.engines[0].poll_timeout(village.now()), Some(village.now().mono));
    village.act(0, |engine, now| engine.handle_timeout(now));
    assert!(left(&village) < first && left(&village) > 0);
    // The process ends here: what is left is found when the stored records are checked.
    village.engines[0].group.sweep = super::sweep::Sweep::default();
    village.engines[0].unchecked = Some(super::load::Unchecked::Current(crate::record::RecordKey::MIN));
    for _ in 0..8 {
        village.act(0, |engine, now| engine.handle_timeout(now));
    }
    assert_eq!(left(&village), 0);
    let own = village.records(0).iter().filter(|r| r.body() == "another's").count();
    assert_eq!(own, 1);
    assert!(village.records(0).iter().all(|r| village.engines[0].policy().check(r, None) == Verdict::Accept));
}

/// Random bytes for a key.
trait RandomKey {
    fn random_key(&mut self) -> [u8; 32];
}

impl RandomKey for rand::rngs::StdRng {
    fn random_key(&mut self) -> [u8; 32] {
        rand::RngExt::random(self)
    }
}

#[test]
fn an_act_with_more_heads_than_it_can_name_is_preceded_by_merges() {
    let mut village = Village::new(0x4ead, 3);
    assert!(village.grant(0, 1, Role::Admin));
    village.converge(0x4ead);
    let after = village.heads(1);
    let guests: Vec<SignedRecord> = (0..40u8)
        .map(|number| {
            let guest = SecretKey::from_bytes(&[number + 1; 32]).peer();
            village.sign(1, after.clone(), Content::Grant(plain_grant(guest, Role::Member)))
        })
        .collect();
    village.give(0, guests.clone());
    remove(&mut village, 0, 1, Removal::default());
    village.converge(0x4ead);
    let members = village.engines[2].membership().unwrap();
    let id = |record: &SignedRecord| -> ActId { Act::of(record).unwrap().id() };
    assert!(guests.iter().all(|guest| members.verdict().act(&id(guest)) == Some(None)), "all had been seen");
}
