//! Chunks of lists that several acts name: whatever came first, and whatever is read again, nodes say the same.

use super::super::{
    Removal,
    authority_tests::remove,
    group_tests::Village,
    sweep_tests::{keys, let_patience_end, rest, restarts_alike, shown, withheld},
};
use crate::{
    authority::{Act, ActBody, Content, Keep, KeepChunk, Remove},
    limits::MAX_LEAVES,
    record::{Role, SignedRecord},
    time::Timestamp,
};

const OWNER: usize = 0;
const HONEST: usize = 1;
const HOSTILE: usize = 2;
const WRITER: usize = 3;

/// An owner, two admins, a member with notes, and others; the notes, and the chunk that lists them.
fn written(seed: u64, count: usize) -> (Village, Vec<SignedRecord>, KeepChunk, Keep) {
    let mut village = Village::new(seed, count);
    assert!(village.grant(OWNER, HONEST, Role::Admin) && village.grant(OWNER, HOSTILE, Role::Admin));
    assert!(village.grant(OWNER, WRITER, Role::Member));
    village.converge(seed);
    let notes: Vec<SignedRecord> =
        (0..4).map(|number| village.publish(WRITER, &format!("{number}")).unwrap()).collect();
    village.converge(seed);
    let versions = notes.iter().map(|record| record.key().element);
    let (keep, mut chunks) = Keep::list(versions, notes.iter().map(SignedRecord::id));
    (village, notes, chunks.remove(0), keep)
}

fn removal(village: &Village, by: usize, keep: &Keep) -> SignedRecord {
    let (subject, keep) = (village.peer(WRITER), keep.clone());
    let remove = Remove { subject, reason: String::new(), keep, branch: false, undo: false };
    village.sign(by, village.heads(by), Content::Remove(remove))
}

/// The record of a chunk that is of this act.
fn chunk_of(village: &Village, by: usize, act: &SignedRecord, chunk: &KeepChunk) -> SignedRecord {
    let (header, body) = chunk.to_record(Act::of(act).unwrap().body());
    SignedRecord::sign(&village.graph(), &village.keys[by], header, &body)
}

/// All orders of so many.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let insert = |order: Vec<usize>| {
        (0..count).map(move |at| {
            let mut order = order.clone();
            order.insert(at, last);
            order
        })
    };
    orders(last).into_iter().flat_map(insert).collect()
}

/// The removal of an honest admin, who sent the chunk of its list, falls. That of a hostile one names the same chunk, and it
/// never sends it.
#[test]
fn x7_the_chunk_of_a_list_that_fell_is_here_for_nobody_whatever_came_first() {
    let orders = orders(4);
    let first = WRITER + 1;
    let newcomer = first + orders.len();
    let (mut village, notes, chunk, keep) = written(0x7, newcomer + 1);
    let honest = removal(&village, HONEST, &keep);
    let list = chunk_of(&village, HONEST, &honest, &chunk);
    let hostile = removal(&village, HOSTILE, &keep);
    remove(&mut village, OWNER, HONEST, Removal { undo: true, keep_records: true, ..Removal::default() });
    let undo = village.records(OWNER).into_iter().find(|record| {
        Act::of(record)
            .is_some_and(|act| matches!(&act.body().content, Content::Remove(remove) if remove.undo))
    });
    let pieces = [honest, list.clone(), hostile.clone(), undo.unwrap()];
    for (at, order) in orders.iter().enumerate() {
        for piece in order {
            village.give(first + at, vec![pieces[*piece].clone()]);
        }
    }
    let_patience_end(&mut village);
    let all = first..newcomer;
    let holding = all.clone().filter(|at| withheld(&village, *at).contains(&list.key())).count();
    assert!(holding > 0 && holding < all.len(), "some have the chunk, and some do not: {holding}");
    // Who comes now hears what is offered.
    village.copy(first, newcomer);
    let_patience_end(&mut village);
    let fingerprint = village.engines[newcomer].fingerprint();
    for at in first..=newcomer {
        let order = orders.get(at - first);
        assert_eq!(village.engines[at].fingerprint(), fingerprint, "{order:?}");
        assert!(shown(&village, at).0.is_empty(), "{order:?}: the list is not here");
        restarts_alike(&mut village, at, &format!("{order:?}"));
    }
    // Once the other's chunk comes, it is, for all.
    let late = chunk_of(&village, HOSTILE, &hostile, &chunk);
    for at in first..=newcomer {
        village.give(at, vec![late.clone()]);
        if at == newcomer {
            village.give(at, notes.clone());
        }
        rest(&mut village, at);
        let order = orders.get(at - first);
        assert_eq!(shown(&village, at).0, keys(&notes), "{order:?}");
        restarts_alike(&mut village, at, &format!("{order:?}, with the list"));
    }
    let fingerprint = village.engines[newcomer].fingerprint();
    assert!((first..newcomer).all(|at| village.engines[at].fingerprint() == fingerprint));
}

/// A chunk that is heard counts for each list that names it, and whoever is ended by that one is judged again.
#[test]
fn x7_a_chunk_that_comes_serves_all_lists_that_name_it() {
    let (mut village, notes, chunk, keep) = written(0x71, 5);
    let honest = removal(&village, HONEST, &keep);
    let list = chunk_of(&village, HONEST, &honest, &chunk);
    // It lists the records of the member for the admin as well.
    let (subject, keep) = (village.peer(HONEST), keep);
    let other = Remove { subject, reason: String::new(), keep, branch: false, undo: false };
    let own = village.publish(HONEST, "by the admin").unwrap();
    village.copy(HONEST, OWNER);
    village.give(OWNER, vec![honest]);
    let other = village.sign(OWNER, village.heads(OWNER), Content::Remove(other));
    village.give(OWNER, vec![other]);
    rest(&mut village, OWNER);
    let_patience_end(&mut village);
    assert!(shown(&village, OWNER).0.is_empty(), "both wait for it");
    village.give(OWNER, vec![list]);
    rest(&mut village, OWNER);
    assert_eq!(shown(&village, OWNER).0, keys(&notes));
    assert!(!withheld(&village, OWNER).contains(&own.key()), "what it does not name is void");
    restarts_alike(&mut village, OWNER, "with the list");
}

/// A leave that gave way to others takes the record of its chunk with it, also if another list names the same chunk.
#[test]
fn x7_the_chunk_of_a_leave_that_gave_way_goes_though_another_list_names_it() {
    let (mut village, _, chunk, keep) = written(0x72, 5);
    let by = village.engines[WRITER].group.own_grant().map(crate::ids::ActId::from_bytes);
    let after = village.heads(WRITER);
    let at = village.engines[WRITER].peer_time(village.now());
    let leave = |village: &Village, keep: Keep, later: u64| {
        let (author, at) = (village.peer(WRITER), Timestamp(at.0 + later));
        let content = Content::Leave(keep);
        village.sign_as(WRITER, ActBody { author, by, after: after.clone(), at, content })
    };
    let id = |record: &SignedRecord| Act::of(record).unwrap().id();
    let first = leave(&village, keep.clone(), 0);
    let list = chunk_of(&village, WRITER, &first, &chunk);
    let smaller = (1..).map(|later| leave(&village, Keep::default(), later));
    let smaller: Vec<SignedRecord> =
        smaller.filter(|other| id(other) < id(&first)).take(MAX_LEAVES).collect();
    let removal = removal(&village, HOSTILE, &keep);
    village.give(OWNER, vec![first.clone()]);
    village.give(OWNER, vec![list.clone()]);
    village.give(OWNER, vec![removal]);
    village.give(OWNER, smaller);
    let_patience_end(&mut village);
    assert!(!village.engines[OWNER].membership().unwrap().has(&id(&first)));
    let has = |village: &Village| {
        withheld(village, OWNER).contains(&list.key())
            || village.records(OWNER).iter().any(|record| record.key() == list.key())
    };
    assert!(!has(&village));
    restarts_alike(&mut village, OWNER, "without the leave");
}

/// The minute that a list has to come is not over because the node starts anew.
#[test]
fn x20_a_list_that_comes_in_time_hides_nothing_though_the_node_was_restarted() {
    let (mut village, notes, chunk, keep) = written(0x20, 4);
    let leave = village.sign(WRITER, village.heads(WRITER), Content::Leave(keep));
    let list = chunk_of(&village, WRITER, &leave, &chunk);
    let before = village.engines[OWNER].store.last_lsn();
    village.give(OWNER, vec![leave.clone()]);
    rest(&mut village, OWNER);
    village.pass(10);
    village.restart(OWNER);
    rest(&mut village, OWNER);
    assert_eq!(shown(&village, OWNER).0, keys(&notes));
    village.pass(10);
    village.give(OWNER, vec![list]);
    let_patience_end(&mut village);
    assert_eq!(shown(&village, OWNER).0, keys(&notes));
    let told = village.engines[OWNER].store.reader().changes(before, &[], &[], 1000).unwrap().entries;
    assert_eq!(told, [], "readers hear of nothing that is gone and comes back");
    // Without it, they go when the minute is over that began with the start.
    village.give(HONEST, vec![leave]);
    village.restart(HONEST);
    let_patience_end(&mut village);
    let_patience_end(&mut village);
    assert!(shown(&village, HONEST).0.is_empty());
    restarts_alike(&mut village, HONEST, "without the list");
}
