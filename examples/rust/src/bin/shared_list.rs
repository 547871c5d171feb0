//! A shopping list that several people edit, online or not. Kept in a folder, so it is there again next time:
//!
//! ```text
//! cargo run -p peergraph-examples --bin shared_list -- ~/.list-a
//! cargo run -p peergraph-examples --bin shared_list -- ~/.list-b peergraph:...
//! ```
//! Commands: `add TEXT`, `done N`, `remove N`, `list`, `ticket`, `quit`.

use std::{error::Error, process::ExitCode};

use peergraph::{
    Graph, ListQuery, Node, OpenGraph, Record, RecordDraft, RecordUpdate, Ticket, Value,
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
    let folder = arguments.next().ok_or("usage: shared_list FOLDER [TICKET]")?;
    let ticket = arguments.next().map(|text| text.parse::<Ticket>()).transpose()?;
    let node = Node::open(folder).await?;
    let list = match (ticket, node.stored_graphs().first()) {
        (Some(ticket), _) => node.join(ticket).await?,
        (None, Some(id)) => {
            let list = node.open_graph(*id, OpenGraph::default()).await?;
            list.listen().await?; // it finds the others by itself
            list
        }
        (None, None) => {
            let list = node.create_graph("Shared list").await?;
            list.listen().await?;
            list
        }
    };
    println!("Others join with:\n\n{}\n", list.ticket().await?);
    print(&list).await?;

    let filter = EventFilter::kinds([EventKind::RecordChanged]).record_types([ITEM.parse()?]);
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
            event = events.next() => if let Some(Event::RecordChanged(change)) = event {
                if let Some(lost) = change.conflict {
                    println!("two edited at once; this lost: {}", lost.body_text().unwrap_or("?"));
                }
                print(&list).await?;
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    node.shutdown().await;
    Ok(())
}

async fn items(list: &Graph) -> Result<Vec<Record>, peergraph::Error> {
    let query = ListQuery { record_type: Some(ITEM.parse()?), ..ListQuery::default() };
    let mut items = list.records(query).collect().await?;
    items.sort_by_key(|item| (item.created, item.id));
    Ok(items)
}

async fn print(list: &Graph) -> Result<(), peergraph::Error> {
    println!("---");
    for (n, item) in items(list).await?.iter().enumerate() {
        let done = matches!(item.attributes.get("done"), Some(Value::Boolean(true)));
        println!("{:>2}. [{}] {}", n + 1, if done { "x" } else { " " }, item.body_text().unwrap_or("?"));
    }
    Ok(())
}

async fn obey(list: &Graph, line: &str) -> Result<(), Box<dyn Error>> {
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
        "remove" => {
            list.delete(item().await?.id).await?;
        }
        "list" => print(list).await?,
        "ticket" => println!("{}", list.ticket().await?),
        _ => println!("commands: add TEXT, done N, remove N, list, ticket, quit"),
    }
    Ok(())
}
