//! Sealing what is too long to be sealed in one piece: a file under a password.
//!
//! ```text
//! version (1) | cost (6) | salt (16) | proof (16) | check sum (8) | piece | piece | ...
//! ```
//! Each piece is 64 KiB, the last one shorter, sealed with XChaCha20-Poly1305 under Argon2id of the password. Its nonce
//! is its number and whether it is the last, so that none can be taken away, repeated, or moved; the salt is random, so
//! no key is ever used for two files. The proof is an empty piece: it tells a wrong password from an altered file.

use std::{
    fmt,
    io::{self, BufRead, Read, Write},
};

use zeroize::{Zeroize, Zeroizing};

use super::{
    NONCE_LEN, OpenError, PasswordCost, SALT_LEN, SEAL_OVERHEAD, hash, open_with_key, password_key,
    seal_with_key,
};

/// Bytes in a piece, before it is sealed.
const PIECE: usize = 64 * 1024;
const VERSION: u8 = 1;
const COST_LEN: usize = 6;
const HEADER_LEN: usize = 1 + COST_LEN + SALT_LEN;
const CHECKSUM: usize = 8;

/// Why a sealed stream cannot be read. Inside an [`io::Error`] where it turns up while reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The password is another one.
    #[error("the password does not match the one it was sealed with")]
    WrongPassword,
    /// It was cut off, or altered.
    #[error("it is incomplete or was changed after it was sealed")]
    Altered,
    /// It was made by a later version.
    #[error("it was sealed in format {0}, which this version of the library does not support")]
    Version(u8),
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// One file's key, and what every piece is bound to.
struct Pieces {
    key: Zeroizing<[u8; 32]>,
    context: Vec<u8>,
    number: u64,
}

impl Pieces {
    fn new(
        password: &str,
        header: [u8; HEADER_LEN],
        cost: PasswordCost,
        context: &[u8],
    ) -> Result<Self, OpenError> {
        let salt = header[1 + COST_LEN..].try_into().expect("the header ends with the salt");
        let key = password_key(password, &salt, cost)?;
        Ok(Self { key, context: [&header[..], context].concat(), number: 0 })
    }

    /// Counts pieces; the proof is the first.
    fn next_nonce(&mut self, last: bool) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&self.number.to_le_bytes());
        nonce[8] = last.into();
        self.number = self.number.saturating_add(1);
        nonce
    }

    fn seal(&mut self, last: bool, piece: &[u8]) -> Vec<u8> {
        let nonce = self.next_nonce(last);
        seal_with_key(&self.key, nonce, &self.context, piece)
    }

    fn open(&mut self, last: bool, piece: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let nonce = self.next_nonce(last);
        open_with_key(&self.key, nonce, &self.context, piece)
    }
}

fn checksum(header: &[u8], proof: &[u8]) -> [u8; CHECKSUM] {
    hash("peergraph v1 sealed stream", &[header, proof])[..CHECKSUM].try_into().expect("eight bytes")
}

/// Seals what is written to it. Without [`finish`](Self::finish) nobody can read the end.
pub struct SealingWriter<W> {
    inner: W,
    pieces: Pieces,
    buffer: Vec<u8>,
}

impl<W: Write> SealingWriter<W> {
    /// Begins. `salt`: fresh random bytes; the context as in [`seal_with_key`].
    ///
    /// # Errors
    /// The writer's.
    ///
    /// # Panics
    /// If the cost is not [sound](PasswordCost::is_sound).
    pub fn new(
        mut inner: W,
        password: &str,
        salt: [u8; SALT_LEN],
        cost: PasswordCost,
        context: &[u8],
    ) -> io::Result<Self> {
        let mut header = [VERSION; HEADER_LEN];
        header[1..=COST_LEN].copy_from_slice(&cost.to_bytes());
        header[1 + COST_LEN..].copy_from_slice(&salt);
        let mut pieces = Pieces::new(password, header, cost, context).expect("a sound cost");
        let proof = pieces.seal(false, &[]);
        inner.write_all(&header)?;
        inner.write_all(&proof)?;
        inner.write_all(&checksum(&header, &proof))?;
        Ok(Self { inner, pieces, buffer: Vec::with_capacity(PIECE) })
    }

    /// Ends, and gives the writer back.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(mut self) -> io::Result<W> {
        let sealed = self.pieces.seal(true, &self.buffer);
        self.buffer.zeroize();
        self.inner.write_all(&sealed)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full piece waits for what follows: it may be the last.
        if self.buffer.len() == PIECE && !bytes.is_empty() {
            let sealed = self.pieces.seal(false, &self.buffer);
            self.inner.write_all(&sealed)?;
            self.buffer.clear();
        }
        let taken = bytes.len().min(PIECE.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W> fmt::Debug for SealingWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingWriter(piece {})", self.pieces.number)
    }
}

/// Opens what [`SealingWriter`] sealed. It ends where that was finished; an earlier end is an error.
pub struct OpeningReader<R> {
    inner: R,
    pieces: Pieces,
    sealed: Vec<u8>,
    opened: Zeroizing<Vec<u8>>,
    /// How much of `opened` was read.
    at: usize,
    ended: bool,
}

impl<R: BufRead> OpeningReader<R> {
    /// Begins.
    ///
    /// # Errors
    /// A [`StreamError`], or the reader's.
    pub fn new(mut inner: R, password: &str, context: &[u8]) -> io::Result<Self> {
        let mut start = [0; HEADER_LEN + SEAL_OVERHEAD + CHECKSUM];
        fill(&mut inner, &mut start)?.then_some(()).ok_or(StreamError::Altered)?;
        let (header, rest) = start.split_first_chunk::<HEADER_LEN>().expect("long enough");
        let (proof, sum) = rest.split_at(SEAL_OVERHEAD);
        if checksum(header, proof) != sum {
            return Err(StreamError::Altered.into());
        }
        if header[0] != VERSION {
            return Err(StreamError::Version(header[0]).into());
        }
        let cost = PasswordCost::from_bytes(header[1..=COST_LEN].try_into().expect("six bytes"));
        let pieces = Pieces::new(password, *header, cost, context);
        let mut pieces = pieces.map_err(|OpenError| StreamError::Altered)?;
        pieces.open(false, proof).map_err(|OpenError| StreamError::WrongPassword)?;
        let (sealed, opened) = (vec![0; PIECE + SEAL_OVERHEAD], Zeroizing::new(Vec::new()));
        Ok(Self { inner, pieces, sealed, opened, at: 0, ended: false })
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let mut len = 0;
        while len < self.sealed.len() {
            match self.inner.read(&mut self.sealed[len..]) {
                Ok(0) => break,
                Ok(read) => len = read.saturating_add(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.ended = self.inner.fill_buf()?.is_empty();
        let opened = self.pieces.open(self.ended, &self.sealed[..len]);
        self.opened = opened.map_err(|OpenError| StreamError::Altered)?;
        self.at = 0;
        Ok(())
    }
}

impl<R: BufRead> Read for OpeningReader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.at == self.opened.len() && !self.ended {
            self.next_piece()?;
        }
        let left = self.opened.get(self.at..).unwrap_or_default();
        let taken = bytes.len().min(left.len());
        bytes[..taken].copy_from_slice(&left[..taken]);
        self.at = self.at.saturating_add(taken);
        Ok(taken)
    }
}

impl<R> fmt::Debug for OpeningReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpeningReader(piece {})", self.pieces.number)
    }
}

/// Fills a buffer; false if the reader ends before.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED_PIECE: usize = PIECE + SEAL_OVERHEAD;
    const START: usize = HEADER_LEN + SEAL_OVERHEAD + CHECKSUM;

    fn seal(content: &[u8]) -> Vec<u8> {
        let salt = [5; SALT_LEN];
        let mut writer =
            SealingWriter::new(Vec::new(), "password", salt, PasswordCost::LEAST, b"use").unwrap();
        // In steps that do not fit the pieces.
        content.chunks(9973).for_each(|part| writer.write_all(part).unwrap());
        writer.finish().unwrap()
    }

    fn open(sealed: &[u8], password: &str, context: &[u8]) -> Result<Vec<u8>, StreamError> {
        let mut content = Vec::new();
        let read =
            OpeningReader::new(sealed, password, context).and_then(|mut r| r.read_to_end(&mut content));
        match read {
            Ok(_) => Ok(content),
            Err(error) => Err(*error.into_inner().unwrap().downcast().unwrap()),
        }
    }

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn r24_any_length_comes_back() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 77] {
            let sealed = seal(&content(len));
            assert_eq!(open(&sealed, "password", b"use").unwrap(), content(len), "{len}");
            assert_eq!(open(&sealed, "Password", b"use"), Err(StreamError::WrongPassword));
            assert_eq!(open(&sealed, "password", b"other"), Err(StreamError::WrongPassword));
        }
    }

    #[test]
    fn r24_what_is_cut_off_moved_repeated_or_altered_is_found_out() {
        let good = seal(&content(3 * PIECE + 500));
        let altered = Err(StreamError::Altered);
        let cuts = (0..START + 40).chain((START + 40..good.len()).step_by(1009));
        // At the seams between pieces as well.
        for cut in cuts.chain((0..=3).map(|n| START + n * SEALED_PIECE)) {
            assert_eq!(open(&good[..cut], "password", b"use"), altered, "cut at {cut}");
        }
        for at in (0..START + 40).chain((START + 40..good.len()).step_by(4001)) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(open(&bad, "password", b"use"), altered, "byte {at}");
        }
        let piece = |n: usize| &good[START + n * SEALED_PIECE..][..SEALED_PIECE];
        let rest = &good[START + 3 * SEALED_PIECE..];
        let (start, none): (_, &[u8]) = (&good[..START], &[]);
        for [first, second, third, end] in [
            [piece(1), piece(0), piece(2), rest],
            [piece(0), piece(0), piece(2), rest],
            [piece(0), piece(1), none, rest],
            [piece(0), rest, piece(1), none],
        ] {
            let bad = [start, first, second, third, end].concat();
            assert_eq!(open(&bad, "password", b"use"), altered);
        }
        assert_eq!(open(&[&good[..], &[0]].concat(), "password", b"use"), altered, "longer");
    }

    #[test]
    fn a_later_version_and_an_absurd_cost_are_refused() {
        let rewritten = |at: usize, value: u8| {
            let mut bytes = seal(b"x");
            bytes[at] = value;
            let sum = checksum(&bytes[..HEADER_LEN], &bytes[HEADER_LEN..HEADER_LEN + SEAL_OVERHEAD]);
            bytes[HEADER_LEN + SEAL_OVERHEAD..START].copy_from_slice(&sum);
            open(&bytes, "password", b"use")
        };
        assert_eq!(rewritten(0, 2), Err(StreamError::Version(2)));
        assert_eq!(rewritten(4, 0xff), Err(StreamError::Altered), "4 GiB of memory");
    }
}
