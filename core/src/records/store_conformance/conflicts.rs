//! Deletes against edits, and what is kept of the losers.

use super::*;
use crate::{
    limits::{MAX_CONFLICT_BYTES, MAX_CONFLICTS_PER_RECORD, MAX_LINEAGE},
    records::{ConflictQuery, KeptLoser},
};

/// A version of record `n`, written by `by` at millisecond `at` in knowledge of `parent`.
fn version(n: u8, at: u64, by: usize, parent: Option<&SignedRecord>, body: &[u8]) -> SignedRecord {
    let first = Header::first(kind("chat.message"), [n; 16], peer(0), Hlc::at(Timestamp(1)));
    let header = Header {
        editor: parent.and_then(|_| (by != 0).then(|| peer(by))),
        version: parent.map_or(1, |parent| parent.header().version + 1),
        hlc: Hlc::at(Timestamp(at)),
        replaced: parent.map(|parent| parent.key().element),
        earlier: parent.map(SignedRecord::lineage).unwrap_or_default(),
        deleted: body.is_empty(),
        ..first
    };
    SignedRecord::sign(&GRAPH, &SECRETS[by], header, body)
}

fn edit(at: u64, by: usize, parent: &SignedRecord) -> SignedRecord {
    version(1, at, by, Some(parent), format!("edit at {at} by {by}").as_bytes())
}

fn delete(at: u64, by: usize, parent: &SignedRecord) -> SignedRecord {
    version(1, at, by, Some(parent), &[])
}

/// Gives a version to the store as the engine does.
fn take(store: &mut dyn Store, record: &SignedRecord, now: u64) -> Option<KeptLoser> {
    let (loser, winner, told) = match store.put(&VerifiedRecord::unchecked(record.clone())).unwrap() {
        Put::Replaced { lsn, older, .. } => (older, record.clone(), Some(lsn)),
        Put::Older { newer } => (record.clone(), newer, None),
        _ => return None,
    };
    is_conflict(&loser, &winner).then(|| store.keep_loser(&loser, told, Timestamp(now)).unwrap()).flatten()
}

fn losers(store: &dyn Store) -> Vec<String> {
    let page = store.reader().conflicts(&ConflictQuery::default(), EARLY).unwrap();
    assert_eq!((page.next, page.total), (None, None));
    page.items.iter().map(|c| c.loser.body_text().unwrap().to_owned()).collect()
}

fn permutations(of: usize) -> Vec<Vec<usize>> {
    let Some(last) = of.checked_sub(1) else { return vec![Vec::new()] };
    let insert =
        |shorter: Vec<usize>| (0..of).map(move |at| [&shorter[..at], &[last], &shorter[at..]].concat());
    permutations(last).into_iter().flat_map(insert).collect()
}

#[test]
fn c40_a_delete_wins_over_what_had_not_seen_it_in_every_order_of_arrival() {
    let base = version(1, 2, 0, None, b"base");
    // Two edits behind the delete, one of them on top of the other, by clocks that are earlier and later.
    let early = edit(10, 1, &base);
    let later = edit(90, 1, &early);
    let other = edit(95, 2, &base);
    let delete_of_base = delete(20, 3, &base);
    let versions = [base, early, later, other, delete_of_base];
    each_store(|store| {
        let mut outcomes = Vec::new();
        for order in permutations(versions.len()) {
            for at in &order {
                take(store, &versions[*at], 100);
            }
            assert_eq!(store.get(&versions[0].id()).unwrap().as_ref(), Some(&versions[4]), "{order:?}");
            commit(store);
            let entry = changes(&store.reader(), 0).entries.pop().unwrap();
            assert!(entry.record.deleted && entry.kind == ChangeKind::Deleted && entry.conflict.is_some());
            assert_eq!(entry.record.version, 4, "above the highest that lost, in order {order:?}");
            let mut lost = losers(store);
            lost.sort_unstable();
            outcomes.push((store.root(), lost));
            // Again from nothing, acknowledged ones included.
            store.discard(&versions[4].key()).unwrap();
            versions.iter().for_each(|version| store.discard_loser(&version.key().element).unwrap());
            commit(store);
        }
        assert_eq!(outcomes[0].1, ["edit at 90 by 1", "edit at 95 by 2"], "the newest of each author");
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    });
}

#[test]
fn c40_records_of_the_library_come_back_after_a_delete_and_cannot_be_ended_by_other_types() {
    let presence = |at: u64, deleted: bool| {
        let header = Header {
            deleted,
            version: 1 + at,
            ..Header::first(kind("peergraph.presence"), [1; 16], peer(0), Hlc::at(Timestamp(at)))
        };
        SignedRecord::sign(&GRAPH, &SECRETS[0], header, if deleted { b"" } else { b"here" })
    };
    let hostile = version(1, 50, 1, Some(&version(1, 2, 0, None, b"x")), &[]);
    let versions = [presence(10, false), presence(20, true), presence(30, false), hostile];
    each_store(|store| {
        for order in permutations(versions.len()) {
            for at in order {
                assert_eq!(take(store, &versions[at], 100), None, "and nobody is told of a conflict");
            }
            assert_eq!(store.get(&versions[0].id()).unwrap().as_ref(), Some(&versions[2]));
            store.rollback().unwrap();
        }
    });
}

#[test]
fn c42_versions_that_follow_each_other_are_no_conflict_however_late_they_come() {
    let mut line = vec![version(1, 2, 0, None, b"base")];
    for at in 3..30 {
        line.push(edit(at, at as usize % 3, &line[line.len() - 1]));
    }
    let newest = line.len() - 1;
    for (back, older) in line.iter().rev().enumerate().skip(1) {
        assert!(!is_conflict(older, &line[newest]), "{back} versions back");
        let beside = edit(1000, 3, older);
        assert!(is_conflict(&line[newest], &beside), "the one with the later clock wins, {back} back");
        let beside = edit(older.header().hlc.timestamp().0 + 1, 3, older);
        assert_eq!(is_conflict(&beside, &line[newest]), back <= MAX_LINEAGE + 2, "{back} back");
    }
    assert!(line.iter().all(|version| version.header().earlier.len() <= MAX_LINEAGE));
}

#[test]
fn c42_losers_are_told_in_the_feed_listed_and_acknowledged() {
    let base = version(1, 2, 0, None, b"base");
    let (lost, won) = (edit(10, 1, &base), edit(20, 2, &base));
    each_store(|store| {
        take(store, &base, 30);
        take(store, &won, 30);
        commit(store);
        let reader = store.reader();
        assert_eq!(changes(&reader, 0).entries[0].conflict, None);
        // The loser comes second: the winner moves to where the feed tells of it again.
        assert_eq!(take(store, &lost, 40), Some(KeptLoser { lsn: Lsn(3), version: 2 }));
        assert_eq!(take(store, &lost, 41), None, "once");
        assert!(store.knows_loser(&lost.key()) && !store.contains(&lost.key()).unwrap());
        assert_eq!(store.loser(&lost.key()).unwrap().as_ref(), Some(&lost));
        assert_eq!(store.root(), naive(&[won.key()]), "it is no part of what is compared");
        store.rollback().unwrap();
        assert!(!store.knows_loser(&lost.key()) && losers(store).is_empty());
        assert_eq!(take(store, &lost, 40), Some(KeptLoser { lsn: Lsn(3), version: 2 }));
        commit(store);

        for (after, kind) in [(0, ChangeKind::Added), (2, ChangeKind::Updated)] {
            let entries = changes(&reader, after).entries;
            assert_eq!(told(&entries), [(3, kind, base.id())]);
            assert_eq!(*entries[0].record, won.to_record());
            assert_eq!(entries[0].conflict.as_deref(), Some(&lost.to_record()));
        }
        assert_eq!(changes(&reader, 3).entries, []);
        let page = reader.conflicts(&ConflictQuery::default(), EARLY).unwrap();
        let [conflict] = &page.items[..] else { panic!("{page:?}") };
        assert_eq!((&conflict.winner, &conflict.loser), (&won.to_record(), &lost.to_record()));
        assert_eq!(conflict.noticed, Timestamp(40));
        let other = ConflictQuery { record: Some(RecordId::from_bytes([9; 16])), ..ConflictQuery::default() };
        assert_eq!(reader.conflicts(&other, EARLY).unwrap().items, []);
        let this = ConflictQuery { record: Some(base.id()), ..ConflictQuery::default() };
        assert_eq!(reader.conflicts(&this, EARLY).unwrap().items.len(), 1);

        // A later version of the record does not make it go away, but is told of alone to who was told before.
        let next = edit(50, 0, &won);
        assert_eq!(take(store, &next, 50), None);
        commit(store);
        assert_eq!(changes(&reader, 3).entries[0].conflict, None);
        assert!(changes(&reader, 2).entries[0].conflict.is_some());

        assert!(store.acknowledge_loser(&lost.key().element).unwrap());
        assert!(!store.acknowledge_loser(&lost.key().element).unwrap());
        commit(store);
        assert!(losers(store).is_empty() && changes(&reader, 0).entries[0].conflict.is_none());
        assert_eq!(take(store, &lost, 60), None, "it is not told of again");
        assert_eq!(store.loser(&lost.key()).unwrap(), None);
        assert_eq!(store.forget_losers(Timestamp(40)).unwrap(), 0);
        assert_eq!(store.forget_losers(Timestamp(41)).unwrap(), 1);
        commit(store);
        assert!(!store.knows_loser(&lost.key()));
    });
}

#[test]
fn c42_a_large_winner_is_not_written_again_for_every_small_loser_of_one_author() {
    let base = version(1, 2, 0, None, b"base");
    let won = version(1, 1000, 0, Some(&base), &[7; 100_000]);
    each_store(|store| {
        take(store, &base, 9);
        take(store, &won, 9);
        let moved = take(store, &edit(10, 1, &base), 9).unwrap();
        assert_eq!(moved.lsn, Lsn(3));
        for at in 11..20 {
            assert_eq!(take(store, &edit(at, 1, &base), 9), Some(moved), "{at}");
        }
        assert_eq!(take(store, &edit(10, 2, &base), 9).unwrap().lsn, Lsn(4), "of another author");
        commit(store);
        assert_eq!(losers(store), ["edit at 19 by 1", "edit at 10 by 2"]);
    });
}

#[test]
fn c42_losers_are_bounded_and_go_with_their_record() {
    let base = version(1, 2, 0, None, b"base");
    each_store(|store| {
        take(store, &base, 9);
        take(store, &edit(1000, 0, &base), 9);
        // One for each author, the newest: earlier versions of one branch do not come up again.
        for at in [10, 30, 20] {
            take(store, &edit(at, 1, &base), 9);
        }
        commit(store);
        assert_eq!(losers(store), ["edit at 30 by 1"]);
        // A record that expires takes its losers along.
        let brief = SignedRecord::sign(
            &GRAPH,
            &SECRETS[0],
            Header {
                expires: Some(Timestamp(500)),
                ..Header::first(kind("note"), [2; 16], peer(0), Hlc::at(Timestamp(3)))
            },
            b"brief",
        );
        let apart = |at: u64, by: usize, until: u64| {
            SignedRecord::sign(
                &GRAPH,
                &SECRETS[by],
                Header {
                    editor: Some(peer(by)),
                    version: 2,
                    hlc: Hlc::at(Timestamp(at)),
                    replaced: Some(brief.key().element),
                    expires: Some(Timestamp(until)),
                    ..brief.header().clone()
                },
                b"apart",
            )
        };
        for record in [brief.clone(), apart(10, 1, 600), apart(20, 2, 700)] {
            take(store, &record, 9);
        }
        commit(store);
        assert_eq!(losers(store), ["edit at 30 by 1", "apart"]);
        assert_eq!(store.next_expiry().unwrap(), Some(Timestamp(600)), "of the loser");
        assert_eq!(store.expire(Timestamp(600), 9).unwrap(), []);
        commit(store);
        assert_eq!(losers(store), ["edit at 30 by 1"]);
        // And so does one whose tombstone is forgotten.
        take(store, &delete(2000, 0, &base), 9);
        store.collect(Timestamp(3000)).unwrap();
        commit(store);
        assert!(losers(store).is_empty());
    });
}

#[test]
fn c42_a_flood_of_losers_takes_a_bounded_place_and_pushes_out_its_own() {
    use crate::records::conflicts::{Loser, Losers};
    let loser = |n: u64, author: u8, bytes: u64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        Loser {
            creator: None,
            id: RecordId::from_bytes(if author == 0 { [7; 16] } else { id }),
            key: RecordKey { hlc: Hlc(n), element: crate::ids::ElementId::from_bytes(id) },
            author: PeerId::from_bytes([author; 32]),
            noticed: Timestamp(1),
            told: Lsn(1),
            expires: None,
            bytes,
            record: None,
        }
    };
    let mut losers = Losers::default();
    let honest: Vec<u64> = (0..5).map(|n| losers.keep(loser(n, 1, 100))).collect();
    for n in 0..10_000 {
        losers.keep(loser(1000 + n, 2, if n % 2 == 0 { 10 } else { 1 << 20 }));
    }
    assert!(honest.iter().all(|number| losers.rows().contains_key(number)), "those of others stay");
    assert!(losers.rows().values().map(|loser| loser.bytes).sum::<u64>() <= MAX_CONFLICT_BYTES);
    let mut one = Losers::default();
    for author in 0..20u8 {
        let record = loser(u64::from(author), 0, 10);
        one.keep(Loser { author: PeerId::from_bytes([author; 32]), ..record });
    }
    assert_eq!(one.rows().len(), MAX_CONFLICTS_PER_RECORD);
    one.rollback();
    assert!(one.rows().is_empty() && one.kept().is_empty());
}
