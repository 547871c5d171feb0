//! The definition, of invitations.

use std::cmp::Reverse;

use super::{
    definition::Definition,
    flaw::Flaw,
    world::{PlainRank, bits},
};
use crate::{
    authority::{Content, Void},
    ids::PeerId,
    record::Role,
};

impl Definition<'_> {
    /// No grant by this invitation ranks higher.
    pub(super) fn bound(&self, invite: usize) -> PlainRank {
        let Content::Invite(offer) = &self.world.body(invite).content else { unreachable!() };
        (offer.role, Reverse(self.world.rank(self.world.infos[invite].under).1.0 + 1))
    }

    pub(super) fn admission_fault(&self, at: usize) -> Option<Void> {
        let invite = self.world.infos[at].serves?;
        if let Some(void) = self.use_fault(at, invite) {
            return Some(void);
        }
        let admitted = self.admitted(invite);
        (!admitted.contains(&self.world.subject(at)?)).then(|| Void::UsedUp(self.world.id(invite)))
    }

    /// Who was admitted by an invitation.
    fn admitted(&self, invite: usize) -> Vec<PeerId> {
        let world = self.world;
        let Content::Invite(offer) = &world.body(invite).content else { return Vec::new() };
        let is_use = |at: &usize| world.grant(*at).is_some() && world.infos[*at].serves == Some(invite);
        let mut uses: Vec<usize> = bits(self.mask).filter(is_use).collect();
        match self.flaw {
            Some(Flaw::UsesByArrival) => uses.sort_by_key(|at| self.order.iter().position(|o| o == at)),
            Some(Flaw::UsesByTime) => uses.sort_by_key(|at| world.body(*at).at),
            Some(Flaw::UsesByRank) => uses.sort_by_key(|at| self.place(*at)),
            _ => self.sort_uses(invite, &mut uses),
        }
        let mut admitted = Vec::new();
        for at in uses {
            let subject = world.subject(at).unwrap();
            if !admitted.contains(&subject)
                && admitted.len() < offer.uses as usize
                && self.giver_fault(at).is_none()
                && self.use_fault(at, invite).is_none()
            {
                admitted.push(subject);
            }
        }
        admitted
    }

    pub(super) fn place(&self, at: usize) -> impl Ord + use<> {
        let under = self.world.infos[at].under;
        let by = under.map(|by| self.world.id(by));
        (Reverse(self.world.rank(under)), by, self.world.infos[at].height, self.world.id(at))
    }

    fn use_fault(&self, at: usize, invite: usize) -> Option<Void> {
        let (issuer, bound) = (self.world.infos[invite].under, self.bound(invite));
        for act in [invite, at] {
            match self.stands_by(invite, act, issuer, Some((bound, bound))) {
                Ok(by) if self.may_give(by, at) => {}
                _ => return Some(Void::Invitation(self.world.id(invite))),
            }
        }
        let revokers: Vec<usize> = bits(self.mask).filter(|r| self.withdraws(*r, invite)).collect();
        let earliest = self.earliest(&revokers);
        if self.is_kept(at, None, &earliest) {
            return None;
        }
        earliest.iter().map(|at| self.world.id(*at)).min().map(Void::InvitationRevoked)
    }

    pub(super) fn withdraws(&self, at: usize, invite: usize) -> bool {
        let world = self.world;
        if !matches!(world.body(at).content, Content::RevokeInvite(_))
            || world.infos[at].serves != Some(invite)
        {
            return false;
        }
        let own = world.body(at).author == world.body(invite).author;
        let bound = self.bound(invite);
        match self.stands(at, world.infos[at].under, Some((bound, bound))) {
            Ok(by) => own || world.rank(by).0 >= Role::Admin,
            Err(_) => false,
        }
    }
}
