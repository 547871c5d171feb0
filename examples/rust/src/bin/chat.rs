//! A chat room for those who are invited. The first opens it; what it prints lets others in:
//!
//! ```text
//! cargo run -p peergraph-examples --bin chat -- --name Ann
//! cargo run -p peergraph-examples --bin chat -- --name Ben --join peergraph-invitation:...
//! ```
//! With `--password WORDS` on both sides the invitation alone is not enough. Every line you type is a record of type
//! `chat.message`, signed; late comers see what was said before. `/help` tells the rest.

use std::{error::Error, io::IsTerminal, process::ExitCode};

use peergraph::{
    CreateGroup, Group, Invitation, InviteLink, JoinGroup, Node, PeerId, RecordDraft, Role, SyncProgress,
    events::{Event, EventFilter, EventKind, MemberChange, Start, SubscribeOptions},
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

const HELP: &str = "/members  /invite  /role NAME ROLE  /remove NAME  /quit";

#[tokio::main]
async fn main() -> ExitCode {
    match chat().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn chat() -> Result<(), Box<dyn Error>> {
    let Arguments { name, password, join } = arguments()?;
    let node = Node::in_memory().await?;
    let room = match join {
        Some(text) => {
            let mut join = JoinGroup::parse(&text)?.named(name);
            if let Some(password) = password {
                join = join.password(password);
            }
            println!(
                "Joining {} by the word of {}...",
                join.invitation.group_name, join.invitation.issuer_name
            );
            node.join_group(join.on_progress(bar)).await?
        }
        None => {
            let mut room = CreateGroup::from("Chat");
            room.rules.creator_name = name;
            let room = node.create_group(room).await?;
            show(&match password {
                Some(password) => room.set_password(&password, Default::default()).await?,
                None => invite(&room).await?,
            });
            room
        }
    };
    println!("{HELP}");

    let printer = tokio::spawn(print_events(room.clone(), node.peer_id()));
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line?.as_deref().map(str::trim) {
                None | Some("/quit") => break,
                Some("") => {}
                Some(line) => if let Err(error) = obey(&room, line).await {
                    eprintln!("{error}");
                },
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    node.shutdown().await; // says goodbye; the stream of events ends with it
    printer.await??;
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

async fn obey(room: &Group, line: &str) -> Result<(), Box<dyn Error>> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["/members"] => {
            for member in room.members().await? {
                let role = member.role.map_or("", Role::name);
                println!("  {} ({role}) {}", member.name, if member.is_present() { "" } else { "away" });
            }
        }
        ["/invite"] => show(&invite(room).await?),
        ["/role", name, role] => room.set_role(find(room, name).await?, role.parse()?).await?,
        ["/remove", name] => room.remove(find(room, name).await?, Default::default()).await?,
        _ if line.starts_with('/') => println!("{HELP}"),
        _ => drop(room.publish(RecordDraft::new("chat.message", line.to_owned())?).await?),
    }
    Ok(())
}

/// A link for ten people, valid for a week.
async fn invite(room: &Group) -> peergraph::Result<Invitation> {
    room.invite_link(InviteLink { uses: 10, ..InviteLink::default() }).await
}

fn show(invitation: &Invitation) {
    if let (true, Ok(code)) = (std::io::stdout().is_terminal(), invitation.qr_text()) {
        println!("{code}");
    }
    println!("Others enter with --join and this text, or the code above:\n\n{invitation}\n");
}

async fn find(room: &Group, name: &str) -> Result<PeerId, Box<dyn Error>> {
    let found = room.members().await?.into_iter().find(|member| member.name == name);
    Ok(found.ok_or_else(|| format!("nobody here is called {name}"))?.peer)
}

/// Prints what was said, what is said, and who comes and goes.
async fn print_events(room: Group, me: PeerId) -> Result<(), peergraph::Error> {
    let kinds = [EventKind::RecordChanged, EventKind::MemberChanged, EventKind::SyncProgress];
    let filter = EventFilter::kinds(kinds).record_types(["chat.message".parse().expect("a good name")]);
    let events = room.subscribe(SubscribeOptions::new(filter).start(Start::Snapshot))?;
    while let Some(event) = events.next().await {
        match event {
            Event::RecordChanged(change) if !change.record.deleted => {
                // Who wrote it is in its signature; a name in the text could be anybody's.
                let author = change.record.author;
                let name = room.member(author).await.map_or_else(|_| author.short().to_string(), |m| m.name);
                println!("{name}: {}", change.record.body_text().unwrap_or("(not text)"));
            }
            Event::MemberChanged { change: MemberChange::Removed, member } if member.peer == me => {
                println!("* you were removed; nobody gets what you write from now on");
            }
            // After a while away; what a join brings is shown by the join.
            Event::SyncProgress(now) => bar(now),
            Event::MemberChanged { change, member } => println!("* {}: {change:?}", member.name),
            Event::Lagged { dropped } => println!("* {dropped} comings and goings were missed"),
            _ => {}
        }
    }
    Ok(())
}

struct Arguments {
    name: String,
    password: Option<String>,
    join: Option<String>,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let name = format!("guest-{}", std::process::id());
    let mut parsed = Arguments { name, password: None, join: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--name" => parsed.name = value()?,
            "--password" => parsed.password = Some(value()?),
            "--join" => parsed.join = Some(value()?),
            _ => return Err("usage: chat [--name NAME] [--password WORDS] [--join INVITATION]".into()),
        }
    }
    Ok(parsed)
}
