//! Golden vectors of what is kept or moved in files and texts: what an older version wrote must stay readable.
//!
//! `PEERGRAPH_WRITE_VECTORS=1 cargo test -p peergraph-tests --test file_vectors` writes the file anew, for a new version of
//! a format and for nothing else.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{Read, Write},
};

use data_encoding::HEXLOWER;
use peergraph::{
    Attributes, Genesis, GraphSecret, GroupRules, NodeAddr, RecordType, SecretKey, Timestamp,
    crypto::{NONCE_LEN, OpeningReader, PasswordCost, SALT_LEN, SealSeed, SealingWriter},
    group::{EpochKey, ExportedMembership, IdentitySecret, KeyRing, epoch_id, seal_older_key},
    record::{BodyState, Header, SignedRecord},
    records::{ExportHead, ExportReader, ExportWriter},
    time::Hlc,
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/files_v1.json");
const PASSWORD: &str = "password";
const SEED: SealSeed = SealSeed { salt: [5; SALT_LEN], nonce: [6; NONCE_LEN] };

fn identity() -> IdentitySecret {
    IdentitySecret::new(SecretKey::from_bytes(&[1; 32]), Some("work"), Some("Ada")).unwrap()
}

fn genesis() -> Genesis {
    Genesis { rules: Some(GroupRules::default()), ..Genesis::new(identity().key().peer(), [4; 16]) }
}

fn record() -> SignedRecord {
    let at = Timestamp::from_secs(1_800_000_000);
    let header = Header {
        attributes: Attributes::from([("room", "main")]),
        ..Header::first(
            RecordType::new("chat.message").unwrap(),
            [5; 16],
            identity().key().peer(),
            Hlc::at(at),
        )
    };
    SignedRecord::sign(&genesis().id(), identity().key(), header, b"hello")
}

fn membership() -> ExportedMembership {
    ExportedMembership {
        identity: identity(),
        genesis: genesis(),
        secret: GraphSecret::from_bytes([3; 32]),
        chain: vec![record().bytes().clone()],
        nodes: vec![NodeAddr::at(
            SecretKey::from_bytes(&[2; 32]).node(),
            ["192.0.2.1:1234".parse().unwrap()],
        )],
    }
}

fn head() -> ExportHead {
    let time = Timestamp::from_secs(1_800_000_000);
    ExportHead { graph: genesis().id(), genesis: genesis(), peer: identity().key().peer(), time }
}

/// Two epochs; the later one is current.
fn ring() -> (KeyRing, EpochKey, EpochKey) {
    let (ring, earlier, later) = (KeyRing::default(), EpochKey::new([7; 32]), EpochKey::new([8; 32]));
    ring.enable(genesis().id());
    ring.add(later.clone());
    ring.set_current(Some(epoch_id(&later)));
    (ring, earlier, later)
}

fn encrypted() -> SignedRecord {
    let body = ring().0.seal(record().header(), "hello".into()).unwrap();
    SignedRecord::sign(&genesis().id(), identity().key(), record().header().clone(), &body)
}

fn make() -> BTreeMap<String, String> {
    let mut database = ExportWriter::new(Vec::new(), &head()).unwrap();
    database.record(record().bytes()).unwrap();
    let (database, _) = database.finish().unwrap();
    let mut sealed =
        SealingWriter::new(Vec::new(), PASSWORD, [5; SALT_LEN], PasswordCost::LEAST, b"use").unwrap();
    sealed.write_all(b"a sealed stream").unwrap();
    let (_, earlier, later) = ring();
    let carried = seal_older_key(&genesis().id(), &later, [6; NONCE_LEN], &earlier);
    BTreeMap::from([
        ("record with an encrypted body".into(), HEXLOWER.encode(encrypted().bytes())),
        ("carried key of an epoch".into(), HEXLOWER.encode(&carried)),
        ("exported identity".into(), identity().to_text(PASSWORD, SEED, PasswordCost::LEAST)),
        ("exported membership".into(), membership().to_text(PASSWORD, SEED, PasswordCost::LEAST)),
        ("exported database".into(), HEXLOWER.encode(&database)),
        ("sealed stream".into(), HEXLOWER.encode(&sealed.finish().unwrap())),
    ])
}

fn kept() -> BTreeMap<String, String> {
    serde_json::from_str(&fs::read_to_string(FILE).expect("the vectors")).expect("JSON")
}

#[test]
fn the_bytes_of_files_and_texts_have_not_changed() {
    if env::var_os("PEERGRAPH_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&make()).unwrap() + "\n";
        fs::write(FILE, text).unwrap();
    }
    assert_eq!(make(), kept());
}

#[test]
fn what_was_written_is_read() {
    let kept = kept();
    let bytes = |name: &str| HEXLOWER.decode(kept[name].as_bytes()).unwrap();
    let read = IdentitySecret::from_text(&kept["exported identity"], PASSWORD).unwrap();
    assert_eq!(read.to_bytes(), identity().to_bytes());
    let read = ExportedMembership::from_text(&kept["exported membership"], PASSWORD).unwrap();
    assert_eq!((read.group(), read.secret), (genesis().id(), membership().secret));
    assert_eq!((read.chain, read.nodes), (membership().chain, membership().nodes));
    let database = bytes("exported database");
    let mut reader = ExportReader::new(&database[..]).unwrap();
    assert_eq!(reader.head(), &head());
    assert_eq!(reader.next_record().unwrap().as_ref(), Some(record().bytes()));
    assert!(reader.next_record().unwrap().is_none());
    let (ring, earlier, later) = ring();
    let bytes_of_record = bytes("record with an encrypted body");
    let read = SignedRecord::decode(&genesis().id(), bytes_of_record.into(), 1 << 20).unwrap().to_record();
    assert_eq!(ring.open(read.clone()).body_text(), Some("hello"));
    assert_eq!(KeyRing::default().open(read.clone()).body, read.body, "where nothing is encrypted");
    let (earlier, later) = (epoch_id(&earlier), epoch_id(&later));
    assert!(ring.add_older(&later, &earlier, &bytes("carried key of an epoch")) && ring.has(&earlier));
    let other = KeyRing::default();
    other.enable(genesis().id());
    assert_eq!(other.open(read).body_state, BodyState::KeyMissing);
    let sealed = bytes("sealed stream");
    let mut opened = String::new();
    OpeningReader::new(&sealed[..], PASSWORD, b"use").unwrap().read_to_string(&mut opened).unwrap();
    assert_eq!(opened, "a sealed stream");
}
