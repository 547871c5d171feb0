//! A database on its way to another machine: what the graph is, and all current records as they travel.
//!
//! ```text
//! length u32 LE | head | length u32 LE | envelope | ... | 0 u32 | count u64 LE | hash (32) of everything before
//! ```
//! The hash finds what was cut off or damaged, not what was forged: every record is validated when it is imported.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::{
    fmt,
    io::{self, Read, Write},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    crypto::{RunningHash, SIGNATURE_LEN},
    ids::{GraphId, PeerId},
    limits::{MAX_EXPORT_HEAD, MAX_HEADER},
    record::Genesis,
    time::Timestamp,
    wire::decode_exact,
};

const HASH_CONTEXT: &str = "peergraph v1 exported database";

/// What an exported database says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExportHead {
    /// Which graph's it is.
    pub graph: GraphId,
    /// What the graph is: its id is the hash of this.
    pub genesis: Genesis,
    /// Whose database it was.
    pub peer: PeerId,
    /// When it was exported, in peer time.
    pub time: Timestamp,
}

impl ExportHead {
    /// True if graph and genesis fit, and the genesis lies in its bounds.
    pub fn is_sound(&self) -> bool {
        self.genesis.id() == self.graph && self.genesis.is_sound()
    }

    /// Most bytes of a record's envelope.
    const fn max_envelope(&self) -> usize {
        (self.genesis.max_record as usize).saturating_add(MAX_HEADER + SIGNATURE_LEN + 3)
    }
}

/// An exported database cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It ends too early, goes on too long, was damaged, or is something else.
    #[error("the exported database is incomplete or damaged")]
    Damaged,
    /// The reader failed.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Damaged } else { Self::Io(error) }
    }
}

/// Writes an exported database. Without [`finish`](Self::finish) nobody can read it.
pub struct ExportWriter<W> {
    inner: W,
    hash: RunningHash,
    count: u64,
}

impl<W: Write> ExportWriter<W> {
    /// Begins.
    ///
    /// # Errors
    /// The writer's.
    pub fn new(inner: W, head: &ExportHead) -> io::Result<Self> {
        let mut writer = Self { inner, hash: RunningHash::new(HASH_CONTEXT), count: 0 };
        writer.piece(&postcard::to_stdvec(head).expect("a head always encodes"))?;
        Ok(writer)
    }

    /// Adds a record.
    ///
    /// # Errors
    /// The writer's.
    pub fn record(&mut self, envelope: &[u8]) -> io::Result<()> {
        self.count = self.count.saturating_add(1);
        self.piece(envelope)
    }

    /// Ends; gives the writer back, and how many records there are.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        self.piece(&[])?;
        self.put(&self.count.to_le_bytes())?;
        let hash = self.hash.finish();
        self.inner.write_all(&hash)?;
        Ok((self.inner, self.count))
    }

    fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.put(&len.to_le_bytes())?;
        self.put(bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.inner.write_all(bytes)
    }
}

impl<W> fmt::Debug for ExportWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExportWriter({} records)", self.count)
    }
}

/// Reads an exported database, piece by piece. What it gives is not validated.
pub struct ExportReader<R> {
    inner: R,
    hash: RunningHash,
    head: ExportHead,
    count: u64,
    ended: bool,
}

impl<R: Read> ExportReader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn new(mut inner: R) -> Result<Self, ExportError> {
        let mut hash = RunningHash::new(HASH_CONTEXT);
        let head = piece(&mut inner, &mut hash, MAX_EXPORT_HEAD)?;
        let head: ExportHead = decode_exact(&head).map_err(|_| ExportError::Damaged)?;
        if !head.is_sound() {
            return Err(ExportError::Damaged);
        }
        Ok(Self { inner, hash, head, count: 0, ended: false })
    }

    /// What it says of itself.
    pub const fn head(&self) -> &ExportHead {
        &self.head
    }

    /// The next envelope; `None` at the end, if nothing is missing or altered.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn next_record(&mut self) -> Result<Option<Bytes>, ExportError> {
        if self.ended {
            return Ok(None);
        }
        let envelope = piece(&mut self.inner, &mut self.hash, self.head.max_envelope())?;
        if !envelope.is_empty() {
            self.count = self.count.saturating_add(1);
            return Ok(Some(envelope.into()));
        }
        let (mut count, mut hash) = ([0; 8], [0; 32]);
        self.inner.read_exact(&mut count)?;
        self.hash.update(&count);
        self.inner.read_exact(&mut hash)?;
        let more = self.inner.read(&mut [0])? > 0;
        if more || u64::from_le_bytes(count) != self.count || hash != self.hash.finish() {
            return Err(ExportError::Damaged);
        }
        self.ended = true;
        Ok(None)
    }
}

impl<R> fmt::Debug for ExportReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExportReader({} records of {})", self.count, self.head.graph.short())
    }
}

/// Reads a piece. What a length claims is not allocated before the bytes are there.
fn piece(reader: &mut impl Read, hash: &mut RunningHash, max: usize) -> Result<Vec<u8>, ExportError> {
    let mut len = [0; 4];
    reader.read_exact(&mut len)?;
    hash.update(&len);
    let len = u32::from_le_bytes(len) as usize;
    if len > max {
        return Err(ExportError::Damaged);
    }
    let mut bytes = Vec::new();
    reader.take(len as u64).read_to_end(&mut bytes)?;
    hash.update(&bytes);
    if bytes.len() == len { Ok(bytes) } else { Err(ExportError::Damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;

    fn head() -> ExportHead {
        let peer = SecretKey::from_bytes(&[1; 32]).peer();
        let genesis = Genesis::new(peer, [2; 16]);
        ExportHead { graph: genesis.id(), genesis, peer, time: Timestamp(7) }
    }

    fn export(head: &ExportHead) -> Vec<u8> {
        let mut writer = ExportWriter::new(Vec::new(), head).unwrap();
        for envelope in [&b"first"[..], b"second"] {
            writer.record(envelope).unwrap();
        }
        let (bytes, count) = writer.finish().unwrap();
        assert_eq!(count, 2);
        bytes
    }

    fn import(bytes: &[u8]) -> Result<(ExportHead, Vec<Bytes>), ExportError> {
        let mut reader = ExportReader::new(bytes)?;
        let mut found = Vec::new();
        while let Some(envelope) = reader.next_record()? {
            found.push(envelope);
        }
        assert!(reader.next_record()?.is_none(), "the end stays the end");
        Ok((reader.head().clone(), found))
    }

    #[test]
    fn r19_what_was_written_is_read_and_any_change_found_out() {
        let good = export(&head());
        let (found, records) = import(&good).unwrap();
        assert_eq!((found, records), (head(), vec![Bytes::from("first"), Bytes::from("second")]));
        for at in 0..good.len() {
            assert!(matches!(import(&good[..at]), Err(ExportError::Damaged)), "cut at {at}");
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(matches!(import(&bad), Err(ExportError::Damaged)), "byte {at}");
        }
        assert!(matches!(import(&[&good[..], &[0]].concat()), Err(ExportError::Damaged)));
    }

    #[test]
    fn a_head_that_contradicts_itself_is_refused() {
        let other = ExportHead { graph: GraphId::from_bytes([9; 32]), ..head() };
        let genesis = Genesis { max_record: u32::MAX, ..head().genesis };
        let huge = ExportHead { graph: genesis.id(), genesis, ..head() };
        for bad in [other, huge] {
            assert!(matches!(import(&export(&bad)), Err(ExportError::Damaged)));
        }
    }
}
