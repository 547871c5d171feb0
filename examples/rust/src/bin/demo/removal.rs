//! What removing a member does, shown twice: to one who is online, and to one who goes back to before.

use std::path::PathBuf;

use crate::{
    Result,
    conductor::{ANN, BEN, CLEO, first, hear, ms, settle, state},
    process::Member,
};

/// Notes that Cleo is ahead with before she is removed.
const CHATTER: usize = 20;

/// Ann removes Cleo in the middle of a stream of notes. What came too late stands at none of the others. Ends Cleo's process.
pub(crate) async fn live(members: &mut Vec<Member>) -> Result<()> {
    let cleo = members[CLEO].peer.clone();
    let before = members[ANN].said().heard.len();
    members[CLEO].tell("chatter").await?;
    let some = |said: &crate::process::Said| (said.heard.len() >= before + CHATTER).then_some(());
    members[ANN].until("some of Cleo's notes", some).await?;
    let removed: u128 = members[ANN].ask(&format!("remove {cleo}")).await?.parse()?;
    let mut last = 0;
    for member in members.iter_mut() {
        let cut = member.until("to cut Cleo off", |s| s.cut.get(&cleo).copied()).await?;
        last = last.max(cut.saturating_sub(removed));
    }
    println!("  From remove at Ann until all have heard it and have no link to her: {}.", ms(last));

    let chatter = members[CLEO].answer().await?.map_err(|refusal| refusal.message)?;
    let (said, word) = chatter.split_once(' ').ok_or("chatter tells how much")?;
    let (kind, message) = word.split_once(' ').unwrap_or((word, ""));
    if kind != "Removed" {
        return Err(format!("Cleo's library stopped her with {word}").into());
    }
    println!("  Her own library lets her publish no more: \"{message}\".");
    let refusal = members[CLEO].ask_in_vain("note third").await?;
    let alone = state(&mut members[CLEO]).await?;
    if refusal.kind != "Removed" || alone.neighbors != 0 || alone.role != "none" {
        return Err(format!("Cleo is not cut off: {refusal:?}, {alone:?}").into());
    }
    let gone = members.remove(CLEO);
    gone.quit().await?;

    settle(members).await?;
    let mut stand = Vec::new();
    for member in members.iter_mut() {
        stand.push(member.ask(&format!("notes-of {cleo}")).await?.parse::<u64>()?);
    }
    let said: u64 = said.parse()?;
    if stand.iter().any(|count| *count != stand[0]) || stand[0] > said || stand[0] < CHATTER as u64 {
        return Err(format!("of {said} notes of Cleo's there stand {stand:?}").into());
    }
    println!(
        "  Of the {said} notes she published, the {} that Ann had stand at all four; {} came too late and stand at none.",
        stand[0],
        said - stand[0]
    );
    Ok(())
}

/// With her old folder Cleo believes herself a member and publishes. Nobody takes it, and she learns nothing new.
pub(crate) async fn outlaw(members: &mut [Member], copy: PathBuf) -> Result<()> {
    let before = settle(members).await?[0].records;
    let mut cleo = Member::start("Cleo", copy).await?;
    cleo.ask("open").await?;
    let note = cleo.ask("note I-am-still-here").await?;
    let id = first(&note);
    println!("  Offline, her library knows of nothing: it signs and stores her next record.");

    let addresses = members[ANN].ask("link member").await?;
    let dialled = cleo.ask(&format!("dial {addresses}")).await?;
    let (connected, rest) = dialled.split_once(' ').ok_or("dialling tells how many")?;
    let (tried, word) = rest.split_once(' ').unwrap_or((rest, ""));
    let message = word.split_once(' ').map_or("", |(_, message)| message);
    if connected != "0" || tried.parse::<usize>()? < members.len() {
        return Err(format!("{connected} of {tried} nodes let Cleo in").into());
    }
    println!("  She dials all {tried} nodes: none lets her in, \"{message}\".");

    // A record that does go round: hers had at least as much time.
    let note = members[BEN].ask("note after-the-removal").await?;
    let marker = first(&note);
    hear(members, &marker).await?;
    let after = settle(members).await?;
    for member in members.iter_mut() {
        let read = member.ask(&format!("read {id}")).await?;
        if !read.is_empty() || member.said().heard.contains_key(&id) {
            return Err(format!("Cleo's record arrived at {}", member.name).into());
        }
    }
    if after[0].records != before + 1 {
        return Err(format!("there were {before} records, and are {}", after[0].records).into());
    }
    if !cleo.ask(&format!("read {marker}")).await?.is_empty() {
        return Err("Cleo reads what was written after her removal".into());
    }
    println!(
        "  Ben publishes one more: {} records at all four, {before} before. Hers is at none of them, and she has not got Ben's.",
        after[0].records
    );
    cleo.quit().await
}
