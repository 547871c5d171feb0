//! Papers: the grants that somebody shows whose membership is not known here yet, because the acts before it are not.
//!
//! Papers open a link and make a joiner's first comparison possible. They give no right to write: a record counts only
//! by acts whose whole past is here.

use std::collections::{BTreeMap, BTreeSet};

use super::{Membership, Standing, standing::is_in_force};
use crate::{
    authority::{Act, ActBody, Content, Grant},
    ids::{ActId, PeerId},
    limits::MAX_SHOWN,
    time::Timestamp,
};

/// What papers say of one grant or renewal.
#[derive(Clone, Debug)]
struct Paper {
    subject: PeerId,
    standing: Standing,
    renew: bool,
    /// The subjects of the grants above.
    above: Vec<PeerId>,
    /// Grants between it and the creator, as far as papers tell.
    level: u8,
    /// False for a renewal whose author is not shown to have a right to it: it only tells which grant its id means, and the
    /// end stays that of the grant.
    proven: bool,
}

impl Paper {
    /// Whether this one may say of the other when it ends: its rank is higher.
    fn may_renew(&self, other: &Self) -> bool {
        let (role, of) = (self.standing.role, other.standing.role);
        self.subject != other.subject && role.may_grant(of) && (role > of || self.level < other.level)
    }
}

impl Membership {
    /// The acts that show a standing to somebody who knows nothing: each after those that it names.
    pub(super) fn papers_of(&self, standing: &Standing) -> Vec<ActId> {
        let ids: Vec<ActId> = standing.grant.into_iter().chain(standing.named).collect();
        let mut papers = Vec::new();
        ids.iter().for_each(|id| self.add_path(*id, true, &mut papers));
        if papers.len() > MAX_SHOWN {
            // Then without what shows the authors of renewals: who knows these knows all that is needed.
            papers.clear();
            ids.iter().for_each(|id| self.add_path(*id, false, &mut papers));
            papers.truncate(MAX_SHOWN);
        }
        papers
    }

    /// The grants from the creator's down to this one, and the renewals that they name; with what shows the authors of these.
    /// Each step goes to a higher rank, so there are few.
    fn add_path(&self, id: ActId, renewers: bool, papers: &mut Vec<ActId>) {
        if papers.len() > MAX_SHOWN || papers.contains(&id) {
            return;
        }
        let Some(act) = self.acts.get(&id) else { return };
        let renewed = if let Content::Renew { grant, .. } = &act.content { Some(*grant) } else { None };
        if let Some(by) = act.by.filter(|_| renewers || renewed.is_none()) {
            self.add_path(by, renewers, papers);
        }
        if let Some(grant) = renewed {
            self.add_path(grant, renewers, papers);
        }
        papers.push(id);
    }

    /// What an identity is by acts that it shows, their signatures being good. `now`: `None` if its time may be over.
    pub fn vouched(&self, peer: PeerId, shown: &[Act], now: Option<Timestamp>) -> Option<Standing> {
        let standing = self.last_paper(peer, shown)?.standing;
        let is_alive =
            |now: Timestamp| standing.not_before <= now && standing.not_after.is_none_or(|end| now < end);
        now.is_none_or(is_alive).then_some(standing)
    }

    /// By whose word an identity is what it shows: of those above it the last that is known here.
    pub fn voucher(&self, peer: PeerId, shown: &[Act]) -> Option<PeerId> {
        let above = self.last_paper(peer, shown)?.above;
        above.into_iter().rev().find(|peer| self.knows(*peer))
    }

    fn last_paper(&self, peer: PeerId, shown: &[Act]) -> Option<Paper> {
        let mut papers: BTreeMap<ActId, Paper> = BTreeMap::new();
        let mut last = None;
        for act in shown.iter().take(MAX_SHOWN).filter(|act| !self.has(&act.id())) {
            let paper = self.paper(act, &papers)?;
            if paper.subject == peer && paper.proven {
                last = Some(act.id());
            }
            papers.insert(act.id(), paper);
        }
        papers.remove(&last?)
    }

    fn paper(&self, act: &Act, papers: &BTreeMap<ActId, Paper>) -> Option<Paper> {
        let body = act.body();
        match &body.content {
            Content::Grant(grant) => self.granted(act.id(), body, grant, papers),
            Content::Renew { grant, not_after } => {
                let renewed = self.named(grant, papers)?;
                let longer = renewed.renew && renewed.standing.not_after.is_some_and(|end| *not_after > end);
                let by = self.giver(body, papers);
                let proven = by.is_some_and(|by| {
                    by.may_renew(&renewed) && by.standing.not_after.is_none_or(|end| *not_after <= end)
                });
                let not_after = Some(*not_after).filter(|_| proven).or(renewed.standing.not_after);
                let standing = Standing { named: Some(act.id()), not_after, ..renewed.standing };
                longer.then_some(Paper { standing, proven, ..renewed })
            }
            _ => None,
        }
    }

    fn granted(
        &self,
        id: ActId,
        body: &ActBody,
        grant: &Grant,
        papers: &BTreeMap<ActId, Paper>,
    ) -> Option<Paper> {
        let by = self.giver(body, papers)?;
        let mut above = by.above.clone();
        above.push(by.subject);
        let own = &by.standing;
        let inside = own.not_after.is_none_or(|limit| grant.not_after.is_some_and(|end| end <= limit));
        let good = own.role.may_grant(grant.role)
            && grant.depth < own.depth
            && inside
            && grant.subject != self.creator
            && !above.contains(&grant.subject)
            && self.is_untouched(body, grant, &above);
        let standing = Standing {
            role: grant.role,
            grant: Some(id),
            named: Some(id),
            not_before: grant.not_before,
            not_after: grant.not_after,
            depth: grant.depth,
            name: grant.name.clone(),
            issuer: Some(body.author),
        };
        let (subject, renew, level) = (grant.subject, grant.renew, by.level.saturating_add(1));
        good.then_some(Paper { subject, standing, renew, above, level, proven: true })
    }

    /// True if nothing that is known here ends a grant whose past is not: what removes its subject must be known to be
    /// before it.
    fn is_untouched(&self, body: &ActBody, grant: &Grant, above: &[PeerId]) -> bool {
        let removals = |peer: &PeerId, branch: bool| {
            let of = self.acts.removals_of(*peer);
            of.filter(move |id| match self.acts.get(id).map(|act| &act.content) {
                Some(Content::Remove(remove)) => !branch || remove.branch,
                Some(Content::Grant(demotion)) => !branch && demotion.role < grant.role,
                _ => false,
            })
        };
        let of_subject = removals(&grant.subject, false);
        let mut ends = of_subject.chain(above.iter().flat_map(|peer| removals(peer, true)));
        let seen =
            ends.all(|id| self.verdict.act(&id).flatten().is_some() || self.acts.reaches(&body.after, &id));
        let leaves = self.acts.leaves_of(grant.subject);
        seen && leaves.iter().all(|leave| grant.despite.contains(leave))
    }

    /// By what the author of an act that is not here acts; it is in the past of nothing that is here.
    fn giver(&self, body: &ActBody, papers: &BTreeMap<ActId, Paper>) -> Option<Paper> {
        let paper = match &body.by {
            None if body.author == self.creator => self.creators_paper(),
            None => return None,
            Some(by) => self.named(by, papers)?,
        };
        let standing = &paper.standing;
        let inside = standing.not_before <= body.at && standing.not_after.is_none_or(|end| body.at < end);
        (paper.subject == body.author && inside).then_some(paper)
    }

    fn creators_paper(&self) -> Paper {
        let standing = self.member(self.creator, Timestamp::default()).expect("the creator is a member");
        Paper { subject: self.creator, standing, renew: false, above: Vec::new(), level: 0, proven: true }
    }

    fn named(&self, id: &ActId, papers: &BTreeMap<ActId, Paper>) -> Option<Paper> {
        if let Some(paper) = papers.get(id) {
            return Some(paper.clone());
        }
        let of = self.acts.grant_named(id)?;
        let (mut grant, mut seen) = (of, BTreeSet::new());
        let mut facts = self.verdict.grant(&grant)?;
        while !is_in_force(facts) && facts.void.is_none() && facts.left.is_empty() && seen.insert(grant) {
            grant = facts.demoted_to?;
            facts = self.verdict.grant(&grant)?;
        }
        if !is_in_force(facts) {
            return None;
        }
        let mut standing = self.standing(grant, facts);
        // An act is held against the end that it names, and a renewal that does not count adds nothing.
        standing.not_after = self.verdict.end_of(id).into_iter().chain(standing.not_after).min();
        let renew = self.grant_of(&standing).is_some_and(|grant| grant.renew);
        let above = [self.creator].into_iter().chain(self.acts.sponsors(&grant)).collect();
        let (subject, level) = (facts.subject, facts.level);
        Some(Paper { subject, standing, renew, above, level, proven: true })
    }
}
