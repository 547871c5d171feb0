//! From the database to a running graph, and back when it closes.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Engine,
    sweep::{goes_on, readable},
};
use crate::{
    graph::{KeptContact, Known},
    ids::{ActId, Lsn},
    limits::{MAX_CONTACTS_INTERVAL, MIN_CONTACTS_INTERVAL, STEP_BYTES},
    record::{Genesis, GraphProperties, RecordKey, RecordType, SignedRecord},
    records::{AdmitContext, StoreError, Verdict, find_unsound},
    time::{Mono, Now},
    wire::Filter,
};

pub(super) const META_SYNCED: &str = "synchronized";
pub(super) const META_GENESIS: &str = "genesis";
/// How far a first join is: see [`Joining`].
pub const META_JOINING: &str = "joining";
const META_CONTACTS: &str = "contacts";

/// Pause between two steps of checking the stored records, so that a large database does not hold up its opening.
pub(super) const CHECK_PAUSE: Duration = Duration::from_millis(20);
/// Records checked in one step.
const CHECK_BATCH: usize = 256;

/// How far a first join is. Kept in the database, so that a join that was cut off is known for what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Joining {
    /// Nobody has let this node in yet: nothing is lost if it goes.
    Begun,
    /// It was let in, and part of the database may be here: the next join goes on from there.
    LetIn,
}

impl Joining {
    /// Reads what [`to_bytes`](Self::to_bytes) made; `None` if there is no join, or no more.
    pub fn from_bytes(kept: &[u8]) -> Option<Self> {
        match kept {
            [0] => Some(Self::Begun),
            [1] => Some(Self::LetIn),
            _ => None,
        }
    }

    /// The bytes for the disk; of none, once it is over.
    pub const fn to_bytes(of: Option<Self>) -> [u8; 1] {
        match of {
            Some(Self::Begun) => [0],
            Some(Self::LetIn) => [1],
            None => [2],
        }
    }
}

/// Where the check of the stored records goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unchecked {
    /// Current versions, by key.
    Current(RecordKey),
    /// What is left of others, by place in the feed.
    Left(Lsn),
    /// Losers of conflicts, behind this key.
    Losers(RecordKey),
    /// Withheld versions, by key.
    Withheld(RecordKey),
}

impl Engine {
    pub(super) fn load(&mut self, now: Now) -> Result<(), StoreError> {
        // An invitation for one identity brings it before anybody was met.
        if let Some(genesis) = self.genesis.clone()
            && self.store.meta(META_GENESIS)?.is_none()
        {
            self.keep_genesis(&genesis)?;
        }
        self.usable = self.store.meta(META_SYNCED)?.is_some();
        self.joining = self.store.meta(META_JOINING)?.and_then(|kept| Joining::from_bytes(&kept));
        self.load_freshness()?;
        self.find_unsent(now)?;
        self.presence.since = self.peer_time(now);
        if let Some(id) = self.properties_id
            && let Some(record) = self.store.get(&id)?
            && let Ok(properties) = crate::wire::decode_exact::<GraphProperties>(&record.body())
        {
            self.properties = properties;
        }
        self.begin_group(now)?;
        self.next_expiry = self.store.next_expiry()?;
        // Expired records are gone before anybody can see them; their events wait for the first flush.
        self.flush_store(now)?;
        let mut stored = self.stored_presence(now);
        stored.sort_by_key(|(.., presence)| presence.since);
        for (.., presence) in stored {
            self.overlay.add_contact(now, presence.addr, Some(presence.device.peer), Known::Signed);
        }
        if let Some(bytes) = self.store.meta(META_CONTACTS)?
            && let Ok(contacts) = postcard::from_bytes::<Vec<KeptContact>>(&bytes)
        {
            contacts.into_iter().for_each(|kept| self.overlay.restore_contact(now, kept));
        }
        self.unchecked = Some(Unchecked::Current(RecordKey::MIN));
        self.check_stored(now);
        Ok(())
    }

    /// Makes this node the graph's first: it has all there is.
    ///
    /// # Errors
    /// [`StoreError`] if that cannot be stored.
    pub fn found(&mut self, now: Now, properties: &GraphProperties) -> Result<(), super::PublishError> {
        self.usable = true;
        self.current_now = true;
        self.group.compared = true;
        self.be_sole();
        self.refresh_stamper(now);
        self.keep_meta(META_SYNCED, &[1])?;
        if let Some(genesis) = self.genesis.clone() {
            self.keep_genesis(&genesis)?;
        }
        self.put_properties(now, properties)?;
        self.hasten_epochs();
        self.flush(now)?;
        Ok(())
    }

    pub(super) fn learn_genesis(&mut self, now: Now, genesis: Genesis) {
        if self.genesis.is_some() {
            return;
        }
        self.properties_id = Some(crate::record::record_id(&self.graph, &genesis.creator, &[0; 16]));
        if let Err(error) = self.keep_genesis(&genesis) {
            tracing::error!(%error, "cannot store what the graph is");
        }
        if let Some(hook) = self.genesis_hook.take() {
            hook(&genesis);
        }
        self.genesis = Some(genesis);
        if let Err(error) = self.begin_group(now) {
            tracing::error!(%error, "the credentials cannot be read");
        }
    }

    fn keep_genesis(&mut self, genesis: &Genesis) -> Result<(), StoreError> {
        let bytes = postcard::to_stdvec(genesis).expect("a genesis always encodes");
        self.keep_meta(META_GENESIS, &bytes)
    }

    /// Checks signatures and rules of the next stretch of stored records; what does not hold is thrown out. A
    /// damaged or altered file is thus found out without trusting it, a little at a time.
    pub(super) fn check_stored(&mut self, now: Now) {
        let Some(from) = self.unchecked.filter(|_| self.failing.due.is_none()) else { return };
        self.checked_from.get_or_insert(from);
        let result = match from {
            Unchecked::Current(from) => self.check_stretch(now, from),
            Unchecked::Left(after) => self.check_left(after),
            Unchecked::Losers(after) => self.check_losers(now, after),
            Unchecked::Withheld(from) => self.check_withheld(now, from),
        };
        self.unchecked = result.unwrap_or_else(|error| {
            tracing::error!(%error, "the stored records cannot be checked");
            self.failing.broken = Some(error);
            None
        });
    }

    /// A record turned out to be damaged: the check finds what else is, and throws it out.
    pub(super) const fn check_all_again(&mut self) {
        if self.unchecked.is_none() {
            self.unchecked = Some(Unchecked::Current(RecordKey::MIN));
        }
    }

    /// What expired and void versions left decides who wins, so it must be signed as well.
    fn check_left(&mut self, after: Lsn) -> Result<Option<Unchecked>, StoreError> {
        let rows = self.store.left(after, CHECK_BATCH)?;
        let next = rows.last().map(|(lsn, _)| *lsn).filter(|_| rows.len() == CHECK_BATCH);
        for (lsn, record) in rows {
            if !record.is_some_and(|record| record.verify(&self.graph)) {
                tracing::warn!(place = lsn.0, "what a record left is damaged; it is thrown out");
                self.store.discard_left(lsn)?;
                self.meta_written = true;
            }
        }
        Ok(Some(next.map_or(Unchecked::Losers(RecordKey::MIN), Unchecked::Left)))
    }

    fn check_stretch(&mut self, now: Now, from: RecordKey) -> Result<Option<Unchecked>, StoreError> {
        let keys = self.store.keys(&Filter::All, from, None, CHECK_BATCH)?;
        // What cannot be read, or is not what its key says, is unsound whatever its signature.
        let (mut bad, mut records, mut looked, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
        for key in &keys {
            match self.store.fetch(key) {
                Ok(Some(record)) if record.key() == *key => {
                    bytes += record.bytes().len();
                    records.push(record);
                }
                _ => bad.push(*key),
            }
            looked += 1;
            if bytes > STEP_BYTES {
                break;
            }
        }
        if self.genesis.is_none() {
            return Ok(None);
        }
        bad.extend(self.unsound(now, &records));
        // A removal whose consequences were cut off.
        for record in records.iter().filter(|record| record.header().record_type != RecordType::CREDENTIAL) {
            if bad.contains(&record.key()) {
                continue;
            }
            match self.policy().check(record, None) {
                // A list that is on its way has a minute from the start on.
                Verdict::Defer { missing }
                    if self.membership().is_some_and(|members| members.has(&ActId::from_bytes(missing)))
                        && self.waits_patiently(now, record, &missing) => {}
                _ => self.judge_stored(now, record)?,
            }
        }
        for key in bad {
            tracing::warn!(element = %key.element.short(), "a stored record does not hold; it is thrown out");
            self.store.discard(&key)?;
            self.meta_written = true;
        }
        let next = goes_on(&keys, looked, CHECK_BATCH);
        Ok(Some(next.map_or(Unchecked::Left(Lsn(0)), Unchecked::Current)))
    }

    /// Losers of conflicts are shown, so they must be signed and count.
    fn check_losers(&mut self, now: Now, after: RecordKey) -> Result<Option<Unchecked>, StoreError> {
        let mut keys: Vec<RecordKey> = self.store.losers().into_iter().filter(|key| *key > after).collect();
        keys.sort_unstable();
        let more = keys.len() > CHECK_BATCH;
        keys.truncate(CHECK_BATCH);
        let (mut bad, mut records) = (Vec::new(), Vec::new());
        for key in &keys {
            match readable(self.store.loser(key))?.filter(|record| record.key() == *key) {
                Some(record) => records.push(record),
                None => bad.push(*key),
            }
        }
        bad.extend(self.unsound(now, &records));
        for key in &keys {
            if bad.contains(key) {
                tracing::warn!(element = %key.element.short(), "the loser of a conflict is damaged");
                self.store.discard_loser(&key.element)?;
                self.meta_written = true;
            } else {
                self.judge_loser(key)?;
            }
        }
        let next = keys.last().filter(|_| more).map(|last| Unchecked::Losers(*last));
        Ok(Some(next.unwrap_or(Unchecked::Withheld(RecordKey::MIN))))
    }

    fn check_withheld(&mut self, now: Now, from: RecordKey) -> Result<Option<Unchecked>, StoreError> {
        let keys = self.store.withheld(&Filter::All, from, CHECK_BATCH)?;
        let (mut bad, mut records, mut looked, mut bytes) = (BTreeSet::new(), Vec::new(), 0, 0);
        for key in &keys {
            match self.store.fetch_withheld(key)? {
                Some(record) => {
                    bytes += record.bytes().len();
                    records.push(record);
                }
                None => drop(bad.insert(*key)),
            }
            looked += 1;
            if bytes > STEP_BYTES {
                break;
            }
        }
        bad.extend(self.unsound(now, &records));
        for key in &bad {
            self.drop_damaged(key)?;
        }
        let is_act = |record: &SignedRecord| record.header().record_type == RecordType::CREDENTIAL;
        for record in records.iter().filter(|record| !bad.contains(&record.key()) && !is_act(record)) {
            self.judge_withheld(now, record)?;
        }
        Ok(goes_on(&keys, looked, CHECK_BATCH).map(Unchecked::Withheld))
    }

    /// Which of the stored records nobody signed as they are, or break a rule.
    pub(super) fn unsound(&mut self, now: Now, records: &[SignedRecord]) -> BTreeSet<RecordKey> {
        let seed = rand::RngExt::random(&mut self.rng);
        let Some(genesis) = &self.genesis else { return BTreeSet::new() };
        let context = AdmitContext {
            genesis,
            peer_time: self.overlay.peer_time(now),
            policy: self.policy(),
            seed,
            parallel: self.parallel,
        };
        find_unsound(&self.graph, records, &context).into_iter().map(SignedRecord::key).collect()
    }

    /// The contacts are written at the next flush, however lately they were.
    pub(super) const fn keep_contacts_now(&mut self) {
        self.contacts_dirty = true;
        self.contacts_after = Mono(0);
    }

    /// Writes the contacts if they changed: at once in the beginning, and once a minute if they go on changing.
    pub(super) fn keep_contacts(&mut self, now: Now) -> Result<(), StoreError> {
        // While the database fails, only the try writes.
        if !self.contacts_dirty || self.failing.due.is_some() || now.mono < self.contacts_after {
            return Ok(());
        }
        self.contacts_dirty = false;
        let (first, longest) = (MIN_CONTACTS_INTERVAL, MAX_CONTACTS_INTERVAL);
        self.contacts_wait = self.contacts_wait.saturating_mul(2).clamp(first, longest);
        self.contacts_after = now.mono + self.contacts_wait;
        let contacts = self.overlay.kept_contacts();
        let bytes = postcard::to_stdvec(&contacts).expect("contacts always encode");
        self.keep_meta(META_CONTACTS, &bytes)
    }

    /// Many invented nodes come to be known.
    #[cfg(all(test, feature = "sim"))]
    pub(crate) fn flood_contacts(&mut self, now: Now, count: u32) {
        self.overlay.flood_contacts(now, count);
    }
}
