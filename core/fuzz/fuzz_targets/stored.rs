#![no_main]
//! What is read back from records, databases and exports: genesis, presence, properties, cursors, fingerprints.

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use peergraph::{
    crypto::{LtHash, OpeningReader},
    events::Cursor,
    ids::GraphId,
    record::{Attributes, DeviceCertificate, Genesis, GraphProperties, NodeAddr, Presence, SignedRecord},
    records::ExportReader,
    wire::decode_exact,
};

fuzz_target!(|data: &[u8]| {
    if let Ok(genesis) = decode_exact::<Genesis>(data) {
        let _ = (genesis.id(), genesis.is_sound());
    }
    if let Ok(presence) = decode_exact::<Presence>(data) {
        let _ = presence.is_sound(&GraphId::from_bytes([3; 32]));
    }
    if let Ok(properties) = decode_exact::<GraphProperties>(data) {
        let _ = properties.check();
    }
    if let Ok(attributes) = decode_exact::<Attributes>(data) {
        let _ = attributes.check();
    }
    let _ = decode_exact::<NodeAddr>(data);
    let _ = decode_exact::<DeviceCertificate>(data);
    let _ = SignedRecord::decode_stored(&GraphId::from_bytes([3; 32]), data.to_vec().into());
    if let Ok(bytes) = <&[u8; Cursor::LEN]>::try_from(data) {
        assert_eq!(&Cursor::from_bytes(bytes).to_bytes(), bytes);
    }
    if let Ok(mut export) = ExportReader::new(data) {
        while let Ok(Some(_)) = export.next_record() {}
    }
    let _ = OpeningReader::new(data, "password", b"").map(|mut sealed| sealed.read_to_end(&mut Vec::new()));
    if let Some(hash) = LtHash::from_bytes(data) {
        assert_eq!(hash.to_bytes(), data);
    }
});
