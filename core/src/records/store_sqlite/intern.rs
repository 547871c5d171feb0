//! Small numbers for record types and identities, so that rows and indices stay short.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use crate::{ids::PeerId, limits::MAX_INTERNED, record::RecordType};

/// The writer's memory of numbers given out.
#[derive(Debug, Default)]
pub(super) struct Interned {
    types: BTreeMap<RecordType, i64>,
    peers: BTreeMap<PeerId, i64>,
    /// True if some are not committed.
    fresh: bool,
}

impl Interned {
    /// The number of a type; a new one if it has none. Negative for those of the library.
    pub(super) fn record_type(&mut self, conn: &Connection, name: &RecordType) -> rusqlite::Result<i64> {
        if let Some(number) = self.types.get(name) {
            return Ok(*number);
        }
        let number = match find_type(conn, name)? {
            Some(number) => number,
            None => {
                self.fresh = true;
                let next = if name.is_reserved() {
                    "SELECT coalesce(min(type), 0) - 1 FROM types WHERE type < 0"
                } else {
                    "SELECT coalesce(max(type), 0) + 1 FROM types WHERE type > 0"
                };
                let sql = format!("INSERT INTO types (type, name) VALUES (({next}), ?1) RETURNING type");
                conn.query_row(&sql, [name.as_str()], |row| row.get(0))?
            }
        };
        if self.types.len() >= MAX_INTERNED {
            self.types.clear();
        }
        self.types.insert(name.clone(), number);
        Ok(number)
    }

    /// The number of an identity; a new one if it has none.
    pub(super) fn peer(&mut self, conn: &Connection, peer: &PeerId) -> rusqlite::Result<i64> {
        if let Some(number) = self.peers.get(peer) {
            return Ok(*number);
        }
        let number = match find_peer(conn, peer)? {
            Some(number) => number,
            None => {
                self.fresh = true;
                conn.prepare_cached("INSERT INTO peers (key) VALUES (?1)")?.insert([peer.as_bytes()])?
            }
        };
        if self.peers.len() >= MAX_INTERNED {
            self.peers.clear();
        }
        self.peers.insert(*peer, number);
        Ok(number)
    }

    pub(super) const fn commit(&mut self) {
        self.fresh = false;
    }

    pub(super) fn rollback(&mut self) {
        if std::mem::take(&mut self.fresh) {
            self.types.clear();
            self.peers.clear();
        }
    }
}

/// The number of a type, if any record has it.
pub(super) fn find_type(conn: &Connection, name: &RecordType) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT type FROM types WHERE name = ?1")?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()
}

/// The number of an identity, if any record names it.
pub(super) fn find_peer(conn: &Connection, peer: &PeerId) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT peer FROM peers WHERE key = ?1")?
        .query_row([peer.as_bytes()], |row| row.get(0))
        .optional()
}
