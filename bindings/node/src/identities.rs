//! Identities.

use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use peergraph::{Call, CreateIdentity, given};
use zeroize::Zeroizing;

use crate::{
    bridge::{Bridge, Reply},
    convert::parse,
    errors::Fail,
    texts::{DescriptionFields, description},
};

/// The identities of a node.
#[napi]
pub struct NativeIdentities {
    pub(crate) identities: peergraph::Identities,
}

/// One identity.
#[napi]
pub struct NativeIdentity {
    pub(crate) identity: peergraph::Identity,
}

const fn handle(identity: peergraph::Identity) -> Reply {
    Reply::Identity(NativeIdentity { identity })
}

fn made(to: &Bridge, id: u32, identity: Call<peergraph::Result<peergraph::Identity>>) {
    to.run(id, async move { identity.await.map(handle) });
}

#[napi]
impl NativeIdentities {
    #[napi]
    pub fn create(
        &self,
        to: &Bridge,
        id: u32,
        name: Option<String>,
        classifier: Option<String>,
        key: Option<&[u8]>,
    ) -> Result<()> {
        let options = CreateIdentity {
            name,
            classifier,
            key: key.map(given::secret_key).transpose().map_err(Fail::from)?,
        };
        made(to, id, self.identities.create(options));
        Ok(())
    }

    #[napi]
    pub fn list(&self) -> Vec<NativeIdentity> {
        self.identities.list().into_iter().map(|identity| NativeIdentity { identity }).collect()
    }

    #[napi]
    pub fn default(&self, to: &Bridge, id: u32) {
        made(to, id, self.identities.default());
    }

    #[napi]
    pub fn set_default(&self, to: &Bridge, id: u32, name: String) -> Result<()> {
        to.act(id, self.identities.set_default(&parse(&name)?));
        Ok(())
    }

    #[napi]
    pub fn get(&self, name: String) -> Result<NativeIdentity> {
        Ok(NativeIdentity { identity: self.identities.get(&parse(&name)?).map_err(Fail::from)? })
    }

    #[napi]
    pub fn import_identity(&self, to: &Bridge, id: u32, text: String, password: String) {
        let password = Zeroizing::new(password);
        made(to, id, self.identities.import(&text, &password));
    }
}

#[napi]
impl NativeIdentity {
    #[napi(getter)]
    pub fn peer_id(&self) -> String {
        self.identity.peer_id().to_string()
    }

    #[napi(getter)]
    pub fn peer_name(&self) -> String {
        self.identity.peer_name().to_string()
    }

    #[napi(getter)]
    pub fn name(&self) -> String {
        self.identity.name()
    }

    #[napi]
    pub fn rename(&self, to: &Bridge, id: u32, name: Option<String>) {
        to.act(id, self.identity.rename(name.as_deref()));
    }

    #[napi]
    pub fn describe(&self) -> Result<DescriptionFields> {
        Ok(description(&self.identity.describe().map_err(Fail::from)?))
    }

    #[napi]
    pub fn export(&self, to: &Bridge, id: u32, password: String) {
        let password = Zeroizing::new(password);
        to.ask(id, self.identity.export(&password));
    }

    #[napi]
    pub fn sign(&self, message: &[u8]) -> Result<Buffer> {
        Ok(self.identity.sign(message).map_err(Fail::from)?.to_vec().into())
    }

    #[napi]
    pub fn groups(&self, to: &Bridge, id: u32) {
        to.ask(id, self.identity.groups());
    }

    #[napi]
    pub fn delete(&self, to: &Bridge, id: u32) {
        to.act(id, self.identity.delete());
    }
}
