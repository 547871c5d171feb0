//! Acts from the database: all of them again, in the order in which they name each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, acts::META_LEAVES};
use crate::{
    authority::{Act, Credential},
    group::{Again, Lack, Membership},
    record::{RecordKey, RecordType, SignedRecord},
    records::StoreError,
    time::Now,
    wire::Filter,
};

impl Engine {
    /// Reads all acts again from the database.
    pub(super) fn reload_members(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(mut members) = self.genesis.as_ref().and_then(Membership::new) else { return Ok(()) };
        let (mut stored, withheld) = self.stored_acts()?;
        // Rights rest on these: an altered file must not give any, not even until all of it was checked.
        let unsound: BTreeSet<RecordKey> = self.unsound(now, &stored);
        stored.retain(|record| !unsound.contains(&record.key()));
        let rest = in_order(
            &mut members,
            stored,
            |record| record,
            |members, record| {
                members.enter(record);
                Ok(())
            },
        )?;
        let heard = self.store.meta(META_LEAVES)?.and_then(|kept| postcard::from_bytes(&kept).ok());
        members.remember(heard.unwrap_or_default());
        let learnt = members.judge();
        let mut idle: BTreeSet<RecordKey> = learnt.withheld.into_iter().collect();
        self.group.orphans.clear();
        let acts = rest.iter().filter_map(|(record, _)| Act::of(record));
        let lists: BTreeSet<[u8; 32]> = acts.flat_map(|act| act.body().chunks().to_vec()).collect();
        for (record, lack) in rest {
            let key = record.key();
            let of_no_act = matches!(Credential::of(&record), Ok(Credential::Chunk(chunk)) if !lists.contains(&chunk.hash()));
            match lack {
                // It never fits, and nobody takes it. A chunk without its act: this node was cut off while it listed.
                Lack::Fault(_) => self.discard_act(&key)?,
                Lack::Missing(_) if of_no_act => self.discard_act(&key)?,
                Lack::Missing(missing) => {
                    idle.insert(key);
                    self.group.orphans.entry(missing).or_default().push(key);
                }
                Lack::Crowded => drop(idle.insert(key)),
            }
        }
        for key in &learnt.displaced {
            self.discard_act(key)?;
        }
        if !self.group.orphans.is_empty() {
            tracing::warn!(
                count = self.group.orphans.len(),
                "acts in the database whose past is missing count for nothing"
            );
        }
        let (hide, show) = (idle.difference(&withheld), withheld.difference(&idle));
        let (hide, show) = (hide.copied().collect(), show.copied().collect());
        self.group.epochs.read_again(members.acts_of_keys().collect());
        self.group.members = Some(members);
        self.waiting.look_again(Again { all: true, ..Again::default() });
        self.group.listings.rewind();
        self.withhold_acts(hide, show)?;
        self.load_names()?;
        self.group.changed = true;
        self.group.expel_later();
        self.refresh_standing(now);
        Ok(())
    }

    /// All acts and chunks in the database, and the keys of those that it withholds.
    fn stored_acts(&self) -> Result<(Vec<SignedRecord>, BTreeSet<RecordKey>), StoreError> {
        let only = Filter::Only(RecordType::credential());
        let (envelopes, _) = self.store.envelopes(&only, RecordKey::MIN, None, usize::MAX)?;
        let decoded = envelopes.into_iter().filter_map(|b| SignedRecord::decode_stored(&self.graph, b).ok());
        let mut stored: Vec<SignedRecord> = decoded.collect();
        let withheld = self.store.withheld(&only, RecordKey::MIN, usize::MAX)?;
        for key in &withheld {
            stored.extend(self.store.fetch_withheld(key)?);
        }
        Ok((stored, withheld.into_iter().collect()))
    }
}

/// Gives each record to `take` once what it names was taken; what is left, and what it lacks.
pub(super) fn in_order<R>(
    members: &mut Membership,
    mut records: Vec<R>,
    signed: impl Fn(&R) -> &SignedRecord,
    mut take: impl FnMut(&mut Membership, &R) -> Result<(), StoreError>,
) -> Result<Vec<(R, Lack)>, StoreError> {
    records.sort_by_key(|record| std::cmp::Reverse(signed(record).key()));
    let (mut waiting, mut rest) = (BTreeMap::<[u8; 32], Vec<R>>::new(), Vec::new());
    while let Some(record) = records.pop() {
        match members.vet(signed(&record)) {
            Ok(credential) => {
                take(members, &record)?;
                for id in credential.provides() {
                    records.extend(waiting.remove(&id).into_iter().flatten());
                }
            }
            Err(Lack::Missing(missing)) => waiting.entry(missing).or_default().push(record),
            Err(lack) => rest.push((record, lack)),
        }
    }
    let missing = waiting.into_iter();
    rest.extend(missing.flat_map(|(id, records)| records.into_iter().map(move |r| (r, Lack::Missing(id)))));
    Ok(rest)
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
