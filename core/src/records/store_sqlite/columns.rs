//! Values as SQLite keeps them.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use rusqlite::{Error, Row, types::Type};

use super::{Sealer, sealer::Place};
use crate::{
    ids::{GraphId, Lsn},
    record::{RecordKey, SignedRecord},
    records::stored::State,
};

/// A number of which SQLite, whose integers are signed, keeps the order.
pub(super) const fn ordered(value: u64) -> i64 {
    (value ^ (1 << 63)).cast_signed()
}

/// The number that was kept.
pub(super) const fn unordered(kept: i64) -> u64 {
    kept.cast_unsigned() ^ (1 << 63)
}

/// A place in the feed. Those beyond what SQLite can count do not occur, and are its last.
pub(super) fn row_of(lsn: Lsn) -> i64 {
    i64::try_from(lsn.0).unwrap_or(i64::MAX)
}

/// A column with a place in the feed. With a place that leaves no room for what follows, the file is damaged.
pub(super) fn lsn(row: &Row<'_>, column: usize) -> rusqlite::Result<Lsn> {
    let place = row.get::<_, i64>(column)?;
    let sound = u64::try_from(place).ok().filter(|lsn| *lsn <= MAX_LSN);
    sound.map(Lsn).ok_or(Error::IntegralValueOutOfRange(column, place))
}

/// Far beyond what any database reaches, and far below what SQLite can count.
const MAX_LSN: u64 = 1 << 62;

/// An exclusive upper bound of keys: without one, a value behind all keys.
pub(super) fn upper(to: Option<RecordKey>) -> Vec<u8> {
    to.map_or_else(|| vec![0xff; RecordKey::LEN + 1], |to| to.to_bytes().to_vec())
}

/// A column with a key.
pub(super) fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<RecordKey> {
    row.get(column).map(|bytes: [u8; RecordKey::LEN]| RecordKey::from_bytes(&bytes))
}

/// A column with a state.
pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    match row.get::<_, i64>(column)? {
        0 => Ok(State::Live),
        1 => Ok(State::Tombstone),
        2 => Ok(State::Stub),
        3 => Ok(State::Void),
        _ => Err(Error::FromSqlConversionFailure(column, Type::Integer, "unknown state".into())),
    }
}

/// What is sealed in a sealed database: envelopes and the values of `meta`.
#[derive(Clone, Debug)]
pub(super) struct Values {
    pub(super) graph: GraphId,
    pub(super) sealer: Option<Arc<Sealer>>,
}

impl Values {
    /// A value as it is kept.
    pub(super) fn kept<'a>(&self, place: Place<'_>, value: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.sealer {
            Some(sealer) => Cow::Owned(sealer.seal(place, value)),
            None => Cow::Borrowed(value),
        }
    }

    /// A column with an envelope: the bytes as they travel.
    pub(super) fn envelope_bytes(&self, row: &Row<'_>, column: usize, lsn: Lsn) -> rusqlite::Result<Bytes> {
        self.opened(row, column, Place::Row(lsn))
    }

    /// A column with bytes that are sealed in a sealed database.
    pub(super) fn opened(&self, row: &Row<'_>, column: usize, place: Place<'_>) -> rusqlite::Result<Bytes> {
        let kept = row.get_ref(column)?.as_blob()?;
        match &self.sealer {
            Some(sealer) => sealer.open(place, kept).map(Bytes::from).map_err(|e| damaged(column, e)),
            None => Ok(Bytes::copy_from_slice(kept)),
        }
    }

    /// A column with an envelope.
    pub(super) fn envelope(&self, row: &Row<'_>, column: usize, lsn: Lsn) -> rusqlite::Result<SignedRecord> {
        let bytes = self.envelope_bytes(row, column, lsn)?;
        SignedRecord::decode_stored(&self.graph, bytes).map_err(|error| damaged(column, error))
    }

    /// A column with a value of `meta`.
    pub(super) fn meta(&self, row: &Row<'_>, column: usize, name: &str) -> rusqlite::Result<Vec<u8>> {
        let kept = row.get_ref(column)?.as_blob()?;
        match &self.sealer {
            Some(sealer) => sealer.open(Place::Meta(name), kept).map_err(|error| damaged(column, error)),
            None => Ok(kept.to_vec()),
        }
    }
}

pub(super) fn damaged(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(column, Type::Blob, error.into())
}
