//! What a log or a debugger's output would tell. Alone in its program, for it listens to all that is traced in it.

use std::{
    fmt::{self, Write},
    fs,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use peergraph::{
    InviteLink, InviteMember, InvitePassword, JoinGroup, KeyProtection, ListQuery, NodeConfig, SecretKey,
    engine::JoinBy, group::Way,
};
use peergraph_tests::{
    converge,
    identities::start,
    leaks::{access_of, spellings},
    node_as, node_at, note,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

const PASSWORD: &str = "correct horse battery staple";
const PASSPHRASE: &str = "open sesame and a half";
const BODY: &str = "a body that is nobody's business";

static SAID: Mutex<String> = Mutex::new(String::new());

/// Takes down every field of every span and event of every level.
struct Ear(AtomicU64);

struct Words;

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut said = SAID.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let _ = write!(said, "{}={value:?}; ", field.name());
    }
}

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Words);
        Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Words);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Words);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Bytes that occur nowhere by chance.
fn seed(number: u8) -> [u8; 32] {
    peergraph::crypto::hash("peergraph tests of leaks", &[&[number]])
}

#[tokio::test(flavor = "multi_thread")]
async fn s31_no_secret_in_any_trace_nor_in_debug() {
    tracing::subscriber::set_global_default(Ear(AtomicU64::new(1))).expect("the only one");
    let (owner, guest) = (SecretKey::from_bytes(&seed(1)), SecretKey::from_bytes(&seed(2)));
    let ada = node_as(&owner).await;
    let club = ada.create_group("s31").await.unwrap();
    let by_password = club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let by_link = club.invite_link(InviteLink::default()).await.unwrap();
    let by_name = club.invite_peer(guest.peer(), "Guest", InviteMember::default()).await.unwrap();
    let Way::Link { key: link_key, .. } = &by_link.way else { panic!("a link") };

    // All ways in, with what goes wrong on the way.
    let (open, sealed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ben = node_at(open.path()).await;
    let wrong = JoinGroup::from(by_password.clone()).password("a wrong password");
    ben.join_group(wrong).await.unwrap_err();
    let protection = KeyProtection::Passphrase(PASSPHRASE.into());
    let cyd = start(sealed.path(), protection.clone()).await.unwrap();
    let cyds = cyd.join_group(JoinGroup::from(by_link.clone()).named("Cyd")).await.unwrap();
    let dan = node_as(&guest).await;
    let dans = dan.join_group(by_name.clone()).await.unwrap();
    // The wrong one holds up the next.
    let right = JoinGroup::from(by_password.clone()).password(PASSWORD);
    peergraph_tests::eventually("the password is tried", || async {
        ben.join_group(right.clone()).await.is_ok()
    })
    .await;
    let bens = ben.open_group(club.id()).await.unwrap();
    cyds.publish(note(BODY)).await.unwrap();
    converge(&[&club, &bens, &cyds, &dans]).await;
    bens.list(ListQuery::default()).await.unwrap();
    let export = cyd.identities().default().await.unwrap().export(PASSWORD).await.unwrap();
    club.remove(ben.peer_id(), Default::default()).await.unwrap();
    let ticket = peergraph_tests::founder("a graph").await.1.ticket().await.unwrap();

    // And what a program would print of it all.
    let config = NodeConfig { identity: Some(owner.clone()), ..NodeConfig::loopback() }.keys(protection);
    let key = SecretKey::from_bytes(link_key);
    let issuer = key.peer();
    let by = (JoinBy::Key(Box::new(key), issuer), JoinBy::Password(PASSWORD.to_owned().into()));
    let credentials = club.credentials().await.unwrap();
    let shown = format!(
        "{by_password:?} {by_link:?} {by_name:?} {right:?} {config:?} {by:?} {ada:?} {club:?} {owner:?} \
         {ticket:?} {:#?} {:?} {credentials:?}",
        JoinGroup::from(by_link.clone()),
        ada.identities(),
    );
    SAID.lock().unwrap().push_str(&shown);
    let ben_files: Vec<[u8; 32]> = ["identity.key", "node.key"]
        .map(|name| fs::read(open.path().join(name)).unwrap().try_into().expect("32 bytes"))
        .to_vec();
    for node in [ada, ben, cyd, dan] {
        node.shutdown().await;
    }

    let said = SAID.lock().unwrap().clone();
    assert!(said.len() > 10_000, "{} bytes were traced", said.len());
    assert!(said.contains(&club.id().to_string()[..8]), "what is no secret is found");
    let mut secrets: Vec<(&str, Vec<u8>)> = vec![
        ("the group's secret", access_of(&by_link).secret.as_bytes().to_vec()),
        ("the link's key", link_key.to_vec()),
        ("an identity's key", owner.to_bytes().to_vec()),
        ("a guest's key", guest.to_bytes().to_vec()),
        ("a ticket's secret", ticket.secret.as_bytes().to_vec()),
        ("the password", PASSWORD.into()),
        ("the wrong password", "a wrong password".into()),
        ("the passphrase", PASSPHRASE.into()),
    ];
    secrets.extend(ben_files.into_iter().map(|key| ("a key of the disk", key.to_vec())));
    for (what, secret) in &secrets {
        for text in spellings(secret) {
            let at = said.find(&text);
            assert!(at.is_none(), "{what} as {text}: {}", around(&said, at.unwrap_or(0)));
        }
    }
    // The texts that are secrets as a whole; and what people write.
    let texts =
        [by_link.to_string(), by_password.to_string(), by_name.to_string(), ticket.to_string(), export];
    let plain = [PASSWORD, PASSPHRASE, "a wrong password", BODY].map(str::to_owned);
    for text in texts.iter().chain(&plain) {
        let at = said.find(text.as_str());
        assert!(at.is_none(), "{text}: {}", around(&said, at.unwrap_or(0)));
    }
}

/// Where it was found.
fn around(said: &str, at: usize) -> String {
    let from = said[..at].char_indices().rev().nth(200).map_or(0, |(from, _)| from);
    said[from..].chars().take(400).collect()
}
