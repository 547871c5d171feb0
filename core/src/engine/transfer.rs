//! What moves between machines other than over links: memberships.

use bytes::Bytes;

use super::{Engine, JoinFailure, PublishError};
use crate::{
    group::{CredentialFault, Standing},
    limits::REFERRALS,
    record::NodeAddr,
    records::StoreError,
    time::Now,
};

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
        let accepted = self.accept_chain(now, chain);
        let was_member = self.membership().and_then(|members| members.last_standing(self.device.peer));
        if was_member.is_none() {
            accepted?;
        }
        for addr in nodes {
            self.overlay.add_contact(now, addr, None);
        }
        self.pump(now);
        Ok(())
    }

    fn chain_of(&self, standing: &Standing) -> Result<Vec<Bytes>, StoreError> {
        let keys = self.membership().map(|members| members.chain_keys(standing)).unwrap_or_default();
        let records = keys.iter().filter_map(|key| self.store.fetch(key).transpose());
        records.map(|record| Ok(record?.bytes().clone())).collect()
    }

    fn no_member(&self) -> CredentialFault {
        let end = self.membership().and_then(|members| members.end_of(self.device.peer));
        end.map_or(CredentialFault::NotAMember, |_| CredentialFault::Removed)
    }
}
