//! Ways to give a call up, and what must be as before afterwards.

use std::{
    collections::BTreeMap,
    fs,
    future::poll_fn,
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use peergraph::{Census, GraphId, Node, PeerName};
use peergraph_tests::PATIENCE;

/// When a call is given up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// Not at all.
    Never,
    /// Right after it was polled so many times: at each of its await points, once with nothing of what it waits for
    /// done yet.
    Polls(usize),
    /// The same, once it was woken: what it waits for is done, and nobody takes it.
    Woken(usize),
    /// After this time.
    After(Duration),
}

/// One try of a case: how its call is given up, and whether it was.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) when: When,
    pub(crate) given_up: bool,
    /// How often it was polled, and how long it took, when it was not given up.
    pub(crate) polls: usize,
    pub(crate) took: Duration,
}

struct Woken(AtomicBool, Waker);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
        self.1.wake_by_ref();
    }
}

impl Cut {
    pub(crate) fn new(when: When) -> Self {
        Self { when, given_up: false, polls: 0, took: Duration::ZERO }
    }

    /// Runs a call until it is done or given up.
    pub(crate) async fn run<F: Future>(&mut self, call: impl FnOnce() -> F) -> Option<F::Output> {
        let begun = std::time::Instant::now();
        let call = call();
        let limit = match self.when {
            When::After(time) => tokio::time::timeout(time, self.polled(call)).await.ok().flatten(),
            _ => self.polled(call).await,
        };
        self.given_up = limit.is_none();
        self.took = begun.elapsed();
        limit
    }

    async fn polled<F: Future>(&mut self, call: F) -> Option<F::Output> {
        let (max, woken) = match self.when {
            When::Never | When::After(_) => (usize::MAX, false),
            When::Polls(n) => (n, false),
            When::Woken(n) => (n, true),
        };
        let mut call = pin!(call);
        let mut signal: Option<Arc<Woken>> = None;
        let polls = &mut self.polls;
        poll_fn(|cx| {
            if let Some(signal) = &signal {
                // Polled often enough: only the wake is waited for.
                return if signal.0.load(Ordering::Acquire) { Poll::Ready(None) } else { Poll::Pending };
            }
            if *polls == max {
                return Poll::Ready(None);
            }
            *polls += 1;
            let told = Arc::new(Woken(AtomicBool::new(false), cx.waker().clone()));
            let waker = Waker::from(told.clone());
            if let Poll::Ready(value) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(Some(value));
            }
            if *polls < max {
                return Poll::Pending;
            }
            if !woken {
                return Poll::Ready(None);
            }
            let done = told.0.load(Ordering::Acquire);
            signal = Some(told);
            if done { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

/// What a process and a node hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    sockets: usize,
    /// Of graphs.
    pub(crate) threads: usize,
    /// Open files in the directories of the test.
    open_files: usize,
    files: Vec<String>,
    node: Census,
    stored: Vec<GraphId>,
    identities: Vec<PeerName>,
}

impl Held {
    pub(crate) fn now(node: &Node, dir: &Path) -> Self {
        let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let links: Vec<_> = links.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
        let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
        let threads = threads.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        Self {
            sockets: links.iter().filter(|to| to.to_string_lossy().starts_with("socket:")).count(),
            threads: threads.filter(|name| name.trim() == "peergraph").count(),
            open_files: links.iter().filter(|to| is_counted(to, dir)).count(),
            files: files(dir),
            node: Census { connections: 0, ..node.census() },
            stored: node.stored_graphs(),
            identities: node.identities().list().iter().map(peergraph::Identity::peer_name).collect(),
        }
    }

    /// True if nothing is there that was not there before. What was about to end then may have ended since.
    fn has_no_more_than(&self, before: &Self) -> bool {
        let counts = |held: &Self| [held.sockets, held.threads, held.open_files];
        let fewer = counts(self).into_iter().zip(counts(before)).all(|(now, before)| now <= before);
        let lists =
            |held: &Self| (held.files.clone(), held.node, held.stored.clone(), held.identities.clone());
        fewer && lists(self) == lists(before)
    }

    /// Waits until all is as it was.
    pub(crate) async fn again(&self, node: &Node, dir: &Path, what: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let now = Self::now(node, dir);
            if now.has_no_more_than(self) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{what} leaves something behind:\nbefore {self:#?}\nafter {now:#?}"
            );
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}

/// Readers of an open database keep some files open for the next: as many as there were readers at once.
fn is_counted(to: &Path, dir: &Path) -> bool {
    to.starts_with(dir) && !to.to_string_lossy().contains(".db")
}

/// All files under a directory, those that SQLite has beside a database left out.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.to_string_lossy().into_owned();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                dirs.push(path);
            } else if !name.ends_with("-wal") && !name.ends_with("-shm") {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

/// How often each call was tried, and given up.
#[derive(Default)]
pub(crate) struct Tally(pub(crate) BTreeMap<&'static str, (usize, usize)>);

impl Tally {
    pub(crate) fn note(&mut self, call: &'static str, cut: &Cut) {
        let (tried, given_up) = self.0.entry(call).or_default();
        *tried += 1;
        *given_up += usize::from(cut.given_up);
    }
}
