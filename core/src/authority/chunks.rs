//! Which lists of records are heard: their chunks are asked for, taken in and offered.

use std::collections::BTreeSet;

use super::{ActSet, Content, GrantVerdict, Verdict};
use crate::{
    ids::{ActId, PeerId},
    limits::MAX_LEAVES,
    record::Role,
};

impl Verdict {
    /// True if a record may be kept by the list of an act. Of a removal or demotion that is, if it counts. Of a leave: if it
    /// decides about a grant, of the role `least` or higher, that counts and that no removal took (removals are asked
    /// first); and if all leaves of its author name few enough chunks.
    ///
    /// Chunks of other acts are kept as long as the act is, but offered to nobody.
    pub fn hears_list(&self, set: &ActSet, act: &ActId, least: Role) -> bool {
        let Some(body) = set.get(act) else { return false };
        if !matches!(body.content, Content::Leave(_)) {
            return self.act(act) == Some(None);
        }
        let decides = |grant: &GrantVerdict| {
            let few = grant.left.len() < MAX_LEAVES && grant.left.contains(act);
            few && grant.void.is_none() && grant.ended_by.is_empty() && grant.role >= least
        };
        !set.leaves_keep_nothing(&body.author) && self.grants_held(&body.author).any(decides)
    }

    fn grants_held(&self, identity: &PeerId) -> impl Iterator<Item = &GrantVerdict> {
        self.held.get(identity).into_iter().flatten().filter_map(|id| self.grants.get(id))
    }

    /// The chunks of lists that are heard and that are not here.
    pub fn wanted_chunks<'a>(&self, set: &'a ActSet, least: Role) -> BTreeSet<&'a [u8; 32]> {
        let removals = set.removals_of.values().flatten().map(|at| set.id(*at));
        let leaves = set.leaves.values().flat_map(|acts| acts.keys().copied());
        let heard = removals.chain(leaves).filter(|id| self.hears_list(set, id, least));
        let named = heard.filter_map(|id| set.get(&id)).flat_map(|body| body.chunks());
        named.filter(|hash| set.chunk(hash).is_none()).collect()
    }
}
