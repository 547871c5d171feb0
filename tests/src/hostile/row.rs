//! One row: the processes, the phases, the figures.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

use super::{attacks::Attack, process::Process};

/// How long the phases of a row last.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before the attack.
    pub quiet: Duration,
    /// The attack.
    pub attack: Duration,
    /// After the attacker's process was killed; what happens then counts as well.
    pub after: Duration,
}

/// A victim that grows by this much, in KiB, is killed: the machine is needed for other rows.
const MOST_MEMORY: u64 = 2 * 1024 * 1024;

/// What a row must keep to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The victim's greatest resident size above that before the attack, in KiB.
    pub memory: u64,
    /// The longest wait as a multiple of the undisturbed one (the 99th percentile, of few joins the longest).
    pub factor: u32,
    /// The longest wait whatever the undisturbed one is.
    pub longest: Duration,
    /// Waits of a publish and of a join that are good in any case: they happen on this machine without an attack as
    /// well.
    pub noise: [Duration; 2],
}

impl Default for Limits {
    fn default() -> Self {
        let longest = Duration::from_secs(1);
        Self { memory: 64 * 1024, factor: 2, longest, noise: [Duration::from_millis(100); 2] }
    }
}

/// Waits of one kind of call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waits {
    /// Undisturbed: the 99th percentile.
    pub before: Duration,
    /// The longest from the beginning of the attack on.
    pub longest: Duration,
    /// How many calls that is from.
    pub count: usize,
    /// When the longest began, in microseconds since 1970.
    began: u64,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Row {
    /// The attack.
    pub name: String,
    /// The victim's greatest resident size before the attack, in KiB.
    pub honest: u64,
    /// How much more it was later, in KiB.
    pub memory: u64,
    /// From the call to the durable record, and to the event at the victim and at another node.
    pub publish: Waits,
    /// From the call to the joined group.
    pub join: Waits,
    /// Calls that failed, by kind and reason.
    pub failed: Vec<String>,
    /// Records that did not arrive at the victim or at the listener.
    pub lost: usize,
    /// Whether the victim's process survived without a panic.
    pub survived: bool,
    /// Bytes that the victim took from the attacker.
    pub sent: u64,
    /// Of those, in the first second and in the last.
    pub pace: (u64, u64),
    /// How often the victim ended the attacker's link or connection.
    pub ended: u64,
    /// What the attacker did from when on, if it did several things.
    acts: Vec<(u64, String)>,
    /// When the victim's peak last grew by more than 1 MiB.
    grew: u64,
}

impl Row {
    /// How the attack ends by itself, in words.
    pub fn end(&self) -> String {
        match (self.ended, self.pace) {
            (0, (first, last)) if last * 100 <= first => "held back".to_owned(),
            (0, _) => "no".to_owned(),
            (1, _) => "disconnected".to_owned(),
            (times, _) => format!("disconnected, {times} times"),
        }
    }

    /// What the attacker was doing at this time, in words.
    fn during(&self, at: u64) -> String {
        let act = self.acts.iter().rev().find(|(begin, _)| *begin <= at);
        act.map_or_else(String::new, |(_, act)| format!(" ({act})"))
    }

    /// What it does not keep to, in words.
    pub fn faults(&self, limits: &Limits) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.survived {
            faults.push("the victim panicked, ended, or was killed for its size".to_owned());
        }
        if self.sent == 0 {
            faults.push("the attacker sent nothing".to_owned());
        }
        if self.memory > limits.memory {
            faults.push(format!("{} MiB of memory{}", self.memory / 1024, self.during(self.grew)));
        }
        let [publish_noise, join_noise] = limits.noise;
        let calls = [("publish", &self.publish, publish_noise), ("join", &self.join, join_noise)];
        for (kind, waits, noise) in calls {
            let (longest, during) = (waits.longest.as_millis(), self.during(waits.began));
            if waits.longest > limits.longest.max(noise) {
                faults.push(format!("a {kind} took {longest} ms{during}"));
            } else if waits.longest > (waits.before * limits.factor).max(noise) {
                faults
                    .push(format!("a {kind} took {longest} ms, undisturbed {} ms", waits.before.as_millis()));
            }
            if waits.count == 0 {
                faults.push(format!("no {kind} ended"));
            }
        }
        if self.lost > 0 {
            faults.push(format!("{} records lost", self.lost));
        }
        if let Some(first) = self.failed.first() {
            faults.push(format!("{} calls failed ({first})", self.failed.len()));
        }
        faults
    }
}

/// One call: kind, when it began, how long it took, both in microseconds.
type Wait = (String, u64, u64);

#[derive(Debug, Default)]
struct Heard {
    waits: Vec<Wait>,
    failed: Vec<(u64, String)>,
    /// When, bytes sent so far, disconnections so far.
    sent: Vec<(u64, u64, u64)>,
    acts: Vec<(u64, String)>,
}

fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn hear(heard: &Mutex<Heard>, line: &str) -> bool {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let mut heard = heard.lock().expect("no panic");
    let number = |word: &str| word.parse().unwrap_or_default();
    match words[..] {
        ["wait", kind, at, wait] => heard.waits.push((kind.to_owned(), number(at), number(wait))),
        ["failed", ..] => heard.failed.push((micros(), line["failed ".len()..].to_owned())),
        ["sent", bytes, ended] => heard.sent.push((micros(), number(bytes), number(ended))),
        ["act", ..] => heard.acts.push((micros(), line["act ".len()..].to_owned())),
        _ => return false,
    }
    true
}

/// A group with a victim and three honest nodes.
struct World {
    program: PathBuf,
    dir: TempDir,
    heard: Arc<Mutex<Heard>>,
    victim: Process,
    target: String,
    publisher: Process,
    listener: Process,
    joiner: Process,
}

impl World {
    async fn start(program: &Path) -> Self {
        let (dir, heard) = (tempfile::tempdir().expect("a directory"), Arc::<Mutex<Heard>>::default());
        let begin = |words: &[&str]| {
            let heard = heard.clone();
            Process::start(program, dir.path(), words, move |line| hear(&heard, line))
        };
        let data = dir.path().join("victim");
        let mut victim = begin(&["victim", data.to_str().expect("a path in UTF-8")]);
        let (link, target) = (victim.answer("link ").await, victim.answer("target ").await);
        victim.answer("ready").await;
        let mut honest = ["publisher", "listener", "joiner"].map(|name| begin(&["honest", name, &link]));
        for process in &mut honest {
            process.answer("ready").await;
        }
        let [mut publisher, listener, mut joiner] = honest;
        for process in [&mut victim, &mut publisher, &mut joiner] {
            process.tell("start").await;
        }
        let program = program.to_owned();
        Self { program, dir, heard, victim, target, publisher, listener, joiner }
    }

    async fn row(&mut self, attack: &str, pace: Pace) -> Row {
        let seconds = pace.attack.as_secs_f64().to_string();
        let words: Vec<&str> =
            ["attack", attack, &seconds].into_iter().chain(self.target.split(' ')).collect();
        let heard = self.heard.clone();
        let hear = move |line: &str| hear(&heard, line);
        let mut attacker = Process::start(&self.program, self.dir.path(), &words, hear);
        let given = attacker.answer("ready").await;
        for process in [&mut self.publisher, &mut self.listener] {
            process.tell(&format!("hold {given}")).await;
            process.answer("holding").await;
        }
        *self.heard.lock().expect("no panic") = Heard::default();
        self.victim.forget_peak();
        tokio::time::sleep(pace.quiet).await;
        let honest = self.victim.peak();
        self.victim.forget_peak();
        let begin = micros();
        attacker.tell("go").await;
        let (mut peak, grew) = self.watch(honest, pace.attack).await;
        let errors = attacker.errors();
        attacker.kill().await;
        peak = peak.max(self.watch(honest, pace.after).await.0);
        let mut lost = 0;
        if self.victim.lives() {
            self.joiner.tell("settle").await;
            self.joiner.answer("settled").await;
            lost = self.lost().await;
            peak = peak.max(self.victim.peak());
        }
        if !errors.is_empty() {
            eprintln!("{attack}: {errors}");
        }
        let heard = self.heard.lock().expect("no panic");
        let survived = self.victim.lives() && !self.victim.errors().contains("panicked");
        let sent_in = |from: u64, to: u64| {
            let within = |(at, ..): &&(u64, u64, u64)| (from..to).contains(at);
            let of = || heard.sent.iter().filter(within).map(|(_, bytes, _)| *bytes);
            of().max().unwrap_or_default() - of().min().unwrap_or_default()
        };
        let end = heard.sent.last().map_or(begin, |(at, ..)| *at);
        Row {
            name: attack.to_owned(),
            honest,
            memory: peak.saturating_sub(honest),
            publish: waits(&heard.waits, "publish", begin),
            join: waits(&heard.waits, "join", begin),
            failed: heard
                .failed
                .iter()
                .filter(|(at, _)| *at >= begin)
                .map(|(_, text)| text.clone())
                .collect(),
            lost,
            survived,
            sent: sent_in(begin, end + 1),
            pace: (sent_in(begin, begin + 1_000_000), sent_in(end.saturating_sub(1_000_000), end + 1)),
            ended: heard.sent.last().map_or(0, |(.., ended)| *ended),
            acts: heard.acts.clone(),
            grew,
        }
    }

    /// The victim's peak in KiB after this time, or when it was killed because it had grown too much; and when it last grew.
    async fn watch(&mut self, honest: u64, time: Duration) -> (u64, u64) {
        let (end, mut last, mut grew) = (Instant::now() + time, honest, micros());
        while Instant::now() < end && self.victim.lives() {
            let peak = self.victim.peak();
            if peak > last + 1024 {
                (last, grew) = (peak, micros());
            }
            if peak > honest + MOST_MEMORY {
                self.victim.kill().await;
                return (peak, grew);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (self.victim.peak(), grew)
    }

    /// Records published so far that do not arrive.
    async fn lost(&mut self) -> usize {
        self.victim.tell("count").await;
        self.publisher.tell("count").await;
        let victims = self.victim.answer("published").await;
        let publishers = self.publisher.answer("published").await;
        self.victim.tell(&format!("check publisher {publishers}")).await;
        self.listener.tell(&format!("check victim {victims} publisher {publishers}")).await;
        let mut lost = 0;
        for process in [&mut self.victim, &mut self.listener] {
            lost += process.answer("lost").await.parse::<usize>().expect("a number");
        }
        lost
    }
}

fn waits(all: &[Wait], kind: &str, begin: u64) -> Waits {
    let of_kind = || all.iter().filter(|(of, ..)| of == kind);
    let mut before: Vec<u64> =
        of_kind().filter(|(_, at, wait)| at + wait < begin).map(|(.., wait)| *wait).collect();
    before.sort_unstable();
    let p99 = before.get((before.len() * 99).div_ceil(100).saturating_sub(1)).copied();
    let after = || of_kind().filter(|(_, at, wait)| at + wait >= begin);
    let longest = after().max_by_key(|(.., wait)| *wait);
    Waits {
        before: Duration::from_micros(p99.unwrap_or_default()),
        longest: Duration::from_micros(longest.map_or(0, |(.., wait)| *wait)),
        count: after().count(),
        began: longest.map_or(0, |(_, at, _)| *at),
    }
}

/// Measures these attacks one after another, in one group.
pub async fn measure(program: &Path, attacks: &[&Attack], pace: Pace) -> Vec<Row> {
    let mut world = World::start(program).await;
    let mut rows = Vec::new();
    for attack in attacks {
        rows.push(world.row(&attack.name, pace).await);
    }
    rows
}
