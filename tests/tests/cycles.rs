//! Making and closing many groups: alone in its process, which is counted.

use std::fs;

use peergraph::{CreateGroup, events::EventFilter};
use peergraph_tests::{eventually, identities::key, node_as, note};

/// Open files, threads, and memory in use in KiB, of this process.
fn in_use() -> (usize, usize, usize) {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let field = |name: &str| -> usize {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a field of the status");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    };
    let files = fs::read_dir("/proc/self/fd").expect("Linux").count();
    (files, field("Threads:"), field("VmRSS:"))
}

#[tokio::test(flavor = "multi_thread")]
async fn x4_ten_thousand_groups_made_and_closed_leave_nothing() {
    const CYCLES: usize = 10_000;
    let ada = node_as(&key(1)).await;
    let shared = ada.create_group("stays").await.unwrap();
    let cycle = |number: usize| {
        let (ada, id) = (ada.clone(), shared.id());
        async move {
            let club = ada.create_group(CreateGroup::from("x4")).await.unwrap();
            let events = club.events(EventFilter::all()).unwrap();
            // And another handle of one that is open all the time.
            let handle = ada.open_group(id).await.unwrap();
            if number.is_multiple_of(10) {
                club.publish(note("x4")).await.unwrap();
            }
            handle.close().await;
            club.close().await;
            while events.next().await.is_some() {}
        }
    };
    let run = |from: usize, to: usize| async move {
        for number in from..to {
            cycle(number).await;
        }
    };
    run(0, CYCLES / 10).await;
    let (files, threads, memory) = in_use();
    run(CYCLES / 10, CYCLES).await;
    // Threads end a moment after they are told to.
    eventually("files and threads are as before", || async {
        let now = in_use();
        now.0 <= files + 4 && now.1 <= threads + 4
    })
    .await;
    let grown = in_use().2.saturating_sub(memory);
    // 9,000 cycles: a group that stayed would cost tens of KiB.
    assert!(grown < 9_000 * 2, "{grown} KiB more than after the first thousand");
    assert_eq!(ada.open_graphs().len(), 1);
    shared.publish(note("works")).await.unwrap();
}
