//! Two honest nodes on data directories that hear nothing of each other, and a hostile member who signs what it likes, by
//! any grant, past and time, and shows it to each of them in another order.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use peergraph::{
    CreateGroup, Group, GroupRules, InviteLink, InviteMember, JoinGroup, ListQuery, Node, NodeConfig, NodeId,
    PeerId, RecordId, Role, SecretKey, Timestamp,
    authority::{Act, ActBody, Content, Grant, Keep, Remove},
    ids::ActId,
    record::{GraphSecret, Header, Origin, RecordType, SignedRecord},
    time::Hlc,
    wire::{Message, Purpose, RefuseReason},
};
use tempfile::TempDir;

use crate::{
    PATIENCE, converge, eventually, grant_of,
    identities::key,
    insider::{Impostor, Insider},
    leaks::access_of,
    offline, said,
};

/// The stream of a link on which records travel.
const RECORDS: u8 = 1;

/// An honest node with its directory.
#[derive(Debug)]
pub struct Side {
    dir: TempDir,
    identity: SecretKey,
    /// The node.
    pub node: Node,
    /// Its group.
    pub group: Group,
}

/// Both nodes and the hostile member.
#[derive(Debug)]
pub struct Scene {
    /// Made the group.
    pub ada: Side,
    /// An admin by her word.
    pub cyd: Side,
    /// The hostile member.
    pub rogue: SecretKey,
    secret: GraphSecret,
    /// A member in good standing by whose links everything is shown.
    carrier: SecretKey,
    papers: Vec<Bytes>,
    marks: u64,
}

/// A member: who, name, role, end, and by whose word.
type Listed = (PeerId, String, Option<Role>, Option<Timestamp>, Option<PeerId>);

/// What a node says of its group: members, acts, and records with what they say.
#[derive(Debug, PartialEq, Eq)]
pub struct View {
    members: BTreeSet<Listed>,
    acts: BTreeSet<Vec<u8>>,
    records: BTreeSet<(RecordId, u64, PeerId, bool, Vec<u8>)>,
}

/// A node for this identity.
async fn start(dir: &TempDir, identity: &SecretKey) -> Node {
    let config = NodeConfig { identity: Some(identity.clone()), ..NodeConfig::loopback().at(dir.path()) };
    Node::start(config).await.expect("a data directory and a loopback socket")
}

impl Side {
    /// Ends the node, starts it anew, and opens the group without any traffic.
    async fn restart(&mut self) {
        let id = self.group.id();
        self.node.shutdown().await;
        self.node = start(&self.dir, &self.identity).await;
        self.group = self.node.open_group_with(id, offline()).await.expect("its own group");
    }

    /// What it says.
    ///
    /// # Panics
    /// If the group is closed.
    pub async fn view(&self) -> View {
        let members = self.group.members().await.expect("an open group").into_iter();
        let members = members.map(|m| (m.peer, m.name, m.role, m.not_after, m.issuer)).collect();
        let acts = self.group.credentials().await.expect("an open group");
        let acts = acts.iter().map(|record| record.bytes().to_vec()).collect();
        let all = ListQuery { include_deleted: true, limit: 1000, ..ListQuery::default() };
        let records = self.group.list(all).await.expect("an open group").items.into_iter();
        let records = records.map(|r| (r.id, r.version, r.author, r.deleted, r.body.to_vec())).collect();
        View { members, acts, records }
    }

    /// What an identity may do here.
    ///
    /// # Panics
    /// If the group is closed.
    pub async fn role(&self, peer: PeerId) -> Option<Role> {
        let members = self.group.members().await.expect("an open group");
        members.into_iter().find(|member| member.peer == peer).and_then(|member| member.role)
    }

    /// What a record says here; `None` if it is not there.
    ///
    /// # Panics
    /// If the group is closed.
    pub async fn reads(&self, record: &SignedRecord) -> Option<String> {
        let found = self.group.get(record.id()).await.expect("an open group")?;
        found.body_text().map(ToOwned::to_owned)
    }

    /// True if this very act is here.
    ///
    /// # Panics
    /// If the group is closed.
    pub async fn has_act(&self, act: &SignedRecord) -> bool {
        let acts = self.group.credentials().await.expect("an open group");
        acts.iter().any(|record| record.bytes() == act.bytes())
    }
}

impl Scene {
    /// A group with these rules in which the hostile member has this role; both nodes have equal databases, and hear of each
    /// other no more.
    ///
    /// # Panics
    /// If that fails.
    pub async fn new(name: &str, rules: GroupRules, role: Role) -> Self {
        let mut scene = Self::together(name, rules, role).await;
        scene.part().await;
        scene
    }

    /// The same, while both hear of each other; see [`Scene::part`].
    ///
    /// # Panics
    /// If that fails.
    pub async fn together(name: &str, rules: GroupRules, role: Role) -> Self {
        let (hers, his) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
        let (rogue, carrier) = (key(66), key(67));
        let node = start(&hers, &key(1)).await;
        let group =
            node.create_group(CreateGroup { rules, ..CreateGroup::from(name) }).await.expect("a new group");
        let ada = Side { dir: hers, identity: key(1), node, group };
        let link = ada.group.invite_link(InviteLink::default()).await.expect("a link");
        let secret = access_of(&link).secret;
        for (whom, name, role) in [(&rogue, "Mallory", role), (&carrier, "Eve", Role::Member)] {
            let options = InviteMember { role, lifetime: None };
            ada.group.invite_peer(whom.peer(), name, options).await.expect("to invite");
        }
        let node = start(&his, &key(2)).await;
        let group = node.join_group(JoinGroup::from(link).named("Cyd")).await.expect("to join");
        let cyd = Side { dir: his, identity: key(2), node, group };
        ada.group.set_role(key(2).peer(), Role::Admin).await.expect("hers to give");
        let papers = vec![grant_of(&ada.group, carrier.peer()).await.bytes().clone()];
        converge(&[&ada.group, &cyd.group]).await;
        Self { ada, cyd, rogue, secret, carrier, papers, marks: 0 }
    }

    /// Starts both nodes anew, on other ports. They listen, and dial nobody.
    ///
    /// # Panics
    /// If that fails.
    pub async fn part(&mut self) {
        for side in [&mut self.ada, &mut self.cyd] {
            side.restart().await;
            side.group.listen().await.expect("to listen");
        }
    }

    /// An identity that Ada made a member.
    ///
    /// # Panics
    /// If she cannot.
    pub async fn invited(&self, byte: u8, role: Role) -> SecretKey {
        let options = InviteMember { role, lifetime: None };
        self.ada.group.invite_peer(key(byte).peer(), "", options).await.expect("to invite");
        key(byte)
    }

    /// An honest member's clock.
    ///
    /// # Panics
    /// If the group is closed.
    pub async fn now(&self) -> Timestamp {
        self.ada.group.peer_time().await.expect("an open group")
    }

    /// The latest acts that Ada knows: those that no other names.
    ///
    /// # Panics
    /// If the group is closed.
    pub async fn heads(&self) -> Vec<ActId> {
        let acts = self.ada.group.credentials().await.expect("an open group");
        let acts: Vec<Act> = acts.iter().filter_map(Act::of).filter(|act| !act.body().is_leaf()).collect();
        let named: BTreeSet<_> = acts.iter().flat_map(|act| act.body().parents().copied()).collect();
        acts.iter()
            .map(Act::id)
            .filter(|id| !named.contains(id))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// The grant by which Ada made an identity a member.
    ///
    /// # Panics
    /// If there is none.
    pub async fn grant(&self, peer: PeerId) -> ActId {
        Act::of(&grant_of(&self.ada.group, peer).await).expect("a grant").id()
    }

    /// An act of the hostile member, by the grant it was made a member by.
    pub async fn act(&self, after: &[ActId], at: Timestamp, content: Content) -> SignedRecord {
        let (author, by) = (self.rogue.peer(), Some(self.grant(self.rogue.peer()).await));
        let body = ActBody { author, by, after: after.to_vec(), at, content };
        self.sign(&self.rogue, Act::draft(body).to_record())
    }

    /// The hostile member's record number so many.
    pub async fn record(&self, number: u8, at: Timestamp, record_type: &str, text: &str) -> SignedRecord {
        let header = self.header(number, at, record_type).await;
        self.sign(&self.rogue, (header, text.into()))
    }

    /// The header of such a record as its first version.
    ///
    /// # Panics
    /// If the type is none.
    pub async fn header(&self, number: u8, at: Timestamp, record_type: &str) -> Header {
        let record_type = RecordType::new(record_type).expect("a good type");
        let grant = Some(*self.grant(self.rogue.peer()).await.as_bytes());
        let first =
            Header::first(record_type, [number.wrapping_add(100); 16], self.rogue.peer(), Hlc::at(at));
        Header { grant, origin: Some(Origin::First), ..first }
    }

    /// Signs whatever it is.
    pub fn sign(&self, who: &SecretKey, (header, body): (Header, Vec<u8>)) -> SignedRecord {
        SignedRecord::sign(&self.ada.group.id(), who, header, &body)
    }

    /// Shows records to Ada in this order, to Cyd in the opposite one.
    ///
    /// # Panics
    /// If they do not look at them in time.
    pub async fn show(&mut self, records: &[SignedRecord]) {
        let reversed: Vec<SignedRecord> = records.iter().rev().cloned().collect();
        self.show_to(false, records).await;
        self.show_to(true, &reversed).await;
    }

    /// Shows records to one of the two alone.
    ///
    /// # Panics
    /// If it does not look at them in time.
    pub async fn show_to(&mut self, is_cyd: bool, records: &[SignedRecord]) {
        self.marks += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.marks.to_le_bytes());
        let grant = Some(*self.grant(self.carrier.peer()).await.as_bytes());
        let mark = RecordType::new("test.mark").expect("a good type");
        let mark = Header::first(mark, nonce, self.carrier.peer(), Hlc::at(self.now().await));
        let mark = Header { grant, origin: Some(Origin::First), ..mark };
        // Without a body: it is one in a group that encrypts them as well.
        let mark = self.sign(&self.carrier, (mark, Vec::new()));
        let side = if is_cyd { &self.cyd } else { &self.ada };
        let mut link = self.neighbor(side).await;
        let frames: Vec<u8> = records.iter().chain([&mark]).flat_map(framed).collect();
        link.stream(RECORDS, &frames).await;
        let seen = || eventually("all was looked at", || async { side.reads(&mark).await.is_some() });
        let thrown_out = tokio::select! {
            () = seen() => false,
            thrown_out = link.is_thrown_out() => thrown_out,
        };
        if thrown_out {
            // For what it showed last; the next link is as good.
            link = self.neighbor(side).await;
            link.stream(RECORDS, &framed(&mark)).await;
            seen().await;
        }
    }

    /// The carrier as a neighbor, on a new node; if need be once those before it are gone.
    async fn neighbor(&self, side: &Side) -> Insider {
        let trying = async {
            loop {
                let carrier = Impostor::new(self.carrier.clone()).await;
                let mut link = carrier.dial(&side.node.addr(), &self.secret).await.expect("a true hello");
                link.say(&carrier.connect(Purpose::Neighbor, self.papers.clone())).await;
                match link.message().await {
                    Message::Welcome(_) => return link,
                    Message::Refuse(refuse) if refuse.reason == RefuseReason::Busy => {}
                    other => panic!("{other:?}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, trying).await.expect("a place in time")
    }

    /// Links the two: databases, members, acts and records are equal, before a restart of both, right after it, and when they
    /// have compared again.
    ///
    /// # Panics
    /// If not.
    pub async fn settle(&mut self) {
        self.meet().await;
        let (hers, his) = (self.ada.view().await, self.cyd.view().await);
        assert_eq!(hers, his, "equal databases say the same");
        for (side, before) in [(&mut self.ada, &hers), (&mut self.cyd, &his)] {
            side.restart().await;
            assert_eq!(side.view().await, *before, "a start reads the same from the disk");
        }
        for side in [&self.ada, &self.cyd] {
            side.group.listen().await.expect("to listen");
        }
        self.meet().await;
        assert_eq!((self.ada.view().await, self.cyd.view().await), (hers, his));
    }

    /// Links the two, until their databases are equal.
    ///
    /// # Panics
    /// If they do not become so in time.
    pub async fn meet(&self) {
        self.cyd.group.enter(vec![self.ada.node.addr()]).await.expect("to enter");
        converge(&[&self.ada.group, &self.cyd.group]).await;
    }
}

/// One frame.
fn framed(record: &SignedRecord) -> Vec<u8> {
    let message = Message::Push { origin: 1, records: vec![record.bytes().clone()] }.encode();
    [&u32::try_from(message.len()).expect("a small frame").to_le_bytes()[..], &message].concat()
}

/// A grant without end, from ten minutes before some time.
pub fn plain_grant(subject: PeerId, role: Role, now: Timestamp) -> Grant {
    Grant {
        subject,
        name: String::new(),
        role,
        not_before: Timestamp(now.0.saturating_sub(600_000)),
        not_after: None,
        depth: 0,
        renew: false,
        admission: None,
        demotes: None,
        despite: Vec::new(),
    }
}

/// A removal that keeps what its author had seen of acts, and no record.
pub fn plain_removal(subject: PeerId) -> Content {
    let (reason, keep) = (String::new(), Keep::default());
    Content::Remove(Remove { subject, reason, keep, branch: false, undo: false })
}

/// The refusal of a node of one's own.
pub fn own_refusal(identity: PeerId, number: u8) -> Content {
    Content::RevokeDevice { identity, node: NodeId::from_bytes([number; 32]) }
}

/// The act of this kind that a node has.
///
/// # Panics
/// If there is none, or the group is closed.
pub async fn act_that(side: &Side, fits: impl Fn(&Content) -> bool) -> ActId {
    let acts = side.group.credentials().await.expect("an open group");
    let found = acts.iter().find(|record| said(record).is_some_and(|content| fits(&content)));
    found.and_then(Act::of).expect("such an act").id()
}
