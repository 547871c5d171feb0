//! Acts at work: taken in from records, signed for this identity, and what follows from them for the database.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Engine, PublishError,
    ingest::{Arrived, Candidate, Source, Staged},
    refused::Because,
};
use crate::{
    authority::{Act, ActBody, Content, Credential, KeepChunk},
    group::{CredentialFault, Lack, Membership, Standing},
    ids::ActId,
    record::{Header, RecordKey, RecordType, Role, SignedRecord},
    records::{Put, RejectReason, StoreError, VerifiedRecord, admit_own},
    time::Now,
    wire::Filter,
};

/// Which leave of an identity was heard first cannot be told from what is stored.
const META_LEAVES: &str = "leaves";

impl Engine {
    /// Reads all acts again from the database.
    pub(super) fn reload_members(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(mut members) = self.genesis.as_ref().and_then(Membership::new) else { return Ok(()) };
        let only = Filter::Only(RecordType::credential());
        let (envelopes, _) = self.store.envelopes(&only, RecordKey::MIN, None, usize::MAX)?;
        let decoded = envelopes.into_iter().filter_map(|b| SignedRecord::decode_stored(&self.graph, b).ok());
        let mut stored: Vec<SignedRecord> = decoded.collect();
        // Rights rest on these: an altered file must not give any, not even until all of it was checked.
        let unsound: BTreeSet<RecordKey> = self.unsound(now, &stored);
        stored.retain(|record| !unsound.contains(&record.key()));
        // What never fits is damaged and goes with the check of stored records.
        let rest = in_order(
            &mut members,
            stored,
            |record| record,
            |members, record| {
                members.enter(record);
                Ok(())
            },
        )?;
        if !rest.is_empty() {
            tracing::warn!(
                count = rest.len(),
                "acts in the database whose past is missing count for nothing"
            );
        }
        let moments =
            self.store.meta(META_LEAVES)?.and_then(|kept| postcard::from_bytes::<Vec<_>>(&kept).ok());
        members.remember(&moments.unwrap_or_default());
        members.judge();
        self.group.epochs.read_again(members.acts_of_keys().collect());
        self.group.members = Some(members);
        self.group.listings.rewind();
        self.forget_unnamed_chunks(&rest)?;
        self.load_names()?;
        self.group.changed = true;
        self.group.expel_later();
        self.refresh_standing(now);
        Ok(())
    }

    /// Throws out chunks of lists that no act names: this node was cut off before it had stored them all.
    fn forget_unnamed_chunks(&mut self, rest: &[(SignedRecord, Lack)]) -> Result<(), StoreError> {
        let waiting: BTreeSet<[u8; 32]> = rest
            .iter()
            .filter_map(|(record, _)| Act::of(record))
            .flat_map(|act| act.body().chunks().to_vec())
            .collect();
        for (record, _) in rest {
            if let Ok(Credential::Chunk(chunk)) = Credential::of(record)
                && !waiting.contains(&chunk.hash())
            {
                self.store.discard(&record.key())?;
                self.meta_written = true;
            }
        }
        Ok(())
    }

    /// Admits records of the credential type, in the order in which they name each other.
    pub(super) fn admit_acts(
        &mut self,
        now: Now,
        batch: Vec<Candidate>,
        arrived: &mut Arrived,
    ) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let records = self.admit_signed(now, batch, arrived)?;
        let Some(mut members) = self.group.members.take() else { return Ok(()) };
        let mut refused = Vec::new();
        let rest = in_order(
            &mut members,
            records,
            |(record, _)| record.signed(),
            |members, (record, source)| {
                let put = self.store.put(record)?;
                self.stamper.observe(record.signed().header().hlc);
                if matches!(put, Put::Inserted { .. } | Put::Replaced { .. }) {
                    members.enter(record.signed());
                }
                self.staged.push(Staged { record: record.clone(), put, source: *source, kept: None });
                Ok(())
            },
        );
        self.group.members = Some(members);
        let mut waiting = Vec::new();
        for ((record, source), lack) in rest? {
            match lack {
                Lack::Missing(missing) => waiting.push((record, missing)),
                Lack::Fault(fault) => refused.push((record.signed().key(), source, fault)),
            }
        }
        self.learn(now)?;
        for (key, source, fault) in refused {
            self.on_rejected(now, source, key, &RejectReason::NotAuthorized(fault.text()));
        }
        for (record, missing) in waiting {
            tracing::debug!(record = %record.signed().id().short(), "an act waits for an earlier one");
            if let Some(members) = &mut self.group.members {
                members.note_waiting(record.signed());
            }
            self.deferred.defer(now.mono, record.signed().clone(), missing);
        }
        Ok(())
    }

    /// Judges by the acts that were entered, and carries out what follows.
    pub(super) fn learn(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(members) = &mut self.group.members else { return Ok(()) };
        let learnt = members.judge();
        if learnt.arrived.is_empty() {
            return Ok(());
        }
        if learnt.left_again {
            let moments = postcard::to_stdvec(&members.moments()).expect("ids and numbers always encode");
            self.keep_meta(META_LEAVES, &moments)?;
        }
        // Before what is void now is noted.
        self.refused.forget(Because::Members);
        for key in &learnt.displaced {
            self.store.discard(key)?;
            self.meta_written = true;
            self.refused.note(now.mono, *key, Because::Members);
        }
        self.staged.retain(|staged| !learnt.displaced.contains(&staged.record.signed().key()));
        if let Some(members) = &self.group.members {
            self.group.listings.widen(members);
        }
        if !learnt.affected.is_empty() {
            self.drop_void_staged(now, &learnt.affected)?;
            self.sweep_later(now, learnt.affected);
        }
        self.sweep_waiting(now, &learnt.arrived)?;
        self.group.changed = true;
        self.group.expel_later();
        self.group.epochs.arrived(learnt.arrived.iter().copied().map(ActId::from_bytes));
        self.refresh_standing(now);
        for arrived in &learnt.arrived {
            let released = self.deferred.release(arrived);
            self.incoming.extend(released.into_iter().map(Candidate::held));
        }
        self.hand_over_papers(now);
        Ok(())
    }

    /// Signs an act for this identity and stores it. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError::Credential`] with the rule that is broken, and as [`publish`](Engine::publish).
    pub fn issue(&mut self, now: Now, content: Content) -> Result<SignedRecord, PublishError> {
        self.issue_keeping(now, content, &[])
    }

    /// The same, with the chunks of the list that it names.
    pub(super) fn issue_keeping(
        &mut self,
        now: Now,
        content: Content,
        chunks: &[KeepChunk],
    ) -> Result<SignedRecord, PublishError> {
        let act = self.draft_named(now, content)?;
        let signed = self.put_act(act.to_record())?;
        for chunk in chunks {
            self.put_act(chunk.to_record(act.body()))?;
        }
        self.learn(now)?;
        Ok(signed)
    }

    /// An act of this identity that names all it knows, and would be accepted.
    pub(super) fn draft_named(&mut self, now: Now, content: Content) -> Result<Act, PublishError> {
        self.merge_heads(now)?;
        let act = self.draft(now, content)?;
        self.membership().ok_or(CredentialFault::NotAMember)?.may_sign(&act)?;
        Ok(act)
    }

    /// An act of this identity, as it would be signed now: by the highest of its grants that carries it.
    pub(super) fn draft(&self, now: Now, mut content: Content) -> Result<Act, CredentialFault> {
        let members = self.own_standing()?.0;
        members.add_cuts(&mut content);
        let after = members.heads_for(self.device.peer, &content);
        self.draft_after(now, after, content)
    }

    /// The same, after these acts.
    pub(super) fn draft_after(
        &self,
        now: Now,
        after: Vec<ActId>,
        content: Content,
    ) -> Result<Act, CredentialFault> {
        let (members, highest) = self.own_standing()?;
        let at = self.stamper.tick(self.peer_time(now)).timestamp();
        let body = ActBody { author: self.device.peer, by: highest.named, after, at, content };
        let act = Act::draft(body);
        let others = self.group.standings.get(1..).unwrap_or_default();
        if others.is_empty() || members.may_sign(&act).is_ok() {
            return Ok(act);
        }
        let mut by_others =
            others.iter().map(|own| Act::draft(ActBody { by: own.named, ..act.body().clone() }));
        Ok(by_others.find(|act| members.may_sign(act).is_ok()).unwrap_or(act))
    }

    /// Membership, and what this identity is by the highest of its grants.
    pub(super) fn own_standing(&self) -> Result<(&Membership, &Standing), CredentialFault> {
        let members = self.membership().ok_or(CredentialFault::NotAMember)?;
        let own = self.group.standings.first().ok_or_else(|| members.why_no_member(self.device.peer))?;
        Ok((members, own))
    }

    /// Names heads by acts of their own, as long as there are more than the next act could.
    pub(super) fn merge_heads(&mut self, now: Now) -> Result<(), PublishError> {
        loop {
            let (members, own) = self.own_standing()?;
            let at = self.stamper.tick(self.peer_time(now)).timestamp();
            let may = own.role >= Role::Inviter;
            let merge = members.verdict().merge(members.acts(), self.device.peer, own.named, at);
            let Some(merge) = merge.filter(|_| may).map(Act::draft) else { return Ok(()) };
            members.may_sign(&merge)?;
            self.put_act(merge.to_record())?;
            self.learn(now)?;
        }
    }

    /// Signs and stores a record of the credential type, and enters it; [`learn`](Self::learn) follows.
    pub(super) fn put_act(
        &mut self,
        (header, body): (Header, Vec<u8>),
    ) -> Result<SignedRecord, PublishError> {
        let signed = self.stamper.sign(header, &body);
        let genesis = self.genesis.as_ref().ok_or(PublishError::NeverSynchronized)?;
        let verified: VerifiedRecord =
            admit_own(signed.clone(), None, genesis, self.policy()).map_err(PublishError::NotAllowed)?;
        let put = self.store.put(&verified)?;
        self.stamper.observe(verified.signed().header().hlc);
        if let Some(members) = &mut self.group.members {
            members.enter(verified.signed());
        }
        self.staged.push(Staged { record: verified, put, source: Source::Local, kept: None });
        Ok(signed)
    }
}

/// Gives each record to `take` once what it names was taken; what is left, and what it lacks.
fn in_order<R>(
    members: &mut Membership,
    mut records: Vec<R>,
    signed: impl Fn(&R) -> &SignedRecord,
    mut take: impl FnMut(&mut Membership, &R) -> Result<(), StoreError>,
) -> Result<Vec<(R, Lack)>, StoreError> {
    records.sort_by_key(|record| std::cmp::Reverse(signed(record).key()));
    let (mut waiting, mut rest) = (BTreeMap::<[u8; 32], Vec<R>>::new(), Vec::new());
    loop {
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
        // One that was taken may have brought along others, which waited since an earlier batch.
        let here = |id: &[u8; 32]| members.has(&ActId::from_bytes(*id));
        let late: Vec<[u8; 32]> = waiting.keys().filter(|id| here(id)).copied().collect();
        if late.is_empty() {
            break;
        }
        records.extend(late.iter().filter_map(|id| waiting.remove(id)).flatten());
    }
    let missing = waiting.into_iter();
    rest.extend(missing.flat_map(|(id, records)| records.into_iter().map(move |r| (r, Lack::Missing(id)))));
    Ok(rest)
}
