//! Attacks by members.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use peergraph::{
    NodeAddr, RecordType, SecretKey,
    ids::ElementId,
    record::{DeviceCertificate, Presence, RecordKey, SignedRecord},
    records::presence_nonce,
    time::Hlc,
    wire::{
        Connect, Digest, Filter, Freshness, Goodbye, GoodbyeReason, Lost, Mark, Message, Ping, Purpose,
        Range, RangeState, Stream, SyncMessage, TypeDigest, put_data,
    },
};
use tokio::task::JoinSet;

use super::{
    attacker::{Attacker, Ended, READER, RawLink, framed, identity, now, ping},
    attacks::at_share,
};

/// Carries out one of these attacks.
pub(super) async fn attack(attacker: &Attacker, name: &str) {
    match name {
        "b2-graft" => graft(attacker).await,
        "b2-pongs" => pongs(attacker).await,
        "b2-acks" => data(attacker).await,
        "b3-opens" => sessions(attacker, 500, |n| vec![open(n, Vec::new()); 1]).await,
        "b3-ranges" => sessions(attacker, 500, ranges).await,
        "b4-old" => old(attacker, 300).await,
        "b5-presence" => presences(attacker).await,
        "b6-urgent" => churn(attacker, READER, |connect| connect.urgent = true, false).await,
        "b7-clocks" => clocks(attacker).await,
        "b8-claims" => {
            sessions(attacker, 0, |n| if n < 4 { vec![open(n, Vec::new())] } else { Vec::new() }).await
        }
        "b9-mark" => marks(attacker).await,
        "2-empty-records" => frames_again(attacker, Stream::Records, &empty_records()).await,
        "3-tiny-frames" => frames_again(attacker, Stream::Control, &[1, 0, 0, 0, 0x60].repeat(10_000)).await,
        "5-probes" => probes(attacker).await,
        "7-old-large" => old(attacker, 1024 * 1024 - 4096).await,
        "8-addresses" => addresses(attacker).await,
        "10-have" => sessions(attacker, 0, have).await,
        "11-prune" => flood(attacker, |n| Message::Prune((n * 256..(n + 1) * 256).collect())).await,
        "13-expiry" => expiry(attacker).await,
        "14-held" => held(attacker).await,
        "15-slow-data" => slow_data(attacker).await,
        "17-signatures" => signatures(attacker).await,
        "18-types" => sessions(attacker, 0, |n| vec![open(n, types(n)), abort(n)]).await,
        "19-aborts" => sessions(attacker, 0, |n| vec![open(n, Vec::new()), abort(n)]).await,
        "20-lost" => lost(attacker).await,
        "churn" => churn(attacker, 0, |_| {}, true).await,
        "slow-frames" => slow_frames(attacker).await,
        "flood" => new_records(attacker).await,
        other => panic!("there is no attack {other}"),
    }
}

/// Repeats an act on neighbor links, each of a new node when the one before has ended.
async fn on_links(
    attacker: &Attacker,
    who: u8,
    read: bool,
    mut act: impl AsyncFnMut(&mut RawLink) -> Result<(), Ended>,
) {
    loop {
        let mut link = attacker.link(who, Purpose::Neighbor).await;
        if read {
            link.read_on();
        }
        let _ = act(&mut link).await;
        attacker.tally.ended.fetch_add(1, Relaxed);
    }
}

/// Sends one message after another on a neighbor link, and reads what comes.
async fn flood(attacker: &Attacker, message: impl Fn(u64) -> Message) {
    attacker.ready().await;
    let mut number = 0;
    on_links(attacker, 0, true, async |link| {
        loop {
            link.send(&message(number)).await?;
            number += 1;
        }
    })
    .await;
}

async fn frames_again(attacker: &Attacker, stream: Stream, bytes: &[u8]) {
    attacker.ready().await;
    on_links(attacker, 0, true, async |link| {
        loop {
            link.raw(stream, bytes).await?;
        }
    })
    .await;
}

fn empty_records() -> Vec<u8> {
    // By hand: no honest program encodes so many. Variant, origin, count, lengths of nothing.
    let frame = [&[7, 1][..], &[0x80, 0x9f, 0x49], &vec![0; 1_200_000]].concat();
    framed(&frame)
}

async fn graft(attacker: &Attacker) {
    let record = attacker.record(0, 1, &vec![7; 1_000_000], |_| {});
    attacker.give(0, std::slice::from_ref(&record)).await;
    attacker.ready().await;
    let ask = Message::Graft { origin: 1, keys: vec![record.key(); 2000] };
    on_links(attacker, 0, false, async |link| {
        loop {
            link.send(&ask).await?;
        }
    })
    .await;
}

async fn pongs(attacker: &Attacker) {
    attacker.ready().await;
    let some: Vec<u8> = (0..1000).flat_map(|seq| framed(&Message::Ping(ping(seq, now())).encode())).collect();
    on_links(attacker, 0, false, async |link| {
        loop {
            link.raw(Stream::Control, &some).await?;
        }
    })
    .await;
}

async fn data(attacker: &Attacker) {
    attacker.ready().await;
    let mut some = BytesMut::new();
    let kind = RecordType::new("x.y").expect("a good type");
    (0..10_000).for_each(|_| put_data(&mut some, &kind, b""));
    on_links(attacker, 0, false, async |link| {
        let mut stream = link.stream(3).await?;
        loop {
            link.write(&mut stream, &some).await?;
        }
    })
    .await;
}

/// Number so many of many small records.
fn small(attacker: &Attacker, count: u64) -> Vec<SignedRecord> {
    (0..count).map(|number| attacker.record(0, number, &number.to_le_bytes(), |_| {})).collect()
}

/// Sends what `say` gives for each session in turn, on a group with so many records.
async fn sessions(attacker: &Attacker, records: u64, say: impl Fn(u32) -> Vec<Message>) {
    attacker.give(0, &small(attacker, records)).await;
    attacker.ready().await;
    let mut session = 0;
    on_links(attacker, 0, true, async |link| {
        loop {
            let messages = say(session);
            session += 1;
            if messages.is_empty() {
                link.ended().await;
                return Err(Ended);
            }
            for message in messages {
                link.send(&message).await?;
            }
        }
    })
    .await;
}

fn open(session: u32, types: Vec<TypeDigest>) -> Message {
    let digest = Digest { count: 1_000_000, hash: [9; 16] };
    Message::Sync(SyncMessage::Open { session, digest, types, fresh: Freshness::default() })
}

fn abort(session: u32) -> Message {
    Message::Sync(SyncMessage::Abort { session, initiator: true })
}

fn types(session: u32) -> Vec<TypeDigest> {
    let named = |number: u32| TypeDigest {
        record_type: RecordType::new(&format!("foreign.t{number}")).expect("a good type"),
        digest: Digest { count: 100, hash: [9; 16] },
    };
    (0..32).map(|number| named((session * 32 + number) % 65)).collect()
}

fn key_at(hlc: u64, element: u8) -> RecordKey {
    RecordKey { hlc: Hlc(hlc), element: ElementId::from_bytes([element; 16]) }
}

/// An open session, and messages of 64 ranges that each differ.
fn ranges(session: u32) -> Vec<Message> {
    let (end, step) = (Hlc::at(now()).0, 1 << 26);
    let begin = end - 64 * step;
    let state = || RangeState::Fingerprint(Digest { count: 100, hash: [9; 16] });
    let ranges: Vec<Range> = (1..=64)
        .map(|n| Range { to: (n < 64).then(|| key_at(begin + n * step, 1)), state: state() })
        .collect();
    let said =
        SyncMessage::Ranges { session, initiator: true, seen: 0, idle: false, filter: Filter::All, ranges };
    std::iter::once(open(session, Vec::new())).chain(std::iter::repeat_n(Message::Sync(said), 60)).collect()
}

fn have(session: u32) -> Vec<Message> {
    let messages = (0..255u64).map(|number| {
        let keys = (0..2048).map(|n| key_at((number * 2048 + n) << 30, 1)).collect();
        Message::Sync(SyncMessage::Have { session, initiator: true, seen: 0, idle: false, keys })
    });
    std::iter::once(open(session, Vec::new())).chain(messages).collect()
}

/// A first version that is sent again and again, and the present one that replaced it.
async fn old(attacker: &Attacker, size: usize) {
    let first = attacker.record(0, 1, &[1; 200], |_| {});
    let present = attacker.later(0, &first, &vec![2; size]);
    attacker.give(0, std::slice::from_ref(&first)).await;
    attacker.give(0, std::slice::from_ref(&present)).await;
    attacker.ready().await;
    let some = vec![first; 100];
    on_links(attacker, 0, size < 1000, async |link| {
        loop {
            link.push(&some).await?;
        }
    })
    .await;
}

async fn presences(attacker: &Attacker) {
    attacker.ready().await;
    let mut number = 0u64;
    on_links(attacker, READER, true, async |link| {
        loop {
            let some: Vec<SignedRecord> = (number..number + 50).map(|n| presence(attacker, n)).collect();
            number += 50;
            link.push(&some).await?;
            if number >= 20_000 {
                link.ended().await;
            }
        }
    })
    .await;
}

fn presence(attacker: &Attacker, number: u64) -> SignedRecord {
    let mut seed = [77; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let node = SecretKey::from_bytes(&seed);
    let addr = NodeAddr::at(node.node(), ["127.9.9.9:9".parse().expect("an address")]);
    let device = DeviceCertificate::issue(&identity(READER), node.node());
    let said = Presence::sign(&attacker.target.graph, &node, device, addr, (String::new(), now()));
    let body = postcard::to_stdvec(&said).expect("a presence always encodes");
    attacker.record(READER, number, &body, |header| {
        header.record_type = RecordType::new("peergraph.presence").expect("a good type");
        header.nonce = presence_nonce(&node.node());
        header.origin = None;
    })
}

/// Becomes a neighbor again and again; with a goodbye, or as long as the victim keeps the link.
async fn churn(attacker: &Attacker, who: u8, change: impl Fn(&mut Connect) + Copy, goodbye: bool) {
    attacker.ready().await;
    let mut kept = Vec::new();
    loop {
        let Ok((mut link, _)) = attacker.try_link(who, Purpose::Neighbor, change).await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        attacker.tally.sent.fetch_add(1000, Relaxed);
        if goodbye {
            let farewell = Goodbye { reason: GoodbyeReason::Leaving, referrals: Vec::new() };
            let _ = link.send(&Message::Goodbye(farewell)).await;
            // Until it is on its way: the connection ends with the link.
            tokio::time::sleep(Duration::from_millis(10)).await;
        } else {
            link.read_on();
            kept.push(link);
        }
    }
}

async fn clocks(attacker: &Attacker) {
    attacker.ready().await;
    let mut liars = JoinSet::new();
    for who in 0..5 {
        let attacker = attacker.clone();
        liars.spawn(async move {
            let fast = || now() + Duration::from_secs(19 * 60);
            loop {
                let mut link = attacker.link(who, Purpose::Neighbor).await;
                let mut told = Instant::now();
                let mut seq = 0;
                while let Ok(message) = link.next().await {
                    if let Message::Ping(asked) = message {
                        let pong = Message::Pong(Ping { peer_time: fast(), ..asked });
                        let _ = link.send(&pong).await;
                    }
                    if told.elapsed() > Duration::from_millis(500) {
                        (told, seq) = (Instant::now(), seq + 1);
                        let _ = link.send(&Message::Ping(ping(seq, fast()))).await;
                    }
                }
                attacker.tally.ended.fetch_add(1, Relaxed);
            }
        });
    }
    liars.join_all().await;
}

async fn marks(attacker: &Attacker) {
    let node = attacker.target.addr.node;
    let greatest = Mark { node, beat: u64::MAX };
    flood(attacker, |number| match number % 3 {
        0 => Message::Ping(Ping { seq: u32::MAX, peer_time: now(), mark: greatest }),
        1 => Message::Ack { useful: u32::MAX, useless: u32::MAX },
        _ => Message::Lost(vec![Lost { node, seen: Hlc(u64::MAX) }]),
    })
    .await;
}

async fn probes(attacker: &Attacker) {
    attacker.ready().await;
    let mut kept = Vec::new();
    loop {
        match attacker.try_link(0, Purpose::Probe, |_| {}).await {
            Ok((mut link, _)) => {
                link.read_on();
                attacker.tally.sent.fetch_add(1000, Relaxed);
                kept.push(link);
            }
            Err(Ended) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn addresses(attacker: &Attacker) {
    attacker.ready().await;
    let mut number = 0u16;
    on_links(attacker, 0, true, async |link| {
        loop {
            number = number.wrapping_add(1);
            let at = std::net::SocketAddr::new([127, 9, 0, 1].into(), 1000 + number % 2);
            link.send(&Message::Addresses(NodeAddr::at(link.node.node, [at]))).await?;
        }
    })
    .await;
}

async fn expiry(attacker: &Attacker) {
    attacker.ready().await;
    let end = now() + attacker.duration.mul_f64(0.7);
    let mut number = 0;
    let stop = at_share(attacker, 0.6);
    on_links(attacker, 0, true, async |link| {
        while Instant::now() < stop {
            let some: Vec<SignedRecord> = (number..number + 50)
                .map(|n| attacker.record(0, n, b"gone soon", |header| header.expires = Some(end)))
                .collect();
            number += 50;
            link.push(&some).await?;
        }
        link.ended().await;
        Ok(())
    })
    .await;
}

/// New records, made on the way.
async fn records(attacker: &Attacker, size: usize, ahead: Duration) {
    attacker.ready().await;
    let (mut number, body) = (0, vec![7; size]);
    on_links(attacker, 0, true, async |link| {
        loop {
            let some: Vec<SignedRecord> = (number..number + 50)
                .map(|n| {
                    attacker.record(0, n, &body, |header| {
                        header.created = now() + ahead;
                        header.hlc = Hlc::at(header.created);
                    })
                })
                .collect();
            number += 50;
            link.push(&some).await?;
        }
    })
    .await;
}

async fn held(attacker: &Attacker) {
    records(attacker, 1000, Duration::from_secs(300)).await;
}

async fn new_records(attacker: &Attacker) {
    records(attacker, 1000, Duration::ZERO).await;
}

async fn slow_data(attacker: &Attacker) {
    attacker.ready().await;
    let mut senders = JoinSet::new();
    for _ in 0..16 {
        let attacker = attacker.clone();
        senders.spawn(async move {
            loop {
                let mut link = attacker.link(0, Purpose::Direct).await;
                link.read_on();
                let Ok(mut stream) = link.stream(3).await else { continue };
                let mut whole = BytesMut::new();
                put_data(
                    &mut whole,
                    &RecordType::new("x.y").expect("a good type"),
                    &vec![7; 16 * 1024 * 1024],
                );
                // All but the end comes at once.
                let end = whole.split_off(whole.len() - 2000);
                let mut sent = link.write(&mut stream, &whole).await;
                for byte in end.chunks(1) {
                    sent = sent.and(link.write(&mut stream, byte).await);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                if sent.is_err() {
                    attacker.tally.ended.fetch_add(1, Relaxed);
                }
            }
        });
    }
    senders.join_all().await;
}

async fn signatures(attacker: &Attacker) {
    attacker.ready().await;
    let mut number = 0;
    loop {
        let mut link = attacker.neighbor(0).await;
        let good: Vec<SignedRecord> =
            (number..number + 20).map(|n| attacker.record(0, n, b"x", |_| {})).collect();
        number += 20;
        let mut envelopes: Vec<Bytes> = good.iter().map(|record| record.bytes().clone()).collect();
        let mut bad = envelopes[19].to_vec();
        // In the signature, before the body of one byte.
        let at = bad.len() - 3;
        bad[at] ^= 1;
        envelopes[19] = bad.into();
        let _ = link.send(&Message::Push { origin: link.node.node.tag(), records: envelopes }).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn lost(attacker: &Attacker) {
    attacker.ready().await;
    loop {
        let Ok((mut link, Message::Welcome(welcome))) =
            attacker.try_link(0, Purpose::Neighbor, |connect| connect.wants_referrals = true).await
        else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        link.read_on();
        let nodes = welcome.referrals.iter().map(|addr| addr.node).chain([attacker.target.addr.node]);
        let said: Vec<Lost> = nodes.map(|node| Lost { node, seen: Hlc::at(now()) }).collect();
        while link.send(&Message::Lost(said.clone())).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        attacker.tally.ended.fetch_add(1, Relaxed);
    }
}

async fn slow_frames(attacker: &Attacker) {
    attacker.ready().await;
    let control = framed(&vec![1; 128 * 1024]);
    let records = framed(&vec![1; 1024 * 1024]);
    on_links(attacker, 0, true, async |link| {
        // Nearly whole at once, then a byte at a time.
        link.raw(Stream::Records, &records[..records.len() - 1000]).await?;
        link.raw(Stream::Bulk, &records[..records.len() - 1000]).await?;
        link.raw(Stream::Control, &control[..control.len() - 1000]).await?;
        for at in 1..1000 {
            link.raw(Stream::Records, &records[at..=at]).await?;
            link.raw(Stream::Control, &control[at..=at]).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    })
    .await;
}
