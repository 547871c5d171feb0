//! The data directory: who owns it, its keys, its databases.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{Error, ErrorKind, Result};
use crate::{crypto::SecretKey, ids::GraphId};

/// A data directory that this node owns until dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    lock: File,
}

impl DataDir {
    /// Makes the directory if need be and takes ownership of it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |what: &str, error: io::Error| {
            Error::caused(ErrorKind::Storage, format!("cannot {what} {}", path.display()), error)
        };
        fs::create_dir_all(path.join("graphs")).map_err(|e| failed("make the data directory", e))?;
        restrict(path, 0o700).map_err(|e| failed("protect the data directory", e))?;
        let lock = private().read(true).write(true).create(true).truncate(false).open(path.join("lock"));
        let lock = lock.map_err(|e| failed("open the lock of", e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), lock }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::DirectoryInUse,
                format!("the data directory {} is in use by another node", path.display()),
            )),
            Err(TryLockError::Error(error)) => Err(failed("lock", error)),
        }
    }

    /// The key in a file, made from `fresh` if there is none.
    pub(crate) fn key(&self, name: &str, fresh: impl FnOnce() -> SecretKey) -> Result<SecretKey> {
        let path = self.path.join(name);
        let failed = |error: io::Error| {
            Error::caused(
                ErrorKind::Storage,
                format!("cannot read or write the key file {}", path.display()),
                error,
            )
        };
        match File::open(&path) {
            Ok(mut file) => {
                let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(33));
                Read::by_ref(&mut file).take(33).read_to_end(&mut bytes).map_err(failed)?;
                let seed: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| {
                    Error::new(ErrorKind::Damaged, format!("the key file {} is damaged", path.display()))
                })?;
                Ok(SecretKey::from_bytes(seed))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = fresh();
                self.write_key(&path, &key).map_err(failed)?;
                Ok(key)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Gives up ownership before the value is dropped: for a node whose handles outlive its shutdown.
    pub(crate) fn release(&self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the data directory could not be unlocked");
        }
    }

    /// Where a graph's database is.
    pub(crate) fn database(&self, graph: &GraphId) -> PathBuf {
        self.path.join("graphs").join(format!("{graph}.db"))
    }

    /// The graphs that have a database here.
    pub(crate) fn graphs(&self) -> Vec<GraphId> {
        let Ok(entries) = fs::read_dir(self.path.join("graphs")) else { return Vec::new() };
        let mut graphs: Vec<GraphId> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".db")?.parse().ok())
            .collect();
        graphs.sort_unstable();
        graphs
    }

    /// Removes a graph's database with everything beside it.
    pub(crate) fn delete(&self, graph: &GraphId) -> Result<()> {
        let database = self.database(graph);
        for suffix in ["", "-wal", "-shm"] {
            let mut name = database.clone().into_os_string();
            name.push(suffix);
            match fs::remove_file(&name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::caused(ErrorKind::Storage, "cannot delete the database", error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes beside, then renames: a crash leaves the old file or the new one, never half a key.
    fn write_key(&self, path: &Path, key: &SecretKey) -> io::Result<()> {
        let draft = path.with_extension("new");
        let mut file = private().write(true).create(true).truncate(true).open(&draft)?;
        file.write_all(&*key.to_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    }
}

/// Options for files that only their owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// On Windows a directory under the user's profile is the user's already.
#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_and_one_owner_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        let key = first.key("node.key", || SecretKey::from_bytes(&[1; 32])).unwrap();
        let again = first.key("node.key", || SecretKey::from_bytes(&[2; 32])).unwrap();
        assert_eq!(key.node(), again.node());
        assert_eq!(DataDir::open(dir.path()).unwrap_err().kind(), ErrorKind::DirectoryInUse);
        drop(first);
        let second = DataDir::open(dir.path()).unwrap();
        fs::write(dir.path().join("node.key"), b"short").unwrap();
        let damaged = second.key("node.key", || SecretKey::from_bytes(&[3; 32]));
        assert_eq!(damaged.unwrap_err().kind(), ErrorKind::Damaged);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        data.key("identity.key", || SecretKey::from_bytes(&[1; 32])).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(dir.path()), 0o700);
        assert_eq!(mode(&dir.path().join("identity.key")), 0o600);
    }
}
