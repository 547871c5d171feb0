//! Groups: members, invitations, roles.

use peergraph::{
    ErrorKind, InviteLink, InviteMember, InvitePassword, PeerId, RemoveMember, Role, SecretKey,
    record::GroupRules,
};

use crate::{Case, case, plain};

const PASSWORD: &str = "open sesame, please";

fn somebody() -> PeerId {
    SecretKey::from_bytes(&rand::random()).peer()
}

pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        plain!("Group::rules", |world| world.group.rules()),
        plain!("Group::role", |world| world.group.role()),
        plain!("Group::members", |world| world.group.members()),
        plain!("Group::present_members", |world| world.group.present_members()),
        plain!("Group::member", |world| world.group.member(world.node.peer_id())),
        plain!("Group::credentials", |world| world.group.credentials()),
        plain!("Group::credentials_of", |world| world.group.credentials_of(world.node.peer_id())),
        plain!("Group::invitations", |world| world.group.invitations()),
        plain!("Group::invite", |world| async {
            let whom = world.friend.identities().default().await?.describe()?;
            world.group.invite(&whom, InviteMember::default()).await
        }),
        plain!("Group::invite_peer", |world| {
            world.group.invite_peer(somebody(), "somebody", InviteMember::default())
        }),
        plain!("Group::invite_link", |world| world.group.invite_link(InviteLink::default())),
        plain!("Group::set_password", |world| world.group.set_password(PASSWORD, InvitePassword::default())),
        plain!("Group::clear_password", |world| world.group.clear_password()),
        plain!("Group::renew", |world| world.group.renew(world.their_node.peer_id(), None)),
        plain!("Group::set_name", |world| world.group.set_name("Ada")),
        plain!("Group::set_role", |world| world.group.set_role(world.their_node.peer_id(), Role::Member)),
        plain!("Group::revoke_device", |world| {
            world.group.revoke_device(world.their_node.peer_id(), peergraph::NodeId::from_bytes([7; 32]))
        }),
        plain!("Group::revoked_devices", |world| world.group.revoked_devices(world.their_node.peer_id())),
        case!("Group::restore_device", |world, cut| {
            let (peer, node) = (world.their_node.peer_id(), peergraph::NodeId::from_bytes([6; 32]));
            world.group.revoke_device(peer, node).await.unwrap();
            if let Some(restored) = cut.run(|| world.group.restore_device(peer, node)).await {
                restored.expect("to restore");
            }
            if let Err(error) = world.group.restore_device(peer, node).await {
                assert_eq!(error.kind(), ErrorKind::NotFound, "restored, or not at all");
            }
            let still = world.group.revoked_devices(peer).await.unwrap();
            assert!(still.iter().all(|device| device.node != node));
        }),
        plain!("Group::export_membership", |world| world.group.export_membership(PASSWORD)),
        case!("Group::revoke_invitation", |world, cut| {
            world.group.invite_link(InviteLink::default()).await.unwrap();
            let key = world.group.invitations().await.unwrap()[0].key;
            if let Some(revoked) = cut.run(|| world.group.revoke_invitation(key)).await {
                revoked.expect("to revoke");
            }
            if let Err(error) = world.group.revoke_invitation(key).await {
                assert_eq!(error.kind(), ErrorKind::NotFound, "revoked, or not at all");
            }
        }),
        case!("Group::remove", |world, cut| {
            let peer = somebody();
            world.group.invite_peer(peer, "to be removed", InviteMember::default()).await.unwrap();
            if let Some(removed) = cut.run(|| world.group.remove(peer, RemoveMember::default())).await {
                removed.expect("to remove");
            }
            let _ = world.group.remove(peer, RemoveMember::default()).await;
            assert!(world.group.member(peer).await.is_err());
        }),
        case!("Group::renew_body_key", |world, cut| {
            let rules = GroupRules { encrypted_bodies: true, ..GroupRules::default() };
            let options = peergraph::CreateGroup { rules, ..peergraph::CreateGroup::from("sealed") };
            let group = world.node.create_group(options).await.unwrap();
            if let Some(renewed) = cut.run(|| group.renew_body_key()).await {
                renewed.expect("to renew");
            }
            group.renew_body_key().await.expect("to renew again");
            group.close().await;
            world.node.delete_graph(group.id()).await.unwrap();
        }),
        case!("Group::close", |world, cut| {
            let group = world.node.create_group("closing").await.unwrap();
            cut.run(|| group.close()).await;
            group.close().await;
            group.graph().close().await;
            world.node.delete_graph(group.id()).await.expect("it is closed");
        }),
        case!("Group::leave", |world, cut| {
            let theirs = world.friend.create_group("theirs").await.unwrap();
            let link = theirs.invite_link(InviteLink::default()).await.unwrap();
            let group = world.node.join_group(peergraph::JoinGroup::from(link)).await.unwrap();
            if let Some(left) = cut.run(|| group.leave()).await {
                left.expect("to leave");
            }
            if let Err(error) = group.leave().await {
                let kinds = [ErrorKind::Closed, ErrorKind::NotAMember, ErrorKind::Removed];
                assert!(kinds.contains(&error.kind()), "left, or not at all: {error:?}");
            }
            group.graph().close().await;
            world.node.delete_graph(group.id()).await.expect("it is closed");
            theirs.close().await;
        }),
    ]
}
