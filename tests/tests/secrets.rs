//! No secret is shown by `Debug` or `Display` of anything: what is logged or printed in passing gives nothing away.

use std::{fmt::Debug, fs, path::Path};

use peergraph::{
    CreateGraph, CreateGroup, CreateIdentity, ImportDatabase, InviteLink, JoinGroup, KeyProtection,
    NodeConfig, SecretKey, given,
    group::{Access, Invitation, Way},
    record::GraphSecret,
};
use peergraph_tests::{files::sources, node};
use zeroize::Zeroizing;

const BYTES: [u8; 32] = *b"the secret that nobody may see!!";
const TEXT: &str = "correct horse battery staple";

/// Fails if what is shown has any of the forms in which secrets are written.
fn shows_none(what: &str, shown: &dyn Debug, secrets: &[&[u8]]) {
    for shown in [format!("{shown:?}"), format!("{shown:#?}")] {
        let flat: String = shown.split_whitespace().collect();
        for secret in secrets {
            let forms = [
                String::from_utf8_lossy(secret).split_whitespace().collect::<String>(),
                data_encoding::HEXLOWER.encode(secret),
                data_encoding::BASE32_NOPAD.encode(secret).to_lowercase(),
                data_encoding::BASE64.encode(secret),
                secret[..8].iter().map(|byte| format!("{byte},")).collect(),
            ];
            for form in forms {
                assert!(!flat.to_lowercase().contains(&form.to_lowercase()), "{what} shows {form}: {shown}");
            }
        }
    }
}

#[test]
fn p3_no_configuration_or_option_shows_its_secrets() {
    let key = || SecretKey::from_bytes(&BYTES);
    let secrets: &[&[u8]] = &[&BYTES, TEXT.as_bytes()];
    let protections = [
        KeyProtection::Passphrase(TEXT.into()),
        KeyProtection::Key(BYTES),
        KeyProtection::source(|| async { Ok::<_, std::io::Error>(BYTES) }),
    ];
    for protection in protections {
        shows_none("KeyProtection", &protection, secrets);
        let config = NodeConfig { identity: Some(key()), ..NodeConfig::default() }.keys(protection);
        shows_none("NodeConfig", &config, secrets);
    }
    let protection = given::Protection {
        passphrase: Some(TEXT.into()),
        key: Some(Zeroizing::new(BYTES.to_vec())),
        has_source: true,
        asked: Some(Zeroizing::new(BYTES.to_vec())),
    };
    shows_none("Protection", &protection, secrets);
    shows_none("SecretKey", &key(), secrets);
    shows_none("CreateGraph", &CreateGraph { seed: Some(BYTES), ..CreateGraph::default() }, secrets);
    shows_none("CreateGroup", &CreateGroup::default(), secrets);
    let identity = CreateIdentity { key: Some(key()), ..CreateIdentity::from("me") };
    shows_none("CreateIdentity", &identity, secrets);
    shows_none("ImportDatabase", &ImportDatabase::default().password(TEXT), secrets);
    shows_none("GraphSecret", &GraphSecret::from_bytes(BYTES), secrets);
    let access = Access { secret: GraphSecret::from_bytes(BYTES), nodes: Vec::new() };
    shows_none("Access", &access, secrets);
    shows_none("Way", &Way::Link { key: BYTES, uses: 1, access: access.clone() }, secrets);
    shows_none("Way", &Way::Password { access }, secrets);
    shows_none("JoinBy", &peergraph::engine::JoinBy::Password(TEXT.to_owned().into()), secrets);
    shows_none("JoinBy", &peergraph::engine::JoinBy::Key(Box::new(key()), key().peer()), secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_no_handle_ticket_invitation_or_join_shows_its_secrets() {
    let node = node().await;
    let graph = node.create_graph("plain").await.unwrap();
    let ticket = graph.ticket().await.unwrap();
    let group = node.create_group("group").await.unwrap();
    let invitation: Invitation = group.invite_link(InviteLink::default()).await.unwrap();
    let Way::Link { key, access, .. } = &invitation.way else { panic!("a link: {invitation:?}") };
    let mut secrets: Vec<&[u8]> =
        vec![ticket.secret.as_bytes(), key, access.secret.as_bytes(), TEXT.as_bytes()];
    let texts = [ticket.to_string(), invitation.to_string()];
    secrets.extend(texts.iter().map(|text| text.as_bytes()));
    shows_none("Ticket", &ticket, &secrets);
    shows_none("Invitation", &invitation, &secrets);
    shows_none("JoinGroup", &JoinGroup::from(invitation.clone()).password(TEXT), &secrets);
    shows_none("handles", &(&node, &graph, &group, node.identities().list()), &secrets);
    let exported = group.export_membership(TEXT).await.unwrap();
    let identity = node.identities().default().await.unwrap();
    let error = node.import_membership(&exported[..exported.len() - 1], TEXT).await.unwrap_err();
    shows_none("an error", &error, &[exported.as_bytes(), TEXT.as_bytes()]);
    let error = node.identities().import(&exported, TEXT).await.unwrap_err();
    shows_none("an error", &error, &[exported.as_bytes(), TEXT.as_bytes()]);
    shows_none("Identity", &identity, &secrets);
    node.shutdown().await;
}

/// True if a field with this name and type is one that a derived `Debug` would show.
fn is_secret(name: &str, kind: &str) -> bool {
    let bytes = ["String", "Vec<u8>", "[u8;", "Bytes", "&str"].iter().any(|form| kind.contains(form));
    let named = ["password", "passphrase", "seed", "private", "master", "secret"];
    kind.contains("Zeroizing<") || (bytes && named.iter().any(|word| name.contains(word)))
}

/// The fields that would be shown of the types whose `Debug` is derived.
fn shown_secrets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut derived = false;
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("#[derive(") {
            derived = line.contains("Debug");
        } else if derived && (line.contains("struct ") || line.contains("enum ")) && !line.starts_with("//") {
            inside = line.ends_with('{');
            derived = false;
            if !inside && is_secret("", line) {
                found.push(line.to_owned());
            }
        } else if line == "}" {
            inside = false;
        } else if inside {
            let line = line.trim();
            let field = line.strip_prefix("pub ").unwrap_or(line);
            let field = field
                .split_once(") ")
                .map_or(field, |(head, rest)| if head.starts_with("pub(") { rest } else { field });
            let (name, kind) = field.split_once(": ").or_else(|| field.split_once('(')).unwrap_or_default();
            if !line.starts_with("//") && is_secret(&name.to_lowercase(), kind) {
                found.push(line.to_owned());
            }
        }
    }
    found
}

#[test]
fn p3_no_type_that_holds_a_secret_derives_its_debug() {
    let broken = "#[derive(Debug, Clone)]\npub struct A {\n    pub password: Option<String>,\n}\n\
                  #[derive(Debug)]\npub enum B {\n    Key(Zeroizing<Vec<u8>>),\n}\n\
                  #[derive(Clone)]\npub struct C {\n    seed: [u8; 32],\n}\n";
    assert_eq!(shown_secrets(broken).len(), 2, "the test itself sees them: {:?}", shown_secrets(broken));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut wrong = Vec::new();
    for dir in ["core/src", "bindings/python/src", "bindings/node/src", "bindings/kotlin-swift/src"] {
        for path in sources(&root.join(dir)) {
            let text = fs::read_to_string(&path).unwrap();
            wrong.extend(shown_secrets(&text).into_iter().map(|line| format!("{}: {line}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "write Debug by hand:\n{}", wrong.join("\n"));
}
