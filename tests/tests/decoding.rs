//! What a frame costs while it is decoded, whatever is in it. Every byte that the library takes is counted.

use std::{collections::BTreeMap, fs};

use data_encoding::HEXLOWER;
use peergraph::{limits::MAX_MESSAGE, wire::Message};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/v1.json");
/// Memory beside four times the frame: the room that is made for lists before their items come.
const ROOM: u64 = 64 * 1024;
/// Counts that a peer may claim, as they stand on the wire.
const COUNTS: &[&[u8]] = &[
    &[0x7f],                                                       // 127
    &[0xff, 0x0f],                                                 // 2,047
    &[0x80, 0xfc, 0x07],                                           // 130,560: nearly all of a frame
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // 18,446,744,073,709,551,615
];

/// One message of each kind, by name.
fn samples() -> Vec<(String, Vec<u8>)> {
    let vectors: BTreeMap<String, String> =
        serde_json::from_str(&fs::read_to_string(VECTORS).unwrap()).unwrap();
    let messages = vectors.into_iter().filter(|(name, _)| name.starts_with("message "));
    messages.map(|(name, hex)| (name, HEXLOWER.decode(hex.as_bytes()).unwrap())).collect()
}

/// The most memory that was in use at once while a frame was decoded, and the result was there.
fn cost(frame: &[u8]) -> u64 {
    allocation_counter::measure(|| drop(Message::decode(frame))).bytes_max
}

fn assert_cheap(name: &str, frame: &[u8]) {
    let (cost, most) = (cost(frame), 4 * frame.len() as u64 + ROOM);
    assert!(cost <= most, "{name}: {cost} bytes for a frame of {}", frame.len());
}

#[test]
fn b2_no_frame_costs_much_more_memory_than_it_has_bytes() {
    for (name, sample) in samples() {
        assert_cheap(&name, &sample);
        // At every place a list might begin there, of the smallest items that there are.
        for at in 1..sample.len() {
            for count in COUNTS {
                let claim = [&sample[..at], count].concat();
                assert_cheap(&format!("{name}, claimed at {at}"), &claim);
                for item in [0, 1] {
                    let mut frame = claim.clone();
                    frame.resize(MAX_MESSAGE, item);
                    assert_cheap(&format!("{name}, items of {item} from {at} on"), &frame);
                }
            }
        }
    }
}

#[test]
fn b2_lists_of_the_smallest_items_cost_no_more_than_full_ones() {
    // Number of the message and what stands before its list; an item; and the longest message of its stream.
    let large = 60 * 1024 * 1024;
    let lists: [(&str, &[u8], &[u8], usize); 8] = [
        ("push of empty records", &[7, 1], &[0], large),
        ("push of records of one byte", &[7, 1], &[1, 9], large),
        ("records of one byte", &[13, 1], &[1, 9], large),
        ("announcements", &[8], &[0; 18], MAX_MESSAGE),
        ("prunes", &[9], &[0], MAX_MESSAGE),
        ("grafts", &[10, 1], &[0; 17], MAX_MESSAGE),
        ("lost", &[15], &[0; 33], MAX_MESSAGE),
        (
            "types",
            &[&[12, 0, 1, 0][..], &[0; 16]].concat(),
            &[&[1, b'a', 0][..], &[0; 16]].concat(),
            MAX_MESSAGE,
        ),
    ];
    for (name, head, item, max) in lists {
        for most in [1024, 64 * 1024, max] {
            let count = most / item.len();
            let mut frame = [head, &postcard::to_stdvec(&count).unwrap()].concat();
            frame.extend(item.iter().copied().cycle().take(count * item.len()));
            assert_cheap(name, &frame);
        }
    }
}
