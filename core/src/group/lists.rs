//! Chunks of lists of kept records: which of their records are heard, and so which lists have them.
//!
//! A record of a chunk is of the acts that have its author, grant and time. It is withheld while nobody hears these. A chunk
//! counts by its hash for every list that names it, but only while some record of it is heard: a node that withholds one
//! must say the same as a node that was never offered it.

use std::collections::BTreeSet;

use super::membership::{Learnt, Membership};
use crate::{
    authority::{Act, ActBody, Content, KeepChunk, Moved},
    ids::{ActId, PeerId},
    record::SignedRecord,
    time::Timestamp,
};

/// Whose list a chunk is of: what its record and the act have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ChunkOf {
    pub(super) hash: [u8; 32],
    author: PeerId,
    by: Option<ActId>,
    at: Timestamp,
}

impl ChunkOf {
    const fn least(hash: [u8; 32]) -> Self {
        Self { hash, author: PeerId::from_bytes([0; 32]), by: None, at: Timestamp(0) }
    }

    pub(super) const fn of(act: &ActBody, hash: [u8; 32]) -> Self {
        Self { hash, author: act.author, by: act.by, at: act.at }
    }

    pub(super) fn new(hash: [u8; 32], record: &SignedRecord) -> Self {
        let header = record.header();
        let (by, at) = (header.grant.map(ActId::from_bytes), header.hlc.timestamp());
        Self { hash, author: header.creator, by, at }
    }
}

impl Membership {
    /// The same for a chunk and its record.
    pub fn enter_chunk(&mut self, chunk: KeepChunk, record: &SignedRecord) {
        let of = ChunkOf::new(chunk.hash(), record);
        self.chunks.insert(of, record.key());
        let hash = chunk.hash();
        if self.acts.insert_chunk(chunk) {
            // Until it is judged whether anybody hears it.
            self.acts.hear_chunk(&hash, false);
        }
        self.fresh_chunks.push(of);
    }

    /// True if an act names this chunk whose list is heard, or may be once it is judged.
    pub(super) fn fits(&self, chunk: &ChunkOf) -> bool {
        let naming = self.naming.get(&chunk.hash).into_iter().flatten();
        let mut acts = naming.filter_map(|id| Some((id, self.acts.get(id)?)));
        acts.any(|(id, act)| {
            let of_it = (act.author, act.by, act.at) == (chunk.author, chunk.by, chunk.at);
            let is_new = self.fresh.contains(id) && self.verdict.charge(&self.acts, act).is_none();
            of_it && (is_new || self.verdict.hears_list(&self.acts, id, self.least))
        })
    }

    /// True if what a record waits for may be on its way: an act, or a list that others offer.
    pub fn may_come(&self, missing: &[u8; 32]) -> bool {
        let act = ActId::from_bytes(*missing);
        !self.acts.contains(&act) || self.verdict.hears_list(&self.acts, &act, self.least)
    }

    /// The chunks that an act names and that are here.
    pub fn chunks_of(&self, act: &ActBody) -> Vec<KeepChunk> {
        act.chunks().iter().filter_map(|hash| self.acts.kept_chunk(hash).cloned()).collect()
    }

    /// Forgets the chunks of an act that a bound keeps out, unless another one has the same record.
    pub(super) fn forget_chunks(&mut self, act: &Act) {
        for hash in act.body().chunks() {
            let Some(naming) = self.naming.get_mut(hash) else { continue };
            naming.retain(|other| *other != act.id());
            if naming.is_empty() {
                self.naming.remove(hash);
            }
            let of = ChunkOf::of(act.body(), *hash);
            if self.acts_naming(&of).next().is_none() {
                self.unheard.remove(&of);
                self.displaced.extend(self.chunks.remove(&of));
                self.loose.insert(*hash);
            }
        }
    }

    /// The acts that name a chunk as theirs.
    fn acts_naming<'a>(&'a self, chunk: &'a ChunkOf) -> impl Iterator<Item = ActId> + 'a {
        let naming = self.naming.get(&chunk.hash).into_iter().flatten().copied();
        naming.filter(|id| {
            let act = self.acts.get(id);
            act.is_some_and(|act| (act.author, act.by, act.at) == (chunk.author, chunk.by, chunk.at))
        })
    }

    /// Withholds the chunks of lists that are not heard, and releases those of lists that are.
    pub(super) fn settle_chunks(
        &mut self,
        moved: &Moved,
        (acts, new): (&[ActId], &[ChunkOf]),
        learnt: &mut Learnt,
    ) {
        let mut hashes = std::mem::take(&mut self.loose);
        let mut of: BTreeSet<ChunkOf> = new.iter().copied().collect();
        if moved.whole {
            of.extend(self.chunks.keys());
        } else if !self.chunks.is_empty() {
            // A removal that is judged alone may bar the lists of leaves of those whom it ends, and a grant may bring them back.
            let granted = acts.iter().filter_map(|id| Some(self.verdict.grant(id)?.subject));
            let of_leaves = granted.chain(learnt.affected.iter().copied());
            let leaves = of_leaves.flat_map(|who| self.acts.leaves_of(who));
            let lists = leaves.chain(acts.iter().copied()).filter_map(|id| self.acts.get(&id));
            let named = lists.flat_map(|act| act.chunks().iter().map(|hash| ChunkOf::of(act, *hash)));
            of.extend(named.filter(|of| self.chunks.contains_key(of)).collect::<Vec<_>>());
        }
        for of in of {
            hashes.insert(of.hash);
            let heard = self.acts_naming(&of).any(|id| self.verdict.hears_list(&self.acts, &id, self.least));
            let changed = if heard { self.unheard.remove(&of) } else { self.unheard.insert(of) };
            if let Some(key) = self.chunks.get(&of).filter(|_| changed) {
                learnt.moved(*key, !heard);
            }
            if changed && heard {
                learnt.arrived.push(of.hash);
            }
        }
        for hash in hashes {
            self.settle_hash(&hash, learnt);
        }
    }

    /// A list has a chunk if some record of it is heard, be it that of another list: what is withheld is here for nobody.
    fn settle_hash(&mut self, hash: &[u8; 32], learnt: &mut Learnt) {
        let of = self.chunks.range(ChunkOf::least(*hash)..).map(|(of, _)| of);
        let heard = of.take_while(|of| of.hash == *hash).any(|of| !self.unheard.contains(of));
        if self.acts.hear_chunk(hash, heard) {
            let acts: BTreeSet<ActId> = self.naming.get(hash).into_iter().flatten().copied().collect();
            learnt.affected.extend(self.ended_by(&acts));
            // Records wait for the act whose list is not complete.
            learnt.arrived.extend(acts.iter().map(|id| *id.as_bytes()));
        }
    }

    /// Identities of whom grants are ended by these acts.
    fn ended_by(&self, acts: &BTreeSet<ActId>) -> BTreeSet<PeerId> {
        let (mut ended, mut branches) = (BTreeSet::new(), BTreeSet::<&ActId>::new());
        for id in acts {
            match self.acts.get(id).map(|act| (act.author, &act.content)) {
                Some((author, Content::Leave(_))) => drop(ended.insert(author)),
                Some((_, Content::Grant(grant))) => drop(ended.insert(grant.subject)),
                Some((_, Content::Remove(remove))) => {
                    ended.insert(remove.subject);
                    branches.extend(remove.branch.then_some(id));
                }
                _ => {}
            }
        }
        if !branches.is_empty() {
            let by_one = |id: &ActId| branches.contains(id);
            let below = self.verdict.grants().map(|(_, grant)| grant);
            let below = below.filter(|grant| grant.ended_by.iter().chain(&grant.undoes).any(by_one));
            ended.extend(below.map(|grant| grant.subject));
        }
        ended
    }
}
