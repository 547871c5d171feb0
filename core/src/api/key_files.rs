//! The key files of a data directory: written whole or not at all, and sealed if so configured.
//!
//! Sealed files open with the master key, a random one that the file `keyring` holds; that one opens with the user's
//! passphrase or key. So a passphrase is made a key once for every start, however many files there are.
//!
//! A file is either 32 bytes, a bare key, or `peerkey1`, one byte of form, the content or what seals it, and eight bytes of
//! check sum. What is sealed begins with its nonce and is bound to the file's name.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use zeroize::{Zeroize, Zeroizing};

use super::{
    Error, ErrorKind, Result,
    files::{Draft, make_folder, sync_parent},
};
use crate::crypto::{self, NONCE_LEN, OpenError, PasswordCost, SealSeed};

/// How the keys in a data directory are protected. Their files are readable by their owner only in any case.
///
/// A directory with plain keys whose node is opened with a passphrase or key has its key files sealed at once; from
/// then on it opens with that one only. What a disk keeps of overwritten files is beyond reach, so protect keys from
/// the beginning if you can. Nothing opens them if the passphrase is lost.
#[derive(Clone, Default)]
pub enum KeyProtection {
    /// Not at all.
    #[default]
    Plain,
    /// Sealed with a passphrase, not empty. Opening takes some 20 ms longer.
    Passphrase(String),
    /// Sealed with a random key, such as one from the system's key store.
    Key([u8; 32]),
    /// Sealed with a random key that is asked for whenever the node is opened; see [`source`](Self::source).
    Source(KeySource),
}

impl KeyProtection {
    /// Sealed with the 32 random bytes that the function gives, such as those of the platform's key store. It is asked
    /// once for each start of a node with a data directory. What it fails with is the source of the `KeyAccess` that
    /// the start fails with.
    pub fn source<F, A, E>(ask: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<[u8; 32], E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self::Source(KeySource(Arc::new(move || {
            let answer = ask();
            Box::pin(async move { answer.await.map_err(Into::into) })
        })))
    }

    /// The same with the key instead of its source.
    pub(crate) async fn ask(self) -> Result<Self> {
        let Self::Source(source) = &self else { return Ok(self) };
        let key = (source.0)().await.map_err(|error| {
            Error::caused(ErrorKind::KeyAccess, format!("the source of the key failed: {error}"), error)
        })?;
        Ok(Self::Key(key))
    }
}

type Answer =
    Pin<Box<dyn Future<Output = Result<[u8; 32], Box<dyn std::error::Error + Send + Sync>>> + Send>>;

/// Who is asked for a key; see [`KeyProtection::source`].
#[derive(Clone)]
pub struct KeySource(Arc<dyn Fn() -> Answer + Send + Sync>);

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySource(..)")
    }
}

impl fmt::Debug for KeyProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Passphrase(_) => "Passphrase(..)",
            Self::Key(_) => "Key(..)",
            Self::Source(_) => "Source(..)",
        })
    }
}

impl Drop for KeyProtection {
    fn drop(&mut self) {
        match self {
            Self::Plain | Self::Source(_) => {}
            Self::Passphrase(passphrase) => passphrase.zeroize(),
            Self::Key(key) => key.zeroize(),
        }
    }
}

/// Where identities other than the node's own are kept.
pub(super) const IDENTITIES: &str = "identities";
const KEYRING: &str = "keyring";
const EXTENSION: &str = "key";
const DRAFT: &str = "new";

/// What files begin with that are not a bare key.
const MAGIC: &[u8; 8] = b"peerkey1";
const CHECKSUM: usize = 8;
/// Names of the longest kind fit well.
const MAX_FILE: usize = 8 * 1024;
const BARE: usize = 32;

/// What is in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    Plain = 0,
    Sealed = 1,
    KeyringOfPassphrase = 2,
    KeyringOfKey = 3,
}

/// The key files under one directory.
pub(crate) struct KeyFiles {
    root: PathBuf,
    master: Option<Zeroizing<[u8; 32]>>,
}

impl fmt::Debug for KeyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.master.is_some() { "sealed" } else { "plain" };
        write!(f, "KeyFiles({}, {how})", self.root.display())
    }
}

impl KeyFiles {
    /// Finds the key files, or makes a place for them; seals those that are plain and should not be.
    pub(crate) fn open(root: &Path, protection: &KeyProtection) -> Result<Self> {
        let mut files = Self { root: root.to_owned(), master: None };
        let dir = root.join(IDENTITIES);
        make_folder(&dir).map_err(|error| failed(&dir, error))?;
        files.sweep()?;
        files.master = match files.load(KEYRING)? {
            Some((form, bytes)) => Some(files.open_keyring(form, &bytes, protection)?),
            None if matches!(protection, KeyProtection::Plain) => None,
            None => Some(files.make_keyring(protection)?),
        };
        if files.master.is_some() {
            for name in files.names()? {
                if let Some((Form::Plain, content)) = files.load(&name)? {
                    files.write(&name, &content)?;
                }
            }
        }
        Ok(files)
    }

    /// The content of a file; `None` if there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some((form, bytes)) = self.load(name)? else { return Ok(None) };
        match (form, &self.master) {
            (Form::Plain, _) => Ok(Some(bytes)),
            (Form::Sealed, Some(master)) => {
                let opened = open(master, &context(name), &bytes);
                // The master key is the right one, or we would not have it.
                Ok(Some(opened.map_err(|OpenError| self.damaged(name))?))
            }
            (Form::Sealed, None) => Err(self.keyring_missing()),
            (Form::KeyringOfPassphrase | Form::KeyringOfKey, _) => Err(self.damaged(name)),
        }
    }

    /// Writes a file; on return it is on the disk.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let bytes = match &self.master {
            Some(master) => encode(Form::Sealed, &seal(master, &context(name), content)),
            // As it has always been: a key is a file of 32 bytes.
            None if content.len() == BARE => Zeroizing::new(content.to_vec()),
            None => encode(Form::Plain, content),
        };
        self.put(name, &bytes)
    }

    /// Writes a file that holds no secret.
    pub(crate) fn write_text(&self, name: &str, text: &str) -> Result<()> {
        self.put(name, text.as_bytes())
    }

    /// Reads a file that holds no secret.
    pub(crate) fn read_text(&self, name: &str) -> Result<Option<String>> {
        let Some(bytes) = self.get(name)? else { return Ok(None) };
        std::str::from_utf8(&bytes).map(|text| Some(text.to_owned())).map_err(|_| self.damaged(name))
    }

    /// Removes a file, if it is there; on return it is gone from the disk.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let path = self.root.join(name);
        crate::fault::point();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, error)),
            _ => sync_parent(&path).map_err(|error| failed(&path, error)),
        }
    }

    /// The files of identities that are kept beside the node's own.
    pub(crate) fn identities(&self) -> Result<Vec<String>> {
        let dir = self.root.join(IDENTITIES);
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir).map_err(|error| failed(&dir, error))? {
            let file = entry.map_err(|error| failed(&dir, error))?.file_name();
            let path = Path::new(&file);
            if let (Some(name), true) = (path.to_str(), path.extension().is_some_and(|e| e == EXTENSION)) {
                names.push(format!("{IDENTITIES}/{name}"));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Seals what is kept elsewhere under this name; `None` if these keys are not protected, so that nothing can be.
    #[cfg(feature = "sqlite")]
    pub(crate) fn wrap(&self, name: &str, content: &[u8]) -> Option<Vec<u8>> {
        let master = self.master.as_ref()?;
        Some(encode(Form::Sealed, &seal(master, &context(name), content)).to_vec())
    }

    /// Opens what [`wrap`](Self::wrap) made, in this directory and under this name.
    #[cfg(feature = "sqlite")]
    pub(crate) fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let damaged = || Error::new(ErrorKind::Damaged, format!("the key of {name} is damaged"));
        let Some((Form::Sealed, sealed)) = decode(wrapped) else { return Err(damaged()) };
        let opened = self.master.as_ref().and_then(|master| open(master, &context(name), sealed).ok());
        opened.ok_or_else(|| {
            let message = format!("{name} is sealed, and not with the keys of this data directory");
            Error::new(ErrorKind::KeyAccess, message)
        })
    }

    pub(crate) fn damaged(&self, name: &str) -> Error {
        let path = self.root.join(name);
        Error::new(ErrorKind::Damaged, format!("the key file {} is damaged", path.display())).at_path(&path)
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = self.identities()?;
        names.extend(["identity.key", "node.key"].map(String::from));
        Ok(names)
    }

    /// Removes what a crash left half written: it may hold a key in the clear. In a folder that was there before, others
    /// may have files of their own.
    fn sweep(&self) -> Result<()> {
        let own = |path: &Path| {
            let name = path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
            ["node.", "identity.", "keyring."].iter().any(|stem| name.starts_with(stem))
        };
        let identities = self.root.join(IDENTITIES);
        for dir in [&self.root, &identities] {
            for entry in fs::read_dir(dir).map_err(|error| failed(dir, error))? {
                let path = entry.map_err(|error| failed(dir, error))?.path();
                if path.extension().is_some_and(|e| e == DRAFT) && (dir == &identities || own(&path)) {
                    fs::remove_file(&path).map_err(|error| failed(&path, error))?;
                }
            }
        }
        Ok(())
    }

    fn open_keyring(
        &self,
        form: Form,
        bytes: &[u8],
        protection: &KeyProtection,
    ) -> Result<Zeroizing<[u8; 32]>> {
        let denied = |what: &str| {
            let message = format!("the keys in {} {what}", self.root.display());
            Err(Error::new(ErrorKind::KeyAccess, message).at_path(&self.root))
        };
        let opened = match (form, protection) {
            (Form::KeyringOfPassphrase, KeyProtection::Passphrase(passphrase)) => {
                crypto::open_with_password(passphrase, &context(KEYRING), bytes)
            }
            (Form::KeyringOfKey, KeyProtection::Key(key)) => open(key, &context(KEYRING), bytes),
            (Form::KeyringOfPassphrase, _) => {
                return denied("are sealed with a passphrase; open the node with that passphrase");
            }
            (Form::KeyringOfKey, _) => return denied("are sealed with a key; open the node with that key"),
            (Form::Plain | Form::Sealed, _) => return Err(self.damaged(KEYRING)),
        };
        let Ok(master) = opened else {
            return denied(
                "are sealed with another passphrase or key; open the node with that one, or restore the keyring",
            );
        };
        let master: [u8; 32] = master.as_slice().try_into().map_err(|_| self.damaged(KEYRING))?;
        Ok(Zeroizing::new(master))
    }

    fn make_keyring(&self, protection: &KeyProtection) -> Result<Zeroizing<[u8; 32]>> {
        for name in self.names()? {
            if self.load(&name)?.is_some_and(|(form, _)| form == Form::Sealed) {
                return Err(self.keyring_missing());
            }
        }
        let master = Zeroizing::new(rand::random::<[u8; 32]>());
        let (form, sealed) = match protection {
            KeyProtection::Passphrase(passphrase) if passphrase.is_empty() => {
                return Err(Error::new(ErrorKind::InvalidArgument, "the passphrase is empty"));
            }
            KeyProtection::Passphrase(passphrase) => {
                let seed = SealSeed { salt: rand::random(), nonce: rand::random() };
                let cost = PasswordCost::default();
                let sealed = crypto::seal_with_password(passphrase, seed, cost, &context(KEYRING), &*master);
                (Form::KeyringOfPassphrase, sealed)
            }
            KeyProtection::Key(key) => (Form::KeyringOfKey, seal(key, &context(KEYRING), &*master)),
            KeyProtection::Plain | KeyProtection::Source(_) => {
                unreachable!("asked before, and plain keys have none")
            }
        };
        self.put(KEYRING, &encode(form, &sealed))?;
        Ok(master)
    }

    fn keyring_missing(&self) -> Error {
        let keyring = self.root.join(KEYRING);
        let message = format!("the keys are sealed, but {} is missing; restore it", keyring.display());
        Error::new(ErrorKind::Damaged, message).at_path(&keyring)
    }

    fn load(&self, name: &str) -> Result<Option<(Form, Zeroizing<Vec<u8>>)>> {
        let Some(bytes) = self.get(name)? else { return Ok(None) };
        if bytes.starts_with(MAGIC) {
            let (form, payload) = decode(&bytes).ok_or_else(|| self.damaged(name))?;
            return Ok(Some((form, Zeroizing::new(payload.to_vec()))));
        }
        if bytes.len() == BARE { Ok(Some((Form::Plain, bytes))) } else { Err(self.damaged(name)) }
    }

    fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let path = self.root.join(name);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, error)),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE + 1));
        let limit = bytes.capacity() as u64;
        Read::by_ref(&mut file).take(limit).read_to_end(&mut bytes).map_err(|error| failed(&path, error))?;
        if bytes.len() > MAX_FILE { Err(self.damaged(name)) } else { Ok(Some(bytes)) }
    }

    /// Writes beside, then renames: a crash leaves the old file or the new one, never half a key.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        let written = || {
            let mut draft = Draft::new(&path, DRAFT)?;
            draft.file().write_all(bytes)?;
            draft.replace()
        };
        written().map_err(|error| failed(&path, error))
    }
}

/// What a sealed file is for: none can be put in another's place.
fn context(name: &str) -> Vec<u8> {
    [b"peergraph/v1/key file\0", name.as_bytes()].concat()
}

fn seal(key: &[u8; 32], context: &[u8], content: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_LEN] = rand::random();
    [&nonce[..], &crypto::seal_with_key(key, nonce, context, content)].concat()
}

fn open(key: &[u8; 32], context: &[u8], bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(OpenError)?;
    crypto::open_with_key(key, *nonce, context, sealed)
}

fn encode(form: Form, payload: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAGIC.len() + 1 + payload.len() + CHECKSUM));
    bytes.extend_from_slice(MAGIC);
    bytes.push(form as u8);
    bytes.extend_from_slice(payload);
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

fn decode(bytes: &[u8]) -> Option<(Form, &[u8])> {
    let (content, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
    let (form, payload) = content.strip_prefix(MAGIC)?.split_first()?;
    let forms = [Form::Plain, Form::Sealed, Form::KeyringOfPassphrase, Form::KeyringOfKey];
    let form = forms.into_iter().find(|known| *known as u8 == *form)?;
    (checksum(content) == *sum).then_some((form, payload))
}

/// Tells a damaged file from a wrong passphrase, which cryptography alone cannot.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    crypto::hash("peergraph v1 key file", &[bytes])[..CHECKSUM].try_into().expect("eight bytes")
}

/// A database is to be sealed and nothing could seal its key.
pub(super) fn unprotected() -> Error {
    let message = "encrypted databases need protected keys; open the node with a passphrase or a key";
    Error::new(ErrorKind::InvalidArgument, message)
}

fn failed(path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::PermissionDenied {
        let shown = path.display();
        let message =
            format!("this user may not read or write {shown} ({error}); correct its owner or permissions");
        return Error::caused(ErrorKind::KeyAccess, message, error).at_path(path);
    }
    Error::file(ErrorKind::Storage, "read or write the key file", path, error)
}
