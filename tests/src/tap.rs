//! A listener on the wire.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

/// A relay for UDP on loopback that keeps what passes, datagram by datagram.
///
/// # Panics
/// If there are no sockets.
pub async fn tap(target: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<Vec<u8>>>>) {
    let front = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let back = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    back.connect(target).await.expect("a socket");
    let (addr, heard) = (front.local_addr().expect("a bound socket"), Arc::new(Mutex::new(Vec::new())));
    let keep = heard.clone();
    tokio::spawn(async move {
        let (mut out, mut home) = (vec![0; 65536], vec![0; 65536]);
        let mut caller = None;
        loop {
            tokio::select! {
                Ok((len, from)) = front.recv_from(&mut out) => {
                    caller = Some(from);
                    keep.lock().expect("nobody panics with it").push(out[..len].to_vec());
                    let _ = back.send(&out[..len]).await;
                }
                Ok(len) = back.recv(&mut home) => {
                    keep.lock().expect("nobody panics with it").push(home[..len].to_vec());
                    if let Some(caller) = caller {
                        let _ = front.send_to(&home[..len], caller).await;
                    }
                }
            }
        }
    });
    (addr, heard)
}
