#![no_main]
//! Record envelopes: nothing crashes, and what is accepted encodes to the same bytes.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use peergraph::{ids::GraphId, record::SignedRecord};

fuzz_target!(|data: &[u8]| {
    let graph = GraphId::from_bytes([3; 32]);
    if let Ok(record) = SignedRecord::decode(&graph, Bytes::copy_from_slice(data), 1024) {
        assert_eq!(&record.bytes()[..], data);
        record.verify(&graph);
        let _ = record.to_record();
        assert_eq!(SignedRecord::decode_stored(&graph, record.bytes().clone()), Ok(record));
    }
});
