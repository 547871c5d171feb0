//! What only groups can do.

use std::sync::Arc;

use peergraph::{
    InviteLink, InviteMember, InvitePassword, NodeId, PeerId, RemoveMember, record::SignedRecord,
};
use zeroize::Zeroizing;

use crate::{
    enums::{JoinOutcome, Role},
    errors::Result,
    graph::NativeGraph,
    ids::Span,
    texts::{Invitation, description},
    values::{GroupRules, MemberInfo, OpenInvitation, RevokedDevice},
};

fn bytes(records: Vec<SignedRecord>) -> Vec<Vec<u8>> {
    records.iter().map(|record| record.bytes().to_vec()).collect()
}

fn span(lifetime: Option<Span>) -> Option<std::time::Duration> {
    lifetime.map(|span| span.0)
}

#[uniffi::export]
impl NativeGraph {
    /// Whether this identity became a member when the group was opened, or was one.
    pub fn join_outcome(&self) -> Result<JoinOutcome> {
        Ok(self.as_group()?.join_outcome().into())
    }

    /// Another handle to the same group, for use as a graph.
    pub fn as_graph(&self) -> Arc<Self> {
        Self::plain(&self.home, self.graph.clone())
    }

    /// What was fixed when the group was made.
    pub async fn rules(&self) -> Result<GroupRules> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.rules()).await?.into())
    }

    /// What this identity may do; none if it is no member.
    pub async fn role(&self) -> Result<Option<Role>> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.role()).await?.map(Into::into))
    }

    /// All members.
    pub async fn members(&self) -> Result<Vec<MemberInfo>> {
        Ok(self
            .turn
            .make_for(self.as_group()?, |group| group.members())
            .await?
            .into_iter()
            .map(Into::into)
            .collect())
    }

    /// The members that are here.
    pub async fn present_members(&self) -> Result<Vec<MemberInfo>> {
        Ok(self
            .turn
            .make_for(self.as_group()?, |group| group.present_members())
            .await?
            .into_iter()
            .map(Into::into)
            .collect())
    }

    /// One member.
    pub async fn member(&self, peer: PeerId) -> Result<MemberInfo> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.member(peer)).await?.into())
    }

    /// Invites one identity, known by its public description.
    pub async fn invite(&self, whom: String, role: Role, lifetime: Option<Span>) -> Result<Invitation> {
        let options = InviteMember { role: role.into(), lifetime: span(lifetime) };
        let whom = description(&whom)?;
        Ok(self.turn.make_for(self.as_group()?, |group| group.invite(&whom, options)).await?.into())
    }

    /// Invites one identity, known by its id.
    pub async fn invite_peer(
        &self,
        peer: PeerId,
        name: String,
        role: Role,
        lifetime: Option<Span>,
    ) -> Result<Invitation> {
        let options = InviteMember { role: role.into(), lifetime: span(lifetime) };
        Ok(self
            .turn
            .make_for(self.as_group()?, |group| group.invite_peer(peer, &name, options))
            .await?
            .into())
    }

    /// Makes a link for whoever has it.
    pub async fn invite_link(
        &self,
        role: Role,
        uses: u32,
        valid: Span,
        lifetime: Option<Span>,
        admitters: Vec<PeerId>,
    ) -> Result<Invitation> {
        let lifetime = span(lifetime);
        let options = InviteLink { role: role.into(), uses, valid: valid.0, lifetime, admitters };
        Ok(self.turn.make_for(self.as_group()?, |group| group.invite_link(options)).await?.into())
    }

    /// Lets in whoever has the invitation and knows the password.
    pub async fn set_password(
        &self,
        password: String,
        role: Role,
        lifetime: Option<Span>,
    ) -> Result<Invitation> {
        let password = Zeroizing::new(password);
        let options = InvitePassword { role: role.into(), lifetime: span(lifetime) };
        Ok(self.turn.make_for(self.as_group()?, |group| group.set_password(&password, options)).await?.into())
    }

    /// Lets nobody in by password any more.
    pub async fn clear_password(&self) -> Result<()> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.clear_password()).await?)
    }

    /// The links that can still be used.
    pub async fn invitations(&self) -> Result<Vec<OpenInvitation>> {
        Ok(self
            .turn
            .make_for(self.as_group()?, |group| group.invitations())
            .await?
            .into_iter()
            .map(Into::into)
            .collect())
    }

    /// Takes a link back.
    pub async fn revoke_invitation(&self, key: PeerId) -> Result<()> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.revoke_invitation(key)).await?)
    }

    /// Gives a membership anew.
    pub async fn renew(&self, peer: PeerId, lifetime: Option<Span>) -> Result<()> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.renew(peer, span(lifetime))).await?)
    }

    /// Changes the name that this identity goes by.
    pub async fn set_name(&self, name: String) -> Result<()> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.set_name(&name)).await?)
    }

    /// Gives a member another role, at once.
    pub async fn set_role(&self, peer: PeerId, role: Role) -> Result<()> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.set_role(peer, role.into())).await?)
    }

    /// Removes a member.
    pub async fn remove(
        &self,
        peer: PeerId,
        reason: String,
        keep_records: bool,
        with_branch: bool,
        undo: bool,
    ) -> Result<()> {
        Ok(self
            .turn
            .make_for(self.as_group()?, |group| {
                group.remove(peer, RemoveMember { reason, keep_records, with_branch, undo })
            })
            .await?)
    }

    /// Encrypts what follows under a new key.
    pub async fn renew_body_key(&self) -> Result<()> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.renew_body_key()).await?)
    }

    /// Refuses one device of an identity.
    pub async fn revoke_device(&self, peer: PeerId, node: NodeId) -> Result<()> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.revoke_device(peer, node)).await?)
    }

    /// Takes back that a device is refused.
    pub async fn restore_device(&self, peer: PeerId, node: NodeId) -> Result<()> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.restore_device(peer, node)).await?)
    }

    /// The devices of an identity that are refused.
    pub async fn revoked_devices(&self, peer: PeerId) -> Result<Vec<RevokedDevice>> {
        Ok(self
            .turn
            .make_for(self.as_group()?, |group| group.revoked_devices(peer))
            .await?
            .into_iter()
            .map(Into::into)
            .collect())
    }

    /// Leaves the group for good, and closes it.
    pub async fn leave(&self) -> Result<()> {
        Ok(self.turn.make_for(self.as_group()?, |group| group.leave()).await?)
    }

    /// All grants, invitations and removals as signed records.
    pub async fn credentials(&self) -> Result<Vec<Vec<u8>>> {
        Ok(bytes(self.turn.make_for(self.as_group()?, |group| group.credentials()).await?))
    }

    /// What makes somebody a member, as signed records.
    pub async fn credentials_of(&self, peer: PeerId) -> Result<Vec<Vec<u8>>> {
        Ok(bytes(self.turn.make_for(self.as_group()?, |group| group.credentials_of(peer)).await?))
    }

    /// This membership as text that only the password opens.
    pub async fn export_membership(&self, password: String) -> Result<String> {
        let password = Zeroizing::new(password);
        Ok(self.turn.make_for(self.as_group()?, |group| group.export_membership(&password)).await?)
    }
}
