//! One member: a node with a folder of its own, told what to do on standard input.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use peergraph::{
    CreateGraph, Graph, GraphProperties, Node, NodeConfig, RecordDraft, RecordId, RecordUpdate, Ticket,
    Timestamp,
    events::{Event, EventFilter, EventKind, Start, SubscribeOptions},
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

use crate::Result;

/// Larger than any file worth showing.
const MAX_FILE: u32 = 8 * 1024 * 1024;

pub(crate) async fn run(dir: PathBuf, ticket: Option<Ticket>) -> Result<()> {
    let node = Node::start(NodeConfig::loopback().at(dir)).await?;
    let graph = match ticket {
        Some(ticket) => node.join(ticket).await?,
        None => {
            let properties = GraphProperties { name: "Demonstration".into(), ..Default::default() };
            let options = CreateGraph { properties, max_record: MAX_FILE, ..Default::default() };
            let graph = node.create_graph(options).await?;
            graph.listen().await?;
            graph
        }
    };
    println!("ready {} {}", node.id().short(), graph.ticket().await?);
    let watcher = tokio::spawn(watch(graph.clone()));
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words[..] {
            ["share", folder] => share(&graph, Path::new(folder)).await?,
            ["note", text] => {
                let at = micros();
                let record = graph.publish(RecordDraft::new("demo.note", text.to_owned())?).await?;
                println!("noted {} {at}", record.id);
            }
            ["edit", id, text] => {
                let id: RecordId = id.parse()?;
                let record = graph.update(id, RecordUpdate::body(text.to_owned())).await?;
                println!("edited {} {}", record.id, record.version);
            }
            ["read", id] => {
                let record = graph.get(id.parse()?).await?;
                let text = record.as_ref().and_then(|r| r.body_text()).unwrap_or("");
                println!("reads {text}");
            }
            ["state"] => {
                let root = graph.fingerprint().await?;
                let hash: String = root.hash.iter().map(|b| format!("{b:02x}")).collect();
                println!("state {} {hash} {}", root.count, graph.neighbors().await?.len());
            }
            ["quit"] => break,
            _ => println!("error unknown command: {line}"),
        }
    }
    node.shutdown().await;
    watcher.await??;
    Ok(())
}

/// Tells the conductor of files as they arrive, and of notes with the moment they did.
async fn watch(graph: Graph) -> Result<()> {
    let filter = EventFilter::kinds([EventKind::RecordChanged]);
    let events = graph.subscribe(SubscribeOptions::new(filter).start(Start::Snapshot))?;
    let (mut files, mut bytes) = (0u64, 0u64);
    loop {
        let batch = events.next_batch(256).await;
        if batch.is_empty() {
            return Ok(());
        }
        let before = files;
        for event in batch {
            let Event::RecordChanged(change) = event else { continue };
            let record = &change.record;
            match record.record_type.as_str() {
                "demo.file" => {
                    files += 1;
                    bytes += record.body.len() as u64;
                }
                "demo.note" => println!("heard {} {}", record.id, micros()),
                _ => {}
            }
        }
        if files != before {
            println!("files {files} {bytes}");
        }
    }
}

/// Publishes every file below a folder: path, size, time and content.
async fn share(graph: &Graph, folder: &Path) -> Result<()> {
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
        graph.publish(draft).await?;
    }
    println!("shared {}", micros());
    Ok(())
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
