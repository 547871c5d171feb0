//! Identities: making, naming, describing, moving and deleting them; signing with them.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use super::{
    Call, Error, ErrorKind, Result, call::attempt, identity_store::Entry, making::Undo, node::NodeInner,
    runtime::blocking,
};
use crate::{
    crypto::{PasswordCost, SealSeed, SecretKey, SignatureBytes},
    group::{IdentityDescription, IdentitySecret, PeerName},
    ids::{GraphId, PeerId},
    limits::MIN_PASSWORD,
};

/// What a new identity is like. A plain text makes one with that friendly name.
#[derive(Debug, Clone, Default)]
pub struct CreateIdentity {
    /// Friendly name, at most 255 characters; need not be unique. Default: the peer name.
    pub name: Option<String>,
    /// What tells it from other identities with the same key, at most 149 characters. Default: nothing.
    pub classifier: Option<String>,
    /// Its private key. Default: a new one.
    pub key: Option<SecretKey>,
}

impl From<&str> for CreateIdentity {
    /// An identity with a friendly name and a new key.
    fn from(name: &str) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }
}

/// The identities of a node. Cheap to clone.
#[derive(Clone)]
pub struct Identities {
    node: Arc<NodeInner>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.node.identities.list().len())
    }
}

impl Identities {
    pub(super) const fn new(node: Arc<NodeInner>) -> Self {
        Self { node }
    }

    /// Makes an identity. On return it is on the disk, if the node has one.
    ///
    /// # Errors
    /// `TooLarge` if a name is too long, `InvalidArgument` if it has control characters, `AlreadyExists` if there is
    /// an identity with this key and classifier, `KeyAccess` or `Storage` if it could not be written, `Closed`.
    #[doc(alias = "PeerIdentityCreate")]
    pub fn create(&self, options: impl Into<CreateIdentity>) -> Call<Result<Identity>> {
        let CreateIdentity { name, classifier, key } = options.into();
        let key = key.unwrap_or_else(|| SecretKey::from_bytes(&rand::random()));
        self.add(move || Ok(IdentitySecret::new(key, classifier.as_deref(), name.as_deref())?))
    }

    /// All identities, in the order of their peer names. A snapshot.
    #[doc(alias = "PeerEnumIdentities")]
    pub fn list(&self) -> Vec<Identity> {
        self.node.identities.list().into_iter().map(|entry| self.handle(entry)).collect()
    }

    /// The identity that groups use unless told otherwise: the one chosen by [`set_default`](Self::set_default), or
    /// else the node's own. If that was deleted, a new one is made, which the node then acts for.
    ///
    /// # Errors
    /// `KeyAccess` or `Storage` if a new one could not be written, `Closed`.
    #[doc(alias = "PeerIdentityGetDefault")]
    pub fn default(&self) -> Call<Result<Identity>> {
        let (identities, found) = (self.clone(), self.node.exclusive(|node| node.identities.default()));
        Call::placed(async move { Ok(identities.handle(found.await?)) })
    }

    /// Chooses the identity that later groups use unless told otherwise. Kept on the disk. Graphs are not concerned:
    /// they use the node's own.
    ///
    /// # Errors
    /// `NotFound` if there is no such identity, `KeyAccess` or `Storage` if it could not be written, `Closed`.
    pub fn set_default(&self, name: &PeerName) -> Call<Result<()>> {
        let name = name.clone();
        self.node.exclusive(move |node| node.identities.set_default(&name))
    }

    /// The identity with this name.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, name: &PeerName) -> Result<Identity> {
        Ok(self.handle(self.node.identities.get(name)?))
    }

    /// Takes in an identity that [`Identity::export`] wrote, here or on another machine. What a mail or a chat does to
    /// the text is undone; no character may be missing or another.
    ///
    /// # Errors
    /// `InvalidArgument` if the text is not an exported identity or was altered, `UnsupportedVersion` if a later
    /// version made it, `WrongPassword`, `AlreadyExists` if the identity is here, `KeyAccess` or `Storage` if it could
    /// not be written, `Closed`.
    #[doc(alias = "PeerIdentityImport")]
    pub fn import(&self, text: &str, password: &str) -> Call<Result<Identity>> {
        let (text, password) = (text.to_owned(), Zeroizing::new(password.to_owned()));
        self.add(move || Ok(IdentitySecret::from_text(&text, &password)?))
    }

    fn add(
        &self,
        secret: impl FnOnce() -> Result<IdentitySecret> + Send + 'static,
    ) -> Call<Result<Identity>> {
        let added = |node: Arc<NodeInner>| {
            blocking(move || {
                let secret = secret()?;
                let undo = Undo::Identity(secret.peer_name().clone());
                Ok((node.identities.add(secret)?, undo))
            })
        };
        let identities = self.clone();
        self.node.make(added, move |entry| identities.handle(entry))
    }

    pub(super) fn handle(&self, entry: Arc<Entry>) -> Identity {
        Identity { node: self.node.clone(), entry }
    }
}

/// One identity: a key pair with names. Cheap to clone; all handles are of the same one.
///
/// After [`delete`](Self::delete) every handle still says which identity it was, and everything else fails with
/// `IdentityDeleted`.
#[derive(Clone)]
pub struct Identity {
    node: Arc<NodeInner>,
    entry: Arc<Entry>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.entry.peer_id().short())
    }
}

impl Identity {
    /// The public key.
    pub fn peer_id(&self) -> PeerId {
        self.entry.peer_id()
    }

    /// The name that tells it from all others: public key and classifier.
    pub fn peer_name(&self) -> PeerName {
        self.entry.peer_name().clone()
    }

    /// The friendly name; the peer name unless another was set.
    #[doc(alias = "PeerIdentityGetFriendlyName")]
    pub fn name(&self) -> String {
        self.entry.name()
    }

    /// Sets the friendly name; `None` or an empty one resets it to the peer name. The name of an identity that came
    /// with the configuration is not kept on the disk, as the identity is not.
    ///
    /// # Errors
    /// `TooLarge` above 255 characters, `InvalidArgument` for control characters, `KeyAccess` or `Storage` if it could
    /// not be written, `IdentityDeleted`, `Closed`.
    #[doc(alias = "PeerIdentitySetFriendlyName")]
    pub fn rename(&self, name: Option<&str>) -> Call<Result<()>> {
        let (entry, name) = (self.entry.clone(), name.map(str::to_owned));
        self.node.exclusive(move |node| node.identities.rename(&entry, name.as_deref()))
    }

    /// What others may know of it, for whoever shall invite it. No secret.
    ///
    /// # Errors
    /// `IdentityDeleted`.
    #[doc(alias = "PeerIdentityGetXML")]
    pub fn describe(&self) -> Result<IdentityDescription> {
        Ok(IdentityDescription::issue(&self.entry.whole()?))
    }

    /// The whole identity with its private key as text that only the password opens, for [`Identities::import`] on
    /// another machine. Without graphs and memberships. The text is worth as much as the password is.
    ///
    /// # Errors
    /// `InvalidArgument` if the password has fewer than 8 characters, `IdentityDeleted`, `Closed`.
    #[doc(alias = "PeerIdentityExport")]
    pub fn export(&self, password: &str) -> Call<Result<String>> {
        attempt!(check_password(password));
        let (entry, password) = (self.entry.clone(), Zeroizing::new(password.to_owned()));
        // As it is in this call's turn; what is slow on purpose holds up no other call.
        let whole = self.node.exclusive(move |_| entry.whole());
        Call::placed(async move {
            let whole = whole.await?;
            let seed = SealSeed { salt: rand::random(), nonce: rand::random() };
            Ok(blocking(move || whole.to_text(&password, seed, PasswordCost::default())).await)
        })
    }

    /// Signs a message of the application; [`PeerId::verify`] checks it anywhere. Nothing signed this way can pass for
    /// a record, certificate or description, whatever the message is.
    ///
    /// # Errors
    /// `IdentityDeleted`.
    #[doc(alias = "PeerIdentityGetCryptKey")]
    pub fn sign(&self, message: &[u8]) -> Result<SignatureBytes> {
        Ok(self.secret()?.sign_application(message))
    }

    /// The graphs of this key that are open or have a database here, in the order of their ids. A snapshot.
    ///
    /// # Errors
    /// `IdentityDeleted`, `Damaged` or `Storage` if a database could not be read, `Closed`.
    #[doc(alias = "PeerEnumGroups")]
    pub fn groups(&self) -> Call<Result<Vec<GraphId>>> {
        let entry = self.entry.clone();
        self.node.exclusive_of(Some(self.peer_id()), move |node| {
            entry.whole()?;
            node.graphs_of(entry.peer_id())
        })
    }

    /// Deletes the identity: its keys are gone from disk and memory, for good unless they were exported.
    ///
    /// # Errors
    /// `GroupsExist` while graphs of this key are open or have a database here, `IdentityDeleted`, `Damaged` or
    /// `Storage` if a database or key file could not be read or deleted, `Closed`.
    #[doc(alias = "PeerIdentityDelete")]
    pub fn delete(&self) -> Call<Result<()>> {
        let entry = self.entry.clone();
        self.node.exclusive_of(Some(self.peer_id()), move |node| {
            entry.whole()?;
            let graphs = node.graphs_of(entry.peer_id())?;
            if graphs.is_empty() {
                return node.identities.delete(&entry);
            }
            let message = format!(
                "the identity has {} graphs or groups on this node; delete those first",
                graphs.len()
            );
            Err(Error::new(ErrorKind::GroupsExist, message))
        })
    }

    /// The private key, for graphs and groups.
    pub(crate) fn secret(&self) -> Result<SecretKey> {
        self.entry.secret()
    }
}

impl NodeInner {
    /// The graphs of an identity that are open or have a database here. Not while one is being opened.
    fn graphs_of(&self, peer: PeerId) -> Result<Vec<GraphId>> {
        let open: Vec<_> = self.graphs().values().map(|graph| (graph.id, graph.identity)).collect();
        let mut found: Vec<_> =
            open.iter().filter(|(_, identity)| *identity == peer).map(|(id, _)| *id).collect();
        for id in self.dir.iter().flat_map(super::keys::DataDir::graphs) {
            if !open.iter().any(|(known, _)| *known == id) && self.stored_identity(id)? == peer {
                found.push(id);
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// A password that is to seal something.
pub(super) fn check_password(password: &str) -> Result<()> {
    if password.chars().count() < MIN_PASSWORD {
        let message = format!("the password has fewer than {MIN_PASSWORD} characters");
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(())
}
