//! What only groups can do.

use napi::Result;
use napi_derive::napi;
use peergraph::{
    Call, IdentityDescription, Invitation, InviteLink, InviteMember, InvitePassword, RemoveMember,
    names::Named, record::SignedRecord,
};
use zeroize::Zeroizing;

use crate::{
    bridge::Bridge,
    convert::{lifetime_or, maybe, parse, parse_all, role, small, span_or},
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
    pub undo: Option<bool>,
}

/// An invitation crosses as its text.
fn invited(to: &Bridge, id: u32, invitation: Call<peergraph::Result<Invitation>>) {
    to.ask(id, async move { Ok(invitation.await?.to_string()) });
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
        to.ask(id, self.as_group()?.rules());
        Ok(())
    }

    #[napi]
    pub fn members(&self, to: &Bridge, id: u32, present: bool) -> Result<()> {
        let group = self.as_group()?;
        to.ask(id, if present { group.present_members() } else { group.members() });
        Ok(())
    }

    #[napi]
    pub fn member(&self, to: &Bridge, id: u32, peer: String) -> Result<()> {
        to.ask(id, self.as_group()?.member(parse(&peer)?));
        Ok(())
    }

    #[napi]
    pub fn role(&self, to: &Bridge, id: u32) -> Result<()> {
        to.ask(id, self.as_group()?.role());
        Ok(())
    }

    #[napi]
    pub fn invite_identity(&self, to: &Bridge, id: u32, whom: String, inviting: Inviting) -> Result<()> {
        let whom = parse::<IdentityDescription>(&whom)?;
        invited(to, id, self.as_group()?.invite(&whom, inviting.member()?));
        Ok(())
    }

    #[napi]
    pub fn invite_peer(&self, to: &Bridge, id: u32, peer: String, inviting: Inviting) -> Result<()> {
        let options = inviting.member()?;
        let name = inviting.name.unwrap_or_default();
        invited(to, id, self.as_group()?.invite_peer(parse(&peer)?, &name, options));
        Ok(())
    }

    #[napi]
    pub fn invite_link(&self, to: &Bridge, id: u32, inviting: Inviting) -> Result<()> {
        invited(to, id, self.as_group()?.invite_link(inviting.link()?));
        Ok(())
    }

    #[napi]
    pub fn set_password(&self, to: &Bridge, id: u32, password: String, inviting: Inviting) -> Result<()> {
        let password = Zeroizing::new(password);
        invited(to, id, self.as_group()?.set_password(&password, inviting.password()?));
        Ok(())
    }

    #[napi]
    pub fn clear_password(&self, to: &Bridge, id: u32) -> Result<()> {
        to.act(id, self.as_group()?.clear_password());
        Ok(())
    }

    #[napi]
    pub fn invitations(&self, to: &Bridge, id: u32) -> Result<()> {
        to.ask(id, self.as_group()?.invitations());
        Ok(())
    }

    #[napi]
    pub fn revoke_invitation(&self, to: &Bridge, id: u32, key: String) -> Result<()> {
        to.act(id, self.as_group()?.revoke_invitation(parse(&key)?));
        Ok(())
    }

    #[napi]
    pub fn renew(&self, to: &Bridge, id: u32, peer: String, lifetime: Option<f64>) -> Result<()> {
        let lifetime = lifetime_or(lifetime, InviteMember::default().lifetime)?;
        to.act(id, self.as_group()?.renew(parse(&peer)?, lifetime));
        Ok(())
    }

    #[napi]
    pub fn set_name(&self, to: &Bridge, id: u32, name: String) -> Result<()> {
        to.act(id, self.as_group()?.set_name(&name));
        Ok(())
    }

    #[napi]
    pub fn set_role(&self, to: &Bridge, id: u32, peer: String, as_role: String) -> Result<()> {
        to.act(id, self.as_group()?.set_role(parse(&peer)?, role(&as_role)?));
        Ok(())
    }

    #[napi]
    pub fn remove(&self, to: &Bridge, id: u32, peer: String, removing: Removing) -> Result<()> {
        let default = RemoveMember::default();
        let options = RemoveMember {
            reason: removing.reason.unwrap_or(default.reason),
            keep_records: removing.keep_records.unwrap_or(default.keep_records),
            with_branch: removing.with_branch.unwrap_or(default.with_branch),
            undo: removing.undo.unwrap_or(default.undo),
        };
        to.act(id, self.as_group()?.remove(parse(&peer)?, options));
        Ok(())
    }

    #[napi]
    pub fn renew_body_key(&self, to: &Bridge, id: u32) -> Result<()> {
        to.act(id, self.as_group()?.renew_body_key());
        Ok(())
    }

    #[napi]
    pub fn revoke_device(&self, to: &Bridge, id: u32, peer: String, node: String) -> Result<()> {
        to.act(id, self.as_group()?.revoke_device(parse(&peer)?, parse(&node)?));
        Ok(())
    }

    #[napi]
    pub fn restore_device(&self, to: &Bridge, id: u32, peer: String, node: String) -> Result<()> {
        to.act(id, self.as_group()?.restore_device(parse(&peer)?, parse(&node)?));
        Ok(())
    }

    #[napi]
    pub fn revoked_devices(&self, to: &Bridge, id: u32, peer: String) -> Result<()> {
        to.ask(id, self.as_group()?.revoked_devices(parse(&peer)?));
        Ok(())
    }

    #[napi]
    pub fn leave(&self, to: &Bridge, id: u32) -> Result<()> {
        to.act(id, self.as_group()?.leave());
        Ok(())
    }

    #[napi]
    pub fn credentials(&self, to: &Bridge, id: u32, peer: Option<String>) -> Result<()> {
        let group = self.as_group()?;
        let credentials = match maybe(peer.as_deref())? {
            Some(peer) => group.credentials_of(peer),
            None => group.credentials(),
        };
        to.ask(id, async move { Ok(Signed(credentials.await?)) });
        Ok(())
    }

    #[napi]
    pub fn export_membership(&self, to: &Bridge, id: u32, password: String) -> Result<()> {
        let (group, password) = (self.as_group()?, Zeroizing::new(password));
        to.ask(id, group.export_membership(&password));
        Ok(())
    }
}
