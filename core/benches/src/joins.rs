//! Joining what is large: a million records, and two hundred thousand over a slow network that fails again and again.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use peergraph::{Durability, InviteLink, JoinGraph, JoinGroup, Node, NodeConfig, SyncProgress, Ticket};

use crate::{
    ours::{SIZE, equal, fill},
    report::{Report, Watch, forget_peak, peak_rss_mib, rss_mib},
    throttle::{Throttle, behind, through},
};

const MILLION: usize = 1_000_000;
const THROTTLED: usize = 200_000;
/// Bytes a second that the slow network lets through.
const RATE: u64 = 1_000_000;
/// How long it works, and how long it then fails: long enough for both ends to notice.
const WORKS: Duration = Duration::from_secs(20);
const FAILS: Duration = Duration::from_secs(6);
/// Bytes that may cross more than once, of all.
const TWICE: f64 = 0.02;
const IN_FLIGHT: usize = 64;

/// The last progress that a join told.
type Told = Arc<Mutex<Option<SyncProgress>>>;

fn progress() -> (Told, impl Fn(SyncProgress) + Send + Sync + 'static) {
    let told = Told::default();
    let to = told.clone();
    (told, move |now| *to.lock().expect("no holder panics") = Some(now))
}

fn last(told: &Told) -> Result<SyncProgress> {
    told.lock().expect("no holder panics").context("no progress was told")
}

/// Checks that the progress ended with all records, each counted once. Besides those of the application there are the
/// graph's own: properties, presence, credentials.
fn check_progress(last: SyncProgress, records: usize) -> Result<()> {
    ensure!(last.records == last.records_expected, "the progress does not end with all: {last:?}");
    ensure!((records..records + 32).contains(&usize::try_from(last.records)?), "{last:?}");
    Ok(())
}

/// A newcomer with an empty data directory joins a group of a million records.
pub async fn million(report: &mut Report) -> Result<()> {
    let (theirs, own) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let watch = Watch::start();
    let config = NodeConfig { durability: Durability::Relaxed, ..NodeConfig::loopback().at(theirs.path()) };
    let admitter = Node::start(config).await?;
    let group = admitter.create_group("bench").await?;
    fill(&group, 0, MILLION, SIZE, IN_FLIGHT).await?;
    report.put("publishing them before, s", watch.seconds());
    let (told, tell) = progress();
    let join = JoinGroup::from(group.invite_link(InviteLink::default()).await?).on_progress(tell);
    let before = rss_mib();
    forget_peak();
    let watch = Watch::start();
    let newcomer = Node::start(NodeConfig::loopback().at(own.path())).await?;
    let joined = newcomer.join_group(join).await?;
    report.put("records/s", MILLION as f64 / watch.seconds());
    report.put("s", watch.seconds());
    report.put("CPU us a record", watch.cpu() * 1e6 / MILLION as f64);
    report.put("the process before, MiB", before);
    report.put("its peak while joining, MiB", peak_rss_mib());
    let last = last(&told)?;
    report.put("records of the group's own that came too", last.records as f64 - MILLION as f64);
    check_progress(last, MILLION)?;
    equal(&group, &joined).await
}

/// Two hundred thousand records over a network of 1 MB/s: once while it works, and once while it fails every 20 s.
pub async fn throttled(report: &mut Report) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = NodeConfig { durability: Durability::Relaxed, ..NodeConfig::loopback().at(dir.path()) };
    let admitter = behind(config).await;
    let graph = admitter.create_graph("bench").await?;
    graph.listen().await?;
    fill(&graph, 0, THROTTLED, SIZE, IN_FLIGHT).await?;
    let mut crossed = [0; 2];
    for (fails, crossed) in [false, true].into_iter().zip(&mut crossed) {
        let network = Arc::new(Throttle::new(admitter.bound()[0], RATE).await);
        let ticket = Ticket { nodes: vec![through(&admitter, &network)], ..graph.ticket().await? };
        let failures = Arc::new(AtomicU32::new(0));
        let failing = fails.then(|| tokio::spawn(fail(network.clone(), failures.clone())));
        let own = tempfile::tempdir()?;
        let watch = Watch::start();
        let newcomer = Node::start(NodeConfig::loopback().at(own.path())).await?;
        let (told, tell) = progress();
        let joined = newcomer.join(JoinGraph::from(ticket).on_progress(tell)).await?;
        let name = if fails { "failing" } else { "working" };
        report.put(&format!("{name}: s"), watch.seconds());
        if let Some(failing) = failing {
            failing.abort();
            network.cut(false);
            report.put(&format!("{name}: failures"), failures.load(Ordering::Relaxed).into());
        }
        check_progress(last(&told)?, THROTTLED)?;
        equal(&graph, &joined).await?;
        *crossed = network.passed();
        report.put(&format!("{name}: bytes a record"), *crossed as f64 / THROTTLED as f64);
        newcomer.shutdown().await;
    }
    let twice = crossed[1] as f64 / crossed[0] as f64 - 1.0;
    report.put("what crossed more than once, %", twice * 100.0);
    ensure!(twice <= TWICE, "{} bytes instead of {}", crossed[1], crossed[0]);
    Ok(())
}

/// Cuts the network every 20 s, and counts how often.
async fn fail(network: Arc<Throttle>, failures: Arc<AtomicU32>) {
    loop {
        tokio::time::sleep(WORKS).await;
        network.cut(true);
        failures.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(FAILS).await;
        network.cut(false);
    }
}
