//! One suite for every store.

use std::sync::{Arc, LazyLock};

use super::{
    Change, Changes, Durability, Fingerprint, ListQuery, MemoryStore, Page, Put, Reader, Store,
    VerifiedRecord,
    merge::{is_conflict, rank},
    summary::sum,
};
use crate::{
    crypto::{LtHash, SecretKey},
    ids::{GraphId, Lsn, PeerId, RecordId},
    record::{Attributes, ChangeKind, Header, Record, RecordKey, RecordType, SignedRecord},
    time::{Hlc, Timestamp},
    wire::Filter,
};

mod conflicts;
mod feed;
mod keys;
mod properties;
mod withheld;
mod writing;

pub(super) const GRAPH: GraphId = GraphId::from_bytes([3; 32]);
/// Before anything expires.
pub(super) const EARLY: Timestamp = Timestamp(1);

static SECRETS: LazyLock<Vec<SecretKey>> =
    LazyLock::new(|| (0..4).map(|n| SecretKey::from_bytes(&[n; 32])).collect());

/// A record to be made: number `n` of the author `by`, written at millisecond `at`.
#[derive(Clone, Copy)]
pub(super) struct Spec {
    pub(super) n: u64,
    pub(super) by: usize,
    pub(super) editor: Option<usize>,
    pub(super) at: u64,
    pub(super) kind: &'static str,
    pub(super) expires: Option<u64>,
    pub(super) deleted: bool,
    /// Bytes added to the body.
    pub(super) padding: usize,
}

/// A chat message.
pub(super) const fn spec(n: u64, at: u64) -> Spec {
    Spec { n, by: 0, editor: None, at, kind: "chat.message", expires: None, deleted: false, padding: 0 }
}

impl Spec {
    pub(super) const fn of(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    pub(super) const fn by(self, by: usize) -> Self {
        Self { by, ..self }
    }

    pub(super) const fn edited(self, editor: usize) -> Self {
        Self { editor: Some(editor), ..self }
    }

    pub(super) const fn expiring(self, at: u64) -> Self {
        Self { expires: Some(at), ..self }
    }

    pub(super) const fn deleted(self) -> Self {
        Self { deleted: true, ..self }
    }

    pub(super) const fn padded(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    pub(super) fn make(self) -> VerifiedRecord {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.n.to_le_bytes());
        let key = &SECRETS[self.editor.unwrap_or(self.by)];
        let (attributes, body) = match self.deleted {
            true => (Attributes::new(), String::new()),
            false => (
                Attributes::from([("n", self.n as i64)]),
                format!("body {} at {}{}", self.n, self.at, " ".repeat(self.padding)),
            ),
        };
        let header = Header {
            editor: self.editor.map(peer),
            version: 1 + self.at,
            created: Timestamp(1),
            expires: self.expires.map(Timestamp),
            deleted: self.deleted,
            attributes,
            ..Header::first(
                RecordType::new(self.kind).unwrap(),
                nonce,
                peer(self.by),
                Hlc::at(Timestamp(self.at)),
            )
        };
        VerifiedRecord::unchecked(SignedRecord::sign(&GRAPH, key, header, body.as_bytes()))
    }
}

pub(super) fn peer(n: usize) -> PeerId {
    SECRETS[n].peer()
}

pub(super) fn kind(name: &str) -> RecordType {
    RecordType::new(name).unwrap()
}

/// Runs a check on each kind of store, empty.
fn each_store(check: impl Fn(&mut dyn Store)) {
    println!("memory");
    check(&mut MemoryStore::new(GRAPH, 7));
    #[cfg(feature = "sqlite")]
    {
        println!("sqlite");
        let dir = tempfile::tempdir().unwrap();
        check(&mut super::SqliteStore::open(&dir.path().join("db"), GRAPH, 7).unwrap().0);
        println!("sqlite, sealed");
        let dir = tempfile::tempdir().unwrap();
        let sealer = super::Sealer::new([8; 32].into(), b"wrapped".to_vec(), [9; 32]);
        check(&mut super::SqliteStore::open_sealed(&dir.path().join("db"), GRAPH, 7, sealer).unwrap().0);
    }
}

/// Puts records and returns them signed.
pub(super) fn put_all(store: &mut dyn Store, specs: impl IntoIterator<Item = Spec>) -> Vec<SignedRecord> {
    let put = |spec: Spec| {
        let record = spec.make();
        store.put(&record).unwrap();
        record.signed().clone()
    };
    specs.into_iter().map(put).collect()
}

pub(super) fn commit(store: &mut dyn Store) {
    store.commit(Durability::Relaxed).unwrap();
}

pub(super) fn all_keys(store: &dyn Store) -> Vec<RecordKey> {
    store.keys(&Filter::All, RecordKey::MIN, None, usize::MAX).unwrap()
}

/// The fingerprint of keys, the slow way.
pub(super) fn naive(keys: &[RecordKey]) -> Fingerprint {
    let hash: LtHash = sum(keys);
    Fingerprint { count: keys.len() as u64, hash: hash.fingerprint(keys.len() as u64) }
}

pub(super) fn changes(reader: &Arc<dyn Reader>, after: u64) -> Changes {
    reader.changes(Lsn(after), &[], &[], usize::MAX).unwrap()
}

/// What happened, in order: place, kind, id.
pub(super) fn told(changes: &[Change]) -> Vec<(u64, ChangeKind, RecordId)> {
    changes.iter().map(|change| (change.lsn.0, change.kind, change.record.id)).collect()
}

/// Everything that can be seen of a store and its reader.
pub(super) fn observe(store: &dyn Store) -> String {
    use std::fmt::Write;
    let mut seen = String::new();
    let reader = store.reader();
    let keys = all_keys(store);
    let middle = keys.get(keys.len() / 2).copied();
    writeln!(seen, "{:?} {:?}", store.last_lsn(), store.last_hlc().unwrap()).unwrap();
    writeln!(seen, "{:?} {:?}", store.root(), store.next_expiry().unwrap()).unwrap();
    writeln!(seen, "meta {:?}", store.meta("name").unwrap()).unwrap();
    for filter in [Filter::All, Filter::Only(kind("chat.message")), Filter::Only(kind("peergraph.x"))] {
        for (from, to) in
            [(RecordKey::MIN, None), (RecordKey::MIN, middle), (middle.unwrap_or(RecordKey::MAX), None)]
        {
            writeln!(seen, "{:?}", store.keys(&filter, from, to, 1000).unwrap()).unwrap();
            writeln!(seen, "{:?}", store.fingerprint(&filter, from, to).unwrap()).unwrap();
            writeln!(seen, "{:?}", store.split(&filter, from, to, 3).unwrap()).unwrap();
            writeln!(seen, "{:?}", store.envelopes(&filter, from, to, 1000).unwrap()).unwrap();
        }
        writeln!(seen, "{:?}", store.newest(&filter, &[1, 2, 8]).unwrap()).unwrap();
    }
    for filter in [Filter::All, Filter::Only(kind("note"))] {
        let withheld = store.withheld(&filter, RecordKey::MIN, 1000).unwrap();
        let fetched = withheld.iter().map(|key| store.fetch_withheld(key).unwrap()).collect::<Vec<_>>();
        writeln!(seen, "withheld {withheld:?} {fetched:?}").unwrap();
        assert!(withheld.iter().all(|key| store.contains(key).unwrap()));
    }
    for who in (0..4).map(peer) {
        let current = store.current_by(&who, Lsn(0), Lsn(u64::MAX), 1000).unwrap();
        let withheld = store.withheld_by(&who, RecordKey::MIN, 1000).unwrap();
        writeln!(seen, "by {who}: {current:?} {withheld:?} {:?}", store.losers_by(&[who].into())).unwrap();
    }
    let mut sent = Vec::new();
    reader
        .snapshot(&mut |bytes| {
            sent.push(bytes);
            true
        })
        .unwrap();
    writeln!(seen, "exported {sent:?}").unwrap();
    writeln!(seen, "read {:?} {}", reader.last_lsn().unwrap(), reader.incarnation()).unwrap();
    for after in [0, 3, 9] {
        writeln!(seen, "{:?}", reader.changes(Lsn(after), &[], &[], 4).unwrap()).unwrap();
        let types = [kind("note"), kind("peergraph.x")];
        writeln!(seen, "{:?}", reader.changes(Lsn(after), &types, &[peer(1)], 9).unwrap()).unwrap();
        let query =
            ListQuery { after: Some(Lsn(after)), limit: 5, include_deleted: true, ..ListQuery::default() };
        writeln!(seen, "{:?}", reader.list(&query, Timestamp(50)).unwrap()).unwrap();
    }
    for lsn in 0..store.last_lsn().0 + 2 {
        write!(seen, "{} ", reader.check_at(Lsn(lsn)).unwrap()).unwrap();
    }
    seen
}

/// All records, counted.
fn query() -> ListQuery {
    ListQuery { count: true, ..ListQuery::default() }
}

pub(super) fn read(reader: &Arc<dyn Reader>, record: &SignedRecord) -> Option<Record> {
    reader.get(&record.id(), EARLY).unwrap()
}
