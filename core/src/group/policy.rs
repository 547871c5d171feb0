//! Membership as the policy of a graph's records: who may write what.

use super::{CredentialFault, Membership, Unfit, key_ring::is_encrypted_form};
use crate::{
    record::{Header, RecordType, Role, SignedRecord, Who},
    records::{RecordPolicy, RejectReason, Verdict},
};

impl RecordPolicy for Membership {
    fn check(&self, record: &SignedRecord, _: Option<&SignedRecord>) -> Verdict {
        match self.judge(record) {
            Ok(()) => Verdict::Accept,
            Err(Unfit::Missing(missing)) => Verdict::Defer { missing },
            Err(Unfit::Fault(fault)) => Verdict::Reject(RejectReason::NotAuthorized(fault.text())),
        }
    }
}

impl Membership {
    fn judge(&self, record: &SignedRecord) -> Result<(), Unfit> {
        let header = record.header();
        let standing = self.standing(header.author(), header.grant, header.hlc.timestamp())?;
        match header.record_type.as_str() {
            RecordType::CREDENTIAL => drop(self.vet(record)?),
            RecordType::PRESENCE | RecordType::MEMBER_NAME => {}
            RecordType::PROPERTIES if standing.role < self.rules.properties => {
                return Err(CredentialFault::Role.into());
            }
            RecordType::PROPERTIES => {}
            _ => {
                self.may_write(header, standing.role)?;
                // What somebody writes in the clear must not reach those from whom the group hides it.
                if self.rules.encrypted_bodies && !is_encrypted_form(&record.body()) {
                    return Err(CredentialFault::NotEncrypted.into());
                }
            }
        }
        if self.rules.records_end_with_membership
            && !header.record_type.is_reserved()
            && !header.deleted
            && let Some(end) = standing.not_after
            && header.expires.is_none_or(|at| at > end)
        {
            return Err(CredentialFault::OutsideMembership.into());
        }
        self.revoked(&standing, record.key().element, header.hlc).map_or(Ok(()), |fault| Err(fault.into()))
    }

    fn may_write(&self, header: &Header, role: Role) -> Result<(), CredentialFault> {
        let allowed = if header.version == 1 {
            role >= self.rules.publisher(&header.record_type)
        } else {
            role >= Role::Admin
                || match self.rules.editor(&header.record_type) {
                    Who::Author => header.editor.is_none() && role >= Role::Member,
                    Who::Role(least) => role >= least,
                }
        };
        if allowed { Ok(()) } else { Err(CredentialFault::Role) }
    }
}
