//! Acts that somebody shows when connecting, and what becomes of the link.

use super::*;
use crate::{
    engine::group_tests::plain_grant,
    limits::{PAPERS_PATIENCE, PAPERS_PAUSE},
    records::Fingerprint,
    wire::{Goodbye, GoodbyeReason, SyncMessage},
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const SEED: u64 = 0x3e;

/// A group in which the creator made 1 an inviter for an hour, and 2 a member; who hears of whom.
fn with_inviter(count: usize, heard: &[usize]) -> Village {
    let mut village = Village::new(SEED, count);
    let inviter = village.peer(1);
    village.act(0, |engine, now| engine.grant(now, inviter, "", Role::Inviter, Some(DAY))).unwrap();
    assert!(village.grant(0, 2, Role::Member));
    heard.iter().for_each(|to| village.copy(0, *to));
    for listener in [0, 2] {
        village.act(listener, |engine, now| engine.listen(now)).unwrap();
    }
    village
}

fn renewal(village: &Village, grant: ActId) -> Content {
    let not_after = village.engines[0].peer_time(village.now()) + 100 * DAY;
    Content::Renew { grant, not_after }
}

fn body(village: &Village, who: usize, by: Option<ActId>, after: &[ActId], content: Content) -> ActBody {
    let at = village.engines[0].peer_time(village.now());
    ActBody { author: village.peer(who), by, after: after.to_vec(), at, content }
}

/// A guest that 1 lets in under a name for its grant, as long as that says it lasts.
fn guest(village: &Village, by: ActId, subject: usize) -> SignedRecord {
    let end = village.engines[0].peer_time(village.now()) + DAY;
    let grant = Grant { not_after: Some(end), ..plain_grant(village.peer(subject), Role::Member) };
    village.sign_as(1, body(village, 1, Some(by), &[], Content::Grant(grant)))
}

/// Comes with what it shows; the link, and whether it was made.
fn comes(village: &mut Village, who: usize, to: usize, shown: &[SignedRecord]) -> (Caller, bool) {
    let caller = Caller::new(village, village.keys[who].clone());
    let shown = shown.iter().map(|record| record.bytes().clone()).collect();
    let answer = caller.connect(village, to, Purpose::Neighbor, shown);
    let made = matches!(answer, Some(Message::Welcome(_)));
    assert_ne!(made, is_turned_away(answer.as_ref()));
    (caller, made)
}

fn has_link(village: &Village, at: usize, caller: &Caller) -> bool {
    village.engines[at].overlay.peer_of(caller.link).is_some()
}

/// Compares databases, as one who has the same; what is answered.
fn compare(village: &mut Village, at: usize, caller: &Caller) -> Vec<Message> {
    let Fingerprint { count, .. } = village.engines[at].fingerprint();
    let root = village.engines[at].store.root();
    assert_eq!(root.count, count);
    let open =
        SyncMessage::Open { session: 1, digest: root.into(), types: Vec::new(), fresh: Default::default() };
    caller.say(village, at, &Message::Sync(open))
}

fn pass(village: &mut Village, at: usize, time: Duration) {
    village.pass(time.as_secs());
    village.act(at, |engine, now| engine.handle_timeout(now));
}

#[test]
fn w3_an_expired_inviters_puppet_is_refused() {
    // 3 is a throwaway key, 4 the puppet.
    let mut village = with_inviter(5, &[1, 2]);
    let (mine, _) = grant_of(&village, 0, 1);
    let mine = act_id(&mine);
    // While it lasts, its word opens a link.
    let early = guest(&village, mine, 4);
    assert!(comes(&mut village, 4, 0, &[early]).1);
    village.pass(2 * DAY.as_secs());
    let late = guest(&village, mine, 4);
    assert!(!comes(&mut village, 4, 0, &[late]).1);
    // By its own word, by a throwaway key's, and by that of a member who may not.
    for (renewer, by) in [(1, Some(mine)), (3, Some(mine)), (3, None), (2, None)] {
        let own = grant_of(&village, 0, 2).0;
        let by = by.or_else(|| (renewer == 2).then(|| act_id(&own)));
        let forged = village.sign_as(renewer, body(&village, renewer, by, &[], renewal(&village, mine)));
        let below = guest(&village, act_id(&forged), 4);
        let (_, made) = comes(&mut village, 4, 0, &[forged, below]);
        assert!(!made, "a renewal by {renewer}, who has no right to it");
    }
}

#[test]
fn w3_a_renewal_that_does_not_count_shows_nobody() {
    let mut village = with_inviter(5, &[1, 2]);
    assert!(village.grant(0, 3, Role::Admin));
    village.copy(0, 3);
    let (mine, admins) = (act_id(&grant_of(&village, 0, 1).0), act_id(&grant_of(&village, 0, 3).0));
    // An admin is removed, and renews a friend all the same: that act is here, and void.
    let admin = village.peer(3);
    let forged = village.sign_as(3, body(&village, 3, Some(admins), &[], renewal(&village, mine)));
    village.act(0, |engine, now| engine.remove(now, admin, "", Default::default())).unwrap();
    village.give(0, vec![forged.clone()]);
    assert!(village.engines[0].membership().unwrap().has(&act_id(&forged)));
    village.pass(2 * DAY.as_secs());
    let below = guest(&village, act_id(&forged), 4);
    assert!(!comes(&mut village, 4, 0, &[below]).1);
}

#[test]
fn w3_papers_show_who_renewed_and_are_believed() {
    // Two admins, and an inviter whom one let in and the other renewed: 5 knows of none of them.
    let mut village = Village::new(SEED, 6);
    assert!(village.grant(0, 5, Role::Member));
    village.copy(0, 5);
    village.act(5, |engine, now| engine.listen(now)).unwrap();
    assert!(village.grant(0, 1, Role::Admin) && village.grant(0, 2, Role::Admin));
    village.copy(0, 1);
    let inviter = village.peer(3);
    village.act(1, |engine, now| engine.grant(now, inviter, "", Role::Inviter, Some(DAY))).unwrap();
    village.copy(1, 2);
    let content = renewal(&village, act_id(&grant_of(&village, 2, 3).0));
    village.act(2, |engine, now| engine.issue(now, content)).unwrap();
    village.copy(2, 3);
    village.pass(2 * DAY.as_secs());
    village.act(3, |engine, now| engine.handle_timeout(now));
    let guest = village.peer(4);
    let papers = village.act(3, |engine, now| engine.grant(now, guest, "", Role::Member, Some(DAY))).unwrap();
    assert!(comes(&mut village, 4, 5, &papers).1);
}

#[test]
fn w3_a_hidden_past_opens_a_link_for_one_comparison_and_no_longer() {
    let mut village = with_inviter(5, &[1, 2]);
    let mine = act_id(&grant_of(&village, 0, 1).0);
    let hidden = village.sign_as(1, body(&village, 1, Some(mine), &[mine], Content::Merge));
    let puppet = plain_grant(village.peer(4), Role::Member);
    let puppet = Grant { not_after: grant_of(&village, 0, 1).1.not_after, ..puppet };
    let shown = village.sign_as(1, body(&village, 1, Some(mine), &[act_id(&hidden)], Content::Grant(puppet)));
    let shown = [shown];
    // Once all is compared, there is nothing to wait for.
    let (caller, made) = comes(&mut village, 4, 0, &shown);
    assert!(made && has_link(&village, 0, &caller));
    let heard = compare(&mut village, 0, &caller);
    let said = |message: &Message| matches!(message, Message::Goodbye(Goodbye { reason: GoodbyeReason::NotAuthorized, referrals }) if referrals.is_empty());
    assert!(heard.iter().any(said), "{heard:?}");
    assert!(!has_link(&village, 0, &caller));
    // Who does not compare has half a minute, and not again with each new link, nor by another guest of the same member.
    let (caller, made) = comes(&mut village, 4, 0, &shown);
    assert!(made);
    pass(&mut village, 0, PAPERS_PATIENCE / 2);
    assert!(has_link(&village, 0, &caller));
    caller.hang_up(&mut village, 0);
    let (caller, made) = comes(&mut village, 4, 0, &shown);
    assert!(made);
    assert!(village.engines[0].poll_timeout(village.now()) <= Some(village.now().mono + PAPERS_PATIENCE / 2));
    pass(&mut village, 0, PAPERS_PATIENCE / 2);
    assert!(!has_link(&village, 0, &caller));
    assert!(!comes(&mut village, 4, 0, &shown).1);
    pass(&mut village, 0, PAPERS_PAUSE);
    let (caller, made) = comes(&mut village, 4, 0, &shown);
    assert!(made && village.role(0, 4).is_none());
    // It was in nobody's list all the time. When what was hidden comes, it is, and stays.
    village.give(0, vec![hidden]);
    assert_eq!(village.role(0, 4), Some(Role::Member));
    pass(&mut village, 0, PAPERS_PATIENCE * 2);
    compare(&mut village, 0, &caller);
    assert!(has_link(&village, 0, &caller));
}

#[test]
fn x20_who_has_somebodys_papers_uses_up_none_of_its_time() {
    let mut village = with_inviter(5, &[1, 2]);
    let mine = act_id(&grant_of(&village, 0, 1).0);
    let hidden = village.sign_as(1, body(&village, 1, Some(mine), &[mine], Content::Merge));
    let guest = plain_grant(village.peer(4), Role::Member);
    let guest = Grant { not_after: grant_of(&village, 0, 1).1.not_after, ..guest };
    let shown =
        [village.sign_as(1, body(&village, 1, Some(mine), &[act_id(&hidden)], Content::Grant(guest)))];
    // Another shows them, by a certificate that the guest did not sign.
    let thief = village.keys[3].clone();
    let thief = Caller::new(&mut village, thief);
    let device = DeviceCertificate { peer: village.peer(4), ..thief.device() };
    let papers = shown.iter().map(|record| record.bytes().clone()).collect();
    let answer = thief.connect_as(&mut village, 0, Purpose::Neighbor, device, papers);
    assert!(is_turned_away(answer.as_ref()), "{answer:?}");
    pass(&mut village, 0, PAPERS_PATIENCE + Duration::from_secs(1));
    assert!(comes(&mut village, 4, 0, &shown).1, "the guest has all of its half minute");
}

#[test]
fn w3_an_honest_newcomer_whose_admitter_is_away_is_kept() {
    let mut village = with_inviter(5, &[1, 2]);
    let newcomer = village.peer(3);
    let papers =
        village.act(1, |engine, now| engine.grant(now, newcomer, "Cid", Role::Member, Some(DAY))).unwrap();
    assert_eq!(village.role(0, 3), None, "the inviter's node is away");
    let (caller, made) = comes(&mut village, 3, 0, &papers);
    assert!(made);
    assert_eq!(village.role(0, 3), Some(Role::Member), "its papers are acts");
    compare(&mut village, 0, &caller);
    pass(&mut village, 0, PAPERS_PATIENCE * 3);
    assert!(has_link(&village, 0, &caller));
    // Its own node has them as well, once those before them are there: so it can hand them on.
    let chain = papers.iter().map(|record| record.bytes().clone()).collect();
    village.act(3, |engine, now| engine.accept_chain(now, chain)).unwrap();
    assert!(village.engines[3].rests_on_papers());
    let before: Vec<SignedRecord> = village.records(2);
    village.give(3, before);
    assert!(!village.engines[3].rests_on_papers());
    assert_eq!(village.role(3, 3), Some(Role::Member));
}
