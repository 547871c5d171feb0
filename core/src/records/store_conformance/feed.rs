//! What readers see: lists and changes.

use super::*;

#[test]
fn r14_lists_are_by_type_by_creator_both_or_neither() {
    each_store(|store| {
        let specs = [
            spec(1, 10),
            spec(2, 11).of("note"),
            spec(3, 12).by(1),
            spec(4, 13).by(1).of("note"),
            spec(5, 14).by(1).of("peergraph.x"),
            spec(6, 15).by(1).edited(0),
        ];
        let ids: Vec<_> = put_all(store, specs).iter().map(SignedRecord::id).collect();
        commit(store);
        let list = |query: ListQuery| -> Vec<usize> {
            let page = store.reader().list(&query, EARLY).unwrap();
            assert_eq!((page.total, page.next), (Some(page.items.len() as u64), None));
            let uncounted = ListQuery { count: false, ..query };
            assert_eq!(store.reader().list(&uncounted, EARLY).unwrap(), Page { total: None, ..page.clone() });
            page.items.iter().map(|r| ids.iter().position(|id| *id == r.id).unwrap()).collect()
        };
        let (notes, one) = (Some(kind("note")), Some(peer(1)));
        assert_eq!(list(query()), [0, 1, 2, 3, 5]);
        assert_eq!(list(ListQuery { include_reserved: true, ..query() }), [0, 1, 2, 3, 4, 5]);
        assert_eq!(list(ListQuery { record_type: notes.clone(), ..query() }), [1, 3]);
        assert_eq!(list(ListQuery { creator: one, ..query() }), [2, 3, 5]);
        assert_eq!(list(ListQuery { creator: one, include_reserved: true, ..query() }), [2, 3, 4, 5]);
        assert_eq!(list(ListQuery { record_type: notes, creator: one, ..query() }), [3]);
        assert_eq!(list(ListQuery { record_type: Some(kind("peergraph.x")), ..query() }), [4]);
        assert_eq!(list(ListQuery { record_type: Some(kind("unknown")), ..query() }), []);
        assert_eq!(list(ListQuery { creator: Some(peer(2)), ..query() }), []);
    });
}

#[test]
fn x3_r14_pages_are_a_snapshot() {
    each_store(|store| {
        let records = put_all(store, (0..10).map(|n| spec(n, 10 + n)));
        commit(store);
        let reader = store.reader();
        let first = reader.list(&ListQuery { limit: 4, ..query() }, EARLY).unwrap();
        assert_eq!((first.total, first.through, first.next), (Some(10), Lsn(10), Some(Lsn(4))));
        // One of those to come changes, one that was seen does, and one is new.
        put_all(store, [spec(5, 40), spec(0, 41), spec(20, 42)]);
        commit(store);
        let mut seen = first.items;
        let mut next = first.next;
        while let Some(after) = next {
            let more = ListQuery { limit: 4, after: Some(after), through: Some(first.through), ..query() };
            let page = reader.list(&more, EARLY).unwrap();
            assert_eq!((page.total, page.through), (Some(8), Lsn(10)));
            seen.extend(page.items);
            next = page.next;
        }
        let expected = [0, 1, 2, 3, 4, 6, 7, 8, 9].map(|n: usize| records[n].to_record());
        assert_eq!(seen, expected);
        assert_eq!(reader.list(&query(), EARLY).unwrap().total, Some(11));
        assert_eq!(reader.list(&ListQuery { limit: 11, ..query() }, EARLY).unwrap().next, None);
    });
}

#[test]
fn k9_pages_are_bounded_in_bytes_without_gap_or_repeat() {
    each_store(|store| {
        let sizes = [3 << 20, 1000, 900 << 10, 5 << 20, 10, 2 << 20, 1 << 20, 900 << 10, 7 << 20];
        let records = put_all(store, (0..).zip(sizes).map(|(n, size)| spec(n, 10 + n).padded(size)));
        commit(store);
        let (reader, mut pages, mut after) = (store.reader(), Vec::new(), None);
        loop {
            let page = reader.list(&ListQuery { after, ..ListQuery::default() }, EARLY).unwrap();
            pages.push(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(
            pages.iter().map(Vec::len).collect::<Vec<_>>(),
            [3, 1, 4, 1],
            "each but single ones below 4 MiB"
        );
        let all: Vec<_> = pages.concat().iter().map(|record| record.id).collect();
        assert_eq!(all, records.iter().map(SignedRecord::id).collect::<Vec<_>>());
    });
}

#[test]
fn e9_changes_are_told_as_the_cursor_sees_them() {
    each_store(|store| {
        let records = put_all(store, [spec(1, 10), spec(2, 11), spec(3, 12).expiring(50), spec(4, 13)]);
        put_all(store, [spec(1, 20), spec(2, 21).deleted()]);
        store.expire(Timestamp(60), 10).unwrap();
        put_all(store, [spec(5, 22)]);
        commit(store);
        let reader = store.reader();
        let id = |n: usize| records[n - 1].id();
        use ChangeKind::{Added, Deleted, Expired, Updated};
        let all = changes(&reader, 0);
        let five = all.entries[4].record.id;
        let tail = [(6, Deleted, id(2)), (7, Expired, id(3)), (8, Added, five)];
        assert_eq!(told(&all.entries), [&[(4, Added, id(4)), (5, Added, id(1))], &tail[..]].concat());
        assert_eq!(told(&changes(&reader, 4).entries), [&[(5, Updated, id(1))], &tail[..]].concat());
        assert_eq!((all.through, changes(&reader, 8).entries.len()), (Lsn(8), 0));
        assert_eq!(all.entries[1].record.body_text(), Some("body 1 at 20"));

        let two = reader.changes(Lsn(0), &[], &[], 2).unwrap();
        assert_eq!((told(&two.entries).len(), two.through), (2, Lsn(5)));
        assert_eq!(reader.changes(Lsn(3), &[], &[], 0).unwrap().through, Lsn(3));
        assert_eq!(reader.changes(Lsn(99), &[], &[], 9).unwrap().through, Lsn(99));
        assert_eq!(changes(&reader, u64::MAX).entries, []);
        let check = reader.check_at(Lsn(4)).unwrap();
        assert_eq!(check.to_be_bytes(), records[3].key().element.as_bytes()[..8]);
        assert_eq!((reader.check_at(Lsn(1)).unwrap(), reader.check_at(Lsn(9)).unwrap()), (0, 0));
    });
}

#[test]
fn e3_changes_are_of_the_wanted_types_and_authors() {
    each_store(|store| {
        put_all(
            store,
            (0..12).map(|n| {
                let record = spec(n, 10 + n).of(["note", "chat.message", "peergraph.x"][n as usize % 3]);
                if n % 2 == 0 { record.edited(1 + n as usize % 4) } else { record }
            }),
        );
        commit(store);
        let reader = store.reader();
        let of = |types: &[&str], authors: &[usize], max| {
            let types: Vec<_> = types.iter().map(|name| kind(name)).collect();
            let authors: Vec<_> = authors.iter().map(|n| peer(*n)).collect();
            let found = reader.changes(Lsn(2), &types, &authors, max).unwrap();
            (found.entries.iter().map(|c| c.lsn.0).collect::<Vec<_>>(), found.through.0)
        };
        assert_eq!(of(&[], &[], 99), (vec![4, 5, 7, 8, 10, 11], 12));
        assert_eq!(of(&["note"], &[], 99), (vec![4, 7, 10], 12));
        assert_eq!(of(&["note", "peergraph.x", "note"], &[], 4), (vec![3, 4, 6, 7], 7));
        assert_eq!(of(&["unknown"], &[], 4), (vec![], 12));
        assert_eq!(of(&[], &[0], 99), (vec![4, 8, 10], 12));
        assert_eq!(of(&[], &[1, 3], 2), (vec![5, 7], 7));
        assert_eq!(of(&["chat.message"], &[1, 2], 99), (vec![5], 12));
        assert_eq!(of(&[], &[2], 99), (vec![], 12));
    });
}

#[test]
fn r19_a_snapshot_has_what_counts_with_credentials_first() {
    each_store(|store| {
        let specs = [
            spec(1, 10),
            spec(2, 11).of("peergraph.presence"),
            spec(3, 12).of("peergraph.credential"),
            spec(4, 13).deleted(),
            spec(5, 14).expiring(20),
            spec(6, 15).by(1),
            spec(7, 16).of("peergraph.credential"),
        ];
        let records = put_all(store, specs);
        store.expire(Timestamp(20), 9).unwrap();
        commit(store);
        put_all(store, [spec(8, 30)]);
        let reader = store.reader();
        let mut seen = Vec::new();
        reader.snapshot(&mut |bytes| (seen.push(bytes), true).1).unwrap();
        let expected: Vec<_> = [2, 6, 0, 3, 5].map(|n: usize| records[n].bytes().clone()).into();
        assert_eq!(seen, expected, "committed, current, and no presence");
        let mut first = 0;
        reader.snapshot(&mut |_| (first += 1, first < 3).1).unwrap();
        assert_eq!(first, 3, "it ends when told to");
    });
}
