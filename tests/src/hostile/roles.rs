//! The victim and the honest processes: what they do, and the waits they tell.
//!
//! Each prints lines: `ready`, `wait KIND AT MICROSECONDS` for a call that began at `AT` (microseconds since 1970),
//! `failed KIND REASON`, and the answers to the commands it reads.

use std::{
    collections::BTreeSet,
    fmt::Display,
    path::Path,
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use peergraph::{
    EventFilter, Group, Invitation, InviteLink, InviteMember, JoinGroup, ListQuery, Node, NodeConfig,
    RecordDraft, RecordType, RemoveMember, Role,
    events::{Event, EventKind},
};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::attacker::{IDENTITIES, READER, REMOVED, Target, identity};
use crate::{
    grant_of,
    identities::key,
    leaks::{access_mut, access_of},
};

/// Time between two publishes of one process.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(50);
/// Time between the end of a join and the next one.
const JOIN_PAUSE: Duration = Duration::from_millis(50);
/// A join that takes longer has failed.
const JOIN_DEADLINE: Duration = Duration::from_secs(10);
/// A record that has not arrived after this is lost. Longer than the interval between two reconciliations.
const ARRIVAL_PATIENCE: Duration = Duration::from_secs(100);

fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The type of the records that are measured.
fn note_type() -> RecordType {
    RecordType::new("honest.note").expect("a good type")
}

/// Creates the group, tells how to reach and attack it, publishes and listens until its input ends.
///
/// # Panics
/// If the group cannot be created.
pub async fn victim(dir: &Path) {
    let owner = key(1);
    let config = NodeConfig { identity: Some(owner.clone()), ..NodeConfig::loopback().at(dir) };
    let node = Node::start(config).await.expect("a directory and a socket");
    let group = node.create_group("hostile").await.expect("a new group");
    let mut grants = Vec::new();
    for number in 0..IDENTITIES {
        let role = if number == READER { Role::Reader } else { Role::Member };
        let (peer, options) = (identity(number).peer(), InviteMember { role, ..InviteMember::default() });
        group.invite_peer(peer, &format!("Mallory {number}"), options).await.expect("an invitation");
        grants.push(grant_of(&group, peer).await);
    }
    group.remove(identity(REMOVED).peer(), RemoveMember::default()).await.expect("a removal");
    let options = InviteLink { uses: 10_000, ..InviteLink::default() };
    let mut link = group.invite_link(options).await.expect("a link");
    let secret = access_of(&link).secret;
    access_mut(&mut link).nodes = vec![node.addr()];
    println!("link {}", link.signed(&owner));
    println!("target {}", Target { addr: node.addr(), secret, graph: group.id(), grants });
    // Direct connections are accepted, too.
    let _events = group.events(EventFilter::kinds([EventKind::DirectConnection])).expect("an open group");
    serve("victim", &node, &group, None).await;
}

/// Joins, publishes or makes joiners as its name says, and listens until its input ends.
///
/// # Panics
/// If it cannot join.
pub async fn honest(name: &str, link: &str) {
    let link: Invitation = link.parse().expect("a link");
    let node = Node::start(NodeConfig::loopback()).await.expect("a socket");
    let group = node.join_group(JoinGroup::from(link.clone()).named(name)).await.expect("to join");
    serve(name, &node, &group, Some(link)).await;
}

/// Which records of which publisher have arrived.
type Arrived = Arc<Mutex<BTreeSet<(String, u64)>>>;

async fn serve(name: &str, node: &Node, group: &Group, link: Option<Invitation>) {
    let (arrived, published) = (Arrived::default(), Arc::new(AtomicU64::new(0)));
    let joining = Arc::new(tokio::sync::Mutex::new(()));
    listen(name, group, arrived.clone());
    println!("ready {}", node.id());
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = commands.next_line().await {
        let words: Vec<&str> = line.split(' ').collect();
        match (words.as_slice(), &link) {
            (["start"], Some(link)) if name == "joiner" => {
                drop(tokio::spawn(join_again(link.clone(), joining.clone())));
            }
            (["start"], _) => drop(tokio::spawn(publish(name.to_owned(), group.clone(), published.clone()))),
            // Once it has so many records of the attacker.
            (["hold", count], _) => {
                hold(group, count.parse().expect("a number")).await;
                println!("holding");
            }
            // Once the join that has begun is over.
            (["settle"], _) => {
                drop(joining.lock().await);
                println!("settled");
            }
            (["count"], _) => println!("published {}", published.load(Relaxed)),
            (["check", expected @ ..], _) => println!("lost {}", lost(&arrived, expected).await),
            other => panic!("no such command: {other:?}"),
        }
    }
    process::exit(0);
}

/// Tells how long others' records took to arrive.
fn listen(name: &str, group: &Group, arrived: Arrived) {
    let filter = EventFilter::kinds([EventKind::RecordChanged]).record_types([note_type()]);
    let (events, own) = (group.events(filter).expect("an open group"), name.to_owned());
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            let Event::RecordChanged(change) = event else { continue };
            let words: Vec<&str> = change.record.body_text().unwrap_or_default().split(' ').collect();
            let [from, number, at] = words[..] else { continue };
            let (Ok(number), Ok(at)) = (number.parse(), at.parse()) else { continue };
            if from != own && arrived.lock().expect("no panic").insert((from.to_owned(), number)) {
                tell_wait("publish", at);
            }
        }
    });
}

fn tell_wait(kind: &str, at: u64) {
    println!("wait {kind} {at} {}", micros().saturating_sub(at));
}

fn tell_failure(kind: &str, reason: &impl Display) {
    println!("failed {kind} {}", reason.to_string().replace('\n', " "));
}

/// Publishes at a steady pace, whether or not earlier calls have returned.
async fn publish(name: String, group: Group, published: Arc<AtomicU64>) {
    let mut interval = tokio::time::interval(PUBLISH_INTERVAL);
    for number in 0u64.. {
        interval.tick().await;
        let (name, group) = (name.clone(), group.clone());
        published.store(number + 1, Relaxed);
        tokio::spawn(async move {
            let at = micros();
            let draft = RecordDraft::new(note_type().as_str(), format!("{name} {number} {at}"));
            if let Err(error) = group.publish(draft.expect("a good type")).await {
                tell_failure("publish", &error);
            }
            tell_wait("publish", at);
        });
    }
}

/// One join after another, each of a new identity on a new node, through the victim.
async fn join_again(link: Invitation, joining: Arc<tokio::sync::Mutex<()>>) {
    loop {
        let under_way = joining.lock().await;
        let node = Node::start(NodeConfig::loopback()).await.expect("a socket");
        let (at, options) =
            (micros(), JoinGroup { deadline: JOIN_DEADLINE, ..JoinGroup::from(link.clone()) });
        if let Err(error) = node.join_group(options).await {
            tell_failure("join", &error);
        }
        tell_wait("join", at);
        drop(under_way);
        node.shutdown().await;
        tokio::time::sleep(JOIN_PAUSE).await;
    }
}

/// Waits until it has so many records of the attacker.
async fn hold(group: &Group, count: u64) {
    let record_type = Some(RecordType::new("hostile.note").expect("a good type"));
    let query = ListQuery { record_type, limit: 1, count: true, ..ListQuery::default() };
    while group.list(query.clone()).await.expect("an open group").total < Some(count) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many of the records `PUBLISHER COUNT ...` do not arrive.
async fn lost(arrived: &Arrived, expected: &[&str]) -> usize {
    let deadline = tokio::time::Instant::now() + ARRIVAL_PATIENCE;
    loop {
        let missing = {
            let arrived = arrived.lock().expect("no panic");
            let missing_of = |pair: &[&str]| {
                let count = pair[1].parse().expect("a number");
                (0..count).filter(|n| !arrived.contains(&(pair[0].to_owned(), *n))).count()
            };
            expected.chunks(2).map(missing_of).sum()
        };
        if missing == 0 || tokio::time::Instant::now() > deadline {
            return missing;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
