//! What one identity made or wrote: found by indices, so it costs nothing for what others did.

use rusqlite::params;

use super::{
    columns,
    db::{Db, limit},
    intern,
};
use crate::{
    ids::{Lsn, PeerId},
    record::{RecordKey, RecordType},
};

/// Current versions of one identity, in feed order.
pub(super) const CURRENT: &str = "SELECT lsn, key FROM records
     WHERE creator = ?1 AND lsn > ?2 AND lsn <= ?3 AND state < 2 AND type <> ?5
     UNION ALL
     SELECT lsn, key FROM records
     WHERE author = ?1 AND author <> creator AND lsn > ?2 AND lsn <= ?3 AND state < 2 AND type <> ?5
     ORDER BY lsn LIMIT ?4";

/// Withheld ones, in the order of their keys.
pub(super) const WITHHELD: &str = "SELECT key FROM withheld WHERE creator = ?1 AND key >= ?2 AND type <> ?4
     UNION ALL
     SELECT key FROM withheld WHERE author = ?1 AND author <> creator AND key >= ?2 AND type <> ?4
     UNION ALL
     SELECT key FROM withheld WHERE creator IS NULL AND key >= ?2 AND type <> ?4
     ORDER BY key LIMIT ?3";

impl Db {
    /// Current versions in a stretch of the feed, acts left out.
    pub(super) fn current_by(
        &self,
        peer: &PeerId,
        after: Lsn,
        through: Lsn,
        max: usize,
    ) -> rusqlite::Result<Vec<(Lsn, RecordKey)>> {
        let Some(peer) = intern::find_peer(self.conn(), peer)? else { return Ok(Vec::new()) };
        self.conn()
            .prepare_cached(CURRENT)?
            .query_map(
                params![peer, columns::row_of(after), columns::row_of(through), limit(max), self.acts()?],
                |row| Ok((columns::lsn(row, 0)?, columns::key(row, 1)?)),
            )?
            .collect()
    }

    /// Withheld versions, acts left out.
    pub(super) fn withheld_by(
        &self,
        peer: &PeerId,
        from: RecordKey,
        max: usize,
    ) -> rusqlite::Result<Vec<RecordKey>> {
        // Nobody has number 0.
        let peer = intern::find_peer(self.conn(), peer)?.unwrap_or(0);
        self.conn()
            .prepare_cached(WITHHELD)?
            .query_map(params![peer, from.to_bytes(), limit(max), self.acts()?], |row| columns::key(row, 0))?
            .collect()
    }

    /// The number of acts among the types.
    fn acts(&self) -> rusqlite::Result<i64> {
        Ok(intern::find_type(self.conn(), &RecordType::credential())?.unwrap_or(0))
    }
}
