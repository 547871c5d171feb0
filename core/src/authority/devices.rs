//! Questions about refused devices: which there are, and who may refuse one or take that back.

use super::{ActSet, Content, Verdict};
use crate::{
    ids::{ActId, NodeId, PeerId},
    time::Timestamp,
};

/// The refusal of a node that acts for an identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DeviceRefusal {
    /// The node.
    pub node: NodeId,
    /// The act that refuses it.
    pub act: ActId,
    /// The identity that signed it; the one that the node acts for: this refusal is for good.
    pub by: PeerId,
    /// The time that it claims.
    pub at: Timestamp,
}

impl Verdict {
    /// The refusals of an identity's devices that hold, by node.
    pub fn device_refusals(&self, set: &ActSet, identity: PeerId) -> Vec<DeviceRefusal> {
        let found = &self.work.found;
        let by_others = found.devices.iter().filter(|at| !found.restored.contains(at));
        let by_others = by_others.map(|at| &set.entries[*at as usize].act);
        let own = set.own_devices.get(&identity).into_iter().flat_map(|acts| acts.values());
        let acts = by_others.chain(own.map(|leaf| &leaf.act));
        let mut refusals: Vec<DeviceRefusal> = acts
            .filter_map(|act| match act.body().content {
                Content::RevokeDevice { identity: of, node } if of == identity => {
                    let (by, at) = (act.body().author, act.body().at);
                    Some(DeviceRefusal { node, act: act.id(), by, at })
                }
                _ => None,
            })
            .collect();
        refusals.sort_unstable();
        refusals
    }

    /// True if an act by the holder of the grant `by` (`None`: the creator) that takes a refusal back would count, being
    /// after everything in the set.
    pub fn may_restore(&self, set: &ActSet, author: PeerId, by: Option<&ActId>, refusal: &ActId) -> bool {
        let asked = set.holding(by).zip(set.place(refusal));
        asked.is_some_and(|(by, refusal)| self.judged(set).may_restore(author, by, refusal))
    }

    /// True if an act by the holder of the grant `by` (`None`: the creator) that refuses a device of another identity would
    /// count, being after everything in the set.
    pub fn may_refuse_device(&self, set: &ActSet, by: Option<&ActId>, identity: PeerId) -> bool {
        let judge = self.judged(set);
        let Some(by) = set.holding(by).filter(|by| judge.has_judged(*by)) else { return false };
        judge.may_refuse_devices(None, &[by], identity)
    }
}
