//! What only groups can do.

use napi::Result;
use napi_derive::napi;
use peergraph::{
    IdentityDescription, InviteLink, InviteMember, InvitePassword, RemoveMember, names::Named,
    record::SignedRecord,
};
use zeroize::Zeroizing;

use crate::{
    bridge::Bridge,
    convert::{lifetime_or, parse, parse_all, role, small, span_or},
    graph::NativeGraph,
    pack::{Pack, Packer},
};

/// What somebody is invited to; what is left out is as the library has it. A lifetime of infinity: as long as one's own.
#[napi(object, object_to_js = false)]
pub struct Inviting {
    pub role: Option<String>,
    pub lifetime: Option<f64>,
    pub name: Option<String>,
    pub uses: Option<f64>,
    pub valid: Option<f64>,
    pub admitters: Option<Vec<String>>,
}

impl Inviting {
    fn member(&self) -> Result<InviteMember> {
        let default = InviteMember::default();
        Ok(InviteMember {
            role: self.role.as_deref().map_or(Ok(default.role), role)?,
            lifetime: lifetime_or(self.lifetime, default.lifetime)?,
        })
    }

    fn link(&self) -> Result<InviteLink> {
        let default = InviteLink::default();
        Ok(InviteLink {
            role: self.role.as_deref().map_or(Ok(default.role), role)?,
            uses: self.uses.map_or(Ok(default.uses), |uses| small(uses, "uses"))?,
            valid: span_or(self.valid, default.valid)?,
            lifetime: lifetime_or(self.lifetime, default.lifetime)?,
            admitters: parse_all(self.admitters.as_deref().unwrap_or_default())?,
        })
    }

    fn password(&self) -> Result<InvitePassword> {
        let default = InvitePassword::default();
        Ok(InvitePassword {
            role: self.role.as_deref().map_or(Ok(default.role), role)?,
            lifetime: lifetime_or(self.lifetime, default.lifetime)?,
        })
    }
}

/// How somebody is removed.
#[napi(object, object_to_js = false)]
pub struct Removing {
    pub reason: Option<String>,
    pub keep_records: Option<bool>,
    pub with_branch: Option<bool>,
}

struct Signed(Vec<SignedRecord>);

impl Pack for Signed {
    fn pack(&self, to: &mut Packer) {
        to.list(&self.0, |to, record| to.blob(record.bytes()));
    }
}

#[napi]
impl NativeGraph {
    #[napi(getter)]
    pub fn join_outcome(&self) -> Result<&'static str> {
        Ok(self.as_group()?.join_outcome().word())
    }

    #[napi]
    pub fn rules(&self, to: &Bridge, id: u32) -> Result<()> {
        let group = self.as_group()?;
        to.ask(id, async move { group.rules().await });
        Ok(())
    }

    #[napi]
    pub fn members(&self, to: &Bridge, id: u32, present: bool) -> Result<()> {
        let group = self.as_group()?;
        to.ask(
            id,
            async move { if present { group.present_members().await } else { group.members().await } },
        );
        Ok(())
    }

    #[napi]
    pub fn member(&self, to: &Bridge, id: u32, peer: String) -> Result<()> {
        let (group, peer) = (self.as_group()?, parse(&peer)?);
        to.ask(id, async move { group.member(peer).await });
        Ok(())
    }

    #[napi]
    pub fn role(&self, to: &Bridge, id: u32) -> Result<()> {
        let group = self.as_group()?;
        to.ask(id, async move { group.role().await });
        Ok(())
    }

    #[napi]
    pub fn invite_identity(&self, to: &Bridge, id: u32, whom: String, inviting: Inviting) -> Result<()> {
        let (group, whom, options) =
            (self.as_group()?, parse::<IdentityDescription>(&whom)?, inviting.member()?);
        to.ask(id, async move { Ok(group.invite(&whom, options).await?.to_string()) });
        Ok(())
    }

    #[napi]
    pub fn invite_peer(&self, to: &Bridge, id: u32, peer: String, inviting: Inviting) -> Result<()> {
        let (group, peer, options) = (self.as_group()?, parse(&peer)?, inviting.member()?);
        let name = inviting.name.unwrap_or_default();
        to.ask(id, async move { Ok(group.invite_peer(peer, &name, options).await?.to_string()) });
        Ok(())
    }

    #[napi]
    pub fn invite_link(&self, to: &Bridge, id: u32, inviting: Inviting) -> Result<()> {
        let (group, options) = (self.as_group()?, inviting.link()?);
        to.ask(id, async move { Ok(group.invite_link(options).await?.to_string()) });
        Ok(())
    }

    #[napi]
    pub fn set_password(&self, to: &Bridge, id: u32, password: String, inviting: Inviting) -> Result<()> {
        let (group, options, password) = (self.as_group()?, inviting.password()?, Zeroizing::new(password));
        to.ask(id, async move { Ok(group.set_password(&password, options).await?.to_string()) });
        Ok(())
    }

    #[napi]
    pub fn clear_password(&self, to: &Bridge, id: u32) -> Result<()> {
        let group = self.as_group()?;
        to.act(id, async move { group.clear_password().await });
        Ok(())
    }

    #[napi]
    pub fn invitations(&self, to: &Bridge, id: u32) -> Result<()> {
        let group = self.as_group()?;
        to.ask(id, async move { group.invitations().await });
        Ok(())
    }

    #[napi]
    pub fn revoke_invitation(&self, to: &Bridge, id: u32, key: String) -> Result<()> {
        let (group, key) = (self.as_group()?, parse(&key)?);
        to.act(id, async move { group.revoke_invitation(key).await });
        Ok(())
    }

    #[napi]
    pub fn renew(&self, to: &Bridge, id: u32, peer: String, lifetime: Option<f64>) -> Result<()> {
        let lifetime = lifetime_or(lifetime, InviteMember::default().lifetime)?;
        let (group, peer) = (self.as_group()?, parse(&peer)?);
        to.act(id, async move { group.renew(peer, lifetime).await });
        Ok(())
    }

    #[napi]
    pub fn set_role(&self, to: &Bridge, id: u32, peer: String, as_role: String) -> Result<()> {
        let (group, peer, as_role) = (self.as_group()?, parse(&peer)?, role(&as_role)?);
        to.act(id, async move { group.set_role(peer, as_role).await });
        Ok(())
    }

    #[napi]
    pub fn remove(&self, to: &Bridge, id: u32, peer: String, removing: Removing) -> Result<()> {
        let default = RemoveMember::default();
        let options = RemoveMember {
            reason: removing.reason.unwrap_or(default.reason),
            keep_records: removing.keep_records.unwrap_or(default.keep_records),
            with_branch: removing.with_branch.unwrap_or(default.with_branch),
        };
        let (group, peer) = (self.as_group()?, parse(&peer)?);
        to.act(id, async move { group.remove(peer, options).await });
        Ok(())
    }

    #[napi]
    pub fn renew_body_key(&self, to: &Bridge, id: u32) -> Result<()> {
        let group = self.as_group()?;
        to.act(id, async move { group.renew_body_key().await });
        Ok(())
    }

    #[napi]
    pub fn revoke_device(&self, to: &Bridge, id: u32, peer: String, node: String) -> Result<()> {
        let (group, peer, node) = (self.as_group()?, parse(&peer)?, parse(&node)?);
        to.act(id, async move { group.revoke_device(peer, node).await });
        Ok(())
    }

    #[napi]
    pub fn leave(&self, to: &Bridge, id: u32) -> Result<()> {
        let group = self.as_group()?;
        to.act(id, async move { group.leave().await });
        Ok(())
    }

    #[napi]
    pub fn credentials(&self, to: &Bridge, id: u32, peer: Option<String>) -> Result<()> {
        let (group, peer) = (self.as_group()?, crate::convert::maybe(peer.as_deref())?);
        to.ask(id, async move {
            Ok(Signed(match peer {
                Some(peer) => group.credentials_of(peer).await?,
                None => group.credentials().await?,
            }))
        });
        Ok(())
    }

    #[napi]
    pub fn export_membership(&self, to: &Bridge, id: u32, password: String) -> Result<()> {
        let (group, password) = (self.as_group()?, Zeroizing::new(password));
        to.ask(id, async move { group.export_membership(&password).await });
        Ok(())
    }
}
