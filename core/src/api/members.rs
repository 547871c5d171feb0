//! Who is in a group.

use super::{Error, ErrorKind, Group, Result};
use crate::{events::MemberInfo, ids::PeerId, record::SignedRecord};

impl Group {
    /// The members, this identity first: name, role, until when, whose nodes are here. A snapshot.
    ///
    /// # Errors
    /// `Closed`.
    #[doc(alias = "PeerGroupEnumMembers")]
    pub async fn members(&self) -> Result<Vec<MemberInfo>> {
        self.call(|engine, now| engine.members(now)).await
    }

    /// The members of whom a node is here. A snapshot.
    ///
    /// # Errors
    /// `Closed`.
    pub async fn present_members(&self) -> Result<Vec<MemberInfo>> {
        let mut members = self.members().await?;
        members.retain(MemberInfo::is_present);
        Ok(members)
    }

    /// What makes somebody a member: the grants from the creator's down to theirs, as signed records. Empty for the
    /// creator.
    ///
    /// # Errors
    /// `NotFound` if this identity is no member, `Storage`, `Closed`.
    #[doc(alias = "PEER_CREDENTIAL_INFO")]
    pub async fn credentials_of(&self, peer: PeerId) -> Result<Vec<SignedRecord>> {
        let chain = self.call(move |engine, now| engine.credentials_of(now, peer)).await??;
        chain.ok_or_else(|| no_member(peer))
    }

    /// One member.
    ///
    /// # Errors
    /// `NotFound` if this identity is no member, `Closed`.
    pub async fn member(&self, peer: PeerId) -> Result<MemberInfo> {
        let found = self.members().await?.into_iter().find(|member| member.peer == peer);
        found.ok_or_else(|| no_member(peer))
    }
}

pub(super) fn no_member(peer: PeerId) -> Error {
    Error::new(ErrorKind::NotFound, format!("{} is not a member", peer.short()))
}
