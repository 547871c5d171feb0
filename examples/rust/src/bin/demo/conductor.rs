//! The conductor: starts the members, kills one, and tells what it sees.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use indicatif::MultiProgress;

use crate::{Result, process::Member, removal};

/// How long databases may take to become equal.
const PATIENCE: Duration = Duration::from_secs(40);
const PASSWORD: &str = "twelve-green-parrots";
/// Where the members stand in the list.
pub(crate) const ANN: usize = 0;
pub(crate) const BEN: usize = 1;
pub(crate) const CLEO: usize = 2;
pub(crate) const DAN: usize = 3;

/// What a member's `state` says.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) records: u64,
    pub(crate) hash: String,
    pub(crate) neighbors: usize,
    pub(crate) role: String,
}

pub(crate) async fn run(folder: PathBuf) -> Result<()> {
    let started = Instant::now();
    let scratch = std::env::temp_dir().join(format!("peergraph-demo-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let result = play(&folder, &scratch).await;
    fs::remove_dir_all(&scratch)?;
    result?;
    println!("\nEverything said above was checked. It took {:.1} s.", started.elapsed().as_secs_f64());
    Ok(())
}

async fn play(folder: &Path, scratch: &Path) -> Result<()> {
    println!(
        "Separate processes on this machine form a group. Each keeps the whole database in a folder of its own.\n"
    );
    let mut members = vec![Member::start("Ann", scratch.join("ann")).await?];
    members[ANN].ask("create").await?;
    let password = members[ANN].ask(&format!("password {PASSWORD}")).await?;
    println!("Ann makes the group (process {}).", members[ANN].process());
    gather(&mut members, scratch, &password).await?;

    let copy = scratch.join("cleo-copy");
    let total = share(&mut members, folder, &copy).await?;
    let mut erin = Member::start("Erin", scratch.join("erin")).await?;
    let link = members[BEN].ask("link member").await?;
    erin.ask(&format!("join {link}")).await?;
    erin.until("all files", |s| (s.files >= total).then_some(())).await?;
    println!("Erin joins late, by a link of Ben's, who may invite, and has all {total} files.");
    members.push(erin);

    println!("\nOne database:");
    conflict(&mut members).await?;
    latency(&mut members).await?;

    println!("\nAnn removes Cleo, who is publishing without pause:");
    removal::live(&mut members).await?;
    println!("\nCleo goes back to a copy of her folder from when she was a member:");
    removal::outlaw(&mut members, copy).await?;

    compare(&mut members).await?;
    for member in members {
        member.quit().await?;
    }
    Ok(())
}

/// Three come in, each another way; one does not.
async fn gather(members: &mut Vec<Member>, scratch: &Path, password: &str) -> Result<()> {
    let mut eve = Member::start("Eve", scratch.join("eve")).await?;
    for (name, way) in [("Ben", "a link"), ("Cleo", "a password"), ("Dan", "an invitation for him alone")] {
        let mut member = Member::start(name, scratch.join(name.to_lowercase())).await?;
        let join = match name {
            "Ben" => format!("join {}", members[ANN].ask("link inviter").await?),
            "Cleo" => format!("join {password} {PASSWORD}"),
            _ => {
                let invitation = members[ANN].ask(&format!("invite {}", member.description)).await?;
                let refusal = eve.ask_in_vain(&format!("join {invitation}")).await?;
                println!("Eve tries Dan's invitation: \"{}\".", refusal.message);
                format!("join {invitation}")
            }
        };
        member.ask(&join).await?;
        println!("{name} joins by {way} (process {}).", member.process());
        members.push(member);
    }
    let refusal = eve.ask_in_vain(&format!("join {password} twelve-red-parrots")).await?;
    println!("Eve guesses at the password: \"{}\".", refusal.message);
    eve.quit().await
}

/// A folder goes round; one member is killed half way, and comes back. A copy of her folder, as it was then, is kept.
async fn share(members: &mut [Member], folder: &Path, copy: &Path) -> Result<u64> {
    println!("\nAnn shares {}, one record a file. Half way, Cleo is killed (SIGKILL).", shown(folder));
    let bars = MultiProgress::new();
    members[ANN].tell(&format!("share {}", folder.display())).await?;
    let total = members[ANN].until("to share", |s| s.sharing).await?;
    members[BEN..].iter().for_each(|member| member.show(&bars, total));
    members[CLEO].until("half the files", |s| (s.files >= total / 2).then_some(())).await?;
    members[CLEO].kill().await?;
    let had = members[CLEO].said().files;
    members[ANN].answer().await?.map_err(|refusal| refusal.message)?;
    for who in [BEN, DAN] {
        members[who].until("all files", |s| (s.files >= total).then_some(())).await?;
    }
    members.iter().for_each(Member::abandon_bar);
    println!("Ben and Dan have all {total} files. Cleo had {had} when she was killed.");

    let dir = members[CLEO].dir.clone();
    copy_dir(&dir, copy)?;
    let mut cleo = Member::start("Cleo", dir).await?;
    cleo.ask("open").await?;
    cleo.ask("listen").await?;
    cleo.until("all files", |s| (s.files >= total).then_some(())).await?;
    println!("Cleo is started again on her folder, finds the others by herself, and catches up to {total}.");
    members[CLEO] = cleo;
    Ok(total)
}

/// Two edit one record in the same moment; all agree on one of the two.
async fn conflict(members: &mut [Member]) -> Result<()> {
    // Authors edit their own, admins and owners everybody's.
    let note = members[BEN].ask("note first").await?;
    let id = first(&note);
    hear(members, &id).await?;
    members[BEN].tell(&format!("edit {id} Ben's-version")).await?;
    members[ANN].tell(&format!("edit {id} Ann's-version")).await?;
    for who in [BEN, ANN] {
        members[who].answer().await?.map_err(|refusal| refusal.message)?;
    }
    settle(members).await?;
    let mut readings = Vec::new();
    for member in members.iter_mut() {
        readings.push(member.ask(&format!("read {id}")).await?);
    }
    if readings.iter().any(|reading| *reading != readings[0]) || !readings[0].ends_with("version") {
        return Err(format!("they disagree: {readings:?}").into());
    }
    println!("  Ben and Ann (the owner) edit Ben's record at once; all five read \"{}\".", readings[0]);
    let refusal = members[DAN].ask_in_vain(&format!("edit {id} Dan's-version")).await?;
    println!("  Dan, a member like Ben, edits it too: \"{}\".", refusal.message);
    Ok(())
}

/// How long a record takes to the last node.
async fn latency(members: &mut [Member]) -> Result<()> {
    let note = members[BEN].ask("note second").await?;
    let (id, at) = note.split_once(' ').ok_or("a note has an id")?;
    let last = hear(members, id).await?.saturating_sub(at.parse()?);
    println!("  From publish at Ben (signed, on disk) to the event at the last of the others: {}.", ms(last));
    Ok(())
}

/// Waits until all have heard of a note; the moment the last one did.
pub(crate) async fn hear(members: &mut [Member], id: &str) -> Result<u128> {
    let mut last = 0;
    for member in members {
        last = last.max(member.until("to hear of a note", |s| s.heard.get(id).copied()).await?);
    }
    Ok(last)
}

/// Waits until all databases are equal, and all are neighbors of all, as so few are.
pub(crate) async fn settle(members: &mut [Member]) -> Result<Vec<State>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut states = Vec::new();
        for member in members.iter_mut() {
            states.push(state(member).await?);
        }
        let equal = |state: &State| (state.records, &state.hash) == (states[0].records, &states[0].hash);
        if states.iter().all(|state| equal(state) && state.neighbors + 1 >= states.len()) {
            return Ok(states);
        }
        if Instant::now() > deadline {
            return Err(format!("the databases do not become equal: {states:#?}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn state(member: &mut Member) -> Result<State> {
    let said = member.ask("state").await?;
    match said.split(' ').collect::<Vec<_>>()[..] {
        [records, hash, neighbors, role] => Ok(State {
            records: records.parse()?,
            hash: hash.into(),
            neighbors: neighbors.parse()?,
            role: role.into(),
        }),
        _ => Err(format!("no state: {said}").into()),
    }
}

async fn compare(members: &mut [Member]) -> Result<()> {
    let states = settle(members).await?;
    println!("\n  member  role    process  neighbors  records  fingerprint of the database");
    for (member, state) in members.iter().zip(&states) {
        let State { records, hash, neighbors, role } = state;
        let (name, process) = (member.name, member.process());
        println!("  {name:<7} {role:<7} {process:<8} {neighbors:<10} {records:<8} {hash}");
    }
    Ok(())
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_dir(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// The first word of an answer.
pub(crate) fn first(answer: &str) -> String {
    answer.split(' ').next().unwrap_or_default().into()
}

/// Microseconds, for people.
pub(crate) fn ms(micros: u128) -> String {
    format!("{:.1} ms", micros as f64 / 1000.0)
}

fn shown(folder: &Path) -> String {
    if folder == Path::new(".") { "this folder".into() } else { folder.display().to_string() }
}
