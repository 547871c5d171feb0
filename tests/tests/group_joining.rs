//! The ways into a group: what invitations and passwords let in, and what they do not.

use std::time::{Duration, SystemTime};

use data_encoding::BASE32_NOPAD_NOCASE;
use peergraph::{
    CreateGroup, ErrorKind, Group, GroupRules, Invitation, InviteLink, InviteMember, InvitePassword,
    JoinGroup, JoinOutcome, ListQuery, Node, Result, Role, Timestamp, authority::Content, crypto, group::Way,
};
use peergraph_tests::{
    PATIENCE, converge, eventually,
    identities::key,
    leaks::{access_mut, access_of},
    member, node, node_as, node_at, node_of, note,
};

const PASSWORD: &str = "twelve-green-parrots";
const HOUR: Duration = Duration::from_secs(3600);

fn kind<T>(outcome: Result<T>) -> ErrorKind {
    outcome.err().expect("a refusal").kind()
}

async fn join(node: &Node, text: &str) -> Result<Group> {
    node.join_group(JoinGroup::parse(text)?).await
}

/// Joins by a password, as often as it takes to be heard: wrong guesses make everybody wait.
async fn by_password(node: &Node, join: JoinGroup) -> Result<Group> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match node.join_group(join.clone()).await {
            Err(error) if error.kind() == ErrorKind::Throttled && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            outcome => return outcome,
        }
    }
}

/// Invites a new node and has it join.
async fn invited(group: &Group, role: Role) -> Result<(Node, Group)> {
    let node = node().await;
    let options = InviteMember { role, ..InviteMember::default() };
    let invitation = group.invite_peer(node.peer_id(), "", options).await?;
    let joined = node.join_group(invitation).await?;
    Ok((node, joined))
}

/// The text of an invitation with another version, its check sum being right.
fn of_version(text: &str, version: u8) -> String {
    let prefix = "peergraph-invitation:";
    let mut bytes = BASE32_NOPAD_NOCASE.decode(text.strip_prefix(prefix).unwrap().as_bytes()).unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes[0] = version;
    let sum = crypto::hash("peergraph v1 invitation checksum", &[&bytes]);
    bytes.extend_from_slice(&sum[..4]);
    format!("{prefix}{}", BASE32_NOPAD_NOCASE.encode(&bytes).to_lowercase())
}

#[tokio::test(flavor = "multi_thread")]
async fn m4_what_is_wrong_with_an_invitation_is_told_apart() {
    let (owner, ben) = (key(1), node().await);
    let ada = node_as(&owner).await;
    let club = ada.create_group("m4").await.unwrap();
    let good = club.invite_peer(ben.peer_id(), "Ben", InviteMember::default()).await.unwrap();
    let text = good.to_string();
    let now = Timestamp::from(SystemTime::now());
    let with = |change: fn(&mut Invitation, Timestamp)| {
        let mut other = good.clone();
        change(&mut other, now);
        other
    };
    let altered = with(|other, _| other.role = Role::Owner);
    assert_eq!(kind(join(&ben, &altered.to_string()).await), ErrorKind::InvalidInvitation);
    let over = with(|other, now| other.not_after = Some(now - HOUR)).signed(&owner);
    assert_eq!(kind(join(&ben, &over.to_string()).await), ErrorKind::InvitationExpired);
    let early = with(|other, now| other.not_before = now + HOUR).signed(&owner);
    assert_eq!(kind(join(&ben, &early.to_string()).await), ErrorKind::InvitationNotYetValid);
    assert_eq!(of_version(&text, 1), text, "made as the library makes it");
    assert_eq!(kind(join(&ben, &of_version(&text, 2)).await), ErrorKind::UnsupportedVersion);
    let eve = node().await;
    assert_eq!(kind(join(&eve, &text).await), ErrorKind::InvitationNotForYou);
    // Signed anew by somebody else, who cannot open it: it says that he is its issuer, and holds nothing of his.
    let forged = with(|other, _| other.role = Role::Owner).signed(&key(9));
    let joined = join(&ben, &forged.to_string()).await.unwrap();
    assert_eq!(joined.role().await.unwrap(), Some(Role::Member), "what counts is the grant inside");
    assert!(eve.stored_graphs().is_empty() && eve.open_graphs().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn m5_time_and_role_lie_within_the_issuers() {
    let (_ada, club) = peergraph_tests::group("m5").await;
    let ben = node().await;
    let short = InviteMember { role: Role::Inviter, lifetime: Some(HOUR) };
    let invitation = club.invite_peer(ben.peer_id(), "Ben", short).await.unwrap();
    let end = invitation.not_after.expect("an end");
    let bens = ben.join_group(invitation).await.unwrap();
    assert_eq!(
        club.invite_peer(key(5).peer(), "", InviteMember { lifetime: None, ..InviteMember::default() })
            .await
            .unwrap()
            .not_after,
        None
    );

    let ask = |role, lifetime| bens.invite_peer(key(6).peer(), "", InviteMember { role, lifetime });
    assert_eq!(
        ask(Role::Member, None).await.unwrap().not_after,
        Some(end),
        "without an end: the issuer's own"
    );
    assert_eq!(ask(Role::Member, Some(24 * HOUR)).await.unwrap().not_after, Some(end), "never beyond it");
    let shorter = ask(Role::Inviter, Some(HOUR / 2)).await.unwrap().not_after.unwrap();
    assert!(shorter < end);
    assert_eq!(kind(ask(Role::Admin, None).await), ErrorKind::NotAuthorized);
    assert_eq!(kind(ask(Role::Owner, None).await), ErrorKind::NotAuthorized);
    // At the others it ends as it says: of several grants the highest role counts.
    eventually("all three are known", || async {
        let known = club.member(key(6).peer()).await.ok();
        known.is_some_and(|known| (known.role, known.not_after) == (Some(Role::Inviter), Some(shorter)))
    })
    .await;

    for role in [Role::Reader, Role::Member] {
        let (_cyd, cyds) = member(&bens, role, "Cyd").await;
        let who = key(7).peer();
        assert_eq!(kind(cyds.invite_peer(who, "", InviteMember::default()).await), ErrorKind::NotAuthorized);
        assert_eq!(kind(cyds.invite_link(Default::default()).await), ErrorKind::NotAuthorized);
        let reader = InvitePassword { role: Role::Reader, ..InvitePassword::default() };
        assert_eq!(kind(cyds.set_password(PASSWORD, reader).await), ErrorKind::NotAuthorized);
        assert!(club.member(who).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m6_chains_have_a_longest_length_and_no_loops() {
    let ada = node().await;
    let with = |max_chain| CreateGroup {
        rules: GroupRules { max_chain, ..GroupRules::default() },
        ..CreateGroup::default()
    };
    assert_eq!(kind(ada.create_group(with(25)).await), ErrorKind::InvalidArgument);
    let club = ada.create_group(with(24)).await.unwrap();
    let mut last = invited(&club, Role::Inviter).await.unwrap();
    let (first, mut above) = (last.0.peer_id(), ada.peer_id());
    for _ in 1..24 {
        // Nobody invites those by whose word they are members, nor themselves.
        for loops in [ada.peer_id(), above, first, last.0.peer_id()] {
            let looped = last.1.invite_peer(loops, "", InviteMember::default()).await;
            assert_eq!(kind(looped), ErrorKind::CircularChain);
        }
        let next = invited(&last.1, Role::Inviter).await.unwrap();
        above = last.0.peer_id();
        // Those above need not be there any more.
        tokio::spawn(async move { last.0.shutdown().await });
        last = next;
    }
    let (dan, dans) = last;
    assert_eq!(dans.credentials_of(dan.peer_id()).await.unwrap().len(), 24);
    let refused = dans.invite_peer(key(5).peer(), "", InviteMember::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ChainTooLong, "{refused}");
    assert_eq!(kind(dans.invite_link(Default::default()).await), ErrorKind::ChainTooLong);
    // The last of them is a full member.
    let id = dans.publish(note("from far below")).await.unwrap().id;
    eventually("it is at the top", || async { club.get(id).await.unwrap().is_some() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m7_a_password_lets_in_in_its_role_and_tells_who_is_in_already() {
    let (ada, club) = peergraph_tests::group("m7").await;
    let reader = InvitePassword { role: Role::Reader, ..InvitePassword::default() };
    let invitation = club.set_password(PASSWORD, reader).await.unwrap();
    let text = invitation.to_string();
    assert!(!text.contains("parrots") && invitation.role == Role::Reader);
    let by = |password: &str| JoinGroup::parse(&text).unwrap().password(password).named("Ben");

    let (ben, eve) = (node().await, node().await);
    assert_eq!(kind(eve.join_group(by("twelve-red-parrots")).await), ErrorKind::WrongPassword);
    assert!(eve.open_graphs().is_empty() && club.members().await.unwrap().len() == 1);

    let bens = by_password(&ben, by(PASSWORD)).await.unwrap();
    assert_eq!(bens.join_outcome(), JoinOutcome::Joined);
    assert_eq!(bens.role().await.unwrap(), Some(Role::Reader), "the configured one");
    let listed = club.member(ben.peer_id()).await.unwrap();
    assert_eq!((listed.name.as_str(), listed.issuer), ("Ben", Some(ada.peer_id())));
    let lasts = listed.not_after.unwrap().since(club.peer_time().await.unwrap());
    assert!(lasts > Duration::from_secs(23 * 3600) && lasts < Duration::from_secs(25 * 3600));
    assert_eq!(kind(bens.publish(note("x")).await), ErrorKind::NotAuthorized);

    let again = by_password(&ben, by(PASSWORD)).await.unwrap();
    assert_eq!(again.join_outcome(), JoinOutcome::AlreadyMember);
    // Not by what is stored here alone: the group tells it to one whose database is gone.
    bens.close().await;
    again.close().await;
    let anew = by_password(&ben, by(PASSWORD)).await.unwrap();
    assert_eq!(anew.join_outcome(), JoinOutcome::AlreadyMember);
    assert_eq!(club.members().await.unwrap().len(), 2, "one membership");

    // The password makes nobody more than a member, and is none if it is too short.
    let high = InvitePassword { role: Role::Inviter, ..InvitePassword::default() };
    assert_eq!(kind(club.set_password(PASSWORD, high).await), ErrorKind::NotAuthorized);
    assert_eq!(kind(club.set_password("short", InvitePassword::default()).await), ErrorKind::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn m9_a_password_is_changed_and_all_else_stays() {
    let (_ada, club) = peergraph_tests::group("m9").await;
    let before = club.publish(note("before")).await.unwrap().id;
    let text = club.set_password(PASSWORD, InvitePassword::default()).await.unwrap().to_string();
    let by = |password: &str| JoinGroup::parse(&text).unwrap().password(password);
    let ben = node().await;
    let bens = by_password(&ben, by(PASSWORD)).await.unwrap();
    let id = club.id();

    let new = "thirteen-blue-parrots";
    club.set_password(new, InvitePassword::default()).await.unwrap();
    let (cyd, dan) = (node().await, node().await);
    assert_eq!(kind(by_password(&cyd, by(PASSWORD)).await), ErrorKind::WrongPassword);
    // The same text, the new word.
    let dans = by_password(&dan, by(new)).await.unwrap();
    assert_eq!(dans.id(), id);
    assert!(dans.get(before).await.unwrap().is_some(), "nothing was built anew");
    // Who came by the old one is a member as before.
    assert_eq!(bens.role().await.unwrap(), Some(Role::Member));
    bens.publish(note("still here")).await.unwrap();
    converge(&[&club, &bens, &dans]).await;
    assert_eq!(dans.list(ListQuery::default()).await.unwrap().items.len(), 2);

    club.clear_password().await.unwrap();
    assert_eq!(kind(by_password(&node().await, by(new)).await), ErrorKind::NotAuthorized);
}

#[tokio::test(flavor = "multi_thread")]
async fn m10_whoever_is_asked_sends_on_to_one_who_lets_in() {
    let owner = key(1);
    let ada = node_as(&owner).await;
    let club = ada.create_group("m10").await.unwrap();
    let invitation = club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let (ben, bens) = member(&club, Role::Member, "Ben").await;
    let (_cyd, cyds) = member(&club, Role::Reader, "Cyd").await;
    converge(&[&club, &bens, &cyds]).await;
    for (contact, group) in [("a member", &bens), ("a reader", &cyds)] {
        let addr = group.node_info(node_of(group).await).await.unwrap().addr;
        let mut by = invitation.clone();
        access_mut(&mut by).nodes = vec![addr];
        let dan = node().await;
        let joined = dan.join_group(JoinGroup::from(by.signed(&owner)).password(PASSWORD)).await;
        let dans = joined.unwrap_or_else(|error| panic!("by {contact}: {error}"));
        let listed = dans.member(dan.peer_id()).await.unwrap();
        assert_eq!(listed.issuer, Some(ada.peer_id()), "let in by one who may");
    }
    // An inviter lets in without the owner being there.
    let (eva, evas) = member(&club, Role::Inviter, "Eva").await;
    converge(&[&club, &bens, &evas]).await;
    eventually("Eva can check passwords", || async {
        let rules = bens.credentials().await.unwrap();
        let verifiers = rules.iter().filter_map(peergraph_tests::said).filter_map(|said| match said {
            Content::Password(rule) => Some(rule.verifiers),
            Content::PassOn { verifiers, .. } => Some(verifiers),
            _ => None,
        });
        verifiers.flatten().any(|(peer, _)| peer == eva.peer_id())
    })
    .await;
    ada.shutdown().await;
    let mut by = invitation.clone();
    access_mut(&mut by).nodes = vec![ben.addr()];
    let fay = node().await;
    let fays = fay.join_group(JoinGroup::from(by.signed(&owner)).password(PASSWORD)).await.unwrap();
    assert_eq!(fays.member(fay.peer_id()).await.unwrap().issuer, Some(eva.peer_id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_nobody_waits_for_any_more_leaves_nothing() {
    let (owner, dir) = (node().await, tempfile::tempdir().unwrap());
    let club = owner.create_group("club").await.unwrap();
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    owner.shutdown().await;
    let ben = node_at(dir.path()).await;
    for _ in 0..10 {
        // One is given up, another goes on meanwhile, and fails in its time.
        let joining = || {
            ben.join_group(JoinGroup {
                deadline: Duration::from_millis(400),
                ..JoinGroup::from(link.clone())
            })
        };
        let given_up = tokio::time::timeout(Duration::from_millis(20), joining());
        let (given_up, failed) = tokio::join!(given_up, joining());
        assert!(given_up.is_err(), "it was to hang");
        let kind = failed.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::TimedOut | ErrorKind::Unreachable), "{kind:?}");
        let given_up = tokio::time::timeout(Duration::from_millis(20), joining()).await;
        assert!(given_up.is_err(), "it was to hang");
    }
    eventually("nothing is left", || async {
        ben.open_graphs().is_empty()
            && ben.stored_graphs().is_empty()
            && ben.stored_groups().unwrap().is_empty()
    })
    .await;
    ben.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_invitations_lead_to_admitters_and_others_lead_there_only_by_a_right_proof() {
    let owner = key(1);
    let ada = node_as(&owner).await;
    let club = ada.create_group("a10").await.unwrap();
    let (cas, cass) = member(&club, Role::Member, "Cas").await;
    let (ben, bens) = member(&club, Role::Inviter, "Ben").await;
    eventually("all three are listed everywhere", || async {
        let mut counts = Vec::new();
        for group in [&club, &bens, &cass] {
            counts.push(group.nodes().await.unwrap().len());
        }
        counts == [3; 3]
    })
    .await;
    let by_password = club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let by_link = club.invite_link(InviteLink { uses: 9, ..InviteLink::default() }).await.unwrap();
    for invitation in [&by_password, &by_link] {
        let nodes: Vec<_> = access_of(invitation).nodes.iter().map(|addr| addr.node).collect();
        assert_eq!(nodes, [ada.addr().node, ben.addr().node, cas.addr().node], "admitters first");
    }
    converge(&[&club, &bens, &cass]).await;
    ada.shutdown().await;
    // The issuer is gone; Ben's address is in the invitation.
    let dan = node().await;
    let join = JoinGroup { password: Some(PASSWORD.to_owned().into()), ..by_password.clone().into() };
    dan.join_group(join.clone()).await.unwrap();
    // Who reaches Cas alone: by a link it is led on, a password is proven through Cas, and other keys lead nowhere.
    let only_cas = |invitation: &Invitation| {
        let mut other = invitation.clone();
        access_mut(&mut other).nodes.retain(|addr| addr.node == cas.addr().node);
        other.signed(&owner)
    };
    let eve = node().await;
    eve.join_group(only_cas(&by_link)).await.unwrap();
    let fay = node().await;
    let at_cas = JoinGroup { invitation: only_cas(&by_password), ..join };
    let guess = JoinGroup { password: Some("a wrong password".to_owned().into()), ..at_cas.clone() };
    assert_eq!(kind(fay.join_group(guess).await), ErrorKind::WrongPassword);
    let mut unknown = only_cas(&by_link);
    unknown.way = other_key(&unknown.way);
    assert_eq!(kind(fay.join_group(unknown.signed(&owner)).await), ErrorKind::NotAuthorized);
    let fays = fay.join_group(at_cas).await.unwrap();
    assert_eq!(fays.member(fay.peer_id()).await.unwrap().issuer, Some(ben.peer_id()));
}

/// The same way in by a link that nobody made.
fn other_key(way: &Way) -> Way {
    let Way::Link { uses, access, .. } = way else { panic!("a link") };
    Way::Link { key: [7; 32], uses: *uses, access: access.clone() }
}
