//! A bare iroh connection: the limit for direct connections.

use anyhow::{Context, Result, ensure};
use iroh::{
    address_lookup::memory::MemoryLookup,
    endpoint::{Connection, RecvStream},
    protocol::{AcceptError, ProtocolHandler, Router},
};

use crate::{
    ours::{DATA, MESSAGES, ROUNDS},
    report::{Report, Watch, nanos},
    wires,
};

const ALPN: &[u8] = b"peergraph-bench/raw";
const ECHO: u8 = 0;

/// Echoes on streams of one kind, counts frames on the others.
#[derive(Debug, Clone)]
struct Peer;

impl ProtocolHandler for Peer {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        while let Ok((mut send, mut receive)) = connection.accept_bi().await {
            tokio::spawn(async move {
                let mut kind = [0];
                receive.read_exact(&mut kind).await?;
                if kind[0] == ECHO {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Some(n) = receive.read(&mut buffer).await? {
                        send.write_all(&buffer[..n]).await?;
                    }
                } else {
                    send.write_all(&count_frames(&mut receive).await?.to_le_bytes()).await?;
                }
                send.finish()?;
                anyhow::Ok(())
            });
        }
        Ok(())
    }
}

/// Reads frames of a four-byte length and a body until the stream ends.
async fn count_frames(receive: &mut RecvStream) -> Result<u64> {
    let (mut buffer, mut have, mut messages) = (vec![0u8; 256 * 1024], 0, 0u64);
    while let Some(n) = receive.read(&mut buffer[have..]).await? {
        have += n;
        let mut at = 0;
        while have - at >= 4 {
            let len = u32::from_le_bytes(buffer[at..at + 4].try_into()?) as usize;
            if have - at < 4 + len {
                break;
            }
            at += 4 + len;
            messages += 1;
        }
        buffer.copy_within(at..have, 0);
        have -= at;
    }
    Ok(messages)
}

pub async fn direct(report: &mut Report) -> Result<()> {
    let lookup = MemoryLookup::new();
    let server = wires::endpoint(&lookup).await?;
    let _router = Router::builder(server.clone()).accept(ALPN, Peer).spawn();
    let client = wires::endpoint(&lookup).await?;
    let connection = client.connect(wires::address(&server)?, ALPN).await?;

    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(&[ECHO]).await?;
    let mut message = [7; 100];
    let mut trips = Vec::new();
    for _ in 0..ROUNDS {
        let at = nanos();
        send.write_all(&message).await?;
        receive.read_exact(&mut message).await?;
        trips.push(nanos() - at);
    }
    report.put_ms("round trip of 100 B", trips);

    let (mut send, mut receive) = connection.open_bi().await?;
    let watch = Watch::start();
    send.write_all(&[1]).await?;
    let frame = [&(DATA as u32).to_le_bytes()[..], &[7; DATA]].concat();
    for _ in 0..MESSAGES {
        send.write_all(&frame).await?;
    }
    send.finish()?;
    let reply = receive.read_to_end(8).await?;
    let got = u64::from_le_bytes(reply.as_slice().try_into().context("a reply")?);
    ensure!(got == MESSAGES as u64, "{got} arrived");
    report.put("1 KiB messages/s", MESSAGES as f64 / watch.seconds());
    report.put("CPU us a message", watch.cpu() * 1e6 / MESSAGES as f64);
    Ok(())
}
