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
    /// False for a renewal by somebody of whom nothing is known: it only tells which grant its id means.
    proven: bool,
}

impl Membership {
    /// The acts that show a standing to somebody who knows nothing: each after those that it names.
    pub(super) fn papers_of(&self, standing: &Standing) -> Vec<ActId> {
        let mut papers = Vec::new();
        if let Some(grant) = standing.grant {
            self.add_path(grant, &mut papers);
            if let Some(renewal) = standing.named.filter(|named| *named != grant) {
                if let Some(by) = self.acts.get(&renewal).and_then(|act| act.by) {
                    self.add_named(by, &mut papers);
                }
                push(renewal, &mut papers);
            }
        }
        papers.truncate(MAX_SHOWN);
        papers
    }

    /// The grants from the creator's down to this one, and the renewals that they name.
    fn add_path(&self, grant: ActId, papers: &mut Vec<ActId>) {
        let (mut path, mut next) = (Vec::new(), Some(grant));
        while let Some(id) = next.filter(|_| path.len() < MAX_SHOWN) {
            path.push(id);
            let by = self.acts.get(&id).and_then(|act| act.by);
            next = by.and_then(|by| self.acts.grant_named(&by));
            path.extend(by.filter(|_| by != next));
        }
        path.into_iter().rev().for_each(|id| push(id, papers));
    }

    fn add_named(&self, by: ActId, papers: &mut Vec<ActId>) {
        if let Some(grant) = self.acts.grant_named(&by) {
            self.add_path(grant, papers);
        }
        push(by, papers);
    }

    /// What an identity is by acts that it shows, their signatures being good. `now`: `None` if its time may be over.
    pub fn vouched(&self, peer: PeerId, shown: &[Act], now: Option<Timestamp>) -> Option<Standing> {
        let mut papers: BTreeMap<ActId, Paper> = BTreeMap::new();
        let mut last = None;
        for act in shown.iter().take(MAX_SHOWN).filter(|act| !self.has(&act.id())) {
            let paper = self.paper(act, &papers)?;
            if paper.subject == peer && paper.proven {
                last = Some(act.id());
            }
            papers.insert(act.id(), paper);
        }
        let standing = papers.remove(&last?)?.standing;
        let is_alive =
            |now: Timestamp| standing.not_before <= now && standing.not_after.is_none_or(|end| now < end);
        now.is_none_or(is_alive).then_some(standing)
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
                    by.subject != renewed.subject
                        && by.standing.role.may_grant(renewed.standing.role)
                        && by.standing.not_after.is_none_or(|end| *not_after <= end)
                });
                let standing =
                    Standing { named: Some(act.id()), not_after: Some(*not_after), ..renewed.standing };
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
        good.then_some(Paper { subject: grant.subject, standing, renew: grant.renew, above, proven: true })
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
        Paper { subject: self.creator, standing, renew: false, above: Vec::new(), proven: true }
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
        standing.not_after = self.verdict.end_of(id).filter(|_| grant == of).or(standing.not_after);
        let renew = self.grant_of(&standing).is_some_and(|grant| grant.renew);
        let above = [self.creator].into_iter().chain(self.acts.sponsors(&grant)).collect();
        Some(Paper { subject: facts.subject, standing, renew, above, proven: true })
    }
}

fn push(id: ActId, papers: &mut Vec<ActId>) {
    if !papers.contains(&id) {
        papers.push(id);
    }
}
