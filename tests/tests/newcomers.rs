//! What a newcomer can do wrong, and what each is told: an error of its own, whose message says what to do. Run with
//! `--nocapture` to read them all.

use std::time::Duration;

use peergraph::{
    ErrorKind, InviteLink, InviteMember, JoinGroup, Node, RemoveMember, Result, Role, Ticket, group::Way,
};
use peergraph_tests::{eventually, founder, group, member, node, node_at, note};

/// Tells and checks what an attempt came to.
fn refused<T>(attempt: &str, outcome: Result<T>, kind: ErrorKind, words: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("{attempt}: it worked"));
    println!("{attempt:<32} {kind:?}: {error}");
    assert_eq!(error.kind(), kind, "{attempt}: {error}");
    assert!(error.to_string().contains(words), "{attempt}: {error}");
}

async fn join(node: &Node, text: &str) -> Result<peergraph::Group> {
    node.join_group(JoinGroup::parse(text)?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn m4_a_text_that_is_no_invitation_says_what_it_is() {
    let (ada, club) = group("Book club").await;
    let (_cyd, graph) = founder("plain").await;
    let text = club.invite_link(InviteLink::default()).await.unwrap().to_string();
    let ben = node().await;
    let invalid = ErrorKind::InvalidInvitation;
    refused("nothing", join(&ben, "").await, invalid, "begins with");
    refused("a web page", join(&ben, "https://example.org").await, invalid, "begins with");
    refused(
        "a link cut off",
        join(&ben, &text[..text.len() - 20]).await,
        invalid,
        "incomplete or was changed",
    );
    let other = if text.as_bytes()[60] == b'a' { "b" } else { "a" };
    let typo = format!("{}{other}{}", &text[..60], &text[61..]);
    refused("a mistyped link", join(&ben, &typo).await, invalid, "incomplete or was changed");
    refused("a link with a foreign letter", join(&ben, &text.replace('b', "ß")).await, invalid, "character");
    let ticket = graph.ticket().await.unwrap().to_string();
    refused("a ticket as an invitation", join(&ben, &ticket).await, invalid, "join it as a graph");
    let described = ada.identities().default().await.unwrap().describe().unwrap().to_string();
    refused("an identity's description", join(&ben, &described).await, invalid, "a member who may invite");
    let ticket = text.parse::<Ticket>().map_err(peergraph::Error::from);
    refused("an invitation as a ticket", ticket, ErrorKind::InvalidTicket, "join the group with it");
    let mut link = JoinGroup::parse(&text).unwrap().invitation;
    let access = link.access().unwrap().clone();
    link.way = Way::Password { access };
    refused("an altered link", join(&ben, &link.to_string()).await, invalid, "changed after");
    assert!(ben.open_graphs().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn m4_m7_a_good_invitation_that_does_not_let_in_says_why() {
    let (ada, club) = group("Book club").await;
    let (ben, eve) = (node().await, node().await);
    let whom = ben.identities().default().await.unwrap().describe().unwrap();
    let bens = club.invite(&whom, InviteMember::default()).await.unwrap().to_string();
    refused(
        "somebody else's invitation",
        join(&eve, &bens).await,
        ErrorKind::InvitationNotForYou,
        "ask for one",
    );

    let brief = InviteLink { valid: Duration::from_millis(1), ..InviteLink::default() };
    let brief = club.invite_link(brief).await.unwrap();
    let end = brief.not_after.unwrap();
    eventually("the link is over", || async { club.peer_time().await.unwrap() > end }).await;
    refused("an expired link", join(&eve, &brief.to_string()).await, ErrorKind::InvitationExpired, "expired");

    let once = club.invite_link(InviteLink::default()).await.unwrap().to_string();
    let dan = node().await;
    join(&dan, &once).await.unwrap();
    refused("a used-up link", join(&eve, &once).await, ErrorKind::InvitationUsedUp, "maximum number of uses");

    let revoked = club.invite_link(InviteLink::default()).await.unwrap().to_string();
    for open in club.invitations().await.unwrap() {
        club.revoke_invitation(open.key).await.unwrap();
    }
    refused("a link taken back", join(&eve, &revoked).await, ErrorKind::InvitationRevoked, "taken back");

    let (fay, fays) = member(&club, Role::Member, "Fay").await;
    let link = club.invite_link(InviteLink::default()).await.unwrap().to_string();
    club.remove(fay.peer_id(), RemoveMember::default()).await.unwrap();
    fays.close().await;
    refused("a link for one removed", join(&fay, &link).await, ErrorKind::Removed, "removed");

    let guarded = club.set_password("twelve-green-parrots", Default::default()).await.unwrap().to_string();
    refused("no password", join(&eve, &guarded).await, ErrorKind::InvalidArgument, "password");
    let guess = || JoinGroup::parse(&guarded).unwrap().password("twelve-red-parrots");
    refused("a wrong password", eve.join_group(guess()).await, ErrorKind::WrongPassword, "wrong");
    refused("again at once", eve.join_group(guess()).await, ErrorKind::WrongPassword, "wrong");
    refused("and again", eve.join_group(guess()).await, ErrorKind::WrongPassword, "wrong");
    refused("too often", eve.join_group(guess()).await, ErrorKind::Throttled, "wait");
    club.clear_password().await.unwrap();
    refused("a password no more", eve.join_group(guess()).await, ErrorKind::NotAuthorized, "password");

    ada.shutdown().await;
    dan.shutdown().await;
    // The link was made while she was a neighbor, and names her node too.
    fay.shutdown().await;
    refused("nobody online", join(&eve, &link).await, ErrorKind::Unreachable, "must be online");
    assert!(eve.open_graphs().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn g39_m3_each_way_in_is_remembered_by_a_node_that_starts_again_alone() {
    let (ada, club) = group("Book club").await;
    let password = club.set_password("twelve-green-parrots", Default::default()).await.unwrap();
    let link = club.invite_link(InviteLink::default()).await.unwrap();
    for way in ["identity", "link", "password"] {
        let dir = tempfile::tempdir().unwrap();
        let ben = node_at(dir.path()).await;
        let join = match way {
            "identity" => {
                let whom = ben.identities().default().await.unwrap().describe().unwrap();
                JoinGroup::from(club.invite(&whom, InviteMember::default()).await.unwrap())
            }
            "link" => link.clone().into(),
            _ => JoinGroup::from(password.clone()).password("twelve-green-parrots"),
        };
        ben.join_group(join).await.unwrap();
        ben.shutdown().await;
        let ben = node_at(dir.path()).await;
        let alone = ben.open_group(club.id()).await.unwrap();
        assert_eq!(alone.role().await.unwrap(), Some(Role::Member), "by {way}");
        assert_eq!(alone.genesis().await.unwrap().creator, ada.peer_id());
        alone.publish(note(way)).await.unwrap_or_else(|error| panic!("by {way}: {error}"));
        ben.shutdown().await;
    }
}
