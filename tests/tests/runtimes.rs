//! Whose runtime the nodes live on: the library's own, not the caller's.

use std::{backtrace::Backtrace, net::UdpSocket, panic, sync::Mutex};

use peergraph::{InviteLink, JoinGroup, NodeAddr, SecretKey};
use peergraph_tests::{converge, eventually, group, leaks::access_mut, node, note};
use tokio::runtime::Builder;

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn nodes_outlive_the_runtime_of_whoever_started_them() {
    panic::set_hook(Box::new(|info| {
        PANICS.lock().unwrap().push(format!("{info}\n{}", Backtrace::force_capture()));
    }));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    for _ in 0..3 {
        let first = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (nodes, groups) = first.block_on(async {
            let (ada, club) = group("runtimes").await;
            let link = club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
            let (mut nodes, mut groups) = (vec![ada], vec![club.clone()]);
            for _ in 0..3 {
                let node = node().await;
                groups.push(node.join_group(JoinGroup::from(link.clone())).await.unwrap());
                nodes.push(node);
            }
            // One that is still on its way when the runtime ends: nobody answers it.
            let late = node().await;
            let mut nowhere = club.set_password("correct horse", Default::default()).await.unwrap();
            let other = SecretKey::from_bytes(&[9; 32]).node();
            access_mut(&mut nowhere).nodes = vec![NodeAddr::at(other, [silent.local_addr().unwrap()])];
            let join = JoinGroup::from(nowhere).password("correct horse");
            let joiner = late.clone();
            tokio::spawn(async move { joiner.join_group(join).await });
            eventually("it calls", || async { silent.recv_from(&mut [0; 1]).is_ok() }).await;
            nodes.push(late);
            (nodes, groups)
        });
        drop(first);

        // Without a clock and sockets of its own.
        let second = Builder::new_current_thread().build().unwrap();
        second.block_on(async {
            groups[1].publish(note("after")).await.unwrap();
        });
        let third = Builder::new_current_thread().enable_all().build().unwrap();
        third.block_on(async {
            converge(&groups.iter().map(|group| &**group).collect::<Vec<_>>()).await;
        });
        second.block_on(async {
            for node in nodes {
                node.shutdown().await;
            }
        });
    }
    drop(panic::take_hook());
    let panics = std::mem::take(&mut *PANICS.lock().unwrap());
    assert!(panics.is_empty(), "{}", panics.join("\n"));
}
