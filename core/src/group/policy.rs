//! Membership as the policy of a graph's records: whose count.

use super::{CredentialFault, Lack, Membership, key_ring::is_encrypted_form};
use crate::{
    authority::{Authorship, RecordClaim, RecordFault, RecordVerdict},
    ids::ActId,
    record::{Header, Origin, RecordType, Role, SignedRecord, Who},
    records::{RecordPolicy, RejectReason, Verdict},
};

impl RecordPolicy for Membership {
    fn check(&self, record: &SignedRecord, _: Option<&SignedRecord>) -> Verdict {
        match self.judge_record(record) {
            Ok(()) => Verdict::Accept,
            Err(Lack::Missing(missing)) => Verdict::Defer { missing },
            Err(Lack::Fault(fault)) => Verdict::Reject(RejectReason::NotAuthorized(fault.text())),
            Err(Lack::Crowded) => {
                Verdict::Reject(RejectReason::NotAuthorized(CredentialFault::Malformed.text()))
            }
        }
    }
}

impl Membership {
    fn judge_record(&self, record: &SignedRecord) -> Result<(), Lack> {
        let header = record.header();
        if header.record_type == RecordType::CREDENTIAL {
            return self.vet(record).map(drop);
        }
        if !header.record_type.is_reserved() {
            // What somebody writes in the clear must not reach those from whom the group hides it.
            if self.rules.encrypted_bodies && !is_encrypted_form(header, &record.body()) {
                return Err(Lack::Fault(CredentialFault::NotEncrypted));
            }
            self.check_end(header)?;
        }
        match self.verdict.record(&self.acts, &self.rules, &claim(record)) {
            RecordVerdict::Counts => Ok(()),
            RecordVerdict::Waits(act) => Err(Lack::Missing(*act.as_bytes())),
            RecordVerdict::Void(fault) => Err(Lack::Fault(fault.into())),
        }
    }

    /// A record ends with its author's membership, where that is the group's rule.
    fn check_end(&self, header: &Header) -> Result<(), Lack> {
        let named = header.grant.map(ActId::from_bytes);
        let end = named.and_then(|named| self.verdict.end_of(&named));
        let outlasts = end.is_some_and(|end| header.expires.is_none_or(|at| at > end));
        if self.rules.records_end_with_membership && !header.deleted && outlasts {
            return Err(Lack::Fault(CredentialFault::OutsideMembership));
        }
        Ok(())
    }

    /// True if a version counts only by a higher role than this of somebody who is to have no higher one: `wrote` the version, or
    /// `made` its record.
    pub fn needs_more_than(&self, record: &SignedRecord, role: Role, (wrote, made): (bool, bool)) -> bool {
        let header = record.header();
        let by_maker = header.editor.is_none();
        let may_edit = match self.rules.editor(&header.record_type) {
            Who::Author => by_maker && role >= Role::Member,
            Who::Role(least) => role >= least,
        };
        match header.record_type.as_str() {
            RecordType::PRESENCE | RecordType::MEMBER_NAME => false,
            RecordType::PROPERTIES => role < self.rules.properties,
            _ => {
                let makes = !made || role >= self.rules.publisher(&header.record_type);
                let is_change = made_before(header).is_some();
                let changes = !(wrote && is_change) || role >= Role::Admin || may_edit;
                !(makes && changes)
            }
        }
    }
}

/// What a version says of its origin.
fn claim(record: &SignedRecord) -> RecordClaim<'_> {
    let header = record.header();
    let version = Authorship {
        author: header.author(),
        grant: header.grant.map(ActId::from_bytes),
        at: header.hlc.timestamp(),
    };
    RecordClaim {
        record: record.id(),
        element: record.key().element,
        record_type: &header.record_type,
        version,
        made: made_before(header),
    }
}

/// Who made the record, if it was not by this version.
fn made_before(header: &Header) -> Option<Authorship> {
    let Some(Origin::Later(made)) = &header.origin else { return None };
    let grant = made.grant.map(ActId::from_bytes);
    Some(Authorship { author: header.creator, grant, at: header.created })
}

impl From<RecordFault> for CredentialFault {
    fn from(fault: RecordFault) -> Self {
        match fault {
            RecordFault::NotAMember => Self::NotAMember,
            RecordFault::Void(_) => Self::AuthorRemoved,
            RecordFault::OutsidePeriod => Self::OutsideMembership,
            RecordFault::Role => Self::Role,
        }
    }
}
