#![no_main]
//! Frames, application data and acknowledgements, in any pieces: nothing crashes, and the pieces make no difference.

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use peergraph::wire::{DataAck, Malformed, next_data, next_frame};

const MAX: usize = 1000;

/// What comes out, and whether it ended in a refusal.
fn taken<T>(pieces: &[&[u8]], next: impl Fn(&mut BytesMut) -> Result<Option<T>, Malformed>) -> (Vec<T>, bool) {
    let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match next(&mut buffer) {
                Ok(Some(value)) => found.push(value),
                Ok(None) => break,
                Err(Malformed) => return (found, true),
            }
        }
    }
    (found, false)
}

fuzz_target!(|input: (usize, &[u8])| {
    let (cut, data) = input;
    let (head, tail) = data.split_at(cut % (data.len() + 1));
    assert_eq!(taken(&[head, tail], |b| next_frame(b, MAX)), taken(&[data], |b| next_frame(b, MAX)));
    assert_eq!(taken(&[head, tail], next_data), taken(&[data], next_data));
    assert_eq!(taken(&[head, tail], DataAck::next), taken(&[data], DataAck::next));
});
