//! Attacks by those without a membership.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use iroh::endpoint::Connection;
use peergraph::{
    SecretKey, Timestamp,
    crypto::Domain,
    wire::{JoinMessage, Message, Purpose, Stream, join_proof},
};
use tokio::task::JoinSet;

use super::attacker::{Attacker, Ended, REMOVED, ping};

/// So many at once do the same again and again, each time on a new connection of a new node.
async fn again<F>(attacker: &Attacker, count: usize, act: impl Fn(Attacker, Connection) -> F)
where
    F: Future<Output = Result<(), Ended>> + Send + 'static,
{
    attacker.ready().await;
    let mut workers = JoinSet::new();
    loop {
        while workers.len() < count {
            let node = attacker.node(0).await;
            let Ok(connection) = attacker.connection(&node).await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            // The packets of a handshake.
            attacker.tally.sent.fetch_add(2400, Relaxed);
            let (work, closed, tally) =
                (act(attacker.clone(), connection.clone()), connection.clone(), attacker.tally.clone());
            workers.spawn(async move {
                let _node = node;
                let _ = work.await;
                if closed.close_reason().is_some() {
                    tally.ended.fetch_add(1, Relaxed);
                }
            });
        }
        workers.join_next().await;
    }
}

pub(super) async fn nothing(attacker: &Attacker) {
    attacker.ready().await;
    // Something, so that the row counts as one.
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        attacker.tally.sent.fetch_add(1, Relaxed);
    }
}

pub(super) async fn hellos(attacker: &Attacker) {
    again(attacker, 20, |attacker, connection| async move {
        let mut streams = Vec::new();
        loop {
            let (mut send, receive) = connection.open_bi().await.map_err(|_| Ended)?;
            send.write_all(&[1]).await.map_err(|_| Ended)?;
            attacker.tally.sent.fetch_add(1, Relaxed);
            streams.push((send, receive));
        }
    })
    .await;
}

pub(super) async fn streams(attacker: &Attacker) {
    again(attacker, 100, |attacker, connection| async move {
        let mut writers = JoinSet::new();
        for number in 0..8u64 {
            let mut stream = connection.open_uni().await.map_err(|_| Ended)?;
            let tally = attacker.tally.clone();
            writers.spawn(async move {
                let preamble = [&[1][..], &(900 + number).to_le_bytes()].concat();
                for piece in std::iter::once(preamble).chain(std::iter::repeat_n(vec![7; 64 * 1024], 16)) {
                    stream.write_all(&piece).await.map_err(|_| Ended)?;
                    tally.sent.fetch_add(piece.len() as u64, Relaxed);
                }
                // Kept open.
                std::future::pending::<Result<(), Ended>>().await
            });
        }
        connection.closed().await;
        Ok(())
    })
    .await;
}

pub(super) async fn idle(attacker: &Attacker) {
    again(attacker, 400, |_, connection| async move {
        connection.closed().await;
        Ok(())
    })
    .await;
}

pub(super) async fn datagrams(attacker: &Attacker) {
    again(attacker, 20, |attacker, connection| async move {
        let data = Bytes::from(vec![7; 1000]);
        while connection.close_reason().is_none() {
            if connection.send_datagram_wait(data.clone()).await.is_err() {
                // Not taken at all: nothing can be sent.
                connection.closed().await;
            }
            attacker.tally.sent.fetch_add(1000, Relaxed);
        }
        Ok(())
    })
    .await;
}

pub(super) async fn resets(attacker: &Attacker) {
    again(attacker, 4, |attacker, connection| async move {
        loop {
            let (mut send, _receive) = connection.open_bi().await.map_err(|_| Ended)?;
            let _ = send.write(&[1]).await;
            let _ = send.reset(0u32.into());
            attacker.tally.sent.fetch_add(1, Relaxed);
        }
    })
    .await;
}

pub(super) async fn silent_links(attacker: &Attacker) {
    again(attacker, 40, |attacker, connection| async move {
        let node = attacker.node(0).await;
        let mut links = Vec::new();
        for number in 0..4 {
            links.push(attacker.open_on(&node, connection.clone(), number).await?);
            attacker.tally.sent.fetch_add(42, Relaxed);
        }
        connection.closed().await;
        Ok(())
    })
    .await;
}

pub(super) async fn early_records(attacker: &Attacker) {
    again(attacker, 8, |attacker, connection| async move {
        let node = attacker.node(0).await;
        let mut link = attacker.open_on(&node, connection, 7).await?;
        let record = attacker.record(0, 1, &vec![7; 1024 * 1024 - 1024], |_| {});
        for _ in 0..64 {
            link.push(std::slice::from_ref(&record)).await?;
        }
        link.ended().await;
        attacker.tally.ended.fetch_add(1, Relaxed);
        Ok(())
    })
    .await;
}

pub(super) async fn pings_joining(attacker: &Attacker) {
    attacker.ready().await;
    loop {
        let mut link = attacker.link(0, Purpose::Join).await;
        let some: Vec<u8> = (0..1000)
            .flat_map(|seq| super::attacker::framed(&Message::Ping(ping(seq, Timestamp(0))).encode()))
            .collect();
        while link.raw(Stream::Control, &some).await.is_ok() {}
        attacker.tally.ended.fetch_add(1, Relaxed);
    }
}

pub(super) async fn invites(attacker: &Attacker) {
    attacker.ready().await;
    let mut kept = Vec::new();
    for number in 0u64.. {
        let Ok((mut link, _)) = attacker.try_link(0, Purpose::Join, |_| {}).await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let (unknown, joiner) = (SecretKey::from_bytes(&seed), link.node.identity.peer());
        let proof = join_proof(&crate::insider::exporter(&link.connection), &joiner, &link.node.node);
        let signature = unknown.sign(Domain::Join, attacker.target.graph.as_bytes(), &proof);
        let invite = JoinMessage::Invite {
            key: unknown.peer(),
            issuer: crate::identities::key(1).peer(),
            signature,
            name: "Mallory".to_owned(),
        };
        let _ = link.send(&Message::Join(Box::new(invite))).await;
        let _ = link.next().await;
        kept.push(link);
    }
}

pub(super) async fn removed(attacker: &Attacker) {
    attacker.ready().await;
    let mut workers = JoinSet::new();
    for _ in 0..4 {
        let attacker = attacker.clone();
        workers.spawn(async move {
            loop {
                let _ = attacker.try_link(REMOVED, Purpose::Neighbor, |_| {}).await;
                attacker.tally.sent.fetch_add(1000, Relaxed);
                attacker.tally.ended.fetch_add(1, Relaxed);
            }
        });
    }
    workers.join_all().await;
}
