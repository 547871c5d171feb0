//! Acts at work: taken in from records, signed for this identity, and what follows from them for the database.

use super::{
    Engine, PublishError,
    ingest::{Arrived, Candidate, Source, Staged},
    refused::Because,
    reload::in_order,
};
use crate::{
    authority::{Act, ActBody, Content, KeepChunk},
    group::{CredentialFault, Lack, Membership, Standing},
    ids::ActId,
    record::{Header, RecordKey, Role, SignedRecord},
    records::{Put, RejectReason, StoreError, VerifiedRecord, admit_own},
    time::Now,
};

/// Which leave of an identity was heard first cannot be told from what is stored.
pub(super) const META_LEAVES: &str = "leaves";

impl Engine {
    pub(super) fn discard_act(&mut self, key: &RecordKey) -> Result<(), StoreError> {
        self.store.discard(key)?;
        self.meta_written = true;
        Ok(())
    }

    /// Takes acts out of what is offered, and offers others again.
    pub(super) fn withhold_acts(
        &mut self,
        hide: Vec<RecordKey>,
        show: Vec<RecordKey>,
    ) -> Result<(), StoreError> {
        for key in hide {
            self.expired.extend(self.store.withhold(&key)?);
            self.staged.retain(|staged| staged.record.signed().key() != key);
            self.meta_written = true;
        }
        for key in show {
            if let Some((record, put)) = self.store.release(&key)? {
                self.staged.push(Staged { record, put, source: Source::Held, kept: None });
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
        let stored = self.stored_ids(&records)?;
        let Some(mut members) = self.group.members.take() else { return Ok(()) };
        members.need_too(stored);
        let rest = in_order(
            &mut members,
            records,
            |(record, _)| record.signed(),
            |members, (record, source)| {
                let put = self.store.put(record)?;
                self.stamper.observe(record.signed().header().hlc);
                // One whose past was missing is in the database already.
                let is_new = Act::of(record.signed()).is_some_and(|act| !members.has(&act.id()));
                if is_new || matches!(put, Put::Inserted { .. } | Put::Replaced { .. }) {
                    members.enter(record.signed());
                }
                self.staged.push(Staged { record: record.clone(), put, source: *source, kept: None });
                Ok(())
            },
        );
        self.group.members = Some(members);
        let rest = rest?;
        self.learn(now)?;
        for ((record, source), lack) in rest {
            let signed = record.signed();
            match lack {
                // It lacks more than the one that came.
                Lack::Missing(missing) if self.is_withheld(signed, source)? => {
                    self.group.orphans.entry(missing).or_default().push(signed.key());
                    self.waiting.again.look_at(missing);
                }
                Lack::Missing(missing) => self.wait(now, signed, Some(missing)),
                Lack::Crowded => self.wait(now, signed, None),
                Lack::Fault(fault) => {
                    let reason = RejectReason::NotAuthorized(fault.text());
                    self.on_rejected(now, source, signed.key(), &reason);
                }
            }
        }
        self.take_needed();
        Ok(())
    }

    /// Acts that are in the database already: they cost nothing more, however many such are here.
    fn stored_ids(&self, records: &[(VerifiedRecord, Source)]) -> Result<Vec<ActId>, StoreError> {
        let mut stored = Vec::new();
        for (record, source) in records {
            if self.is_withheld(record.signed(), *source)? {
                stored.extend(Act::of(record.signed()).map(|act| act.id()));
            }
        }
        Ok(stored)
    }

    fn is_withheld(&self, record: &SignedRecord, source: Source) -> Result<bool, StoreError> {
        Ok(source == Source::Held && self.store.fetch_withheld(&record.key())?.is_some())
    }

    /// Keeps an act or a chunk that cannot be taken in yet.
    fn wait(&mut self, now: Now, record: &SignedRecord, missing: Option<[u8; 32]>) {
        tracing::debug!(record = %record.id().short(), "an act waits for another one");
        let author = record.header().creator;
        let is_stranger = self.membership().is_none_or(|members| members.is_stranger(&author));
        self.waiting.add(now.mono, record.clone(), missing, is_stranger);
    }

    /// Takes in what was set aside and is needed now, or fits.
    pub(super) fn take_needed(&mut self) {
        let Some(members) = self.group.members.as_mut().filter(|_| self.waiting.has_set_aside()) else {
            return;
        };
        let mut needed = members.take_needs();
        // A record of a member may name a grant or a renewal that does not count any more. Also needed is what acts in the database
        // lack.
        let is_named = |id: &ActId| {
            let mut records = self.deferred.waiting_for(id.as_bytes());
            records.any(|record| members.verdict().has_grant(&record.header().author()))
                || self.group.orphans.contains_key(id.as_bytes())
        };
        let looked = self.waiting.look(&mut needed, |act| members.needs_past(act), is_named);
        members.need(needed);
        let fitting = self.waiting.take_set_aside(&looked, members.fitting());
        self.incoming.extend(fitting.into_iter().map(Candidate::held));
    }

    /// Judges by the acts that were entered, and carries out what follows.
    pub(super) fn learn(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(members) = &mut self.group.members else { return Ok(()) };
        let mut learnt = members.judge();
        let heard = learnt.left_again.then(|| members.heard_leaves());
        for key in &learnt.displaced {
            self.discard_act(key)?;
            self.refused.note(now.mono, *key, Because::Members);
        }
        self.waiting.look_again(std::mem::take(&mut learnt.again));
        self.staged.retain(|staged| !learnt.displaced.contains(&staged.record.signed().key()));
        self.withhold_acts(learnt.withheld, learnt.released)?;
        if learnt.arrived.is_empty() {
            return Ok(());
        }
        if let Some(heard) = heard {
            let heard = postcard::to_stdvec(&heard).expect("ids and numbers always encode");
            self.keep_meta(META_LEAVES, &heard)?;
        }
        // Before what is void now is noted.
        self.refused.forget(Because::Members);
        if let Some(members) = &self.group.members {
            self.group.listings.widen(members, &*self.store);
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
            let mut released = self.deferred.release(arrived);
            released.extend(self.waiting.release(arrived));
            for key in self.group.orphans.remove(arrived).unwrap_or_default() {
                released.extend(self.store.fetch_withheld(&key)?);
            }
            self.incoming.extend(released.into_iter().map(Candidate::held));
        }
        self.hand_over_papers(now);
        self.take_needed();
        Ok(())
    }

    /// Signs an act for this identity and stores it. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError::Credential`] with the rule that is broken, and as [`publish`](Engine::publish).
    pub fn issue(&mut self, now: Now, content: Content) -> Result<SignedRecord, PublishError> {
        self.issue_keeping(now, content, &[])
    }

    /// The same by this grant of its, and by no other.
    pub(super) fn issue_by(
        &mut self,
        now: Now,
        by: Option<ActId>,
        content: Content,
    ) -> Result<SignedRecord, PublishError> {
        self.merge_heads(now)?;
        let act = self.draft(now, content)?;
        let act = Act::draft(ActBody { by, ..act.body().clone() });
        self.membership().ok_or(CredentialFault::NotAMember)?.may_sign(&act)?;
        let signed = self.put_act(act.to_record())?;
        self.learn(now)?;
        Ok(signed)
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

    /// An act of this identity, as it would be signed now: by the first of its grants that carries it, and has the right.
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
        let (members, first) = self.own_standing()?;
        let at = self.stamper.tick(self.peer_time(now)).timestamp();
        let body = ActBody { author: self.device.peer, by: first.named, after, at, content };
        let act = Act::draft(body);
        if self.group.standings.len() == 1 {
            return Ok(act);
        }
        let mut carried = None;
        for own in &self.group.standings {
            let by_it = Act::draft(ActBody { by: own.named, ..act.body().clone() });
            if members.may_sign(&by_it).is_ok() {
                if members.has_right(self.device.peer, own, &by_it.body().content).is_ok() {
                    return Ok(by_it);
                }
                carried.get_or_insert(by_it);
            }
        }
        Ok(carried.unwrap_or(act))
    }

    /// Membership, and what this identity is by the first of its grants that has a right; why none has.
    pub(super) fn own_with(
        &self,
        right: impl Fn(&Membership, &Standing) -> Result<(), CredentialFault>,
    ) -> Result<(&Membership, &Standing), CredentialFault> {
        let (members, first) = self.own_standing()?;
        let mut fault = match right(members, first) {
            Ok(()) => return Ok((members, first)),
            Err(fault) => fault,
        };
        for own in self.group.standings.get(1..).unwrap_or_default() {
            match right(members, own) {
                Ok(()) => return Ok((members, own)),
                // That one lacks the role says less.
                Err(other) => fault = if fault == CredentialFault::Role { other } else { fault },
            }
        }
        Err(fault)
    }

    /// Membership, and what this identity is by the first of its grants.
    pub(super) fn own_standing(&self) -> Result<(&Membership, &Standing), CredentialFault> {
        let members = self.membership().ok_or(CredentialFault::NotAMember)?;
        let own = self.group.standings.first().ok_or_else(|| members.why_no_member(self.device.peer))?;
        Ok((members, own))
    }

    /// Names heads by acts of their own, as long as there are more than the next act could.
    pub(super) fn merge_heads(&mut self, now: Now) -> Result<(), PublishError> {
        loop {
            let members = self.own_standing()?.0;
            let inviter = self.group.standings.iter().find(|own| own.role >= Role::Inviter);
            let Some(own) = inviter else { return Ok(()) };
            let at = self.stamper.tick(self.peer_time(now)).timestamp();
            let merge = members.verdict().merge(members.acts(), self.device.peer, own.named, at);
            let Some(merge) = merge.map(Act::draft) else { return Ok(()) };
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

#[cfg(test)]
#[path = "crowded_tests.rs"]
mod tests;
