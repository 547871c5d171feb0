//! A shopping list that several people edit, online or not. Kept in a folder, so it is there again next time:
//!
//! ```text
//! cargo run -p peergraph-examples --bin shared_list -- ~/.list-a
//! cargo run -p peergraph-examples --bin shared_list -- ~/.list-b peergraph-invitation:...
//! ```
//! Commands: `add TEXT`, `done N`, `drop N`, `list`, `invite`, `members`, `quit`.

use std::{error::Error, io::IsTerminal, process::ExitCode};

use peergraph::{
    CreateGroup, Group, JoinGroup, ListQuery, Node, Record, RecordDraft, RecordUpdate, Role, SyncProgress,
    TypeRule, Value, Who,
    events::{Event, EventFilter, EventKind},
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

const ITEM: &str = "list.item";

#[tokio::main]
async fn main() -> ExitCode {
    match list().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn list() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: shared_list FOLDER [INVITATION]")?;
    let node = Node::open(folder).await?;
    let list = match (arguments.next(), node.stored_groups()?.first()) {
        (Some(invitation), _) => node.join_group(JoinGroup::parse(&invitation)?.on_progress(bar)).await?,
        // Online at once; it finds the others by itself.
        (None, Some(id)) => node.open_group(*id).await?,
        (None, None) => {
            let mut list = CreateGroup::from("Shared list");
            // By default one edits what one wrote; here everybody edits everything.
            let (publish, edit) = (Role::Member, Who::Role(Role::Member));
            list.rules.types.push(TypeRule { record_type: ITEM.parse()?, publish, edit });
            node.create_group(list).await?
        }
    };
    println!("\"invite\" lets somebody else in.");
    print(&list).await?;

    let kinds = [EventKind::RecordChanged, EventKind::SyncProgress];
    let filter = EventFilter::kinds(kinds).record_types([ITEM.parse()?]);
    let events = list.events(filter)?;
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line?.as_deref().map(str::trim) {
                None | Some("quit") => break,
                Some("") => {}
                Some(line) => if let Err(error) = obey(&list, line).await {
                    println!("{error}");
                },
            },
            event = events.next() => match event {
                Some(Event::RecordChanged(change)) => {
                    if let Some(lost) = change.conflict {
                        println!("two edited at once; this lost: {}", lost.body_text().unwrap_or("?"));
                    }
                    print(&list).await?;
                }
                // After a while away; what a join brings is shown by the join.
                Some(Event::SyncProgress(now)) => bar(now),
                _ => {}
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    node.shutdown().await;
    Ok(())
}

/// How far the database is on its way here.
fn bar(now: SyncProgress) {
    if now.records_expected > 0 && std::io::stderr().is_terminal() {
        let done = usize::try_from(now.records * 30 / now.records_expected).unwrap_or(30).min(30);
        let end = if now.records == now.records_expected { "\n" } else { "" };
        eprint!("\r[{:30}] {} of {} records{end}", "#".repeat(done), now.records, now.records_expected);
    }
}

async fn items(list: &Group) -> Result<Vec<Record>, peergraph::Error> {
    let query = ListQuery { record_type: Some(ITEM.parse()?), ..ListQuery::default() };
    let mut items = list.records(query).collect().await?;
    items.sort_by_key(|item| (item.created, item.id));
    Ok(items)
}

async fn print(list: &Group) -> Result<(), peergraph::Error> {
    println!("---");
    for (n, item) in items(list).await?.iter().enumerate() {
        let done = matches!(item.attributes.get("done"), Some(Value::Boolean(true)));
        println!("{:>2}. [{}] {}", n + 1, if done { "x" } else { " " }, item.body_text().unwrap_or("?"));
    }
    Ok(())
}

async fn obey(list: &Group, line: &str) -> Result<(), Box<dyn Error>> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let item = || async {
        let number: usize = rest.trim().parse().map_err(|_| format!("{command} wants a number"))?;
        let found = items(list).await?.into_iter().nth(number.wrapping_sub(1));
        found.ok_or_else(|| Box::<dyn Error>::from(format!("there is no number {number}")))
    };
    match command {
        "add" => {
            list.publish(RecordDraft::new(ITEM, rest.to_owned())?).await?;
        }
        "done" => {
            let item = item().await?;
            let mut attributes = item.attributes.clone();
            attributes.insert("done", true);
            let update = RecordUpdate {
                attributes: Some(attributes),
                expected_version: Some(item.version),
                ..RecordUpdate::default()
            };
            list.update(item.id, update).await?;
        }
        "drop" => {
            list.delete(item().await?.id).await?;
        }
        "list" => print(list).await?,
        "invite" => println!("{}", list.invite_link(Default::default()).await?),
        "members" => {
            for member in list.members().await? {
                println!("  {} {}", member.peer.short(), member.role.map_or("", Role::name));
            }
        }
        _ => println!("commands: add TEXT, done N, drop N, list, invite, members, quit"),
    }
    Ok(())
}
