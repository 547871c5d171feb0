//! The list of attacks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    attacker::{Attacker, Tally, Target},
    attacks_at_the_door as door, attacks_by_members as members, kinds,
};

/// One attack.
#[derive(Debug, Clone)]
pub struct Attack {
    /// What it is called on the command line.
    pub name: String,
    /// What the attacker has.
    pub who: Who,
    /// What it does.
    pub what: String,
    /// Why the row fails today, if it is known to.
    pub fails: Option<&'static str>,
    /// True if it belongs to the short form.
    pub short: bool,
}

/// What the attacker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The victim's address.
    Stranger,
    /// The group's secret as well: somebody invited, or removed.
    Proven,
    /// A membership.
    Member,
}

use Who::{Member, Proven, Stranger};

/// Name, what the attacker has, whether it belongs to the short form, what it does.
const LISTED: &[(&str, Who, bool, &str)] = &[
    ("none", Stranger, false, "nothing: what the machine does by itself"),
    ("b1-hellos", Stranger, true, "one byte on each of many streams, on 20 connections, again and again"),
    (
        "b2-streams",
        Stranger,
        true,
        "100 connections with 8 streams of 1 MiB each, for links that do not exist",
    ),
    ("b2-idle", Stranger, true, "connections without a link, as many as it gets"),
    ("b2-pings-joining", Proven, false, "pings on a link for joining, answers not read"),
    ("b2-graft", Member, false, "asks for one record of 1 MB 2,000 times in each message, reads nothing"),
    ("b2-pongs", Member, false, "pings on a neighbor link, answers not read"),
    ("b2-acks", Member, true, "application data that nobody subscribed to, acknowledgements not read"),
    ("b3-opens", Member, false, "opens sessions of reconciliation without end; 500 records"),
    ("b3-ranges", Member, false, "64 ranges in each message of many sessions; 500 records"),
    ("b4-old", Member, false, "well-signed old versions, without end"),
    ("b5-presence", Member, false, "presence records of one reader for 20,000 nodes"),
    ("b6-urgent", Member, false, "a reader connects with new nodes, each lonely"),
    ("b7-clocks", Member, false, "five identities whose clocks are 19 minutes fast"),
    ("b8-claims", Member, false, "claims a database of a million records and sends none"),
    ("b9-mark", Member, true, "the victim's mark at its end, and other greatest numbers"),
    ("1-datagrams", Stranger, true, "QUIC datagrams on 20 connections"),
    ("2-empty-records", Member, false, "a push of 1.2 million empty records"),
    ("3-tiny-frames", Member, true, "a million frames of one byte"),
    ("4-silent-links", Proven, true, "links that prove the secret and say nothing more"),
    ("5-probes", Member, false, "links to look by that stay"),
    ("6-early-records", Proven, true, "64 frames of 1 MiB with records before the link is set up"),
    (
        "7-old-large",
        Member,
        false,
        "300 bytes of an old version whose present one has 1 MB, answers not read",
    ),
    ("8-addresses", Member, false, "two addresses in turn"),
    ("9-invites", Proven, false, "asks to join by unknown invitations, and keeps the links"),
    ("10-have", Member, false, "2,048 unknown keys in each message of four sessions"),
    ("11-prune", Member, false, "the most origins in each message"),
    (
        "12-removed",
        Proven,
        false,
        "a removed member connects with its old membership, each time with a new node",
    ),
    ("13-expiry", Member, false, "thousands of records that expire in the same millisecond"),
    ("14-held", Member, false, "one author's records from five minutes ahead, without end"),
    ("15-slow-data", Member, false, "messages of 16 MiB at 20 bytes a second on 16 direct links"),
    ("16-resets", Stranger, true, "streams that are opened and reset"),
    ("17-signatures", Member, false, "one bad signature on each link, each time with a new node"),
    ("18-types", Member, false, "sessions about 65 types in turn that nobody has"),
    ("19-aborts", Member, false, "ends every session with an abort and opens another"),
    ("20-lost", Member, false, "says of every node that it knows that it is lost, ten times a second"),
    ("churn", Member, false, "becomes a neighbor and says goodbye, each time with a new node"),
    ("slow-frames", Member, false, "frames of the greatest length, a byte at a time, on all streams"),
    ("flood", Member, false, "new records of 1 KB, as fast as they are taken"),
];

/// Rows that fail today, and why.
const KNOWN_TO_FAIL: &[(&str, &str)] = &[
    ("b2-graft", "a join takes three times as long while records are asked for without end"),
    ("b3-opens", "what sessions cost the graph's thread has no bound by link"),
    ("b3-ranges", "as b3-opens"),
    ("b5-presence", "presence records have no bound by identity, and each costs more than the one before"),
    ("b7-clocks", "some joins take ten seconds, as long as a dial that is not answered"),
    ("2-empty-records", "frames of links that have ended stay in memory for a while"),
    (
        "7-old-large",
        "a join takes more than twice as long: each old version is answered with the present one",
    ),
    ("9-invites", "joiners wait for places with the crowd; on one machine all are of one range of addresses"),
    ("13-expiry", "the records come as in `flood`"),
    ("flood", "authors have no share of a link: thousands of records of one are queued before another's"),
];

/// All attacks: the listed ones, then every kind of message.
pub fn attacks() -> Vec<Attack> {
    let fails = |name: &str| KNOWN_TO_FAIL.iter().find(|(known, _)| *known == name).map(|(_, why)| *why);
    let listed = LISTED.iter().map(|(name, who, short, what)| Attack {
        name: (*name).to_owned(),
        who: *who,
        what: (*what).to_owned(),
        fails: fails(name),
        short: *short,
    });
    let of_kind = kinds::kind_names().into_iter().map(|kind| {
        let name = format!("kind-{kind}");
        let what = format!("{kind}, misused in seven ways");
        Attack { who: Member, what, fails: fails(&name), short: false, name }
    });
    listed.chain(of_kind).collect()
}

/// Carries out an attack until the process is killed; `words` say where the victim is.
///
/// # Panics
/// If there is no such attack, or it cannot be prepared.
pub async fn attack(name: &str, seconds: &str, words: &[String]) {
    let duration = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let attacker = Attacker { target: Target::parse(words), tally: Arc::<Tally>::default(), duration };
    if let Some(kind) = name.strip_prefix("kind-") {
        return kinds::attack(&attacker, kind).await;
    }
    match name {
        "none" => door::nothing(&attacker).await,
        "b1-hellos" => door::hellos(&attacker).await,
        "b2-streams" => door::streams(&attacker).await,
        "b2-idle" => door::idle(&attacker).await,
        "b2-pings-joining" => door::pings_joining(&attacker).await,
        "1-datagrams" => door::datagrams(&attacker).await,
        "4-silent-links" => door::silent_links(&attacker).await,
        "6-early-records" => door::early_records(&attacker).await,
        "9-invites" => door::invites(&attacker).await,
        "12-removed" => door::removed(&attacker).await,
        "16-resets" => door::resets(&attacker).await,
        _ => members::attack(&attacker, name).await,
    }
    // What has nothing more to do keeps its connections.
    std::future::pending::<()>().await;
}

/// When an attack that lasts so long is at this share of its time.
pub(super) fn at_share(attacker: &Attacker, share: f64) -> Instant {
    Instant::now() + attacker.duration.mul_f64(share)
}
