//! Questions about members that need the database.

use super::Engine;
use crate::{
    ids::PeerId,
    record::{Role, SignedRecord},
    records::StoreError,
    time::Now,
};

impl Engine {
    /// The grants that make somebody a member, from the creator's down; `None` if it is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn credentials_of(&self, now: Now, peer: PeerId) -> Result<Option<Vec<SignedRecord>>, StoreError> {
        let Some(members) = self.membership() else { return Ok(None) };
        let Some(standing) = members.member(peer, self.peer_time(now)) else { return Ok(None) };
        let keys = members.chain_keys(&standing);
        let records: Result<Vec<_>, _> = keys.iter().map(|key| self.store.fetch(key)).collect();
        Ok(Some(records?.into_iter().flatten().collect()))
    }

    /// Name and role of a member, or of one whose membership has ended, but not of one who was removed.
    pub fn last_membership(&self, now: Now, peer: PeerId) -> Option<(String, Role)> {
        let members = self.membership()?;
        let standing = members.member(peer, self.peer_time(now)).or_else(|| members.last_standing(peer))?;
        standing.grant.is_some().then_some((standing.name, standing.role))
    }
}
