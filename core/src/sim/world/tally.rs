//! Delivered frames and bytes by message kind.

use std::collections::BTreeMap;

use super::World;
use crate::wire::Message;

/// Frames and bytes delivered, by the first two bytes of the frames.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<[u8; 2], Kind>);

#[derive(Debug)]
struct Kind {
    name: String,
    frames: u64,
    bytes: u64,
}

impl Tally {
    /// Counts one frame. Only the first frame of a kind is decoded, for its name.
    pub(super) fn count(&mut self, frame: &[u8]) {
        // A message begins with the number of its kind; a reconciliation message goes on with the number of its own.
        let [first, second, ..] = *frame else { return };
        let kind = self.0.entry([first, if first == SYNC { second } else { 0 }]);
        let kind = kind.or_insert_with(|| Kind { name: name_of(frame), frames: 0, bytes: 0 });
        kind.frames += 1;
        kind.bytes += frame.len() as u64;
    }
}

/// How every encoded [`Message::Sync`] begins.
const SYNC: u8 = 12;

fn name_of(frame: &[u8]) -> String {
    let text = match Message::decode(frame) {
        Ok(Message::Sync(message)) => format!("Sync {message:?}"),
        Ok(message) => format!("{message:?}"),
        Err(_) => return "malformed".to_owned(),
    };
    let words = text.split(|c: char| c != ' ' && !c.is_alphanumeric()).next().unwrap_or_default();
    words.trim_end().to_owned()
}

impl World {
    /// Frames and bytes delivered so far, by message kind. Sorted by name.
    pub fn traffic(&self) -> BTreeMap<&str, (u64, u64)> {
        let mut traffic = BTreeMap::new();
        for kind in self.tally.0.values() {
            let (frames, bytes) = traffic.entry(kind.name.as_str()).or_insert((0, 0));
            *frames += kind.frames;
            *bytes += kind.bytes;
        }
        traffic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::SyncMessage;

    #[test]
    fn frames_are_counted_by_kind() {
        let mut world = World::new(1);
        let ack = Message::Ack { useful: 1, useless: 0 };
        let done = Message::Sync(SyncMessage::Done { session: 1 });
        for message in [&ack, &done, &ack] {
            world.tally.count(&message.encode());
        }
        world.tally.count(&[255, 0]);
        let kinds: Vec<_> = world.traffic().into_iter().map(|(name, (frames, _))| (name, frames)).collect();
        assert_eq!(kinds, [("Ack", 2), ("Sync Done", 1), ("malformed", 1)]);
    }
}
