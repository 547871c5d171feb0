//! What moves between machines other than over links: memberships and databases.

use bytes::Bytes;

use super::{
    Engine, JoinFailure, PublishError,
    ingest::{Candidate, Source},
    load::META_SYNCED,
};
use crate::{
    graph::Known,
    group::{CredentialFault, Standing},
    limits::REFERRALS,
    record::{Genesis, NodeAddr, SignedRecord},
    records::{StoreError, rank},
    time::Now,
};

/// What became of the records of an exported database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImportCount {
    /// New here, or newer than what was here.
    pub added: u64,
    /// Here already, or older than what is here.
    pub known: u64,
    /// Not let in: expired, not well signed, or not theirs to write.
    pub refused: u64,
    /// Waiting, invisible, for their author's credential or for their time.
    pub waiting: u64,
}

/// A database cannot be imported.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ImportFault {
    /// The graph has been online.
    #[error("a database can only be imported before the graph has connected or listened")]
    Online,
    /// It is another graph's.
    #[error("the exported database belongs to another graph")]
    WrongGraph,
    /// The database here failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// The signed records that make this identity a member, from the creator's grant down; and nodes to connect to.
    ///
    /// # Errors
    /// [`CredentialFault::NotAMember`], or [`CredentialFault::Removed`]; [`PublishError::Store`].
    pub fn export_membership(&self) -> Result<(Vec<Bytes>, Vec<NodeAddr>), PublishError> {
        let own = self.group.own.as_ref().ok_or_else(|| self.no_member())?;
        let chain = self.chain_of(own)?;
        let mut nodes = self.entry_points();
        for known in self.addresses_of(None, None) {
            if nodes.len() < REFERRALS && nodes.iter().all(|addr| addr.node != known.node) {
                nodes.push(known);
            }
        }
        Ok((chain, nodes))
    }

    /// Takes in what [`export_membership`](Self::export_membership) gave on another machine. A membership whose time is
    /// over is taken as well: the others may have renewed it.
    ///
    /// # Errors
    /// [`JoinFailure::BadGrant`] if it makes this identity no member.
    pub fn import_membership(
        &mut self,
        now: Now,
        chain: Vec<Bytes>,
        nodes: Vec<NodeAddr>,
    ) -> Result<(), JoinFailure> {
        self.take_papers(now, chain)?;
        let members = self.membership().ok_or(JoinFailure::BadGrant)?;
        let by_papers = members.vouched(self.device.peer, &self.group.papers.acts, None);
        let was_member = by_papers.or_else(|| members.last_standing(self.device.peer)).is_some();
        if self.group.own.is_none() && !was_member {
            return Err(JoinFailure::BadGrant);
        }
        for addr in nodes {
            self.overlay.add_contact(now, addr, None, Known::Hearsay);
        }
        self.pump(now);
        Ok(())
    }

    fn chain_of(&self, standing: &Standing) -> Result<Vec<Bytes>, StoreError> {
        let keys = self.membership().map(|members| members.chain_keys(standing)).unwrap_or_default();
        if keys.is_empty() {
            return Ok(self.group.papers.records.clone());
        }
        let records = keys.iter().filter_map(|key| self.store.fetch(key).transpose());
        records.map(|record| Ok(record?.bytes().clone())).collect()
    }

    fn no_member(&self) -> CredentialFault {
        let why = self.membership().map(|members| members.why_no_member(self.device.peer));
        why.unwrap_or(CredentialFault::NotAMember)
    }

    /// Begins to import a database: learns what the graph is, if that is not known yet. Not once the graph listened or
    /// had links, since it was opened.
    ///
    /// # Errors
    /// [`ImportFault`].
    pub fn begin_import(&mut self, now: Now, genesis: &Genesis) -> Result<(), ImportFault> {
        self.check_offline()?;
        if genesis.id() != self.graph {
            return Err(ImportFault::WrongGraph);
        }
        if self.genesis.is_none() {
            self.overlay.set_genesis(genesis.clone());
            self.learn_genesis(now, genesis.clone());
        }
        Ok(())
    }

    /// Takes in records under the same rules as those of strangers. Acknowledge only after [`flush`](Engine::flush)
    /// succeeds.
    ///
    /// # Errors
    /// [`ImportFault`].
    pub fn import(&mut self, now: Now, records: Vec<SignedRecord>) -> Result<ImportCount, ImportFault> {
        self.check_offline()?;
        let mut count = ImportCount::default();
        let mut new = Vec::new();
        for record in records {
            if self.has(&record.key()) {
                count.known += 1;
                continue;
            }
            new.push((record.id(), record.key(), rank(&record)));
            self.incoming_keys.insert(record.key());
            self.incoming.push(Candidate { record, source: Source::Import });
        }
        let held = self.held.len();
        self.admit_incoming(now)?;
        let mut held = self.held.len().saturating_sub(held);
        for (id, key, theirs) in new {
            let better =
                || Ok::<_, StoreError>(self.store.get(&id)?.is_some_and(|other| rank(&other) > theirs));
            if self.store.contains(&key)? {
                count.added += 1;
            } else if self.deferred.contains(&key) || self.waiting.contains(&key) {
                count.waiting += 1;
            } else if better()? {
                count.known += 1;
            } else if held > 0 {
                held -= 1;
                count.waiting += 1;
            } else {
                count.refused += 1;
            }
        }
        Ok(count)
    }

    /// Ends an import: with a whole database this node may publish and listen, as if it had synchronised.
    ///
    /// # Errors
    /// [`ImportFault`].
    pub fn finish_import(&mut self, now: Now) -> Result<(), ImportFault> {
        self.check_offline()?;
        let properties = self.properties_id.map(|id| self.store.get(&id)).transpose()?.flatten();
        if !self.usable && properties.is_some() {
            self.keep_meta(META_SYNCED, &[1])?;
            self.note_joining(None);
            self.usable = true;
            self.refresh_stamper(now);
        }
        Ok(())
    }

    /// Whether a database can be imported.
    ///
    /// # Errors
    /// [`ImportFault::Online`].
    pub fn check_offline(&self) -> Result<(), ImportFault> {
        let quiet = !self.overlay.is_online() && self.links.is_empty();
        quiet.then_some(()).ok_or(ImportFault::Online)
    }
}
