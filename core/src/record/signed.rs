//! The signed envelope: what travels and what is stored, byte for byte.
//!
//! ```text
//! varint header length | header (postcard) | signature (64) | body
//! ```
//! The signature covers domain, graph id and header, in groups by hashes of origin and header; the header holds the body's length and BLAKE3 hash. The
//! element id is the hash of everything before the body.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    AttributeError, Attributes, BodyState, Made, MadeProof, Origin, Record, RecordKey, RecordType,
    origin::{Said, header_hash},
};
use crate::{
    crypto::{self, Claim, Domain, SIGNATURE_LEN, SecretKey, SignatureBytes},
    ids::{ElementId, GraphId, PeerId, RecordId},
    limits::{MAX_HEADER, MAX_LINEAGE},
    time::{Hlc, Timestamp},
};

/// The signed part of a record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Its kind.
    pub record_type: RecordType,
    /// Random bytes from which the id derives.
    pub nonce: [u8; 16],
    /// Who made the record.
    pub creator: PeerId,
    /// Who wrote this version, where that is not the creator.
    pub editor: Option<PeerId>,
    /// Counts from 1.
    pub version: u64,
    /// When the record was made.
    pub created: Timestamp,
    /// When this version was written.
    pub hlc: Hlc,
    /// When it ceases to exist.
    pub expires: Option<Timestamp>,
    /// The version that was replaced.
    pub replaced: Option<ElementId>,
    /// The beginnings of those that were replaced before that one, the latest first: at most
    /// [`MAX_LINEAGE`]. By these, versions written in ignorance of each other are told from those that follow each other.
    pub earlier: Vec<[u8; 8]>,
    /// The author's credential, in graphs that ask for one.
    pub grant: Option<[u8; 32]>,
    /// In a group, unless the type is reserved: where the record comes from.
    pub origin: Option<Origin>,
    /// True for a tombstone.
    pub deleted: bool,
    /// Named values.
    pub attributes: Attributes,
    /// The body's length in bytes.
    pub body_len: u64,
    /// The body's BLAKE3 hash.
    pub body_hash: [u8; 32],
}

impl Header {
    /// Of a record's first version, without attributes, expiry or credential; [`SignedRecord::sign`] sets what it says of
    /// the body.
    pub const fn first(record_type: RecordType, nonce: [u8; 16], creator: PeerId, hlc: Hlc) -> Self {
        Self {
            record_type,
            nonce,
            creator,
            editor: None,
            version: 1,
            created: hlc.timestamp(),
            hlc,
            expires: None,
            replaced: None,
            earlier: Vec::new(),
            grant: None,
            origin: None,
            deleted: false,
            attributes: Attributes::new(),
            body_len: 0,
            body_hash: [0; 32],
        }
    }

    /// Who wrote this version.
    pub fn author(&self) -> PeerId {
        self.editor.unwrap_or(self.creator)
    }
}

/// The bytes are not a record. The sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end too early, go on too long, or do not have the form.
    #[error("malformed record")]
    Malformed,
    /// Larger than the graph allows.
    #[error("record of {len} bytes, more than {max}")]
    TooLarge {
        /// The size claimed or found, in bytes.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// The attributes break a rule.
    #[error(transparent)]
    Attributes(#[from] AttributeError),
    /// A field contradicts another: the rule is named.
    #[error("record breaks a rule: {0}")]
    Rule(&'static str),
    /// The body is not the one that was signed.
    #[error("the body does not have the signed hash")]
    Body,
}

/// A record as somebody claims it: well formed, its body matching its header, its signature not checked.
#[derive(Clone, PartialEq)]
pub struct SignedRecord {
    bytes: Bytes,
    body_at: usize,
    header: Header,
    id: RecordId,
    element: ElementId,
    /// What was signed, if that is not the encoded header.
    said: Option<Said>,
}

impl SignedRecord {
    /// Signs a header over its body.
    ///
    /// `header.body_len` and `header.body_hash` are set here.
    ///
    /// # Panics
    /// Never: a header always encodes.
    pub fn sign(graph: &GraphId, key: &SecretKey, mut header: Header, body: &[u8]) -> Self {
        header.body_len = body.len() as u64;
        header.body_hash = crypto::body_hash(body);
        let encoded = postcard::to_stdvec(&header).expect("a header always encodes");
        let said = header.said(graph, &encoded);
        let message = said.as_ref().map_or(&encoded[..], |said| said);
        let signature = key.sign(Domain::Record, graph.as_bytes(), message);
        let mut bytes =
            Vec::with_capacity(body.len().saturating_add(encoded.len()).saturating_add(3 + SIGNATURE_LEN));
        put_varint(&mut bytes, encoded.len());
        bytes.extend_from_slice(&encoded);
        bytes.extend_from_slice(&signature);
        let body_at = bytes.len();
        let element = ElementId::from_bytes(crypto::envelope_hash(&bytes));
        bytes.extend_from_slice(body);
        let id = header.record_id(graph);
        Self { bytes: bytes.into(), body_at, header, id, element, said }
    }

    /// Reads an envelope and checks all that needs neither keys nor database: form, canonical encoding, sizes,
    /// rules between fields, body hash.
    ///
    /// # Errors
    /// [`DecodeError`]; the sender is at fault.
    pub fn decode(graph: &GraphId, bytes: Bytes, max_record: usize) -> Result<Self, DecodeError> {
        let record = Self::decode_or_stub(graph, bytes, max_record)?;
        if record.is_stub() { Err(DecodeError::Body) } else { Ok(record) }
    }

    /// The same, but the body of a version that ends at some time may be missing: see [`is_stub`](Self::is_stub).
    ///
    /// # Errors
    /// [`DecodeError`]; the sender is at fault.
    pub fn decode_or_stub(graph: &GraphId, bytes: Bytes, max_record: usize) -> Result<Self, DecodeError> {
        let max = max_record.saturating_add(MAX_HEADER + SIGNATURE_LEN + 3);
        if bytes.len() > max {
            return Err(DecodeError::TooLarge { len: bytes.len(), max });
        }
        let (header_len, header_at) = take_varint(&bytes).ok_or(DecodeError::Malformed)?;
        if header_len > MAX_HEADER {
            return Err(DecodeError::TooLarge { len: header_len, max: MAX_HEADER });
        }
        let header_end = header_at.saturating_add(header_len);
        let body_at = header_end.saturating_add(SIGNATURE_LEN);
        if bytes.len() < body_at {
            return Err(DecodeError::Malformed);
        }
        let encoded = &bytes[header_at..header_end];
        let header: Header = crate::wire::decode_exact(encoded).map_err(|_| DecodeError::Malformed)?;
        let body = &bytes[body_at..];
        check(&header, body, max_record)?;
        let element = ElementId::from_bytes(crypto::envelope_hash(&bytes[..body_at]));
        let (id, said) = (header.record_id(graph), header.said(graph, encoded));
        Ok(Self { body_at, header, id, element, said, bytes })
    }

    /// Reads an envelope that this node stored after checking it: trusts hash and rules.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if the bytes were damaged.
    pub fn decode_stored(graph: &GraphId, bytes: Bytes) -> Result<Self, DecodeError> {
        let (header_len, header_at) = take_varint(&bytes).ok_or(DecodeError::Malformed)?;
        let header_end = header_at.saturating_add(header_len);
        let body_at = header_end.saturating_add(SIGNATURE_LEN);
        if header_len > MAX_HEADER || bytes.len() < body_at {
            return Err(DecodeError::Malformed);
        }
        let encoded = &bytes[header_at..header_end];
        let header: Header = postcard::from_bytes(encoded).map_err(|_| DecodeError::Malformed)?;
        let element = ElementId::from_bytes(crypto::envelope_hash(&bytes[..body_at]));
        let (id, said) = (header.record_id(graph), header.said(graph, encoded));
        Ok(Self { body_at, header, id, element, said, bytes })
    }

    /// The claim to check against the author's key, under [`Domain::Record`] and the graph id.
    pub fn claim(&self) -> Claim<'_> {
        let key = self.header.editor.as_ref().unwrap_or(&self.header.creator).as_bytes();
        let message: &[u8] = match &self.said {
            Some(said) => said,
            None => self.encoded_header(),
        };
        Claim { key, message, signature: self.signature() }
    }

    fn encoded_header(&self) -> &[u8] {
        let (_, header_at) = take_varint(&self.bytes).expect("checked when decoded");
        &self.bytes[header_at..self.body_at.saturating_sub(SIGNATURE_LEN)]
    }

    fn signature(&self) -> &SignatureBytes {
        self.bytes[..self.body_at].last_chunk().expect("a signature has 64 bytes")
    }

    /// What the creator signed, of a version by somebody else in a group; see [`maker_claim`](Self::maker_claim).
    pub fn said_by_creator(&self, graph: &GraphId) -> Option<[u8; 64]> {
        self.header.said_by_creator(graph)
    }

    /// The claim that the creator made this record, of a version by somebody else.
    pub fn maker_claim<'a>(&'a self, said: &'a [u8; 64]) -> Option<Claim<'a>> {
        let Some(Origin::Later(Made { proof: Some(proof), .. })) = &self.header.origin else { return None };
        Some(Claim { key: self.header.creator.as_bytes(), message: said, signature: &proof.signature })
    }

    /// Checks the signatures alone.
    pub fn verify(&self, graph: &GraphId) -> bool {
        let good = |claim: Claim<'_>| {
            crypto::verify(claim.key, Domain::Record, graph.as_bytes(), claim.message, claim.signature)
        };
        let said = self.said_by_creator(graph);
        let maker = said.as_ref().and_then(|said| self.maker_claim(said));
        good(self.claim()) && maker.is_none_or(good)
    }

    /// What the version after this one says of the record's origin, if `author` writes it.
    pub fn next_origin(&self, author: PeerId) -> Option<Origin> {
        let (grant, content) = self.header.made()?;
        let kept = match &self.header.origin {
            Some(Origin::Later(made)) => made.proof.clone(),
            _ => None,
        };
        let own = || MadeProof { header: header_hash(self.encoded_header()), signature: *self.signature() };
        let proof = (author != self.header.creator).then(|| kept.unwrap_or_else(own));
        Some(Origin::Later(Made { grant, content, proof }))
    }

    /// True if this is what an expired version left: its envelope without the body. It shows that the version existed and
    /// when it expired, which is all that is asked of it. A version whose body is empty is no stub.
    pub const fn is_stub(&self) -> bool {
        self.header.body_len > 0 && self.bytes.len() == self.body_at
    }

    /// The same version without its body.
    #[must_use]
    pub fn to_stub(&self) -> Self {
        let bytes = Bytes::copy_from_slice(&self.bytes[..self.body_at]);
        Self { bytes, header: self.header.clone(), ..*self }
    }

    /// True if the body is the one that was signed. [`decode`](Self::decode) checks it, `decode_stored` does not.
    pub fn has_signed_body(&self) -> bool {
        let body = &self.bytes[self.body_at..];
        self.header.body_len == body.len() as u64 && self.header.body_hash == crypto::body_hash(body)
    }

    /// The record's id.
    pub const fn id(&self) -> RecordId {
        self.id
    }

    /// This version's key.
    pub const fn key(&self) -> RecordKey {
        RecordKey { hlc: self.header.hlc, element: self.element }
    }

    /// The signed fields.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The envelope and body as they travel.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The content.
    pub fn body(&self) -> Bytes {
        self.bytes.slice(self.body_at..)
    }

    /// What the version after this one says of those before it: see [`Header::earlier`]. Records of the library's own
    /// types, which change for ever and have no conflicts, say nothing.
    pub fn lineage(&self) -> Vec<[u8; 8]> {
        if self.header.record_type.is_reserved() {
            return Vec::new();
        }
        let replaced = self.header.replaced.map(|element| element.prefix());
        replaced.into_iter().chain(self.header.earlier.iter().copied()).take(MAX_LINEAGE).collect()
    }

    /// The readable form.
    pub fn to_record(&self) -> Record {
        let h = &self.header;
        Record {
            id: self.id,
            record_type: h.record_type.clone(),
            version: h.version,
            creator: h.creator,
            author: h.author(),
            created: h.created,
            modified: h.hlc.timestamp(),
            expires: h.expires,
            deleted: h.deleted,
            attributes: h.attributes.clone(),
            body: self.body(),
            body_state: BodyState::Clear,
            key: self.key(),
            replaced: h.replaced,
            held: false,
        }
    }
}

impl fmt::Debug for SignedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedRecord({} v{} {:?})", self.id.short(), self.header.version, self.header.hlc)
    }
}

fn check(header: &Header, body: &[u8], max_record: usize) -> Result<(), DecodeError> {
    let is_stub = body.is_empty() && header.body_len > 0 && header.expires.is_some();
    let body_len = if is_stub { usize::try_from(header.body_len).unwrap_or(usize::MAX) } else { body.len() };
    let content = body_len.saturating_add(header.attributes.encoded_len());
    if content > max_record {
        return Err(DecodeError::TooLarge { len: content, max: max_record });
    }
    header.attributes.check()?;
    let broken = if header.version == 0 {
        Some("versions count from 1")
    } else if header.editor == Some(header.creator) {
        Some("the creator is not named twice")
    } else if header.version == 1 && (header.replaced.is_some() || header.deleted) {
        Some("a first version replaces nothing")
    } else if header.earlier.len() > MAX_LINEAGE || header.earlier.len() as u64 >= header.version {
        Some("it names more versions than there were")
    } else if header.deleted && !(header.attributes.is_empty() && body.is_empty()) {
        Some("a tombstone is empty")
    } else {
        header.check_origin()
    };
    if let Some(rule) = broken {
        return Err(DecodeError::Rule(rule));
    }
    let signed_body = || header.body_len == body.len() as u64 && header.body_hash == crypto::body_hash(body);
    if is_stub || signed_body() { Ok(()) } else { Err(DecodeError::Body) }
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A length of at most three bytes in its shortest form, and where it ends.
fn take_varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (byte, (shift, end)) in bytes.iter().zip([(0, 1), (7, 2), (14, 3)]) {
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (end == 1 || *byte != 0).then_some((value, end));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAPH: GraphId = GraphId::from_bytes([3; 32]);

    fn sample(body: &[u8]) -> SignedRecord {
        let key = SecretKey::from_bytes(&[1; 32]);
        let header = Header {
            expires: Some(Timestamp(9000)),
            attributes: Attributes::from([("room", "main")]),
            ..Header::first(
                RecordType::new("chat.message").unwrap(),
                [5; 16],
                key.peer(),
                Hlc::at(Timestamp(1000)),
            )
        };
        SignedRecord::sign(&GRAPH, &key, header, body)
    }

    fn decode(bytes: impl Into<Bytes>) -> Result<SignedRecord, DecodeError> {
        SignedRecord::decode(&GRAPH, bytes.into(), 1024)
    }

    #[test]
    fn an_envelope_round_trips() {
        let record = sample(b"hello");
        let again = decode(record.bytes().clone()).unwrap();
        assert_eq!(again, record);
        assert!(again.verify(&GRAPH));
        assert!(!again.verify(&GraphId::from_bytes([4; 32])));
        assert_eq!(&again.body()[..], b"hello");
        assert_eq!(SignedRecord::decode_stored(&GRAPH, record.bytes().clone()).unwrap(), record);
    }

    #[test]
    fn s4_no_changed_byte_and_no_truncation_is_accepted() {
        let record = sample(b"hello");
        let bytes = record.bytes().to_vec();
        for at in 0..bytes.len() {
            assert!(decode(bytes[..at].to_vec()).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let accepted = decode(flipped).is_ok_and(|r| r.verify(&GRAPH));
                assert!(!accepted, "bit {bit} of byte {at}");
            }
        }
        assert!(decode([&bytes[..], b"x"].concat()).is_err());
    }

    #[test]
    fn a12_a_stub_has_a_good_signature_and_counts_nowhere_as_a_whole_record() {
        let record = sample(b"hello");
        let stub = record.bytes().slice(..record.bytes().len() - 5);
        assert_eq!(decode(stub.clone()), Err(DecodeError::Body));
        let stub = SignedRecord::decode_or_stub(&GRAPH, stub, 1024).unwrap();
        assert!(stub.is_stub() && stub.verify(&GRAPH) && !stub.has_signed_body());
        assert_eq!((stub.key(), stub.id()), (record.key(), record.id()));
        let whole = SignedRecord::decode_or_stub(&GRAPH, record.bytes().clone(), 1024).unwrap();
        assert!(!whole.is_stub() && !sample(b"").is_stub());
        // The body is all or nothing, its length is in bounds, and what never ends leaves nothing.
        let cut = record.bytes().slice(..record.bytes().len() - 1);
        assert_eq!(SignedRecord::decode_or_stub(&GRAPH, cut, 1024), Err(DecodeError::Body));
        let big = sample(&[7; 2000]);
        let big = SignedRecord::decode_or_stub(&GRAPH, big.bytes().slice(..big.bytes().len() - 2000), 1024);
        assert!(matches!(big, Err(DecodeError::TooLarge { .. })));
        let header = Header { expires: None, ..record.header().clone() };
        let endless = SignedRecord::sign(&GRAPH, &SecretKey::from_bytes(&[1; 32]), header, b"hello");
        let endless = endless.bytes().slice(..endless.bytes().len() - 5);
        assert_eq!(SignedRecord::decode_or_stub(&GRAPH, endless, 1024), Err(DecodeError::Body));
    }

    #[test]
    fn sizes_are_checked() {
        let big = sample(&[7; 2000]);
        assert!(matches!(decode(big.bytes().clone()), Err(DecodeError::TooLarge { .. })));
    }
}
