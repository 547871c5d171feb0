//! Every kind of message, misused in every way. The kinds follow from exhaustive matches: a new kind does not compile before it is
//! attacked as well.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use peergraph::wire::{Message, Purpose, Stream};

use super::{
    attacker::{Attacker, Ended, READER, RawLink, framed},
    samples::{Items, Samples, following_sync, kinds},
};

/// The ways in which a message is misused.
#[derive(Debug, Clone, Copy)]
enum Misuse {
    /// One after another with changing content; answers are read.
    Flood,
    /// The same, and nothing is read.
    Unread,
    /// The very same message again and again.
    Repeated,
    /// Each as large as is allowed.
    AtItsLimit,
    /// One item more, or one byte.
    OneOver,
    /// Whole frames with half a message.
    Cut,
    /// On another stream.
    WrongStream,
}

impl Misuse {
    const fn name(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Unread => "unread",
            Self::Repeated => "repeated",
            Self::AtItsLimit => "at its limit",
            Self::OneOver => "one over",
            Self::Cut => "cut short",
            Self::WrongStream => "on the wrong stream",
        }
    }
}

const MISUSES: [Misuse; 7] = [
    Misuse::Flood,
    Misuse::Unread,
    Misuse::Repeated,
    Misuse::AtItsLimit,
    Misuse::OneOver,
    Misuse::Cut,
    Misuse::WrongStream,
];

/// The kinds by name.
pub(super) fn kind_names() -> Vec<String> {
    kinds().iter().map(name).collect()
}

/// The name of a message's variant; of the innermost for those about reconciliation and joining.
fn name(message: &Message) -> String {
    let text = format!("{message:?}");
    let inner = ["Sync(", "Join("].iter().find_map(|outer| text.strip_prefix(outer)).unwrap_or(&text);
    inner.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// Misuses one kind in every way, each for its share of the time.
pub(super) async fn attack(attacker: &Attacker, kind: &str) {
    let kind = kinds().into_iter().find(|message| name(message) == kind).expect("a kind of message");
    let record = attacker.record(0, 1, b"of a flood", |_| {});
    attacker.give(0, std::slice::from_ref(&record)).await;
    attacker.ready().await;
    let share = attacker.duration / u32::try_from(MISUSES.len()).unwrap_or(1);
    // One after another by different identities: each has few places.
    for (misuse, who) in MISUSES.into_iter().zip((0..READER).cycle()) {
        println!("act {}", misuse.name());
        let end = Instant::now() + share;
        let mut number = 0;
        while Instant::now() < end {
            let Ok(mut link) = link_for(attacker, who, &kind).await else { continue };
            let samples = Samples::new(attacker.target.graph, link.node.node, record.bytes().clone());
            let acts = act(&mut link, &samples, &kind, misuse, &mut number);
            if tokio::time::timeout(end.saturating_duration_since(Instant::now()), acts).await.is_ok() {
                attacker.tally.ended.fetch_add(1, Relaxed);
            }
        }
    }
}

/// A link in the state in which this kind does most.
async fn link_for(attacker: &Attacker, who: u8, kind: &Message) -> Result<RawLink, Ended> {
    let link = match kind {
        // The first message of a link.
        Message::Connect(_) | Message::Welcome(_) | Message::Refuse(_) => {
            attacker.open(&attacker.node(who).await).await
        }
        Message::Join(_) => attacker.try_link(who, Purpose::Join, |_| {}).await.map(|(link, _)| link),
        Message::Goodbye(_)
        | Message::Addresses(_)
        | Message::Ping(_)
        | Message::Pong(_)
        | Message::Push { .. }
        | Message::Announce(_)
        | Message::Prune(_)
        | Message::Graft { .. }
        | Message::Ack { .. }
        | Message::Sync(_)
        | Message::Records { .. }
        | Message::Lost(_)
        | Message::WantKeys(_)
        | Message::GiveKeys(_) => {
            attacker.try_link(who, Purpose::Neighbor, |_| {}).await.map(|(link, _)| link)
        }
    };
    if link.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    link
}

/// Until the link ends.
async fn act(
    link: &mut RawLink,
    samples: &Samples,
    kind: &Message,
    misuse: Misuse,
    number: &mut u64,
) -> Result<(), Ended> {
    if !matches!(misuse, Misuse::Unread) {
        link.read_on();
    }
    // What is about a session needs one.
    if matches!(kind, Message::Sync(_) | Message::Records { .. }) {
        for session in 0..4 {
            let open =
                following_sync(None).map(|open| Samples::sync(open, Items::One, session)).ok_or(Ended)?;
            link.send(&Message::Sync(open)).await?;
        }
    }
    let same = samples.message(kind, Items::One, 1).encode();
    loop {
        *number += 1;
        let make = |items| samples.message(kind, items, *number).encode();
        let own = kind.stream();
        let (stream, frame) = match misuse {
            Misuse::Flood | Misuse::Unread => (own, make(Items::One)),
            Misuse::Repeated => (own, same.clone()),
            Misuse::AtItsLimit => (own, make(Items::Most)),
            Misuse::OneOver => {
                let over = make(Items::OneOver);
                // Without a list: a byte that belongs to nothing.
                let longer = over.len() > make(Items::Most).len();
                (own, if longer { over } else { [&over[..], &[0]].concat().into() })
            }
            Misuse::Cut => (own, make(Items::Most).split_to(same.len() / 2)),
            Misuse::WrongStream if own == Stream::Control => (Stream::Records, same.clone()),
            Misuse::WrongStream => (Stream::Control, same.clone()),
        };
        link.raw(stream, &framed(&frame)).await?;
    }
}
