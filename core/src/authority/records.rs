//! Records: whether one counts by the rights of those who made and changed it.

use super::{ActSet, Content, GrantVerdict, KeepKey, Verdict, Void};
use crate::{
    ids::{ActId, ElementId, PeerId, RecordId},
    limits::MAX_LEAVES,
    record::{GroupRules, RecordType, Role, Who},
    time::Timestamp,
};

/// What a version of a record says of its origin.
///
/// A record names no past: what a removal keeps is a list, and by no claim of its author does a record get into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordClaim<'a> {
    /// The record.
    pub record: RecordId,
    /// The version.
    pub element: ElementId,
    /// Its type.
    pub record_type: &'a RecordType,
    /// The author of the version, the grant or renewal that it names, and the time that it claims.
    pub version: Authorship,
    /// The same of the first version, from whose envelope the record's id derives; `None` if this is the first.
    pub made: Option<Authorship>,
}

/// Who wrote a version, by which grant, when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Authorship {
    /// The author.
    pub author: PeerId,
    /// The grant, or a renewal of it; `None`: the creator's.
    pub grant: Option<ActId>,
    /// The time that the author claims. Held against the grant's period.
    pub at: Timestamp,
}

/// Whether a record counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordVerdict {
    /// It does.
    Counts,
    /// Not known yet: this act, or a list that this removal names, must be here first. It counts nowhere meanwhile: a
    /// record that is stored is withheld, so it is neither compared nor shown, and one that arrives waits.
    Waits(ActId),
    /// It does not.
    Void(RecordFault),
}

/// Why a record does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordFault {
    /// The author has no such grant.
    #[error("not a member of the group")]
    NotAMember,
    /// The grant does not count, or was ended and the record is in no list.
    #[error("the author's membership does not hold")]
    Void(Void),
    /// It was written outside the author's membership.
    #[error("written outside the author's membership")]
    OutsidePeriod,
    /// The author's role does not allow it.
    #[error("the author's role does not allow it")]
    Role,
}

/// The role a record is judged by, or why there is none.
type Judged = Result<Role, RecordVerdict>;

impl Verdict {
    /// Judges a version of a record: its author must have had the right to make or change it, and whoever made the record
    /// the right to make it. No number that an author picks decides which.
    pub fn record(&self, set: &ActSet, rules: &GroupRules, claim: &RecordClaim<'_>) -> RecordVerdict {
        let role = match self.role_of(set, &claim.version, claim.element.as_bytes()) {
            Ok(role) => role,
            Err(verdict) => return verdict,
        };
        let maker = match &claim.made {
            None => role,
            Some(made) => match self.role_of(set, made, claim.record.as_bytes()) {
                Ok(role) => role,
                Err(verdict) => return verdict,
            },
        };
        let by_maker = claim.made.is_none_or(|made| made.author == claim.version.author);
        let allowed = match claim.record_type.as_str() {
            RecordType::PRESENCE | RecordType::MEMBER_NAME => by_maker,
            RecordType::PROPERTIES => role >= rules.properties && maker >= rules.properties,
            _ => {
                let edits = || match rules.editor(claim.record_type) {
                    Who::Author => by_maker && role >= Role::Member,
                    Who::Role(least) => role >= least,
                };
                maker >= rules.publisher(claim.record_type)
                    && (claim.made.is_none() || role >= Role::Admin || edits())
            }
        };
        if allowed { RecordVerdict::Counts } else { RecordVerdict::Void(RecordFault::Role) }
    }

    fn role_of(&self, set: &ActSet, by: &Authorship, key: &KeepKey) -> Judged {
        let Some(named) = by.grant else {
            let creator = by.author == set.creator;
            return if creator { Ok(Role::Owner) } else { Err(fault(RecordFault::NotAMember)) };
        };
        let (id, until) = match self.renewals.get(&named) {
            Some((grant, until)) => (*grant, Some(*until)),
            None => (named, None),
        };
        let Some(grant) = self.grants.get(&id) else {
            let is_other = set.contains(&named);
            return Err(if is_other { fault(RecordFault::NotAMember) } else { RecordVerdict::Waits(named) });
        };
        if grant.subject != by.author {
            return Err(fault(RecordFault::NotAMember));
        }
        if by.at < grant.not_before || until.or(grant.granted_until).is_some_and(|end| by.at >= end) {
            return Err(fault(RecordFault::OutsidePeriod));
        }
        let named = self.standing_of_record(set, id, grant, by.at, key);
        if named == Ok(grant.role) {
            return named;
        }
        // As acts do: what falls with one grant stands under another that was there before, and the best allows most.
        let others = self.held.get(&by.author).into_iter().flatten().filter(|other| **other != id);
        others.fold(named, |best, other| {
            let facts = self.grants.get(other).filter(|other| by.at >= other.not_before);
            let Some(facts) = facts.filter(|_| !knows_end(set, other, grant)) else { return best };
            match (best, self.standing_of_record(set, *other, facts, by.at, key)) {
                (Ok(best), Ok(role)) => Ok(best.max(role)),
                (Ok(best), Err(_)) => Ok(best),
                (Err(_), Ok(role)) => Ok(role),
                (Err(waits @ RecordVerdict::Waits(_)), Err(_)) => Err(waits),
                (Err(_), Err(waits @ RecordVerdict::Waits(_))) => Err(waits),
                (Err(best), Err(_)) => Err(best),
            }
        })
    }

    /// Follows a record from its grant over demotions, as [`super::judge`] follows acts: in the past of a removal is what
    /// its list names.
    fn standing_of_record(
        &self,
        set: &ActSet,
        id: ActId,
        grant: &GrantVerdict,
        at: Timestamp,
        key: &KeepKey,
    ) -> Judged {
        let (mut id, mut grant) = (id, grant);
        loop {
            if grant.void.is_some() {
                return Err(fault(RecordFault::Void(Void::Grant(id))));
            }
            if grant.not_after.is_some_and(|end| at >= end) {
                return Err(fault(RecordFault::OutsidePeriod));
            }
            if let Some(undo) = kept_by_all(set, &grant.undoes, key)? {
                return Err(fault(RecordFault::Void(Void::Undone(undo))));
            }
            if kept_by_any(set, &grant.lists, key)? {
                return Ok(grant.role);
            }
            if grant.ended_by.is_empty() {
                let too_many = grant.left.len() >= MAX_LEAVES || set.leaves_keep_nothing(&grant.subject);
                let too_many = grant.left.first().filter(|_| too_many);
                let left = too_many.copied().or(kept_by_all(set, &grant.left, key)?);
                return left.map_or(Ok(grant.role), |leave| Err(fault(RecordFault::Void(Void::Left(leave)))));
            }
            let Some(next) = grant.demoted_to else {
                let removers = grant.ended_by.iter().filter(|id| !self.grants.contains_key(*id));
                let remover = removers.min().or_else(|| grant.ended_by.first()).copied().unwrap_or(id);
                return Err(fault(RecordFault::Void(Void::Removed(remover))));
            };
            let Some(successor) = self.grants.get(&next) else { return Err(RecordVerdict::Waits(next)) };
            (id, grant) = (next, successor);
        }
    }
}

/// True if a grant was given by somebody who knew what ended another.
fn knows_end(set: &ActSet, grant: &ActId, ended: &GrantVerdict) -> bool {
    let despite = set.get(grant).map_or(&[][..], |body| match &body.content {
        Content::Grant(grant) => &grant.despite[..],
        _ => &[],
    });
    ended.left.iter().any(|leave| despite.contains(leave))
        || ended.ended_by.iter().chain(&ended.undoes).any(|removal| set.is_before(removal, grant))
}

/// The act of these that does not keep a record; `None`: all do.
fn kept_by_all(set: &ActSet, acts: &[ActId], key: &KeepKey) -> Result<Option<ActId>, RecordVerdict> {
    let mut waits = None;
    for id in acts {
        match set.get(id).map_or(Some(false), |body| set.keeps(&body.content, key)) {
            Some(true) => {}
            Some(false) => return Ok(Some(*id)),
            None => waits = waits.or(Some(*id)),
        }
    }
    waits.map_or(Ok(None), |id| Err(RecordVerdict::Waits(id)))
}

/// Whether one of these acts keeps a record.
fn kept_by_any(set: &ActSet, acts: &[ActId], key: &KeepKey) -> Result<bool, RecordVerdict> {
    let mut waits = None;
    for id in acts {
        match set.get(id).map_or(Some(false), |body| set.keeps(&body.content, key)) {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => waits = waits.or(Some(*id)),
        }
    }
    waits.map_or(Ok(false), |id| Err(RecordVerdict::Waits(id)))
}

const fn fault(fault: RecordFault) -> RecordVerdict {
    RecordVerdict::Void(fault)
}
