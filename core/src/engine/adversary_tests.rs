//! Members and strangers who sign and send what no honest node would, against real engines without links.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;

use super::{
    Engine,
    group_tests::{Village, plain_grant},
};
use crate::{
    authority::{Act, ActBody, Content, Grant},
    crypto::SecretKey,
    ids::{ActId, GraphId, LinkId, NodeId, PeerId},
    io::{Input, Output},
    record::{DeviceCertificate, Header, NodeAddr, Origin, RecordType, Role, SignedRecord},
    time::{Hlc, Timestamp},
    wire::{Connect, Mark, Message, Purpose, Refuse, RefuseReason, Stream},
};

mod acts;
mod admitting;
mod chains;
mod joining;
mod papers;
mod presence;
mod readmission;
mod records;
mod second_grants;
mod strangers;
mod unread;

/// The header of a first version, whoever signs it.
pub(super) fn header(creator: PeerId, record_type: RecordType, hlc: Hlc, nonce: [u8; 16]) -> Header {
    let origin = (!record_type.is_reserved()).then_some(Origin::First);
    Header { origin, ..Header::first(record_type, nonce, creator, hlc) }
}

/// An act as `author`'s word, signed by whatever key.
fn sign(
    graph: &GraphId,
    author: PeerId,
    key: &SecretKey,
    content: &Content,
    (by, hlc): (Option<ActId>, Hlc),
) -> SignedRecord {
    let (at, content) = (hlc.timestamp(), content.clone());
    let (header, body) = Act::draft(ActBody { author, by, after: Vec::new(), at, content }).to_record();
    SignedRecord::sign(graph, key, header, &body)
}

fn act_id(record: &SignedRecord) -> ActId {
    Act::of(record).expect("an act").id()
}

/// Somebody on a link of their own to an engine.
struct Caller {
    identity: SecretKey,
    node: NodeId,
    link: LinkId,
    exporter: [u8; 32],
}

impl Caller {
    fn new(village: &mut Village, identity: SecretKey) -> Self {
        let node = SecretKey::from_bytes(&village.rng.random()).node();
        Self { identity, node, link: LinkId(village.rng.random()), exporter: village.rng.random() }
    }

    fn device(&self) -> DeviceCertificate {
        DeviceCertificate::issue(&self.identity, self.node)
    }

    /// Opens the link and asks for it; the first answer, if there is one.
    fn connect(
        &self,
        village: &mut Village,
        to: usize,
        purpose: Purpose,
        credentials: Vec<Bytes>,
    ) -> Option<Message> {
        self.connect_as(village, to, purpose, self.device(), credentials)
    }

    /// The same with a certificate that may be another's.
    fn connect_as(
        &self,
        village: &mut Village,
        to: usize,
        purpose: Purpose,
        device: DeviceCertificate,
        credentials: Vec<Bytes>,
    ) -> Option<Message> {
        let opened = Input::LinkOpened {
            link: self.link,
            node: self.node,
            dial: None,
            source: None,
            exporter: self.exporter,
        };
        village.act(to, |engine, now| engine.handle_input(now, opened));
        let connect = Connect {
            purpose,
            device,
            addr: NodeAddr::at(self.node, ["127.0.0.1:9".parse().unwrap()]),
            expected: None,
            wants_referrals: true,
            urgent: false,
            instance: 1,
            ping: 1000,
            mark: Mark { node: NodeId::from_bytes([0; 32]), beat: 1 },
            credentials,
        };
        self.say(village, to, &Message::Connect(Box::new(connect))).into_iter().next()
    }

    /// Says something; what comes back on the control stream.
    fn say(&self, village: &mut Village, to: usize, message: &Message) -> Vec<Message> {
        let frame = Input::Frame { link: self.link, stream: message.stream(), bytes: message.encode() };
        village.act(to, |engine, now| engine.handle_input(now, frame));
        self.heard(&mut village.engines[to])
    }

    fn heard(&self, engine: &mut Engine) -> Vec<Message> {
        let mut heard = Vec::new();
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Send { link, stream: Stream::Control, frame, .. } if link == self.link => {
                    heard.push(Message::decode(&frame).unwrap());
                }
                _ => {}
            }
        }
        heard
    }

    fn hang_up(&self, village: &mut Village, to: usize) {
        let closed = Input::LinkClosed { link: self.link, why: crate::link::FailureReason::ClosedByPeer };
        village.act(to, |engine, now| engine.handle_input(now, closed));
    }
}

fn is_turned_away(answer: Option<&Message>) -> bool {
    match answer {
        None => true, // the link was closed
        Some(Message::Refuse(Refuse { reason: RefuseReason::NotAuthorized, referrals, .. })) => {
            referrals.is_empty()
        }
        Some(_) => false,
    }
}

/// A member's only grant, as it is stored at an engine.
fn grant_of(village: &Village, at: usize, subject: usize) -> (SignedRecord, Grant) {
    let subject = village.peer(subject);
    let found = village.records(at).into_iter().find_map(|record| {
        match Act::of(&record).map(|act| act.body().content.clone()) {
            Some(Content::Grant(grant)) if grant.subject == subject => Some((record, grant)),
            _ => None,
        }
    });
    found.expect("a grant")
}

/// Three generations: the creator, an admin with an end, a member below, and two who are none.
fn generations(seed: u64) -> Village {
    let mut village = Village::new(seed, 5);
    let (admin, member) = (village.peer(1), village.peer(2));
    let day = Some(Duration::from_secs(86_400));
    village.act(0, |engine, now| engine.grant(now, admin, "Ada", Role::Admin, day)).unwrap();
    village.copy(0, 1);
    village.pass(1);
    let hour = Some(Duration::from_secs(3600));
    village.act(1, |engine, now| engine.grant(now, member, "Ben", Role::Member, hour)).unwrap();
    for (from, to) in [(1, 2), (1, 0), (0, 2)] {
        village.copy(from, to);
    }
    village.pass(1);
    village.act(0, |engine, now| engine.listen(now)).unwrap();
    village
}
