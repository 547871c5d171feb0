//! What only groups can do.

use peergraph::{InviteLink, InviteMember, InvitePassword, RemoveMember, record::SignedRecord};
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    bridge,
    convert::{list, maybe_span, named, object, result, role, span},
    graph::Graph,
    ids::{NodeId, PeerId},
    invitation::{IdentityDescription, Invitation},
    values::{maybe_role, member_info, open_invitation, revoked_device, rules},
};

fn invited(py: Python<'_>, invitation: peergraph::Invitation) -> PyResult<Py<PyAny>> {
    object(py, Invitation(invitation))
}

fn nothing(py: Python<'_>, _: ()) -> PyResult<Py<PyAny>> {
    Ok(py.None())
}

fn signed(py: Python<'_>, all: Vec<SignedRecord>) -> PyResult<Py<PyAny>> {
    list(py, all, |py, record| Ok(PyBytes::new(py, record.bytes()).into_any().unbind()))
}

#[pymethods]
impl Graph {
    #[getter]
    fn join_outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        named(py, self.as_group()?.join_outcome())
    }

    fn rules<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.rules(), |py, found| rules(py, &found))
    }

    fn members<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.members(), |py, all| list(py, &all, member_info))
    }

    fn present_members<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.present_members(), |py, all| list(py, &all, member_info))
    }

    fn member<'py>(&self, py: Python<'py>, peer: PeerId) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.member(peer.0), |py, member| member_info(py, &member))
    }

    fn role<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.role(), maybe_role)
    }

    fn invite_identity<'py>(
        &self,
        py: Python<'py>,
        whom: IdentityDescription,
        as_role: &str,
        lifetime: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = InviteMember { role: role(as_role)?, lifetime: maybe_span(lifetime, "lifetime")? };
        let group = self.as_group()?;
        bridge::call(py, group.invite(&whom.0, options), invited)
    }

    fn invite_peer<'py>(
        &self,
        py: Python<'py>,
        peer: PeerId,
        name: String,
        as_role: &str,
        lifetime: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = InviteMember { role: role(as_role)?, lifetime: maybe_span(lifetime, "lifetime")? };
        let group = self.as_group()?;
        bridge::call(py, group.invite_peer(peer.0, &name, options), invited)
    }

    fn invite_link<'py>(
        &self,
        py: Python<'py>,
        as_role: &str,
        uses: u32,
        valid: &Bound<'py, PyAny>,
        lifetime: Option<&Bound<'py, PyAny>>,
        admitters: Vec<PeerId>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = InviteLink {
            role: role(as_role)?,
            uses,
            valid: span(valid, "valid")?,
            lifetime: maybe_span(lifetime, "lifetime")?,
            admitters: admitters.into_iter().map(|peer| peer.0).collect(),
        };
        let group = self.as_group()?;
        bridge::call(py, group.invite_link(options), invited)
    }

    fn set_password<'py>(
        &self,
        py: Python<'py>,
        password: String,
        as_role: &str,
        lifetime: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = InvitePassword { role: role(as_role)?, lifetime: maybe_span(lifetime, "lifetime")? };
        let (group, password) = (self.as_group()?, zeroize::Zeroizing::new(password));
        bridge::call(py, group.set_password(&password, options), invited)
    }

    fn clear_password<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.clear_password(), nothing)
    }

    fn invitations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.invitations(), |py, all| list(py, all, open_invitation))
    }

    fn revoke_invitation<'py>(&self, py: Python<'py>, key: PeerId) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.revoke_invitation(key.0), nothing)
    }

    fn renew<'py>(
        &self,
        py: Python<'py>,
        peer: PeerId,
        lifetime: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (group, lifetime) = (self.as_group()?, maybe_span(lifetime, "lifetime")?);
        bridge::call(py, group.renew(peer.0, lifetime), nothing)
    }

    fn set_name<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.set_name(name), nothing)
    }

    fn set_role<'py>(&self, py: Python<'py>, peer: PeerId, as_role: &str) -> PyResult<Bound<'py, PyAny>> {
        let (group, as_role) = (self.as_group()?, role(as_role)?);
        bridge::call(py, group.set_role(peer.0, as_role), nothing)
    }

    fn remove<'py>(
        &self,
        py: Python<'py>,
        peer: PeerId,
        reason: String,
        keep_records: bool,
        with_branch: bool,
        undo: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = RemoveMember { reason, keep_records, with_branch, undo };
        let group = self.as_group()?;
        bridge::call(py, group.remove(peer.0, options), nothing)
    }

    fn revoke_device<'py>(&self, py: Python<'py>, peer: PeerId, node: NodeId) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.revoke_device(peer.0, node.0), nothing)
    }

    fn restore_device<'py>(
        &self,
        py: Python<'py>,
        peer: PeerId,
        node: NodeId,
    ) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.restore_device(peer.0, node.0), nothing)
    }

    fn revoked_devices<'py>(&self, py: Python<'py>, peer: PeerId) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.revoked_devices(peer.0), |py, all| list(py, all, revoked_device))
    }

    fn leave<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.leave(), nothing)
    }

    fn credentials<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.credentials(), signed)
    }

    fn credentials_of<'py>(&self, py: Python<'py>, peer: PeerId) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.credentials_of(peer.0), signed)
    }

    fn renew_body_key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let group = self.as_group()?;
        bridge::call(py, group.renew_body_key(), nothing)
    }

    fn export_membership<'py>(&self, py: Python<'py>, password: String) -> PyResult<Bound<'py, PyAny>> {
        let (group, password) = (self.as_group()?, zeroize::Zeroizing::new(password));
        bridge::call(py, group.export_membership(&password), result)
    }
}
