//! What calls of earlier versions, or joins that were killed, have left in a data directory: databases that nobody can
//! ever use. They are removed when a node starts.

use super::{
    Result,
    keys::DataDir,
    opening::{Guard, META_GENESIS, META_IDENTITY, META_MARKED, META_POLICY},
    sealing::sealer,
};
use crate::{
    engine::{Joining, META_JOINING},
    ids::GraphId,
    record::Genesis,
    records::SqliteStore,
};

/// Files above this hold something: they are not looked into, so that a start with many databases is quick.
const MAX_SIZE: u64 = 256 * 1024;

/// Removes them. A database that holds a record of anybody stays, and so does one that cannot be read.
pub(super) fn remove(dir: &DataDir) {
    for graph in dir.graphs() {
        match is_useless(dir, graph) {
            Ok(false) => {}
            Ok(true) => match dir.delete(&graph) {
                Ok(()) => tracing::info!(graph = %graph.short(), "removed a database that was never in use"),
                Err(error) => tracing::warn!(%error, "a database that was never in use stays here"),
            },
            Err(error) => tracing::debug!(%error, "a database is left for its graph to be opened"),
        }
    }
}

/// True for a join that was never let in. And for a database of an earlier version without records that is a group's,
/// which nobody was let into, or was to be this identity's own graph, which was never made: such a version left no mark.
fn is_useless(dir: &DataDir, graph: GraphId) -> Result<bool> {
    let path = dir.database(&graph);
    if path.metadata().is_ok_and(|found| found.len() > MAX_SIZE) {
        return Ok(false);
    }
    let Some(empty) = SqliteStore::peek_is_empty(&path)? else { return Ok(true) };
    let kept = |name| -> Result<_> { Ok(SqliteStore::peek_meta(&path, graph, name, sealer(dir, &graph)?)?) };
    let join = kept(META_JOINING)?.and_then(|kept| Joining::from_bytes(&kept));
    if !empty || join.is_some() {
        // A join that nobody let in holds nothing but what its invitation said.
        return Ok(join == Some(Joining::Begun));
    }
    if kept(META_MARKED)?.is_some() {
        // An imported membership of an owner holds no record before its first contact.
        return Ok(false);
    }
    if kept(META_POLICY)?.is_some_and(|policy| policy == Guard::Membership.name()) {
        return Ok(true);
    }
    let genesis = kept(META_GENESIS)?.and_then(|bytes| crate::wire::decode_exact::<Genesis>(&bytes).ok());
    let identity = kept(META_IDENTITY)?;
    Ok(genesis.is_some_and(|genesis| identity.is_some_and(|peer| peer == genesis.creator.as_bytes())))
}
