//! Hostile bytes: what a decoder or a signature check must refuse, without a node.

use std::{collections::BTreeMap, fs, thread};

use data_encoding::{BASE32_NOPAD_NOCASE, HEXLOWER};
use peergraph::{
    Attributes, Genesis, GraphId, Invitation, InviteLink, InviteMember, InvitePassword, RecordType, Role,
    SecretKey, Timestamp, Value,
    crypto::{self, Domain},
    group::{Access, IdentityDescription, Way},
    record::{DeviceCertificate, Header, Presence, SignedRecord},
    time::Hlc,
    wire::{Message, decode_exact},
};
use peergraph_tests::{identities::key, node_as};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const GRAPH: GraphId = GraphId::from_bytes([3; 32]);

fn header(key: &SecretKey) -> Header {
    let now = Timestamp(1_800_000_000_000);
    Header::first(RecordType::new("test.note").unwrap(), [9; 16], key.peer(), Hlc::at(now))
}

/// Runs on a thread with so much stack: too deep a recursion ends the test program.
fn on_stack<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new().stack_size(bytes).spawn(work).unwrap().join().unwrap()
}

#[test]
fn s16_lists_in_lists_are_refused_before_they_are_followed() {
    let deep = || {
        let key = SecretKey::from_bytes(&[1; 32]);
        let signed = |depth| {
            let nested = (0..depth).fold(Value::Boolean(true), |inner, _| Value::List(vec![inner]));
            let attributes = Attributes::from([("x", nested)]);
            SignedRecord::sign(&GRAPH, &key, Header { attributes, ..header(&key) }, b"").bytes().clone()
        };
        [1, 2, 10, 100, 1000, 1900].map(signed)
    };
    let [flat, deeper @ ..] = on_stack(16 << 20, deep);
    on_stack(64 << 10, move || {
        assert!(SignedRecord::decode(&GRAPH, flat, 1 << 20).is_ok());
        for bytes in deeper {
            assert!(SignedRecord::decode(&GRAPH, bytes.clone(), 1 << 20).is_err());
            assert!(SignedRecord::decode_stored(&GRAPH, bytes).is_err());
        }
    });
}

const DOMAINS: [Domain; 6] =
    [Domain::Record, Domain::Device, Domain::Join, Domain::Invitation, Domain::Identity, Domain::Application];

#[test]
fn s4_no_signature_of_one_kind_is_good_for_another() {
    let (by, message) = (key(1), b"the same bytes in every place");
    let contexts = [*by.peer().as_bytes(), [0; 32]];
    let mut good = 0;
    for (made_as, made_in) in DOMAINS.iter().flat_map(|domain| contexts.map(|context| (*domain, context))) {
        let signature = by.sign(made_as, &made_in, message);
        for (used_as, used_in) in DOMAINS.iter().flat_map(|domain| contexts.map(|context| (*domain, context)))
        {
            let holds = crypto::verify(by.peer().as_bytes(), used_as, &used_in, message, &signature);
            assert_eq!(holds, (made_as, made_in) == (used_as, used_in), "{made_as:?} as {used_as:?}");
            good += usize::from(holds);
        }
    }
    assert_eq!(good, DOMAINS.len() * contexts.len());

    // Nor can an application be talked into signing a record, a device or a way in, though it may sign any bytes.
    let record = SignedRecord::sign(&GRAPH, &by, header(&by), b"");
    let claim = record.claim();
    let signed = crypto::signed_message(Domain::Record, GRAPH.as_bytes(), claim.message);
    for bytes in [claim.message, &signed[..]] {
        let signature = by.sign_application(bytes);
        assert!(!crypto::verify(
            by.peer().as_bytes(),
            Domain::Record,
            GRAPH.as_bytes(),
            claim.message,
            &signature
        ));
    }
}

fn vector(name: &str) -> Vec<u8> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/v1.json");
    let all: BTreeMap<String, String> = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    HEXLOWER.decode(all[name].as_bytes()).unwrap()
}

/// Every bit of every byte, one at a time.
fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let bytes = bytes.to_vec();
    (0..8 * bytes.len()).map(move |bit| {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

#[test]
fn s4_every_flipped_bit_of_every_signed_vector_is_noticed() {
    let graph = decode_exact::<Genesis>(&vector("genesis")).unwrap().id();
    let mut tried = 0;
    for name in ["record", "update", "tombstone"] {
        for bytes in flips(&vector(name)) {
            let read = SignedRecord::decode(&graph, bytes.into(), 1 << 20);
            assert!(!read.is_ok_and(|record| record.verify(&graph)), "{name}");
            tried += 1;
        }
    }
    for bytes in flips(&vector("genesis")) {
        assert!(decode_exact::<Genesis>(&bytes).map_or(true, |genesis| genesis.id() != graph));
        tried += 1;
    }
    let device = vector("device certificate");
    assert!(decode_exact::<DeviceCertificate>(&device).unwrap().verify());
    for bytes in flips(&device) {
        assert!(!decode_exact::<DeviceCertificate>(&bytes).is_ok_and(|device| device.verify()));
        tried += 1;
    }
    // The identity signs the certificate, and the node the rest.
    for bytes in flips(&vector("presence")) {
        assert!(!decode_exact::<Presence>(&bytes).is_ok_and(|presence| presence.is_sound(&graph)));
        tried += 1;
    }
    assert!(tried > 8000, "{tried}");
}

/// The content of a text in our form, and the text of another content with a check sum that fits.
fn content(text: &str, prefix: &str) -> Vec<u8> {
    let bytes = BASE32_NOPAD_NOCASE.decode(&text.as_bytes()[prefix.len()..]).unwrap();
    bytes[..bytes.len() - 4].to_vec()
}

fn text(content: &[u8], prefix: &str, context: &'static str) -> String {
    let sum = crypto::hash(context, &[content]);
    let bytes = [content, &sum[..4]].concat();
    format!("{prefix}{}", BASE32_NOPAD_NOCASE.encode(&bytes).to_lowercase())
}

const INVITATION: (&str, &str) = ("peergraph-invitation:", "peergraph v1 invitation checksum");

#[tokio::test(flavor = "multi_thread")]
async fn s1_s10_a_thousand_mutated_invitations_and_none_is_read() {
    let seed = 0x1000;
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let owner = key(1);
    let ada = node_as(&owner).await;
    let club = ada.create_group("s10").await.unwrap();
    let (link, other) = (
        club.invite_link(InviteLink::default()).await.unwrap(),
        club.invite_link(InviteLink::default()).await.unwrap(),
    );
    let sealed = club.invite_peer(key(2).peer(), "Ben", InviteMember::default()).await.unwrap();
    let password = club.set_password("correct horse battery", InvitePassword::default()).await.unwrap();
    let all = [&link, &sealed, &password];
    for honest in all {
        let again = text(&content(&honest.to_string(), INVITATION.0), INVITATION.0, INVITATION.1);
        assert_eq!(again.parse::<Invitation>().as_ref(), Ok(honest), "this is how a text is made");
    }
    let mut accepted = 0;
    for round in 0..1000 {
        let honest = all[round % 3];
        let mut changed = honest.clone();
        let mutant = match round % 10 {
            // Fields, as somebody would change them who cannot sign for the issuer.
            0 => with(changed, |i| i.role = if i.role == Role::Owner { Role::Reader } else { Role::Owner }),
            1 => with(changed, |i| i.not_after = i.not_after.map_or(Some(Timestamp(1)), |_| None)),
            2 => with(changed, |i| i.group = GraphId::from_bytes([7; 32])),
            3 => with(changed, |i| i.issuer = key(3).peer()),
            4 => with(changed, |i| reached(i, |a| a.nodes = vec![peergraph::NodeAddr::new(key(3).node())])),
            5 => with(changed, |i| i.way = if i == &link { password.way.clone() } else { link.way.clone() }),
            6 => with(changed, |i| reached(i, |a| a.secret = peergraph::GraphSecret::from_bytes([7; 32]))),
            7 => {
                // Another invitation's signature by the same issuer.
                changed = if honest == &other { link.clone() } else { honest.clone() };
                let (mut bytes, donor) =
                    (content(&changed.to_string(), INVITATION.0), content(&other.to_string(), INVITATION.0));
                let at = bytes.len() - 64;
                bytes[at..].copy_from_slice(&donor[donor.len() - 64..]);
                text(&bytes, INVITATION.0, INVITATION.1)
            }
            // Bits, under a check sum that fits.
            _ => {
                let mut bytes = content(&honest.to_string(), INVITATION.0);
                for _ in 0..rng.random_range(1..4) {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] ^= rng.random_range(1..=255);
                }
                text(&bytes, INVITATION.0, INVITATION.1)
            }
        };
        if mutant.parse::<Invitation>().is_ok() {
            accepted += 1;
            eprintln!("seed {seed}, round {round}: {mutant}");
        }
    }
    assert_eq!(accepted, 0);
}

/// Changes how to reach the group, or whatever is sealed of it.
fn reached(invitation: &mut Invitation, change: impl FnOnce(&mut Access)) {
    match &mut invitation.way {
        Way::Identity { sealed, .. } => {
            let mut bytes = sealed.to_vec();
            bytes[40] ^= 1;
            *sealed = bytes.into();
        }
        Way::Link { access, .. } | Way::Password { access } => change(access),
    }
}

fn with(mut invitation: Invitation, change: impl FnOnce(&mut Invitation)) -> String {
    change(&mut invitation);
    invitation.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_every_flipped_bit_of_a_description_is_noticed() {
    let ada = node_as(&key(1)).await;
    let honest = ada.identities().default().await.unwrap().describe().unwrap().to_string();
    let form = ("peergraph-identity:", "peergraph v1 identity checksum");
    let bytes = content(&honest, form.0);
    assert!(text(&bytes, form.0, form.1).parse::<IdentityDescription>().is_ok());
    for flipped in flips(&bytes) {
        assert!(text(&flipped, form.0, form.1).parse::<IdentityDescription>().is_err());
    }
}

#[test]
fn s16_a_claim_of_endless_lists_costs_nothing_and_is_refused() {
    // The largest lengths there are, in every place of every message where one could stand.
    let endless: [&[u8]; 3] = [
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff; 9],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ];
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/v1.json");
    let all: BTreeMap<String, String> = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut tried = 0;
    for (name, hex) in all.iter().filter(|(name, _)| name.starts_with("message ")) {
        let bytes = HEXLOWER.decode(hex.as_bytes()).unwrap();
        for at in 1..=bytes.len() {
            for claim in endless {
                // In the place of one byte, with nothing behind, and with what was behind.
                let cut = [&bytes[..at], claim].concat();
                let long = [&bytes[..at], claim, &bytes[bytes.len().min(at + 1)..]].concat();
                // A number may be as large as that; what is then read is no larger than what came.
                for attempt in [cut, long] {
                    if let Ok(message) = Message::decode(&attempt) {
                        assert!(message.encode().len() <= attempt.len() + 16, "{name} at {at}");
                    }
                    tried += 1;
                }
            }
        }
    }
    for tag in 0..=255u8 {
        for claim in endless {
            assert!(Message::decode(&[&[tag], claim].concat()).is_err(), "{tag}");
        }
    }
    assert!(tried > 5000, "{tried}");
}
