//! Who is in a group.

use super::{Call, Error, ErrorKind, Group, Result};
use crate::{events::MemberInfo, ids::PeerId, record::SignedRecord};

impl Group {
    /// The members, this identity first: name, role, until when, whose nodes are here. A snapshot.
    ///
    /// # Errors
    /// `Closed`.
    #[doc(alias = "PeerGroupEnumMembers")]
    pub fn members(&self) -> Call<Result<Vec<MemberInfo>>> {
        self.call(|engine, now| engine.members(now))
    }

    /// The members of whom a node is here. A snapshot.
    ///
    /// # Errors
    /// `Closed`.
    pub fn present_members(&self) -> Call<Result<Vec<MemberInfo>>> {
        self.call(|engine, now| {
            let mut members = engine.members(now);
            members.retain(MemberInfo::is_present);
            members
        })
    }

    /// What makes somebody a member: the grants from the creator's down to theirs, as signed records. Empty for the
    /// creator.
    ///
    /// # Errors
    /// `NotFound` if this identity is no member, `Storage`, `Closed`.
    #[doc(alias = "PEER_CREDENTIAL_INFO")]
    pub fn credentials_of(&self, peer: PeerId) -> Call<Result<Vec<SignedRecord>>> {
        self.ask(move |engine, now| -> Result<_> {
            engine.credentials_of(now, peer)?.ok_or_else(|| no_member(peer))
        })
    }

    /// One member.
    ///
    /// # Errors
    /// `NotFound` if this identity is no member, `Closed`.
    pub fn member(&self, peer: PeerId) -> Call<Result<MemberInfo>> {
        self.ask(move |engine, now| {
            let found = engine.members(now).into_iter().find(|member| member.peer == peer);
            found.ok_or_else(|| no_member(peer))
        })
    }
}

pub(super) fn no_member(peer: PeerId) -> Error {
    Error::new(ErrorKind::NotFound, format!("{} is not a member", peer.short()))
}
