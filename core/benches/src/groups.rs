//! Groups: coming in on an empty device, what membership costs for each link and record, and removal of one of a hundred.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use peergraph::{
    Event, EventFilter, EventKind, Genesis, GroupRules, InviteLink, InvitePassword, JoinGroup, ListQuery,
    Node, NodeConfig, PeerId, RecordDraft, RecordType, RemoveMember, Role, SecretKey, Timestamp,
    authority::{Act, ActBody, Content, Grant},
    crypto::{Domain, PasswordProof, PasswordVerifier, verify},
    events::MemberChange,
    group::Membership,
    ids::ActId,
    record::{Header, Origin, SignedRecord},
    records::{RecordPolicy, Verdict},
    time::Hlc,
};

use crate::report::{Report, nanos};

const JOINS: usize = 20;
const NODES: usize = 100;
const REMOVALS: usize = 5;
const PASSWORD: &str = "twelve green parrots";
/// Grants between the creator and the member whose chain is checked: as many as there may be by default.
const DEPTH: u8 = 8;

/// From a device with nothing on it to the first record of a group, on disk: keys, node, joining, connecting, sync.
pub async fn join(report: &mut Report) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Node::start(NodeConfig::loopback().at(dir.path())).await?;
    let group = host.create_group("bench").await?;
    group.publish(RecordDraft::new("bench.note", "first")?).await?;
    let uses = u32::try_from(JOINS)?;
    let link = group.invite_link(InviteLink { uses, ..InviteLink::default() }).await?;
    let password = group.set_password(PASSWORD, InvitePassword::default()).await?;
    let ways =
        [("by link", JoinGroup::from(link)), ("by password", JoinGroup::from(password).password(PASSWORD))];
    for (way, invitation) in ways {
        let mut taken = Vec::new();
        for _ in 0..JOINS {
            let dir = tempfile::tempdir()?;
            let start = nanos();
            let node = Node::start(NodeConfig::loopback().at(dir.path())).await?;
            let joined = node.join_group(invitation.clone()).await?;
            let page = joined.list(ListQuery::default()).await?;
            taken.push(nanos() - start);
            ensure!(page.items.len() == 1, "the record is here");
            node.shutdown().await;
        }
        report.put_ms(&format!("empty device to first record {way}"), taken);
    }
    // What of it is the stretching of the password, which is meant to cost.
    let start = Instant::now();
    let verifier = PasswordVerifier::new(PASSWORD, [1; 32]);
    let (proof, request) = PasswordProof::start(PASSWORD.to_owned().into(), [2; 32]);
    let (_, challenge) = verifier.respond(&request, b"bench", [3; 32])?;
    let stretched = Instant::now();
    proof.finish(&challenge, b"bench", [4; 32])?;
    report.put("Argon2id of it, ms", stretched.elapsed().as_secs_f64() * 1e3);
    ensure!(start.elapsed() < Duration::from_secs(60), "in time");
    Ok(())
}

/// A group on paper: a chain of eight grants, and a thousand members beside it.
struct Paper {
    genesis: Genesis,
    members: Membership,
    chain: Vec<SignedRecord>,
    now: Timestamp,
}

fn key(number: u32) -> SecretKey {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&(number + 1).to_le_bytes());
    SecretKey::from_bytes(&bytes)
}

impl Paper {
    fn new() -> Self {
        let rules = Some(GroupRules::default());
        let genesis = Genesis { rules, ..Genesis::new(key(0).peer(), [1; 16]) };
        let members = Membership::new(&genesis).expect("a group has rules");
        let now = SystemTime::now().into();
        let mut paper = Self { genesis, members, chain: Vec::new(), now };
        let mut parent = None;
        for depth in 0..u32::from(DEPTH) {
            let record = paper.grant(&key(depth), parent, key(depth + 1).peer(), DEPTH - 1 - depth as u8);
            parent = Act::of(&record).map(|act| act.id());
            paper.chain.push(record);
        }
        let chain = paper.chain.clone();
        paper.learn(&chain);
        let others: Vec<SignedRecord> =
            (0..1000).map(|n| paper.grant(&key(0), None, key(1000 + n).peer(), 0)).collect();
        paper.learn(&others);
        paper
    }

    fn learn(&mut self, records: &[SignedRecord]) {
        records.iter().for_each(|record| self.members.enter(record));
        self.members.judge();
    }

    fn grant(&self, by: &SecretKey, parent: Option<ActId>, subject: PeerId, depth: u8) -> SignedRecord {
        let grant = Content::Grant(Grant {
            subject,
            name: "member".into(),
            role: Role::Inviter,
            not_before: self.now - Duration::from_secs(3600),
            not_after: None,
            depth,
            renew: false,
            admission: None,
            demotes: None,
            despite: Vec::new(),
        });
        let at = self.now - Duration::from_secs(60);
        let after = self.members.verdict().heads(self.members.acts());
        let body = ActBody { author: by.peer(), by: parent, after, at, content: grant };
        let (header, body) = Act::draft(body).to_record();
        SignedRecord::sign(&self.genesis.id(), by, header, &body)
    }

    fn note(&self, by: &SecretKey, grant: Option<ActId>) -> SignedRecord {
        let record_type = RecordType::new("bench.note").expect("a type");
        let grant = grant.map(|grant| *grant.as_bytes());
        let first = Header::first(record_type, [7; 16], by.peer(), Hlc::at(self.now));
        let header = Header { grant, origin: Some(Origin::First), ..first };
        SignedRecord::sign(&self.genesis.id(), by, header, &[7; 300])
    }
}

/// Microseconds of one call, over many.
fn each(count: u32, mut call: impl FnMut(u32)) -> f64 {
    let start = Instant::now();
    for n in 0..count {
        call(n);
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(count)
}

/// What a check of membership costs by itself, beside the signature that every record has in any graph.
pub fn checks(report: &mut Report) -> Result<()> {
    let paper = Paper::new();
    let (graph, author) = (paper.genesis.id(), key(u32::from(DEPTH)));
    let grant = paper.chain.last().and_then(Act::of).map(|act| act.id());
    let record = paper.note(&author, grant);
    ensure!(paper.members.check(&record, None) == Verdict::Accept, "a member may write");
    let signature = author.sign(Domain::Record, graph.as_bytes(), &[7; 200]);
    let signed = each(20_000, |_| {
        assert!(verify(author.peer().as_bytes(), Domain::Record, graph.as_bytes(), &[7; 200], &signature));
    });
    report.put("a signature, us", signed);
    let cached = each(100_000, |_| assert_eq!(paper.members.check(&record, None), Verdict::Accept));
    report.put("a record under a chain of 8 that is known, us", cached);
    report.put("of a signature, that is", cached / signed);
    let known = each(1_000, |_| assert!(paper.members.is_member(author.peer(), paper.now)));
    report.put("a handshake with a chain of 8 that is known, us", known);
    let fresh = Membership::new(&paper.genesis).context("a group")?;
    let vouches = |members: &Membership, peer: PeerId, shown: &[SignedRecord]| {
        let acts: Vec<Act> = shown.iter().filter(|r| r.verify(&graph)).filter_map(Act::of).collect();
        members.vouched(peer, &acts, Some(paper.now)).is_some()
    };
    let new = each(1_000, |_| assert!(vouches(&fresh, author.peer(), &paper.chain)));
    report.put("a handshake with a chain of 8 that is new, us", new);
    let late = paper.grant(&key(0), None, key(9_999).peer(), 0);
    let late = [late];
    let among = each(200, |_| assert!(vouches(&paper.members, key(9_999).peer(), &late)));
    report.put("a handshake with one new grant among 1,000 members, us", among);
    Ok(())
}

/// A hundred nodes of a hundred identities, all in this process; one is removed. How long until the last knows, and has
/// no link to it.
pub async fn removal(report: &mut Report) -> Result<()> {
    let host = Node::start(NodeConfig::loopback()).await?;
    let group = host.create_group("bench").await?;
    let uses = u32::try_from(NODES)?;
    let link = group.invite_link(InviteLink { uses, ..InviteLink::default() }).await?;
    let start = Instant::now();
    let others: Vec<_> = stream::iter(1..NODES)
        .map(|_| async {
            let node = Node::start(NodeConfig::loopback()).await?;
            let joined = node.join_group(link.clone()).await?;
            anyhow::Ok((node, joined))
        })
        .buffered(4)
        .try_collect()
        .await?;
    report.put("until all are in, s", start.elapsed().as_secs_f64());
    let mut taken = Vec::new();
    // Each removes one, who hears of nothing after that.
    for left in 0..REMOVALS {
        let (others, gone) = (&others[left + 1..], others[left].0.peer_id());
        let waiting: Vec<_> = others
            .iter()
            .map(|(_, group)| anyhow::Ok(group.events(EventFilter::kinds([EventKind::MemberChanged]))?))
            .collect::<Result<_>>()?;
        let start = nanos();
        let heard = waiting.into_iter().map(|events| async move {
            while let Some(event) = events.next().await {
                if let Event::MemberChanged { change, member } = event
                    && change == MemberChange::Removed
                    && member.peer == gone
                {
                    return Some(nanos() - start);
                }
            }
            None
        });
        let (removed, heard) =
            tokio::join!(group.remove(gone, RemoveMember::default()), futures::future::join_all(heard));
        removed?;
        taken.extend(heard.into_iter().flatten().max());
    }
    report.put("nodes", NODES as f64);
    report.put_ms("removed, until the last has heard", taken);
    Ok(())
}
