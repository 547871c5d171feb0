//! C32: a disk that was full and has room again.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use peergraph::{ErrorKind, ListQuery, RecordDraft};
use peergraph_tests::{converge, eventually, founder, node_at, note};

/// A small file system of its own, gone when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    /// `None` if this user may not mount.
    fn new(megabytes: usize) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|done| done.status.success()).then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let _ = fs::write(self.path().join("filler"), vec![7; 64 << 20]);
        let full = fs::write(self.path().join("probe"), [7; 4096]).is_err();
        assert!(full, "the disk is full now");
    }

    fn make_room(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
        let _ = fs::remove_file(self.path().join("probe"));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c32_others_records_come_within_seconds_once_a_full_disk_has_room_again() {
    let Some(disk) = Mount::new(16) else {
        println!("SKIPPED c32: only root on Linux can mount a small disk to fill it");
        return;
    };
    let (first, graph) = founder("c32").await;
    let second = node_at(&disk.path().join("data")).await;
    let joined = second.join(graph.ticket().await.unwrap()).await.unwrap();
    converge(&[&graph, &joined]).await;
    disk.fill();
    for n in 0..100 {
        graph.publish(RecordDraft::new("note", vec![n; 20_000]).unwrap()).await.unwrap();
    }
    let large = || RecordDraft::new("note", vec![1; 500_000]).unwrap();
    let failed = joined.publish(large()).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Storage, "{failed}");
    let count = |graph: &peergraph::Graph| {
        let graph = graph.clone();
        async move { graph.list(ListQuery { count: true, ..ListQuery::default() }).await.unwrap().total.unwrap() }
    };
    assert!(count(&joined).await < 100, "the disk was not full");
    // Full for longer than the shortest pause between two tries.
    tokio::time::sleep(Duration::from_secs(3)).await;
    disk.make_room();
    let since = Instant::now();
    eventually("everything is here", || async { count(&joined).await == 100 }).await;
    converge(&[&graph, &joined]).await;
    println!("everything was here {:?} after there was room again", since.elapsed());
    assert!(
        since.elapsed() < Duration::from_secs(20),
        "{:?}: not with the next comparison a minute later",
        since.elapsed()
    );
    joined.publish(large()).await.unwrap();
    joined.publish(note("and it goes on")).await.unwrap();
    converge(&[&graph, &joined]).await;
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c32_a_write_that_a_full_disk_lost_is_not_acknowledged_by_the_pause_or_close_after_it() {
    let Some(disk) = Mount::new(16) else {
        println!("SKIPPED c32: only root on Linux can mount a small disk to fill it");
        return;
    };
    let node = node_at(&disk.path().join("data")).await;
    let graph = node.create_graph("c32").await.unwrap();
    disk.fill();
    let large = || RecordDraft::new("note", vec![1; 500_000]).unwrap();
    let (lost, paused) = (graph.publish(large()), node.pause());
    assert_eq!(lost.await.unwrap_err().kind(), ErrorKind::Storage, "before a pause");
    paused.await.unwrap();
    node.resume().await.unwrap();
    let (lost, closed) = (graph.publish(large()), graph.close());
    assert_eq!(lost.await.unwrap_err().kind(), ErrorKind::Storage, "before a close");
    closed.await;
    disk.make_room();
    let graph = node.open_graph(graph.id(), peergraph_tests::offline()).await.unwrap();
    let all = graph.list(ListQuery { count: true, ..ListQuery::default() }).await.unwrap();
    assert_eq!(all.total, Some(0), "neither is here");
    graph.publish(large()).await.unwrap();
    node.shutdown().await;
}
