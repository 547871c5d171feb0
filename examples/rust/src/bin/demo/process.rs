//! A member as the conductor sees it: a process that is told lines and says lines.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::timeout,
};

use crate::Result;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// What a member has said so far.
#[derive(Clone, Default, Debug)]
pub(crate) struct Said {
    answers: u64,
    /// The latest answer.
    answer: String,
    /// Files that it is about to share.
    pub(crate) sharing: Option<u64>,
    /// Files it has.
    pub(crate) files: u64,
    /// Notes it has heard of, and when, in microseconds since 1970.
    pub(crate) heard: BTreeMap<String, u128>,
    /// Identities that it knows as removed and has no link to any more, and since when.
    pub(crate) cut: BTreeMap<String, u128>,
}

/// What a member would not do, in its own words.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: String,
    pub(crate) message: String,
}

pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) dir: PathBuf,
    /// Its identity, and the description of it for others.
    pub(crate) peer: String,
    pub(crate) description: String,
    child: Child,
    stdin: ChildStdin,
    said: watch::Receiver<Said>,
    asked: u64,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Member {
    /// Starts a process for a member, with a folder of its own.
    pub(crate) async fn start(name: &'static str, dir: PathBuf) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("member").arg(name).arg(&dir);
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
        let (peer, description) = (String::new(), String::new());
        let mut member = Self { name, dir, peer, description, child, stdin, said, asked: 0, bar };
        let who = member.ask("who").await?;
        let (peer, description) = who.split_once(' ').ok_or("a member does not say who it is")?;
        (member.peer, member.description) = (peer.into(), description.into());
        Ok(member)
    }

    /// Its process number.
    pub(crate) fn process(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> Said {
        self.said.borrow().clone()
    }

    /// Gives it something to do, without waiting for the answer.
    pub(crate) async fn tell(&mut self, line: &str) -> Result<()> {
        self.asked += 1;
        self.stdin.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(())
    }

    /// Waits for the answer to the last thing it was told.
    pub(crate) async fn answer(&mut self) -> Result<Result<String, Refusal>> {
        let asked = self.asked;
        let answer =
            self.until("to answer", |said| (said.answers == asked).then(|| said.answer.clone())).await?;
        let (verdict, rest) = answer.split_once(' ').unwrap_or((&answer, ""));
        if verdict == "ok" {
            return Ok(Ok(rest.into()));
        }
        let (kind, message) = rest.split_once(' ').unwrap_or((rest, ""));
        Ok(Err(Refusal { kind: kind.into(), message: message.into() }))
    }

    /// Has it do something that it must be able to do.
    pub(crate) async fn ask(&mut self, line: &str) -> Result<String> {
        self.tell(line).await?;
        let answer = self.answer().await?;
        answer.map_err(|refusal| format!("{}: {line}: {}", self.name, refusal.message).into())
    }

    /// Has it do something that it must not be able to do.
    pub(crate) async fn ask_in_vain(&mut self, line: &str) -> Result<Refusal> {
        self.tell(line).await?;
        match self.answer().await? {
            Ok(done) => Err(format!("{} could {line}: {done}", self.name).into()),
            Err(refusal) => Ok(refusal),
        }
    }

    /// Waits until the member has said something.
    pub(crate) async fn until<T>(&mut self, what: &str, fits: impl Fn(&Said) -> Option<T>) -> Result<T> {
        let mut found = None;
        let wait = self.said.wait_for(|said| {
            found = fits(said);
            found.is_some()
        });
        match timeout(PATIENCE, wait).await {
            Err(_) => return Err(format!("{}: not in time: {what}", self.name).into()),
            Ok(Err(_)) => return Err(format!("{} ended before: {what}", self.name).into()),
            Ok(Ok(_)) => {}
        }
        found.ok_or_else(|| format!("{}: {what}", self.name).into())
    }

    /// Shows a bar that grows with its files.
    pub(crate) fn show(&self, bars: &MultiProgress, total: u64) {
        let style = ProgressStyle::with_template("  {prefix:<6} {bar:40} {pos:>4}/{len} files")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = bars.add(ProgressBar::new(total)).with_style(style).with_prefix(self.name);
        bar.set_position(self.said.borrow().files);
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    /// Leaves its bar as it is.
    pub(crate) fn abandon_bar(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.abandon();
        }
    }

    /// SIGKILL: no goodbye, nothing flushed.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }

    /// Lets it end in order.
    pub(crate) async fn quit(mut self) -> Result<()> {
        self.tell("quit").await?;
        let status = timeout(PATIENCE, self.child.wait()).await??;
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", self.name).into()) }
    }
}

impl Said {
    fn note(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "=" => {
                self.answers += 1;
                self.answer = rest.into();
            }
            "sharing" => self.sharing = first.parse().ok(),
            "files" => self.files = first.parse().unwrap_or(0),
            "heard" => {
                self.heard.entry(first.into()).or_insert_with(|| second.parse().unwrap_or(0));
            }
            "cut" => {
                self.cut.entry(first.into()).or_insert_with(|| second.parse().unwrap_or(0));
            }
            _ => eprintln!("not understood: {line}"),
        }
    }
}
