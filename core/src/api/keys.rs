//! The data directory: who owns it, its keys, its databases.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use fs4::{FileExt, TryLockError};

use super::{
    Error, ErrorKind, KeyProtection, Result,
    files::{make_folder, private, sync_parent},
    key_files::KeyFiles,
};
use crate::{crypto::SecretKey, fault, ids::GraphId};

/// A data directory that this node owns until dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Gone when the node is, though handles of it may live on.
    lock: Mutex<Option<File>>,
    files: Arc<KeyFiles>,
}

impl DataDir {
    /// Makes the directory if need be, takes ownership of it, and opens its keys.
    ///
    /// What is made here is for this user alone. What was there stays as it is: a volume may belong to another user and be
    /// open to a group, as containers have it.
    pub(crate) fn open(path: &Path, protection: &KeyProtection) -> Result<Self> {
        let failed = |what: &str, error: io::Error| Error::file(ErrorKind::Storage, what, path, error);
        make_folder(&path.join("graphs")).map_err(|e| failed("make the data directory", e))?;
        fault::point();
        tell_if_open(path);
        let lock = create_or_open(&path.join("lock"));
        let lock = lock.map_err(|e| failed("open the lock of", e))?;
        // Not of the standard library: on Android that says that there are no locks.
        match FileExt::try_lock(&lock) {
            Ok(()) => {
                let files = Arc::new(KeyFiles::open(path, protection)?);
                let dir = Self { path: path.to_owned(), lock: Mutex::new(Some(lock)), files };
                dir.clear();
                Ok(dir)
            }
            Err(TryLockError::WouldBlock) => {
                let message = format!("the data directory {} is in use by another node", path.display());
                Err(Error::new(ErrorKind::DirectoryInUse, message).at_path(path))
            }
            Err(TryLockError::Error(error)) => Err(failed("lock", error)),
        }
    }

    /// The key in a file, made from `fresh` if there is none.
    pub(crate) fn key(&self, name: &str, fresh: impl FnOnce() -> SecretKey) -> Result<SecretKey> {
        let Some(bytes) = self.files.read(name)? else {
            let key = fresh();
            self.files.write(name, &*key.to_bytes())?;
            return Ok(key);
        };
        let seed = bytes.as_slice().try_into().map_err(|_| self.files.damaged(name))?;
        Ok(SecretKey::from_bytes(seed))
    }

    /// The key files, for the identities.
    pub(crate) const fn files(&self) -> &Arc<KeyFiles> {
        &self.files
    }

    /// Gives up ownership before the value is dropped: for a node whose handles outlive its shutdown.
    pub(crate) fn release(&self) {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = lock.as_ref().map(FileExt::unlock) {
            tracing::warn!(%error, "the data directory could not be unlocked");
        }
    }

    /// Where a graph's database is.
    pub(crate) fn database(&self, graph: &GraphId) -> PathBuf {
        self.path.join("graphs").join(format!("{graph}.db"))
    }

    /// The graphs that have a database here.
    pub(crate) fn graphs(&self) -> Vec<GraphId> {
        let mut graphs = self.named(".db");
        let marked = self.named(MARK);
        graphs.retain(|graph| !marked.contains(graph));
        graphs.sort_unstable();
        graphs
    }

    fn named(&self, suffix: &str) -> Vec<GraphId> {
        let Ok(entries) = fs::read_dir(self.path.join("graphs")) else { return Vec::new() };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(suffix)?.parse().ok())
            .collect()
    }

    /// True if a graph has a database here, and not half of one.
    pub(crate) fn has(&self, graph: &GraphId) -> bool {
        self.database(graph).exists() && !self.mark(graph).exists()
    }

    fn mark(&self, graph: &GraphId) -> PathBuf {
        self.path.join("graphs").join(format!("{graph}{MARK}"))
    }

    /// Marks what is, or will be, at the place of a graph's database as nothing that counts: it is being made or
    /// deleted. If the process ends before [`settle`](Self::settle), the next start removes it.
    pub(crate) fn begin(&self, graph: &GraphId) -> Result<()> {
        let mark = self.mark(graph);
        let marked = create_or_open(&mark);
        let marked = marked.and_then(|file| file.sync_all()).and_then(|()| sync_parent(&mark));
        fault::point();
        marked.map_err(|error| Error::file(ErrorKind::Storage, "write", &mark, error))
    }

    /// The database is whole from here on, or gone.
    pub(crate) fn settle(&self, graph: &GraphId) -> Result<()> {
        let mark = self.mark(graph);
        fault::point();
        match fs::remove_file(&mark).and_then(|()| sync_parent(&mark)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::file(ErrorKind::Storage, "delete", &mark, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes what was being made or deleted when a process ended.
    fn clear(&self) {
        for graph in self.named(MARK) {
            match self.delete(&graph) {
                Ok(()) => tracing::info!(graph = %graph.short(), "removed what a process had left half made"),
                Err(error) => tracing::warn!(%error, "what a process had left half made stays here"),
            }
        }
    }

    /// Removes a graph's database with everything beside it.
    pub(crate) fn delete(&self, graph: &GraphId) -> Result<()> {
        let database = self.database(graph);
        self.begin(graph)?;
        self.remove_files(&database)?;
        self.settle(graph)
    }

    fn remove_files(&self, database: &Path) -> Result<()> {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = database.to_owned().into_os_string();
            name.push(suffix);
            fault::point();
            match fs::remove_file(&name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::file(ErrorKind::Storage, "delete", name.as_ref(), error));
                }
                _ => {}
            }
        }
        sync_parent(database).map_err(|error| Error::file(ErrorKind::Storage, "delete", database, error))
    }
}

/// Ends the name of the mark beside a database that is being made or deleted.
const MARK: &str = ".undone";

/// A file of ours, made if it is not there. Never through a link: where others may write, it could lead anywhere.
fn create_or_open(path: &Path) -> io::Result<File> {
    match private().read(true).write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !path.symlink_metadata()?.is_file() {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "something else than a file is there",
                ));
            }
            private().read(true).write(true).open(path)
        }
        made => made,
    }
}

/// Says in the log what a data directory lets others do. Keys and databases are readable for this user alone in any
/// case.
#[cfg(unix)]
fn tell_if_open(path: &Path) {
    let Ok(found) = fs::metadata(path) else { return };
    let mode = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o7777;
    if mode & 0o022 != 0 {
        let dir = path.display();
        tracing::warn!(
            "others may write in the data directory {dir} (mode {mode:o}): they can replace or remove what is in it"
        );
    } else if mode & 0o077 != 0 {
        let dir = path.display();
        tracing::warn!(
            "others may look into the data directory {dir} (mode {mode:o}); its files are for this user alone"
        );
    }
}

/// On Windows a directory under the user's profile is the user's already.
#[cfg(not(unix))]
fn tell_if_open(_path: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, protection: &KeyProtection) -> Result<DataDir> {
        DataDir::open(path, protection)
    }

    fn fresh(byte: u8) -> impl FnOnce() -> SecretKey {
        move || SecretKey::from_bytes(&[byte; 32])
    }

    fn phrase(text: &str) -> KeyProtection {
        KeyProtection::Passphrase(text.into())
    }

    #[test]
    fn keys_stay_and_one_owner_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), &KeyProtection::Plain).unwrap();
        let key = first.key("node.key", fresh(1)).unwrap();
        let again = first.key("node.key", fresh(2)).unwrap();
        assert_eq!(key.node(), again.node());
        let second = open(dir.path(), &KeyProtection::Plain);
        assert_eq!(second.unwrap_err().kind(), ErrorKind::DirectoryInUse);
        drop(first);
        let second = open(dir.path(), &KeyProtection::Plain).unwrap();
        fs::write(dir.path().join("node.key"), b"short").unwrap();
        assert_eq!(second.key("node.key", fresh(3)).unwrap_err().kind(), ErrorKind::Damaged);
    }

    #[test]
    fn plain_keys_are_sealed_when_that_is_asked_for_and_then_want_their_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let read = |protection: &KeyProtection| open(dir.path(), protection)?.key("node.key", fresh(9));
        let plain = read(&KeyProtection::Plain).unwrap();
        assert_eq!(fs::read(file("node.key")).unwrap(), plain.to_bytes().as_slice());
        fs::write(file("node.new"), b"what a crash left").unwrap();
        assert_eq!(read(&phrase("")).unwrap_err().kind(), ErrorKind::InvalidArgument);
        for _ in 0..2 {
            assert_eq!(read(&phrase("open sesame")).unwrap().node(), plain.node());
        }
        assert!(!file("node.new").exists());
        for wrong in [KeyProtection::Plain, phrase(""), phrase("open"), KeyProtection::Key([1; 32])] {
            let error = read(&wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::KeyAccess, "{wrong:?}");
            assert!(error.message().contains("open the node with"), "{error}");
        }
        // A plain file put beside the sealed ones, as from a backup, is sealed too.
        fs::write(file("identity.key"), [7; 32]).unwrap();
        let data = open(dir.path(), &phrase("open sesame")).unwrap();
        assert_eq!(*data.key("identity.key", fresh(9)).unwrap().to_bytes(), [7; 32]);
        assert!(fs::read(file("identity.key")).unwrap().len() > 32);
    }

    #[test]
    fn damage_is_not_mistaken_for_a_wrong_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let protection = KeyProtection::Key([3; 32]);
        let read = || -> Result<_> {
            let data = open(dir.path(), &protection)?;
            Ok((data.key("node.key", fresh(1))?, data.key("identity.key", fresh(2))?))
        };
        read().unwrap();
        for name in ["keyring", "node.key"] {
            let good = fs::read(file(name)).unwrap();
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1;
                fs::write(file(name), bad).unwrap();
                assert_eq!(read().unwrap_err().kind(), ErrorKind::Damaged, "{name}, byte {at}");
                fs::write(file(name), &good[..at]).unwrap();
                assert_eq!(read().unwrap_err().kind(), ErrorKind::Damaged, "{name}, cut at {at}");
            }
            fs::write(file(name), good).unwrap();
        }
        // One key in another's place.
        let (node, identity) = (fs::read(file("node.key")).unwrap(), fs::read(file("identity.key")).unwrap());
        fs::write(file("node.key"), &identity).unwrap();
        assert_eq!(read().unwrap_err().kind(), ErrorKind::Damaged);
        fs::write(file("node.key"), node).unwrap();
        fs::remove_file(file("keyring")).unwrap();
        let missing = read().unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Damaged);
        assert!(missing.message().contains("keyring"), "{missing}");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read() {
        use std::os::unix::fs::PermissionsExt;
        let above = tempfile::tempdir().unwrap();
        let dir = above.path().join("new/data");
        let data = open(&dir, &KeyProtection::Key([3; 32])).unwrap();
        data.key("identity.key", fresh(1)).unwrap();
        let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o7777;
        for (name, expected) in [
            ("", 0o700),
            ("graphs", 0o700),
            ("identities", 0o700),
            ("identity.key", 0o600),
            ("keyring", 0o600),
            ("lock", 0o600),
        ] {
            assert_eq!(mode(name), expected, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn c47_a_link_in_the_place_of_a_file_is_not_followed() {
        use std::os::unix::fs::symlink;
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = elsewhere.path().join("made");
        symlink(&target, dir.path().join("lock")).unwrap();
        let refused = open(dir.path(), &KeyProtection::Plain).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Storage, "{refused}");
        fs::remove_file(dir.path().join("lock")).unwrap();
        let data = open(dir.path(), &KeyProtection::Plain).unwrap();
        let graph = GraphId::from_bytes([5; 32]);
        symlink(&target, data.mark(&graph)).unwrap();
        assert_eq!(data.begin(&graph).unwrap_err().kind(), ErrorKind::Storage);
        assert!(!target.exists(), "nothing is made elsewhere");
        fs::remove_file(data.mark(&graph)).unwrap();
        data.begin(&graph).unwrap();
        data.begin(&graph).unwrap();
        data.settle(&graph).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn c25_a_folder_that_was_there_stays_as_it_is_and_what_is_made_in_it_is_protected() {
        use std::os::unix::fs::PermissionsExt;
        for before in [0o755, 0o2770, 0o1777, 0o700] {
            let dir = tempfile::tempdir().unwrap();
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(before)).unwrap();
            fs::write(dir.path().join("notes.new"), b"somebody else's").unwrap();
            let data = open(dir.path(), &KeyProtection::Plain).unwrap();
            data.key("node.key", fresh(1)).unwrap();
            let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode("") & 0o7777, before);
            for (name, expected) in
                [("graphs", 0o700), ("identities", 0o700), ("node.key", 0o600), ("lock", 0o600)]
            {
                assert_eq!(mode(name) & 0o777, expected, "{name} in a folder of mode {before:o}");
            }
            assert!(dir.path().join("notes.new").exists(), "what is not ours stays");
        }
    }
}
