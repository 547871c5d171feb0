//! Refusing devices of members, and taking that back.

use super::{Engine, PublishError};
use crate::{
    authority::{Content, DeviceRefusal},
    ids::{NodeId, PeerId},
    time::Now,
};

impl Engine {
    /// Refuses a device: the node is let in no more as this identity. Acknowledge only after
    /// [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError::Credential`] if it is another's and this identity is no admin who is senior to it, and as
    /// [`issue`](Engine::issue).
    pub fn revoke_device(&mut self, now: Now, peer: PeerId, node: NodeId) -> Result<(), PublishError> {
        self.check_standing()?;
        let me = self.device.peer;
        let members = self.own_standing()?.0;
        if peer != me {
            self.own_with(|members, own| members.may_refuse_device(own, peer))?;
        }
        // Each act would have to be taken back by itself.
        let refused = members.device_refusals(peer);
        if !refused.iter().any(|refusal| refusal.node == node && refusal.by == me) {
            self.issue(now, Content::RevokeDevice { identity: peer, node })?;
        }
        Ok(())
    }

    /// Takes back all refusals of a device. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError::Credential`] if it is not refused, if its own identity refused it, or if one of those who did is
    /// neither this identity nor outranked by it; nothing was taken back then. As [`issue`](Engine::issue).
    pub fn restore_device(&mut self, now: Now, peer: PeerId, node: NodeId) -> Result<(), PublishError> {
        self.check_standing()?;
        let members = self.own_standing()?.0;
        for refusal in members.may_restore((self.device.peer, &self.group.standings), peer, node)? {
            self.issue(now, Content::RestoreDevice(refusal))?;
        }
        Ok(())
    }

    /// The refused devices of an identity, by node: of several refusals its own, else the earliest.
    pub fn revoked_devices(&self, peer: PeerId) -> Vec<DeviceRefusal> {
        let mut refusals = self.membership().map_or_else(Vec::new, |members| members.device_refusals(peer));
        refusals.sort_unstable_by_key(|refusal| (refusal.node, refusal.by != peer, refusal.at, refusal.act));
        refusals.dedup_by_key(|refusal| refusal.node);
        refusals
    }
}
