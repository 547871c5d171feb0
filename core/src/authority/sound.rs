//! Rules that an act must keep by itself and its past. They never change, so an act that breaks one is refused for good.

use super::{
    Act, ActSet, Content, Fault, Grant, InvitationUse,
    act::use_message,
    ancestry::Past,
    seniority::Rank,
    set::{Entry, GrantFacts},
};
use crate::{
    crypto::{self, Domain},
    ids::ActId,
    record::Role,
    time::Timestamp,
};

/// What the author of an act is, by the grant that it names.
struct Author {
    grant: Option<u32>,
    rank: Rank,
    depth: u8,
    /// `None`: without end.
    end: Option<Timestamp>,
}

impl ActSet {
    /// Checks an act whose parents are all here.
    pub(super) fn entry_of(&self, act: Act) -> Result<Entry, Fault> {
        act.body().check_form()?;
        let author = self.author_of(&act)?;
        if author.rank.0 < act.body().least_role() {
            return Err(match &act.body().content {
                Content::Grant(_) | Content::Invite(_) if author.rank.0 >= Role::Inviter => {
                    Fault::RoleTooHigh
                }
                _ => Fault::Role,
            });
        }
        let (mut serves, mut facts) = (None, None);
        match &act.body().content {
            Content::Grant(grant) => {
                let invite = grant.admission.as_ref().map(|admission| self.admission(&act, grant, admission));
                serves = invite.transpose()?;
                facts = Some(self.facts_of(&act, &author, grant, serves)?);
            }
            Content::Invite(invite) => {
                if author.depth == 0 {
                    return Err(Fault::ChainTooLong);
                }
                outlives(Some(invite.not_after), author.end)?;
                let (key, graph, issuer) = (invite.key, self.graph, act.body().author);
                let domain = Domain::InvitationIssuer;
                let (context, said) = (graph.as_bytes(), issuer.as_bytes());
                if !crypto::verify(key.as_bytes(), domain, context, said, &invite.proof) {
                    return Err(Fault::WrongProof);
                }
            }
            Content::RevokeInvite(id) => serves = Some(self.revocable(&act, &author, id)?),
            Content::Remove(remove) => self.other(&act, remove.subject)?,
            Content::RevokeDevice { identity, .. } if !act.body().is_leaf() => self.other(&act, *identity)?,
            Content::RestoreDevice(id) => {
                serves = Some(self.named(id, |content| matches!(content, Content::RevokeDevice { .. }))?);
            }
            Content::Leave(_) if act.body().author == self.creator => return Err(Fault::NotAllowed),
            Content::Renew { grant, not_after } => {
                serves = Some(self.renewable(&act, &author, grant, *not_after)?);
            }
            Content::PassOn { password, .. } => {
                serves = Some(self.named(
                    password,
                    |content| matches!(content, Content::Password(rule) if !rule.verifiers.is_empty()),
                )?);
            }
            Content::EpochKeys { epoch, .. } => {
                serves = Some(self.named(epoch, |content| matches!(content, Content::Epoch(_)))?);
            }
            _ => {}
        }
        let parents = || act.body().parents().filter_map(|parent| self.place(parent));
        let past = Past::of(parents().map(|at| (at, &self.entries[at as usize].past)));
        let height = parents().map(|at| self.entries[at as usize].height + 1).max().unwrap_or(0);
        Ok(Entry { past, height, under: author.grant, serves, facts, act })
    }

    fn author_of(&self, act: &Act) -> Result<Author, Fault> {
        let body = act.body();
        let Some(id) = &body.by else {
            let creator = Author { grant: None, rank: Rank::CREATOR, depth: self.max_chain, end: None };
            return if body.author == self.creator { Ok(creator) } else { Err(Fault::NotYours) };
        };
        let (at, end) = self.named_grant(id).ok_or(Fault::WrongKind)?;
        let grant = self.grant(at).ok_or(Fault::WrongKind)?;
        if grant.subject != body.author {
            return Err(Fault::NotYours);
        }
        if body.at < grant.not_before || end.is_some_and(|end| body.at >= end) {
            return Err(Fault::OutsidePeriod);
        }
        Ok(Author { grant: Some(at), rank: self.rank(Some(at)), depth: grant.depth, end })
    }

    /// The grant that an act names as `by`, itself or by a renewal of it, and the end of that.
    pub(super) fn named_grant(&self, id: &ActId) -> Option<(u32, Option<Timestamp>)> {
        let named = self.place(id)?;
        match &self.body(named).content {
            Content::Grant(grant) => Some((named, grant.not_after)),
            Content::Renew { not_after, .. } => {
                Some((self.entries[named as usize].serves?, Some(*not_after)))
            }
            _ => None,
        }
    }

    /// The use of an invitation; gives the invitation.
    fn admission(&self, act: &Act, grant: &Grant, admission: &InvitationUse) -> Result<u32, Fault> {
        let at = self.named(&admission.invite, |content| matches!(content, Content::Invite(_)))?;
        let invite = self.invite(at).ok_or(Fault::WrongKind)?;
        let admitters = &invite.admitters;
        if !admitters.is_empty() && !admitters.contains(&act.body().author) {
            return Err(Fault::NotAdmitter);
        }
        if grant.role != invite.role {
            return Err(Fault::RoleTooHigh);
        }
        let end = invite.lifetime_ms.map(|lifetime| Timestamp(act.body().at.0.saturating_add(lifetime)));
        outlives(grant.not_after, end)?;
        if act.body().at >= invite.not_after {
            return Err(Fault::OutsidePeriod);
        }
        let message = use_message(&admission.invite, &grant.subject);
        let (key, graph) = (invite.key.as_bytes(), self.graph.as_bytes());
        let proven = crypto::verify(key, Domain::InvitationUse, graph, &message, &admission.proof);
        if proven { Ok(at) } else { Err(Fault::WrongProof) }
    }

    fn facts_of(
        &self,
        act: &Act,
        author: &Author,
        grant: &Grant,
        invite: Option<u32>,
    ) -> Result<GrantFacts, Fault> {
        // An invitation is the act of a person, and its issuer the sponsor; admitting is automatic.
        let sponsor = invite.map_or(author.grant, |invite| self.entries[invite as usize].under);
        let depth = sponsor.and_then(|at| self.grant(at)).map_or(self.max_chain, |grant| grant.depth);
        if grant.depth >= author.depth.min(depth) {
            return Err(Fault::ChainTooLong);
        }
        outlives(grant.not_after, author.end)?;
        // A guest is a member by the issuer's word, and no longer than the issuer was when it gave it.
        let issuer = invite.and_then(|invite| self.named_grant(self.body(invite).by.as_ref()?));
        outlives(grant.not_after, issuer.and_then(|(_, end)| end))?;
        let mut sponsors =
            sponsor.and_then(|at| self.facts(at)).map_or_else(Vec::new, |f| f.sponsors.clone());
        sponsors.extend(sponsor);
        if author.grant != sponsor {
            sponsors.extend(author.grant);
        }
        let above = |at: &u32| self.subject(*at) == Some(grant.subject);
        if [self.creator, act.body().author].contains(&grant.subject) || sponsors.iter().any(above) {
            return Err(Fault::Circular);
        }
        let level = author.rank.level().max(self.rank(sponsor).level()) + 1;
        let rank = Rank::new(grant.role, level);
        // An invitation gives no more than its issuer may.
        if self.rank(sponsor) > rank { Ok(GrantFacts { rank, sponsors }) } else { Err(Fault::RoleTooHigh) }
    }

    fn revocable(&self, act: &Act, author: &Author, id: &ActId) -> Result<u32, Fault> {
        let at = self.named(id, |content| matches!(content, Content::Invite(_)))?;
        let own = self.body(at).author == act.body().author;
        let allowed = own || author.rank.0 >= Role::Admin;
        if allowed && author.rank > self.rank_of_uses(at) { Ok(at) } else { Err(Fault::NotAllowed) }
    }

    /// No grant by this invitation ranks higher.
    pub(super) fn rank_of_uses(&self, at: u32) -> Rank {
        let issuer = self.rank(self.entries[at as usize].under);
        let role = self.invite(at).map_or(Role::Reader, |invite| invite.role);
        Rank::new(role, issuer.level().saturating_add(1))
    }

    fn renewable(&self, act: &Act, author: &Author, id: &ActId, until: Timestamp) -> Result<u32, Fault> {
        let at = self.named(id, |content| matches!(content, Content::Grant(_)))?;
        let grant = self.grant(at).ok_or(Fault::WrongKind)?;
        outlives(Some(until), author.end)?;
        let longer = grant.renew && grant.not_after.is_some_and(|end| until > end);
        // A renewal decides about a grant, so it comes from a higher rank, as the grant did.
        let may = author.rank.0.may_grant(grant.role) && author.rank > self.rank(Some(at));
        if longer && may && grant.subject != act.body().author { Ok(at) } else { Err(Fault::NotAllowed) }
    }

    fn other(&self, act: &Act, identity: crate::ids::PeerId) -> Result<(), Fault> {
        let allowed = ![self.creator, act.body().author].contains(&identity);
        if allowed { Ok(()) } else { Err(Fault::NotAllowed) }
    }

    fn named(&self, id: &ActId, is_right: impl Fn(&Content) -> bool) -> Result<u32, Fault> {
        self.place(id).filter(|at| is_right(&self.body(*at).content)).ok_or(Fault::WrongKind)
    }
}

/// Periods only shrink on the way down.
pub(super) fn outlives(end: Option<Timestamp>, limit: Option<Timestamp>) -> Result<(), Fault> {
    let inside = match (end, limit) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(end), Some(limit)) => end <= limit,
    };
    if inside { Ok(()) } else { Err(Fault::OutlivesIssuer) }
}
