//! The identities a node knows: in memory, and in the key files if there are any.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Error, ErrorKind, Result,
    key_files::{IDENTITIES, KeyFiles},
};
use crate::{
    crypto::{self, SecretKey},
    group::{IdentitySecret, PeerName},
    ids::PeerId,
};

/// The node's own identity.
const OWN: &str = "identity.key";
/// The name of the chosen default.
const DEFAULT: &str = "identities/default";

/// One identity, shared by all its handles.
#[derive(Debug)]
pub(crate) struct Entry {
    peer: PeerId,
    peer_name: PeerName,
    /// Where it is kept; `None` for one that the configuration gave, or in memory.
    file: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last one it had, once it is deleted.
    name: String,
    /// Taken when it is deleted.
    secret: Option<IdentitySecret>,
}

impl Entry {
    fn new(secret: IdentitySecret, file: Option<String>) -> Arc<Self> {
        let state = State { name: secret.name(), secret: Some(secret.clone()) };
        let (peer, peer_name) = (secret.key().peer(), secret.peer_name().clone());
        Arc::new(Self { peer, peer_name, file, state: Mutex::new(state) })
    }

    pub(crate) const fn peer_id(&self) -> PeerId {
        self.peer
    }

    pub(crate) const fn peer_name(&self) -> &PeerName {
        &self.peer_name
    }

    pub(crate) fn name(&self) -> String {
        self.state().name.clone()
    }

    /// Everything about it, unless it was deleted.
    pub(crate) fn whole(&self) -> Result<IdentitySecret> {
        self.state().secret.clone().ok_or_else(|| {
            let message = format!("the identity {} was deleted", self.peer_name);
            Error::new(ErrorKind::IdentityDeleted, message)
        })
    }

    /// The private key, unless it was deleted.
    pub(crate) fn secret(&self) -> Result<SecretKey> {
        Ok(self.whole()?.key().clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All identities of a node. Changes are made by one at a time: under the node's lock for opening.
#[derive(Debug)]
pub(crate) struct IdentityStore {
    files: Option<Arc<KeyFiles>>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    entries: BTreeMap<PeerName, Arc<Entry>>,
    /// The node's own, even if deleted.
    own: Arc<Entry>,
    /// The one that was chosen as default.
    chosen: Option<PeerName>,
}

impl IdentityStore {
    /// Reads all identities; makes the node's own if there is none and none was given.
    pub(crate) fn load(files: Option<Arc<KeyFiles>>, given: Option<SecretKey>) -> Result<Self> {
        let mut entries = BTreeMap::new();
        let mut chosen = None;
        if let Some(files) = &files {
            for file in files.identities()? {
                let entry = read(files, &file)?.ok_or_else(|| files.damaged(&file))?;
                if file != file_of(entry.peer_name()) {
                    return Err(files.damaged(&file));
                }
                entries.insert(entry.peer_name.clone(), entry);
            }
            if let Some(own) = read(files, OWN)? {
                entries.entry(own.peer_name.clone()).or_insert(own);
            }
            if let Some(text) = files.read_text(DEFAULT)? {
                chosen = Some(text.parse().map_err(|_| files.damaged(DEFAULT))?);
            }
        }
        let own = match given {
            Some(key) => {
                let secret = IdentitySecret::new(key, None, None)?;
                entries.get(secret.peer_name()).cloned().unwrap_or_else(|| Entry::new(secret, None))
            }
            None => make_own(files.as_deref(), &entries)?,
        };
        entries.insert(own.peer_name.clone(), own.clone());
        Ok(Self { files, known: Mutex::new(Known { entries, own, chosen }) })
    }

    /// The identity that the node acts for. It may have been deleted.
    pub(crate) fn own(&self) -> Arc<Entry> {
        self.known().own.clone()
    }

    /// All there are, in the order of their names.
    pub(crate) fn list(&self) -> Vec<Arc<Entry>> {
        self.known().entries.values().cloned().collect()
    }

    pub(crate) fn get(&self, name: &PeerName) -> Result<Arc<Entry>> {
        let found = self.known().entries.get(name).cloned();
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no identity {name} on this node"))
        })
    }

    /// The chosen one, or else the node's own, which is made anew if it was deleted.
    pub(crate) fn default(&self) -> Result<Arc<Entry>> {
        let entries = {
            let known = self.known();
            let chosen = known.chosen.as_ref().and_then(|name| known.entries.get(name));
            if let Some(entry) = chosen.or_else(|| known.entries.get(&known.own.peer_name)) {
                return Ok(entry.clone());
            }
            known.entries.clone()
        };
        let own = make_own(self.files.as_deref(), &entries)?;
        let mut known = self.known();
        known.entries.insert(own.peer_name.clone(), own.clone());
        known.own = own.clone();
        Ok(own)
    }

    pub(crate) fn set_default(&self, name: &PeerName) -> Result<()> {
        self.get(name)?;
        if let Some(files) = &self.files {
            files.write_text(DEFAULT, &name.to_string())?;
        }
        self.known().chosen = Some(name.clone());
        Ok(())
    }

    /// Takes in a new identity; on return it is on the disk.
    pub(crate) fn add(&self, secret: IdentitySecret) -> Result<Arc<Entry>> {
        let name = secret.peer_name();
        if self.known().entries.contains_key(name) {
            let message = format!("the identity {name} already exists on this node");
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let file = self.files.is_some().then(|| file_of(name));
        self.keep(file.as_deref(), &secret)?;
        let entry = Entry::new(secret, file);
        self.known().entries.insert(entry.peer_name.clone(), entry.clone());
        Ok(entry)
    }

    pub(crate) fn rename(&self, entry: &Entry, name: Option<&str>) -> Result<()> {
        let mut secret = entry.whole()?;
        secret.rename(name)?;
        self.keep(entry.file.as_deref(), &secret)?;
        *entry.state() = State { name: secret.name(), secret: Some(secret) };
        Ok(())
    }

    /// Removes an identity from disk and memory, and from being the default.
    pub(crate) fn delete(&self, entry: &Entry) -> Result<()> {
        entry.whole()?;
        let was_chosen = self.known().chosen.as_ref() == Some(&entry.peer_name);
        if let Some(files) = &self.files {
            if was_chosen {
                files.remove(DEFAULT)?;
                self.known().chosen = None;
            }
            if let Some(file) = &entry.file {
                files.remove(file)?;
            }
        }
        let mut known = self.known();
        known.entries.remove(&entry.peer_name);
        known.chosen.take_if(|name| *name == entry.peer_name);
        entry.state().secret = None;
        Ok(())
    }

    fn keep(&self, file: Option<&str>, secret: &IdentitySecret) -> Result<()> {
        match (&self.files, file) {
            (Some(files), Some(file)) => files.write(file, &secret.to_bytes()),
            _ => Ok(()),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(files: &KeyFiles, file: &str) -> Result<Option<Arc<Entry>>> {
    let Some(bytes) = files.read(file)? else { return Ok(None) };
    let secret = IdentitySecret::from_bytes(&bytes).ok_or_else(|| files.damaged(file))?;
    Ok(Some(Entry::new(secret, Some(file.into()))))
}

/// The node's own identity: the one that is kept, or a new one.
fn make_own(files: Option<&KeyFiles>, entries: &BTreeMap<PeerName, Arc<Entry>>) -> Result<Arc<Entry>> {
    if let Some(kept) = files.map(|files| read(files, OWN)).transpose()?.flatten() {
        return Ok(entries.get(&kept.peer_name).cloned().unwrap_or(kept));
    }
    let secret = IdentitySecret::new(SecretKey::from_bytes(&rand::random()), None, None)?;
    if let Some(files) = files {
        files.write(OWN, &secret.to_bytes())?;
    }
    Ok(Entry::new(secret, files.is_some().then(|| OWN.into())))
}

/// Names hold characters that file systems do not like, so files are named after their hash.
fn file_of(name: &PeerName) -> String {
    let hash = crypto::hash("peergraph v1 identity file", &[name.to_string().as_bytes()]);
    let hex = data_encoding::HEXLOWER.encode(&hash[..16]);
    format!("{IDENTITIES}/{hex}.key")
}
