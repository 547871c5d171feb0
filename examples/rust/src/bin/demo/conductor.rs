//! The conductor: starts the members, kills one, and tells what it sees.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::timeout,
};

use crate::Result;

const PATIENCE: Duration = Duration::from_secs(40);

/// What a member has said so far.
#[derive(Clone, Default, Debug)]
struct Said {
    ready: Option<(String, String)>,
    files: u64,
    sharing: Option<u64>,
    shared: Option<u128>,
    noted: Option<(String, u128)>,
    edited: u32,
    heard: BTreeMap<String, u128>,
    reads: Option<String>,
    state: Option<(u64, String, u64)>,
    states: u64,
    errors: Vec<String>,
}

struct Member {
    name: &'static str,
    dir: PathBuf,
    child: Child,
    stdin: ChildStdin,
    said: watch::Receiver<Said>,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Member {
    fn start(name: &'static str, dir: PathBuf, ticket: Option<&str>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("member").arg(&dir).args(ticket);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take().ok_or("a member has no input")?;
        let stdout = child.stdout.take().ok_or("a member has no output")?;
        let (sender, said) = watch::channel(Said::default());
        let bar: Arc<Mutex<Option<ProgressBar>>> = Arc::default();
        let shown = bar.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|said| said.note(&line));
                let files = sender.borrow().files;
                if let Some(bar) = &*shown.lock().unwrap_or_else(PoisonError::into_inner) {
                    bar.set_position(files);
                }
            }
        });
        Ok(Self { name, dir, child, stdin, said, bar })
    }

    async fn tell(&mut self, line: &str) -> Result<()> {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(())
    }

    /// Waits until the member has said something.
    async fn until<T>(&mut self, what: &str, fits: impl Fn(&Said) -> Option<T>) -> Result<T> {
        let mut found = None;
        let wait = self.said.wait_for(|said| {
            found = fits(said);
            found.is_some() || !said.errors.is_empty()
        });
        match timeout(PATIENCE, wait).await {
            Err(_) => return Err(format!("{}: not in time: {what}", self.name).into()),
            Ok(Err(_)) => return Err(format!("{} ended before: {what}", self.name).into()),
            Ok(Ok(said)) if !said.errors.is_empty() => {
                return Err(format!("{}: {}", self.name, said.errors.join("; ")).into());
            }
            Ok(Ok(_)) => {}
        }
        found.ok_or_else(|| format!("{}: {what}", self.name).into())
    }

    fn show(&self, bars: &MultiProgress, total: u64) {
        let style = ProgressStyle::with_template("  {prefix:<6} {bar:40} {pos:>4}/{len} files")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = bars.add(ProgressBar::new(total)).with_style(style).with_prefix(self.name);
        bar.set_position(self.said.borrow().files);
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }
}

impl Said {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words[..] {
            ["ready", node, ticket] => self.ready = Some((node.into(), ticket.into())),
            ["files", count, _] => self.files = count.parse().unwrap_or(0),
            ["sharing", count] => self.sharing = count.parse().ok(),
            ["shared", at] => self.shared = at.parse().ok(),
            ["noted", id, at] => self.noted = at.parse().ok().map(|at| (id.into(), at)),
            ["edited", ..] => self.edited += 1,
            ["heard", id, at] => {
                if let Ok(at) = at.parse() {
                    self.heard.entry(id.into()).or_insert(at);
                }
            }
            ["reads", ..] => self.reads = Some(line["reads ".len()..].into()),
            ["state", count, rest] => {
                if let (Ok(count), Some((hash, neighbors))) = (count.parse(), rest.split_once(' ')) {
                    self.state = Some((count, hash.into(), neighbors.parse().unwrap_or(0)));
                    self.states += 1;
                }
            }
            ["error", ..] => self.errors.push(line.into()),
            _ => {}
        }
    }
}

pub(crate) async fn run(folder: PathBuf) -> Result<()> {
    let started = Instant::now();
    let scratch = std::env::temp_dir().join(format!("peergraph-demo-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let result = play(&folder, &scratch).await;
    std::fs::remove_dir_all(&scratch)?;
    result?;
    println!("\nAll equal. The whole demonstration took {:.1} s.", started.elapsed().as_secs_f64());
    Ok(())
}

async fn play(folder: &Path, scratch: &Path) -> Result<()> {
    println!(
        "Five processes on this machine form one graph. Every member keeps the whole database in a folder of its own.\n"
    );
    let mut ann = Member::start("Ann", scratch.join("ann"), None)?;
    let (_, ticket) = ann.until("to be ready", |s| s.ready.clone()).await?;
    println!("Ann makes a graph. Its ticket: {}...", &ticket[..40]);
    let mut members = vec![ann];
    for name in ["Ben", "Cleo", "Dan"] {
        members.push(Member::start(name, scratch.join(name.to_lowercase()), Some(&ticket))?);
    }
    for member in &mut members[1..] {
        let (node, _) = member.until("to join", |s| s.ready.clone()).await?;
        println!(
            "{} joins with the ticket (process {}, node {node}).",
            member.name,
            member.child.id().unwrap_or(0)
        );
    }

    println!("\nAnn shares {}, one record a file. Half way, Cleo is killed (SIGKILL).", shown(folder));
    let bars = MultiProgress::new();
    members[0].tell(&format!("share {}", folder.display())).await?;
    let total = members[0].until("to share", |s| s.sharing).await?;
    members[1..].iter().for_each(|member| member.show(&bars, total));
    let half = total / 2;
    members[2].until("half the files", |s| (s.files >= half).then_some(())).await?;
    members[2].child.kill().await?;
    let had = members[2].said.borrow().files;
    members[0].until("to have shared all", |s| s.shared).await?;
    for who in [1, 3] {
        members[who].until("all files", |s| (s.files >= total).then_some(())).await?;
    }
    drop(bars);
    println!("\nBen and Dan have all {total} files. Cleo had {had} when she was killed.");

    let killed = members.remove(2);
    let mut cleo = Member::start("Cleo", killed.dir.clone(), Some(&ticket))?;
    cleo.until("to come back", |s| s.ready.clone()).await?;
    cleo.until("all files", |s| (s.files >= total).then_some(())).await?;
    println!("Cleo is started again on her folder, and catches up to {total}.");
    members.insert(2, cleo);
    let mut erin = Member::start("Erin", scratch.join("erin"), Some(&ticket))?;
    erin.until("to join late", |s| s.ready.clone()).await?;
    erin.until("all files", |s| (s.files >= total).then_some(())).await?;
    println!("Erin joins late, and has all {total} files.");
    members.push(erin);

    conflict(&mut members).await?;
    latency(&mut members).await?;
    compare(&mut members).await?;
    for mut member in members {
        member.tell("quit").await?;
        timeout(PATIENCE, member.child.wait()).await??;
    }
    Ok(())
}

/// Two edit one record in the same moment; all agree on one of the two.
async fn conflict(members: &mut [Member]) -> Result<()> {
    members[0].tell("note a").await?;
    let (id, _) = members[0].until("a note", |s| s.noted.clone()).await?;
    for member in members.iter_mut() {
        let id = id.clone();
        member.until("the note", move |s| s.heard.contains_key(&id).then_some(())).await?;
    }
    members[1].tell(&format!("edit {id} Ben's-version")).await?;
    members[3].tell(&format!("edit {id} Dan's-version")).await?;
    for who in [1, 3] {
        members[who].until("to edit", |s| (s.edited > 0).then_some(())).await?;
    }
    settle(members).await?;
    let mut readings = Vec::new();
    for member in members.iter_mut() {
        member.tell(&format!("read {id}")).await?;
        readings.push(member.until("to read", |s| s.reads.clone()).await?);
    }
    if readings.iter().any(|r| *r != readings[0]) {
        return Err(format!("they disagree: {readings:?}").into());
    }
    println!("Ben and Dan edit the same record at once; all five read \"{}\".", readings[0]);
    Ok(())
}

/// How long a record takes to the last node.
async fn latency(members: &mut [Member]) -> Result<()> {
    members[1].tell("note b").await?;
    let (id, at) = members[1].until("a note", |s| s.noted.clone()).await?;
    let mut last = 0;
    for member in members.iter_mut().filter(|m| m.name != "Ben") {
        let id = id.clone();
        let heard = member.until("the note", move |s| s.heard.get(&id).copied()).await?;
        last = last.max(heard.saturating_sub(at));
    }
    println!(
        "From publish at Ben (signed, on disk) to the event at the last of the others: {:.1} ms.",
        last as f64 / 1000.0
    );
    Ok(())
}

/// Waits until all databases are equal.
async fn settle(members: &mut [Member]) -> Result<Vec<(u64, String, u64)>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut states = Vec::new();
        for member in members.iter_mut() {
            let before = member.said.borrow().states;
            member.tell("state").await?;
            let fresh = |said: &Said| said.state.clone().filter(|_| said.states > before);
            states.push(member.until("its state", fresh).await?);
        }
        if states.iter().all(|(count, hash, _)| (count, hash) == (&states[0].0, &states[0].1)) {
            return Ok(states);
        }
        if Instant::now() > deadline {
            return Err(format!("the databases do not become equal: {states:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn compare(members: &mut [Member]) -> Result<()> {
    let states = settle(members).await?;
    println!("\n  member   process   neighbors   records   fingerprint of the database");
    for (member, (count, hash, neighbors)) in members.iter().zip(&states) {
        println!(
            "  {:<8} {:<9} {neighbors:<11} {count:<9} {hash}",
            member.name,
            member.child.id().unwrap_or(0)
        );
    }
    Ok(())
}

fn shown(folder: &Path) -> String {
    if folder == Path::new(".") { "this folder".into() } else { folder.display().to_string() }
}
