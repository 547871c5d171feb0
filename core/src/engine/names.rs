//! What members call themselves: a record of the library's own for each identity that has said so.
//!
//! A grant names its subject as its issuer knew it. The subject's own statement takes precedence. It confers no right
//! and needs none but membership.

use super::{Engine, PublishError};
use crate::{
    group::{CredentialFault, shown_name},
    ids::PeerId,
    record::{MemberName, RecordKey, RecordType, SignedRecord, record_id},
    records::{MEMBER_NAME_NONCE, StoreError},
    time::Now,
    wire::{Filter, decode_exact},
};

/// The name that is to be stated once this identity's acts are here; empty: none.
const META_NAME: &str = "name to state";

impl Engine {
    /// States the name that this node's identity goes by in the group; an empty one: that of its grant. Acknowledge only
    /// after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`CredentialFault::NotAMember`] or [`CredentialFault::Removed`], [`PublishError::NeverSynchronized`] while the
    /// genesis is unknown, [`PublishError::Store`].
    pub fn set_name(&mut self, now: Now, name: &str) -> Result<(), PublishError> {
        self.check_standing()?;
        if self.group.own.is_none() {
            return Err(CredentialFault::NotAMember.into());
        }
        if self.stated_name()?.unwrap_or_default() == name {
            return Ok(());
        }
        if self.rests_on_papers() {
            // Nobody could judge it yet, not even this node: stated once the acts are here.
            self.keep_meta(META_NAME, name.as_bytes())?;
            self.group.unstated = Some(name.to_owned());
            return Ok(());
        }
        self.state_name(now, name)
    }

    /// States the name that a joiner gave before the acts were here by which it is a member.
    pub(super) fn state_kept_name(&mut self, now: Now) -> Result<(), StoreError> {
        if self.group.unstated.is_none() || self.rests_on_papers() || self.group.own.is_none() {
            return Ok(());
        }
        self.keep_meta(META_NAME, &[])?;
        let Some(name) = self.group.unstated.take() else { return Ok(()) };
        match self.state_name(now, &name) {
            Err(PublishError::Store(error)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the name that was given when joining could not be stated");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    pub(super) fn load_kept_name(&mut self) -> Result<(), StoreError> {
        let kept = self.store.meta(META_NAME)?.filter(|kept| !kept.is_empty());
        self.group.unstated = kept.and_then(|kept| String::from_utf8(kept).ok());
        Ok(())
    }

    fn state_name(&mut self, now: Now, name: &str) -> Result<(), PublishError> {
        let body = postcard::to_stdvec(&MemberName { name: name.into() }).expect("a name always encodes");
        let id = record_id(&self.graph, &self.device.peer, &MEMBER_NAME_NONCE);
        self.put_reserved(now, &id, MEMBER_NAME_NONCE, RecordType::member_name(), body.into(), None)?;
        Ok(())
    }

    /// Makes the name that a joiner gave its current one, unless it is already. `chosen` if the application gave it for
    /// this group; a default gives way to a name that the identity stated before, perhaps on another node.
    ///
    /// # Errors
    /// As [`set_name`](Self::set_name).
    pub fn join_under(&mut self, now: Now, name: &str, chosen: bool) -> Result<(), PublishError> {
        let stated = self.stated_name()?;
        let keeps = !chosen && stated.is_some();
        if name.is_empty() || keeps || self.shown_as(stated.as_deref()) == name {
            return Ok(());
        }
        self.set_name(now, name)
    }

    /// How this node's identity is listed if it has stated this name.
    fn shown_as(&self, stated: Option<&str>) -> String {
        let granted = self.group.own.as_ref().map(|own| own.name.as_str());
        shown_name(self.device.peer, stated.into_iter().chain(granted))
    }

    /// What this node's identity has stated, as it is stored.
    fn stated_name(&self) -> Result<Option<String>, StoreError> {
        if let Some(name) = &self.group.unstated {
            return Ok(Some(name.clone()));
        }
        let id = record_id(&self.graph, &self.device.peer, &MEMBER_NAME_NONCE);
        Ok(self.current(&id)?.as_ref().and_then(name_in))
    }

    /// Reads the stated names from the database.
    pub(super) fn load_names(&mut self) -> Result<(), StoreError> {
        let only = Filter::Only(RecordType::member_name());
        let (envelopes, _) = self.store.envelopes(&only, RecordKey::MIN, None, usize::MAX)?;
        let decoded = envelopes.into_iter().filter_map(|b| SignedRecord::decode_stored(&self.graph, b).ok());
        self.group.names = decoded.filter_map(|r| Some((r.header().creator, name_in(&r)?))).collect();
        Ok(())
    }

    /// A member has stated a name.
    pub(super) fn on_member_name(&mut self, signed: &SignedRecord) {
        let Some(name) = name_in(signed) else { return }; // admit lets no such record in
        let before = self.group.names.insert(signed.header().creator, name.clone());
        self.group.changed |= before.as_deref() != Some(&*name);
    }

    /// A stated name was withdrawn.
    pub(super) fn member_name_gone(&mut self, peer: &PeerId) {
        self.group.changed |= self.group.names.remove(peer).is_some();
    }
}

fn name_in(record: &SignedRecord) -> Option<String> {
    decode_exact::<MemberName>(&record.body()).ok().map(|stated| stated.name)
}
