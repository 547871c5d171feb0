//! A slow and unsteady way between two nodes.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use peergraph::{Node, NodeAddr, NodeConfig};
use tokio::net::UdpSocket;

/// Bytes that may wait in front of the bottleneck; what comes beyond is lost, as in a router.
const QUEUE: usize = 64 * 1024;

/// A relay for UDP datagrams that lets so many bytes a second through to the caller, and nothing while it is cut.
#[derive(Debug)]
pub struct Throttle {
    /// Where to send to instead of the target.
    pub addr: SocketAddr,
    passed: Arc<AtomicU64>,
    cut: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Throttle {
    /// In front of a target.
    ///
    /// # Panics
    /// If there are no sockets.
    pub async fn new(target: SocketAddr, bytes_per_second: u64) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let addr = front.local_addr().expect("a bound socket");
        let (passed, cut) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let task = tokio::spawn(relay(front, target, bytes_per_second, passed.clone(), cut.clone()));
        Self { addr, passed, cut, task }
    }

    /// Bytes that came through to the caller.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Lets nothing through in either way, or everything again.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }
}

async fn relay(
    front: UdpSocket,
    target: SocketAddr,
    rate: u64,
    passed: Arc<AtomicU64>,
    cut: Arc<AtomicBool>,
) {
    let back = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.expect("a socket");
    back.connect(target).await.expect("a socket");
    let (mut out, mut home) = (vec![0; 65536], vec![0; 65536]);
    let mut caller = None;
    let (mut waiting, mut waiting_bytes) = (VecDeque::<Vec<u8>>::new(), 0);
    // When the last datagram will have gone through the bottleneck.
    let mut free = Instant::now();
    loop {
        let next = waiting.front().map(|_| free);
        tokio::select! {
            Ok((len, from)) = front.recv_from(&mut out) => {
                caller = Some(from);
                if !cut.load(Ordering::Relaxed) {
                    let _ = back.send(&out[..len]).await;
                }
            }
            Ok(len) = back.recv(&mut home) => {
                if waiting_bytes + len <= QUEUE {
                    waiting_bytes += len;
                    waiting.push_back(home[..len].to_vec());
                }
            }
            () = tokio::time::sleep_until(next.unwrap_or(free).into()), if next.is_some() => {
                let datagram = waiting.pop_front().expect("one is waiting");
                waiting_bytes -= datagram.len();
                let took = Duration::from_secs_f64(datagram.len() as f64 / rate as f64);
                free = free.max(Instant::now() - Duration::from_millis(20)) + took;
                if let Some(caller) = caller.filter(|_| !cut.load(Ordering::Relaxed)) {
                    passed.fetch_add(datagram.len() as u64, Ordering::Relaxed);
                    let _ = front.send_to(&datagram, caller).await;
                }
            }
        }
    }
}

/// A node that is reached over IPv6 alone: nodes on IPv4 need a [`Throttle`] to get there, and have no other way.
///
/// # Panics
/// If the system gives no socket.
pub async fn behind(config: NodeConfig) -> Node {
    let bind = vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    Node::start(NodeConfig { bind, ..config }).await.expect("a loopback socket")
}

/// The way to a node through a throttle.
pub fn through(node: &Node, throttle: &Throttle) -> NodeAddr {
    NodeAddr::at(node.id(), [throttle.addr])
}
