//! One member: a node with a folder of its own, told what to do on standard input.
//!
//! Each line gets one answer, `= ok ...` or `= no KIND MESSAGE`; what happens by itself is said in between.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use peergraph::{
    CreateGroup, GraphProperties, Group, Invitation, InviteLink, InviteMember, InvitePassword, JoinGroup,
    ListQuery, Node, NodeConfig, OpenGraph, PeerId, RecordDraft, RecordId, RecordUpdate, Timestamp,
    events::{Event, EventFilter, EventKind, MemberChange, Start, SubscribeOptions},
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

use crate::Result;

/// Larger than any file worth showing.
const MAX_FILE: u32 = 8 * 1024 * 1024;
/// Notes before chatter gives up waiting for an end.
const MAX_CHATTER: u32 = 50_000;

pub(crate) async fn run(name: &str, dir: PathBuf) -> Result<()> {
    let node = Node::start(NodeConfig::loopback().at(dir)).await?;
    let mut open: Option<Group> = None;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let answer = match (&words[..], &open) {
            (["quit"], _) => break,
            (["who"], _) => who(&node).await,
            (["create" | "join" | "open", ..], None) => match enter(&node, name, &words).await {
                Ok(group) => {
                    tokio::spawn(watch(group.clone(), node.peer_id()));
                    open = Some(group);
                    Ok(node.id().short().to_string())
                }
                Err(error) => Err(error),
            },
            (_, Some(group)) => obey(group, &words).await,
            _ => Err(format!("not now: {line}").into()),
        };
        match answer {
            Ok(text) => println!("= ok {text}"),
            Err(error) => {
                let kind = error.downcast_ref::<peergraph::Error>().map_or("-", |error| error.kind().name());
                println!("= no {kind} {error}");
            }
        }
    }
    node.shutdown().await;
    Ok(())
}

async fn who(node: &Node) -> Result<String> {
    let identity = node.identities().default().await?;
    Ok(format!("{} {}", identity.peer_id(), identity.describe()?))
}

/// Makes a group, joins one, or opens the one that is here, without any traffic yet.
async fn enter(node: &Node, name: &str, words: &[&str]) -> Result<Group> {
    Ok(match words {
        ["create"] => {
            let properties = GraphProperties { name: "Demonstration".into(), ..Default::default() };
            let mut options = CreateGroup { properties, max_record: MAX_FILE, ..Default::default() };
            options.rules.creator_name = name.into();
            node.create_group(options).await?
        }
        ["join", invitation] => node.join_group(JoinGroup::parse(invitation)?.named(name)).await?,
        ["join", invitation, password] => {
            node.join_group(JoinGroup::parse(invitation)?.named(name).password(*password)).await?
        }
        _ => {
            let id = *node.stored_groups()?.first().ok_or("there is no group here")?;
            node.open_group_with(id, OpenGraph { offline: true, ..OpenGraph::default() }).await?
        }
    })
}

async fn obey(group: &Group, words: &[&str]) -> Result<String> {
    Ok(match *words {
        ["listen"] => format!("{:?}", group.listen().await?),
        ["link", role] => {
            let options = InviteLink { role: role.parse()?, ..InviteLink::default() };
            group.invite_link(options).await?.to_string()
        }
        ["password", password] => group.set_password(password, InvitePassword::default()).await?.to_string(),
        ["invite", whom] => group.invite(&whom.parse()?, InviteMember::default()).await?.to_string(),
        ["remove", peer] => {
            let at = micros();
            group.remove(peer.parse()?, Default::default()).await?;
            at.to_string()
        }
        ["dial", invitation] => dial(group, &invitation.parse()?).await?,
        ["share", folder] => share(group, Path::new(folder)).await?,
        ["note", text] => {
            let at = micros();
            let record = group.publish(RecordDraft::new("demo.note", text.to_owned())?).await?;
            format!("{} {at}", record.id)
        }
        ["chatter"] => chatter(group).await?,
        ["edit", id, text] => {
            let id: RecordId = id.parse()?;
            group.update(id, RecordUpdate::body(text.to_owned())).await?.version.to_string()
        }
        ["read", id] => {
            let record = group.get(id.parse()?).await?;
            record.as_ref().and_then(|r| r.body_text()).unwrap_or("").to_owned()
        }
        ["state"] => {
            let root = group.fingerprint().await?;
            let hash: String = root.hash[..8].iter().map(|b| format!("{b:02x}")).collect();
            let records = group.records(ListQuery::default()).collect().await?.len();
            let role = group.role().await?.map_or("none", peergraph::Role::name);
            format!("{records} {hash} {} {role}", group.neighbors().await?.len())
        }
        ["notes-of", peer] => {
            let (record_type, creator) = (Some("demo.note".parse()?), Some(peer.parse()?));
            let query = ListQuery { record_type, creator, ..ListQuery::default() };
            group.records(query).collect().await?.len().to_string()
        }
        _ => return Err(format!("unknown command: {}", words.join(" ")).into()),
    })
}

/// Publishes one note after another until the library does not let it.
async fn chatter(group: &Group) -> Result<String> {
    for said in 0..MAX_CHATTER {
        if let Err(error) = group.publish(RecordDraft::new("demo.note", "chatter")?).await {
            return Ok(format!("{said} {} {error}", error.kind().name()));
        }
    }
    Err("nothing ended the chatter".into())
}

/// Tries every node of an invitation; tells how many let it in, how many there are, and the last word.
async fn dial(group: &Group, invitation: &Invitation) -> Result<String> {
    let (mut connected, mut word) = (0, String::new());
    let nodes = &invitation.access().ok_or("an invitation for one identity tells nobody else")?.nodes;
    for node in nodes {
        match group.connect(node.clone()).await {
            Ok(_) => connected += 1,
            Err(error) => word = format!("{} {error}", error.kind().name()),
        }
    }
    Ok(format!("{connected} {} {word}", nodes.len()))
}

/// Tells the conductor of files as they arrive, of notes with the moment they did, and of members cut off.
async fn watch(group: Group, me: PeerId) -> Result<()> {
    let kinds = [EventKind::RecordChanged, EventKind::MemberChanged, EventKind::NeighborConnection];
    let options = SubscribeOptions::new(EventFilter::kinds(kinds)).start(Start::Snapshot);
    let events = group.subscribe(options)?;
    let mut files = 0u64;
    let mut removed: BTreeSet<PeerId> = BTreeSet::new();
    loop {
        let batch = events.next_batch(256).await;
        if batch.is_empty() {
            return Ok(());
        }
        let (before, now) = (files, micros());
        for event in batch {
            match event {
                Event::RecordChanged(change) => match change.record.record_type.as_str() {
                    "demo.file" => files += 1,
                    "demo.note" => println!("heard {} {now}", change.record.id),
                    _ => {}
                },
                Event::MemberChanged { change: MemberChange::Removed, member } => {
                    removed.insert(member.peer);
                }
                _ => {}
            }
        }
        if files != before {
            println!("files {files}");
        }
        if !removed.is_empty() {
            let neighbors = group.neighbors().await?;
            // Whoever was removed itself is cut off once it has no link at all.
            let linked = |peer: &PeerId| neighbors.iter().any(|n| n.peer == *peer || *peer == me);
            removed.iter().filter(|peer| !linked(peer)).for_each(|peer| println!("cut {peer} {}", micros()));
            removed.retain(linked);
        }
    }
}

/// Publishes every file below a folder: path, size, time and content.
async fn share(group: &Group, folder: &Path) -> Result<String> {
    let mut paths = Vec::new();
    walk(folder, &mut paths)?;
    println!("sharing {}", paths.len());
    for path in paths {
        let (body, modified) = (fs::read(&path)?, fs::metadata(&path)?.modified()?);
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let draft = RecordDraft::new("demo.file", body.clone())?
            .with("path", name)
            .with("size", i64::try_from(body.len())?)
            .with("modified", Timestamp::from(modified));
        group.publish(draft).await?;
    }
    Ok(String::new())
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (kind, name) = (entry.file_type()?, entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.');
        let made = ["target", "node_modules", "corpus", "artifacts"].iter().any(|made| name == *made);
        if kind.is_dir() && !hidden && !made {
            walk(&entry.path(), found)?;
        } else if kind.is_file() && !hidden && entry.metadata()?.len() < u64::from(MAX_FILE) {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// Microseconds since 1970: comparable between processes of one machine.
fn micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}
