//! What anybody on the wire can read of a QUIC handshake: its first packets are sealed with a key that follows from
//! what is in the clear (RFC 9001, 5.2).

use rustls::{
    Side,
    crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
    quic::{Keys, Version},
};

/// What the accepting end chose.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// The cipher suite.
    pub suite: u16,
    /// The version of TLS.
    pub version: Option<u16>,
    /// The group of the key exchange, and this end's share of it.
    pub share: Option<(u16, Vec<u8>)>,
    /// True if a key from an earlier connection is used.
    pub resumed: bool,
}

/// The `ServerHello` of each connection that was overheard from its beginning.
pub fn server_hellos(datagrams: &[Vec<u8>]) -> Vec<ServerHello> {
    let mut keys: Vec<(Vec<u8>, Keys)> = Vec::new();
    let mut found = Vec::new();
    for datagram in datagrams {
        let Some(initial) = Initial::of(datagram) else { continue };
        // The answer goes to the id that the dialler gave itself.
        if let Some(at) = keys.iter().position(|(dialler, _)| *dialler == initial.to) {
            if let Some(hello) = open(&keys[at].1, datagram, &initial).and_then(|plain| parse(&plain)) {
                found.push(hello);
                keys.remove(at);
            }
        } else if keys.iter().all(|(dialler, _)| *dialler != initial.from) {
            let suite = TLS13_AES_128_GCM_SHA256.tls13().and_then(|suite| suite.quic_suite());
            let suite = suite.expect("the suite of the first packets");
            keys.push((initial.from.clone(), suite.keys(&initial.to, Side::Client, Version::V1)));
        }
    }
    found
}

/// An `Initial` packet at the beginning of a datagram.
struct Initial {
    to: Vec<u8>,
    from: Vec<u8>,
    /// Where the packet number is.
    number_at: usize,
    end: usize,
}

impl Initial {
    fn of(datagram: &[u8]) -> Option<Self> {
        let first = *datagram.first()?;
        if first & 0xf0 != 0xc0 || datagram.get(1..5)? != [0, 0, 0, 1] {
            return None;
        }
        let mut at = 5;
        let mut id = || {
            let len = usize::from(*datagram.get(at)?);
            let id = datagram.get(at + 1..at + 1 + len)?.to_vec();
            at += 1 + len;
            Some(id)
        };
        let (to, from) = (id()?, id()?);
        let token = number(datagram, &mut at)?;
        at += token;
        let len = number(datagram, &mut at)?;
        (at + len <= datagram.len()).then_some(Self { to, from, number_at: at, end: at + len })
    }
}

/// A number in QUIC's variable length.
fn number(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let first = *bytes.get(*at)?;
    let len = 1 << (first >> 6);
    let rest = bytes.get(*at + 1..*at + len)?;
    *at += len;
    Some(rest.iter().fold(usize::from(first & 0x3f), |sum, byte| (sum << 8) | usize::from(*byte)))
}

/// Takes the protection off.
fn open(keys: &Keys, datagram: &[u8], initial: &Initial) -> Option<Vec<u8>> {
    let mut packet = datagram[..initial.end].to_vec();
    let sample = packet.get(initial.number_at + 4..initial.number_at + 20)?.to_vec();
    let mut number = packet[initial.number_at..initial.number_at + 4].to_vec();
    keys.remote.header.decrypt_in_place(&sample, &mut packet[0], &mut number).ok()?;
    let len = usize::from(packet[0] & 3) + 1;
    packet[initial.number_at..initial.number_at + len].copy_from_slice(&number[..len]);
    let number = number[..len].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    let (header, sealed) = packet.split_at_mut(initial.number_at + len);
    keys.remote.packet.decrypt_in_place(number, header, sealed).ok().map(<[u8]>::to_vec)
}

/// Finds the `ServerHello` among the frames of a packet.
fn parse(frames: &[u8]) -> Option<ServerHello> {
    let mut at = 0;
    loop {
        match number(frames, &mut at)? {
            0 | 1 => {} // padding, ping
            2 => {
                // An acknowledgement: largest, delay, count, first, and pairs.
                number(frames, &mut at)?;
                number(frames, &mut at)?;
                let pairs = number(frames, &mut at)?;
                for _ in 0..=2 * pairs {
                    number(frames, &mut at)?;
                }
            }
            6 => {
                let offset = number(frames, &mut at)?;
                let len = number(frames, &mut at)?;
                return if offset == 0 { hello(frames.get(at..at + len)?) } else { None };
            }
            _ => return None,
        }
    }
}

fn hello(message: &[u8]) -> Option<ServerHello> {
    let short = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
    if *message.first()? != 2 {
        return None;
    }
    // Type and length, version of old, random, session id.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(*message.get(at)?);
    let suite = short(at)?;
    at += 3;
    let end = at + 2 + usize::from(short(at)?);
    at += 2;
    let mut found = ServerHello { suite, version: None, share: None, resumed: false };
    while at < end {
        let (kind, len) = (short(at)?, usize::from(short(at + 2)?));
        at += 4;
        match kind {
            43 => found.version = short(at),
            51 => found.share = Some((short(at)?, message.get(at + 4..at + len)?.to_vec())),
            41 => found.resumed = true,
            _ => {}
        }
        at += len;
    }
    Some(found)
}
