//! Random histories.

use proptest::{prelude::*, sample::Index};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Put(Index),
    PutExpired(Index),
    Expire(u64, usize),
    Collect(u64),
    Withhold(Index),
    Release(Index),
    Withdraw(Index),
    Meta(u8),
    Commit(bool),
    Rollback,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => any::<Index>().prop_map(Step::Put),
        2 => any::<Index>().prop_map(Step::PutExpired),
        2 => (0..120u64, 1..4usize).prop_map(|(now, max)| Step::Expire(now, max)),
        1 => (0..120u64).prop_map(Step::Collect),
        3 => any::<Index>().prop_map(Step::Withhold),
        2 => any::<Index>().prop_map(Step::Release),
        1 => any::<Index>().prop_map(Step::Withdraw),
        1 => any::<u8>().prop_map(Step::Meta),
        3 => any::<bool>().prop_map(Step::Commit),
        1 => Just(Step::Rollback),
    ]
}

/// Twelve records in versions that contend for one moment, expire, and are deleted.
static POOL: LazyLock<Vec<VerifiedRecord>> = LazyLock::new(|| {
    let versions = (0..12u64).flat_map(|n| (0..6u64).map(move |v| (n, v)));
    let specs = versions.map(|(n, v)| {
        let record = spec(n, 10 + (n * 7 + v / 2 * 13) % 60).by(n as usize % 2);
        let record = record.of(["chat.message", "note", "peergraph.x"][n as usize % 3]);
        let record = if v % 2 == 1 { record.edited(2 + v as usize % 2) } else { record };
        let record = if (n + v) % 4 == 0 { record.expiring(80 + n + v) } else { record };
        if v == 3 { record.deleted() } else { record }
    });
    specs.map(Spec::make).collect()
});

fn apply(store: &mut dyn Store, step: &Step) -> String {
    match step {
        Step::PutExpired(at) => format!("{:?}", store.put_expired(at.get(&POOL)).unwrap()),
        Step::Put(at) => format!("{:?}", store.put(at.get(&POOL)).unwrap()),
        Step::Expire(now, max) => format!("{:?}", store.expire(Timestamp(*now), *max).unwrap()),
        Step::Collect(before) => format!("{:?}", store.collect(Timestamp(*before)).unwrap()),
        Step::Withhold(at) => {
            one_of(at, &all_keys(store), |key| format!("{:?}", store.withhold(key).unwrap()))
        }
        Step::Release(at) => {
            let withheld = store.withheld(&Filter::All, RecordKey::MIN, usize::MAX).unwrap();
            one_of(at, &withheld, |key| format!("{:?}", store.release(key).unwrap()))
        }
        Step::Withdraw(at) => {
            let keys = [all_keys(store), store.withheld(&Filter::All, RecordKey::MIN, usize::MAX).unwrap()];
            one_of(at, &keys.concat(), |key| format!("{:?}", store.withdraw(key).unwrap()))
        }
        Step::Meta(value) => format!("{:?}", store.set_meta("name", &[*value]).unwrap()),
        Step::Commit(synced) => {
            let durability = if *synced { Durability::Synced } else { Durability::Relaxed };
            format!("{:?}", store.commit(durability).unwrap())
        }
        Step::Rollback => format!("{:?}", store.rollback().unwrap()),
    }
}

fn one_of(at: &Index, keys: &[RecordKey], act: impl FnOnce(&RecordKey) -> String) -> String {
    if keys.is_empty() { String::new() } else { act(at.get(keys)) }
}

/// The envelopes of a store in key order.
fn content(store: &dyn Store) -> Vec<bytes::Bytes> {
    store.envelopes(&Filter::All, RecordKey::MIN, None, usize::MAX).unwrap().0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_store_sums_up_what_it_has(steps in prop::collection::vec(step(), 1..60)) {
        let mut store = MemoryStore::new(GRAPH, 7);
        for step in &steps {
            apply(&mut store, step);
        }
        let keys = all_keys(&store);
        prop_assert_eq!(store.root(), naive(&keys));
        prop_assert!(keys.iter().all(|key| store.contains(key).unwrap()));
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn all_stores_look_the_same_after_any_history(steps in prop::collection::vec(step(), 1..60), every in 5..20usize) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let mut memory = MemoryStore::new(GRAPH, 7);
        let (mut sqlite, _) = super::super::SqliteStore::open(&path, GRAPH, 7).unwrap();
        for (at, step) in steps.iter().enumerate() {
            prop_assert_eq!(apply(&mut memory, step), apply(&mut sqlite, step), "step {}", at);
            if at % every == 0 {
                prop_assert_eq!(observe(&memory), observe(&sqlite), "after step {}", at);
            }
        }
        memory.rollback().unwrap();
        drop(sqlite);
        let (sqlite, _) = super::super::SqliteStore::open(&path, GRAPH, 8).unwrap();
        prop_assert_eq!(observe(&memory), observe(&sqlite));
        prop_assert_eq!(sqlite.root(), naive(&all_keys(&sqlite)));
    }

    #[test]
    fn r6_any_order_and_duplication_give_the_same_database(
        one in Just((0..72usize).collect::<Vec<_>>()).prop_shuffle(),
        other in Just((0..144usize).map(|n| n % 72).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let fill = |store: &mut dyn Store, order: &[usize]| {
            order.iter().for_each(|at| drop(store.put(&POOL[*at]).unwrap()));
            (store.root(), content(store))
        };
        let expected = fill(&mut MemoryStore::new(GRAPH, 7), &one);
        prop_assert_eq!(expected.0.count, 12);
        prop_assert_eq!(&fill(&mut MemoryStore::new(GRAPH, 7), &other), &expected);
        #[cfg(feature = "sqlite")]
        {
            let dir = tempfile::tempdir().unwrap();
            let (mut sqlite, _) = super::super::SqliteStore::open(&dir.path().join("db"), GRAPH, 7).unwrap();
            prop_assert_eq!(&fill(&mut sqlite, &other), &expected);
        }
    }
}
