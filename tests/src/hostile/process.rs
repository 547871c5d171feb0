//! The processes of a row: started, told what to do, listened to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    time::timeout,
};

/// How long an answer may take: longer than a lost record is waited for.
const PATIENCE: Duration = Duration::from_secs(130);

/// A process; it is killed when this is dropped.
pub(super) struct Process {
    pub(super) name: String,
    child: Child,
    input: ChildStdin,
    answers: mpsc::UnboundedReceiver<String>,
    errors: PathBuf,
}

impl Process {
    /// Starts this program again with other words. Lines that `hear` does not take are kept as answers.
    pub(super) fn start(
        program: &Path,
        dir: &Path,
        words: &[&str],
        hear: impl Fn(&str) -> bool + Send + 'static,
    ) -> Self {
        let name = words[..words.len().min(2)].join(" ");
        let errors = dir.join(format!("{}.log", words[..words.len().min(2)].join("-").replace('/', "_")));
        let mut child = Command::new(program)
            .args(words)
            // The allocator's arenas of many threads would be measured otherwise.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&errors).expect("a log file"))
            .kill_on_drop(true)
            .spawn()
            .expect("this program starts");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (sender, answers) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if !hear(&line) && sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { name, child, input, answers, errors }
    }

    /// Sends a command.
    pub(super) async fn tell(&mut self, command: &str) {
        let written = self.input.write_all(format!("{command}\n").as_bytes()).await;
        assert!(written.is_ok(), "{} has ended:\n{}", self.name, self.errors());
    }

    /// The rest of the next line that begins with this word.
    pub(super) async fn answer(&mut self, word: &str) -> String {
        let search = async {
            while let Some(line) = self.answers.recv().await {
                if let Some(rest) = line.strip_prefix(word) {
                    return Some(rest.trim().to_owned());
                }
            }
            None
        };
        match timeout(PATIENCE, search).await {
            Ok(Some(rest)) => rest,
            Ok(None) => panic!("{} has ended:\n{}", self.name, self.errors()),
            Err(_) => panic!("{} does not say {word}:\n{}", self.name, self.errors()),
        }
    }

    /// What it wrote to standard error.
    pub(super) fn errors(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// True unless it has ended.
    pub(super) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// From now on the greatest resident size is measured anew.
    pub(super) fn forget_peak(&self) {
        let _ = fs::write(format!("{}/clear_refs", self.proc()), "5");
    }

    /// The greatest resident size in KiB.
    pub(super) fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("{}/status", self.proc())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
    }

    fn proc(&self) -> String {
        format!("/proc/{}", self.child.id().unwrap_or_default())
    }

    /// Ends it.
    pub(super) async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }
}
