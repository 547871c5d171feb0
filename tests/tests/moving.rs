//! Memberships that move to another machine.

use peergraph::{
    CreateIdentity, ErrorKind, IdentityDescription, InviteMember, JoinGroup, JoinOutcome, ListQuery, Node,
    NodeConfig, PropertiesUpdate, Role,
};
use peergraph_tests::{
    converge, eventually, group,
    identities::{holders, key, phrase},
    member, node, node_as, node_at, note, offline,
};

const PASSWORD: &str = "correct horse";

async fn description(node: &Node) -> IdentityDescription {
    node.identities().default().await.unwrap().describe().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn m25_an_owner_moves_with_all_its_power() {
    let (ada, club) = group("Book club").await;
    let (_ben, bens) = member(&club, Role::Member, "Ben").await;
    club.publish(note("from the old machine")).await.unwrap();
    converge(&[&club, &bens]).await;
    let text = club.export_membership(PASSWORD).await.unwrap();
    assert!(text.starts_with("peergraph-membership:") && text.is_ascii(), "{text}");
    let (id, owner) = (club.id(), ada.peer_id());
    ada.shutdown().await;

    let new = node().await;
    assert_ne!(new.peer_id(), owner);
    let club = new.import_membership(&text, PASSWORD).await.unwrap();
    assert_eq!((club.id(), club.join_outcome()), (id, JoinOutcome::AlreadyMember));
    assert_eq!(club.role().await.unwrap(), Some(Role::Owner));
    assert_eq!(club.rules().await.unwrap(), bens.rules().await.unwrap());
    let known = new.identities().list().into_iter().any(|identity| identity.peer_id() == owner);
    assert!(known && new.peer_id() != owner, "the identity came along and the node's own stays");
    // No traffic before it is asked for.
    let status = club.status().await.unwrap();
    assert!(!status.listening && !status.has_connections);

    // The old machine is gone; Ben was told along with it.
    club.enter(club.contacts().await.unwrap()).await.unwrap();
    converge(&[&club, &bens]).await;
    assert_eq!(
        club.list(ListQuery::default()).await.unwrap().items[0].body_text(),
        Some("from the old machine")
    );
    let update = PropertiesUpdate { name: Some("Film club".into()), ..Default::default() };
    club.set_properties(update).await.unwrap();
    eventually("the new name arrives", || async { bens.properties().await.unwrap().name == "Film club" })
        .await;
    // It lets others in, too.
    let (_cyd, cyds) = member(&club, Role::Inviter, "Cyd").await;
    converge(&[&club, &bens, &cyds]).await;
    assert_eq!(cyds.members().await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn c21_an_imported_membership_stays_when_the_node_restarts_before_its_first_contact() {
    let (ada, club) = group("Book club").await;
    let (_ben, bens) = member(&club, Role::Member, "Ben").await;
    for exporter in [&club, &bens] {
        let text = exporter.export_membership(PASSWORD).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let new = node_at(dir.path()).await;
        new.import_membership(&text, PASSWORD).await.unwrap();
        new.shutdown().await;
        let new = node_at(dir.path()).await;
        assert_eq!(new.stored_groups().unwrap(), [exporter.id()]);
        let again = new.open_group_with(exporter.id(), offline()).await.unwrap();
        again.enter(again.contacts().await.unwrap()).await.unwrap();
        converge(&[exporter, &again]).await;
        new.shutdown().await;
    }
    ada.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c21_an_own_graph_opened_by_its_ticket_stays_without_a_contact() {
    let seed = peergraph::CreateGraph { seed: Some([7; 32]), ..peergraph::CreateGraph::from("own") };
    let identity = key(1);
    let ada = node_as(&identity).await;
    let graph = ada.create_graph(seed).await.unwrap();
    let ticket = graph.ticket().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = || NodeConfig {
        data_dir: Some(dir.path().into()),
        identity: Some(identity.clone()),
        ..NodeConfig::loopback()
    };
    let new = Node::start(config()).await.unwrap();
    new.open_graph(ticket, offline()).await.unwrap();
    new.shutdown().await;
    let new = Node::start(config()).await.unwrap();
    assert_eq!(new.stored_graphs(), [graph.id()]);
    new.shutdown().await;
    ada.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m25_a_member_moves_with_its_role_and_the_grants_behind_it() {
    let (_ada, club) = group("m25").await;
    let (_ben, bens) = member(&club, Role::Inviter, "Ben").await;
    // Two grants deep.
    let (cyd, cyds) = member(&bens, Role::Member, "Cyd").await;
    let text = cyds.export_membership(PASSWORD).await.unwrap();
    let theirs = cyds.publish(note("cyd's")).await.unwrap().id;
    converge(&[&club, &bens, &cyds]).await;

    // Beside the old machine, on a disk, and again after a restart.
    let dir = tempfile::tempdir().unwrap();
    let config = || NodeConfig::loopback().at(dir.path()).keys(phrase("open sesame"));
    let second = Node::start(config()).await.unwrap();
    second.import_membership(&text, PASSWORD).await.unwrap();
    second.shutdown().await;
    let second = Node::start(config()).await.unwrap();
    assert_eq!(second.stored_groups().unwrap(), [club.id()]);
    let moved = second.open_group(club.id()).await.unwrap();
    assert_eq!(moved.role().await.unwrap(), Some(Role::Member), "known without asking anybody");
    moved.enter(moved.contacts().await.unwrap()).await.unwrap();
    converge(&[&club, &bens, &cyds, &moved]).await;
    // One identity on two machines: either can change what it wrote.
    moved.update(theirs, peergraph::RecordUpdate::body("better")).await.unwrap();
    converge(&[&club, &bens, &cyds, &moved]).await;
    let found = club.get(theirs).await.unwrap().unwrap();
    assert_eq!((found.author, found.body_text()), (cyd.peer_id(), Some("better")));
    let refused = moved.set_role(cyd.peer_id(), Role::Admin).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotAuthorized, "no more than the role it has");
    eventually("both are listed", || async { club.member(cyd.peer_id()).await.unwrap().nodes.len() == 2 })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m25_what_does_not_fit_is_refused_and_leaves_nothing() {
    let (ada, club) = group("m25").await;
    let short = club.export_membership("1234567").await.unwrap_err();
    assert_eq!(short.kind(), ErrorKind::InvalidArgument, "{short}");
    let text = club.export_membership(PASSWORD).await.unwrap();
    assert_ne!(club.export_membership(PASSWORD).await.unwrap(), text, "never sealed twice alike");

    let dir = tempfile::tempdir().unwrap();
    let new = node_at(dir.path()).await;
    let refused = async |text: &str, password: &str| new.import_membership(text, password).await.unwrap_err();
    assert_eq!(refused(&text, "correct hors").await.kind(), ErrorKind::WrongPassword);
    assert_eq!(refused(&text[..text.len() - 1], PASSWORD).await.kind(), ErrorKind::InvalidArgument);
    assert_eq!(refused(&format!("{text}a"), PASSWORD).await.kind(), ErrorKind::InvalidArgument);
    let identity = ada.identities().default().await.unwrap().export(PASSWORD).await.unwrap();
    let mistaken = refused(&identity, PASSWORD).await;
    assert_eq!(mistaken.kind(), ErrorKind::InvalidArgument);
    assert!(mistaken.message().contains("peergraph-membership:"), "{mistaken}");
    assert!(new.stored_graphs().is_empty() && new.identities().list().len() == 1);

    // Where it came from, and where it was imported before.
    let here = ada.import_membership(&text, PASSWORD).await.unwrap_err();
    assert_eq!(here.kind(), ErrorKind::AlreadyExists, "{here}");
    new.import_membership(&format!("> {}\n> {}.", &text[..76], &text[76..]), PASSWORD).await.unwrap();
    assert_eq!(refused(&text, PASSWORD).await.kind(), ErrorKind::AlreadyExists);
    assert_eq!(new.identities().list().len(), 2);
    // Whose group is deleted here can take it in again; the identity is still there.
    new.open_group(club.id()).await.unwrap().graph().close().await;
    new.delete_graph(club.id()).await.unwrap();
    new.import_membership(&text, PASSWORD).await.unwrap();
    assert_eq!(new.identities().list().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn m25_only_a_member_has_something_to_move() {
    let (_ada, club) = group("m25").await;
    let (ben, bens) = member(&club, Role::Member, "Ben").await;
    let text = bens.export_membership(PASSWORD).await.unwrap();
    club.remove(ben.peer_id(), Default::default()).await.unwrap();
    eventually("he knows", || async { bens.role().await.unwrap().is_none() }).await;
    let refused = bens.export_membership(PASSWORD).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Removed, "{refused}");
    // What was exported before does not bring him back.
    let new = node().await;
    let moved = new.import_membership(&text, PASSWORD).await.unwrap();
    let target = club.contacts().await.unwrap();
    assert!(target.len() <= 1, "{target:?}");
    let refused = moved.connect(moved.contacts().await.unwrap()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotAuthorized, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn m25_the_private_key_of_a_membership_is_sealed_with_the_others() {
    let origin = node().await;
    let secret = CreateIdentity { key: Some(key(0x5a)), ..CreateIdentity::from("Ada") };
    let ada = origin.identities().create(secret).await.unwrap();
    let options = peergraph::CreateGroup { identity: Some(ada), .."sealed".into() };
    let club = origin.create_group(options).await.unwrap();
    let text = club.export_membership(PASSWORD).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = NodeConfig { encrypt_database: true, ..NodeConfig::loopback().at(dir.path()) };
    let new = Node::start(config.keys(phrase("open sesame"))).await.unwrap();
    let moved = new.import_membership(&text, PASSWORD).await.unwrap();
    assert_eq!(moved.role().await.unwrap(), Some(Role::Owner));
    assert!(holders(dir.path(), &[0x5a; 32]).is_empty());
    let graph_secret = *club.ticket().await.unwrap().secret.as_bytes();
    assert!(holders(dir.path(), &graph_secret).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn g39_a_group_joined_by_a_named_invitation_is_known_after_a_restart() {
    let (ada, club) = group("g39").await;
    let dir = tempfile::tempdir().unwrap();
    let ben = node_at(dir.path()).await;
    let invitation = club.invite(&description(&ben).await, InviteMember::default()).await.unwrap();
    let bens = ben.join_group(JoinGroup::from(invitation)).await.unwrap();
    converge(&[&club, &bens]).await;
    ben.shutdown().await;
    ada.shutdown().await;
    let ben = node_at(dir.path()).await;
    let alone = ben.open_group(club.id()).await.unwrap();
    assert_eq!(alone.genesis().await.unwrap().creator, ada.peer_id());
    assert_eq!(alone.role().await.unwrap(), Some(Role::Member));
    alone.publish(note("written alone")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn g4_a_graph_opened_offline_is_silent_until_it_is_asked_to_connect() {
    let (_ada, club) = group("g4").await;
    let dir = tempfile::tempdir().unwrap();
    let ben = node_at(dir.path()).await;
    let invitation = club.invite(&description(&ben).await, InviteMember::default()).await.unwrap();
    ben.join_group(JoinGroup::from(invitation)).await.unwrap().graph().close().await;
    eventually("he is gone", || async { club.neighbors().await.unwrap().is_empty() }).await;
    let opened = ben.open_group_with(club.id(), offline()).await.unwrap();
    assert!(!opened.contacts().await.unwrap().is_empty());
    // Several rounds of the graph thread, in which contacts would be dialled.
    for _ in 0..100 {
        opened.publish(note("a round")).await.unwrap();
        assert!(!opened.status().await.unwrap().has_connections);
    }
    opened.listen().await.unwrap();
    eventually("it connects by itself once it listens", || async {
        opened.status().await.unwrap().has_connections
    })
    .await;
}
