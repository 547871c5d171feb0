#![no_main]
//! Messages: nothing crashes, and what is accepted survives a round trip.

use libfuzzer_sys::fuzz_target;
use peergraph::wire::{HELLO_LEN, Hello, Message, Stream};

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = Message::decode(data) {
        assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message));
        assert!(message.stream() <= Stream::Bulk);
    }
    if let Ok(bytes) = <&[u8; HELLO_LEN]>::try_from(data) {
        assert_eq!(&Hello::from_bytes(bytes).to_bytes(), bytes);
    }
});
