//! The keys of sealed databases: made, kept in the database itself under the keyring, and found again.

use zeroize::Zeroizing;

use super::{Error, ErrorKind, Result, key_files::unprotected, keys::DataDir, node::NodeInner};
use crate::{
    ids::GraphId,
    records::{Sealer, SqliteStore},
};

impl NodeInner {
    /// What opens a graph's database that is sealed, or is to be by the configuration. `None`: it is, or will be,
    /// in the clear.
    pub(super) fn sealer_for(&self, dir: &DataDir, id: &GraphId) -> Result<Option<Sealer>> {
        match sealer(dir, id)? {
            None if self.config.encrypt_database => {
                let key = Zeroizing::new(rand::random::<[u8; 32]>());
                let wrapped = dir.files().wrap(&name(id), &*key).ok_or_else(unprotected)?;
                Ok(Some(Sealer::new(key, wrapped, rand::random())))
            }
            found => Ok(found),
        }
    }
}

/// What opens a graph's database; `None` if it is in the clear, or not there.
pub(super) fn sealer(dir: &DataDir, id: &GraphId) -> Result<Option<Sealer>> {
    let path = dir.database(id);
    if !path.exists() {
        return Ok(None);
    }
    let wrapped = SqliteStore::peek_wrapped_key(&path);
    let Some(wrapped) = wrapped.map_err(|error| Error::from(error).of_database(Some(&path)))? else {
        return Ok(None);
    };
    let key = dir.files().unwrap(&name(id), &wrapped)?;
    let key: [u8; 32] = key.as_slice().try_into().map_err(|_| {
        Error::new(ErrorKind::Damaged, format!("the key of the database of graph {} is damaged", id.short()))
    })?;
    Ok(Some(Sealer::new(Zeroizing::new(key), wrapped, rand::random())))
}

/// What a database's key is bound to.
fn name(id: &GraphId) -> String {
    format!("graphs/{id}.db")
}
