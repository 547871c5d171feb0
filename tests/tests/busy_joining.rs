//! Joining when some of an invitation's nodes are silent, and when many come at once.

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use peergraph::{ErrorKind, InviteLink, InvitePassword, JoinGroup, JoinOutcome, NodeAddr, SecretKey};
use peergraph_tests::{converge, group, identities::key, leaks::access_mut, node, node_as, note};

const PASSWORD: &str = "correct horse battery";

/// A node that takes everything and says nothing; it is silent as long as the socket lives.
fn silent(number: u8) -> (UdpSocket, NodeAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = NodeAddr::at(SecretKey::from_bytes(&[number; 32]).node(), [socket.local_addr().unwrap()]);
    (socket, addr)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_silent_do_not_hold_up_a_join() {
    let ada = node_as(&key(1)).await;
    let club = ada.create_group("silent").await.unwrap();
    club.publish(note("first")).await.unwrap();
    let mut link = club.invite_link(InviteLink::default()).await.unwrap();
    let (sockets, addrs): (Vec<_>, Vec<_>) = (20..23).map(silent).unzip();
    let nodes = &mut access_mut(&mut link).nodes;
    nodes.splice(0..0, addrs);
    let ben = node().await;
    let begun = Instant::now();
    let joined = ben.join_group(link.signed(&key(1))).await.unwrap();
    let took = begun.elapsed();
    // One after another they would take 10 s each to be given up, and then as long again to connect.
    assert!(took < Duration::from_secs(10), "{took:?}");
    converge(&[&club, &joined]).await;
    drop(sockets);
}

#[tokio::test(flavor = "multi_thread")]
async fn m7_several_who_know_the_password_come_at_the_same_moment() {
    let (_ada, club) = group("m7").await;
    let invitation = club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let mut joining = Vec::new();
    for number in 0..8 {
        let join = JoinGroup::from(invitation.clone()).password(PASSWORD).named(format!("guest {number}"));
        joining.push(tokio::spawn(async move {
            let guest = node().await;
            let joined = guest.join_group(join).await;
            (joined, guest)
        }));
    }
    let mut guests = Vec::new();
    for guest in joining {
        let (joined, guest) = guest.await.unwrap();
        let joined = joined.expect("the limit on guesses is not for those who know it");
        assert_eq!(joined.join_outcome(), JoinOutcome::Joined);
        guests.push((joined, guest));
    }
    assert_eq!(club.members().await.unwrap().len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn s25_a_long_wait_is_told_and_not_waited_out() {
    let (_ada, club) = group("s25").await;
    let invitation = club.set_password(PASSWORD, InvitePassword::default()).await.unwrap();
    let guesser = node().await;
    let mut kinds = Vec::new();
    for guess in 0..4 {
        let join = JoinGroup::from(invitation.clone()).password(format!("a wrong guess {guess}"));
        kinds.push(guesser.join_group(join).await.unwrap_err().kind());
    }
    assert_eq!(kinds[..3], [ErrorKind::WrongPassword; 3]);
    assert_eq!(kinds[3], ErrorKind::Throttled, "the fourth within an hour");
}
