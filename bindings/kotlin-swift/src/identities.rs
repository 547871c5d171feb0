//! The identities of a node.

use std::sync::Arc;

use peergraph::{CreateIdentity, GraphId, PeerId, given};
use zeroize::Zeroizing;

use crate::{
    errors::Result,
    node::NativeNode,
    texts::{IdentityDescription, PeerName, peer_name},
    turn::{Turn, Turns},
};

/// One identity.
#[derive(Debug, uniffi::Object)]
pub struct NativeIdentity {
    pub(crate) identity: peergraph::Identity,
    /// Of its node.
    turns: Turns,
    /// The place of the next call.
    turn: Turn,
}

fn handle(turns: &Turns, identity: peergraph::Identity) -> Arc<NativeIdentity> {
    Arc::new(NativeIdentity { identity, turns: turns.clone(), turn: Turn::default() })
}

#[uniffi::export]
impl NativeNode {
    /// Makes an identity.
    pub async fn create_identity(
        &self,
        name: Option<String>,
        classifier: Option<String>,
        key: Option<Vec<u8>>,
    ) -> Result<Arc<NativeIdentity>> {
        let options = CreateIdentity {
            name,
            classifier,
            key: key.map(|key| given::secret_key(&Zeroizing::new(key))).transpose()?,
        };
        Ok(handle(&self.home.turns, self.turn.make(|| self.node.identities().create(options)).await?))
    }

    /// All identities, in the order of their peer names.
    pub fn identities(&self) -> Vec<Arc<NativeIdentity>> {
        self.node.identities().list().into_iter().map(|found| handle(&self.home.turns, found)).collect()
    }

    /// The identity that groups use unless told otherwise.
    pub async fn default_identity(&self) -> Result<Arc<NativeIdentity>> {
        Ok(handle(&self.home.turns, self.turn.make(|| self.node.identities().default()).await?))
    }

    /// Chooses the identity that later groups use unless told otherwise.
    pub async fn set_default_identity(&self, name: String) -> Result<()> {
        let name = peer_name(&name)?;
        Ok(self.turn.make(|| self.node.identities().set_default(&name)).await?)
    }

    /// The identity with this name.
    pub fn identity(&self, name: String) -> Result<Arc<NativeIdentity>> {
        Ok(handle(&self.home.turns, self.node.identities().get(&peer_name(&name)?)?))
    }

    /// Takes in an exported identity.
    pub async fn import_identity(&self, text: String, password: String) -> Result<Arc<NativeIdentity>> {
        let password = Zeroizing::new(password);
        Ok(handle(
            &self.home.turns,
            self.turn.make(|| self.node.identities().import(&text, &password)).await?,
        ))
    }
}

#[uniffi::export]
impl NativeIdentity {
    /// The same identity for one call, which has its place among the calls of its node now.
    pub fn placed(&self) -> Arc<Self> {
        let (identity, turns) = (self.identity.clone(), self.turns.clone());
        Arc::new(Self { identity, turn: turns.take(), turns })
    }

    /// The public key.
    pub fn peer_id(&self) -> PeerId {
        self.identity.peer_id()
    }

    /// The name that tells it from all others.
    pub fn peer_name(&self) -> PeerName {
        (&self.identity.peer_name()).into()
    }

    /// The friendly name.
    pub fn name(&self) -> String {
        self.identity.name()
    }

    /// Sets the friendly name.
    pub async fn rename(&self, name: Option<String>) -> Result<()> {
        Ok(self.turn.make(|| self.identity.rename(name.as_deref())).await?)
    }

    /// What others may know of it.
    pub fn describe(&self) -> Result<IdentityDescription> {
        Ok(self.identity.describe()?.into())
    }

    /// The whole identity as text that only the password opens.
    pub async fn export(&self, password: String) -> Result<String> {
        let password = Zeroizing::new(password);
        Ok(self.turn.make(|| self.identity.export(&password)).await?)
    }

    /// Signs a message of the application.
    pub fn sign(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        Ok(self.identity.sign(&message)?.to_vec())
    }

    /// The graphs of this key that are open or have a database here.
    pub async fn groups(&self) -> Result<Vec<GraphId>> {
        Ok(self.turn.make(|| self.identity.groups()).await?)
    }

    /// Deletes the identity.
    pub async fn delete(&self) -> Result<()> {
        Ok(self.turn.make(|| self.identity.delete()).await?)
    }
}
