//! Moving a membership to another machine.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    Call, Error, ErrorKind, Graph, Group, JoinOutcome, Node, Result,
    call::attempt,
    graph::GraphInner,
    identities::check_password,
    joining::check_version,
    making::Undo,
    node::NodeInner,
    opening::{Guard, Opening},
    runtime::blocking,
};
use crate::{
    crypto::{PasswordCost, SealSeed},
    group::ExportedMembership,
    ids::GraphId,
};

impl Group {
    /// This membership as text that only the password opens, for [`Node::import_membership`] on another machine: the
    /// identity with its private key, what the group is, its secret, the grants, and some nodes to connect to. Without
    /// records; see [`export_database`](super::Graph::export_database).
    ///
    /// Whoever has the text and the password can do all that this member can; the creator's is power over the whole
    /// group, and cannot be taken back. The text is worth as much as the password is.
    ///
    /// # Errors
    /// `InvalidArgument` if the password has fewer than 8 characters, `NotAMember` or `Removed` if this identity is no
    /// member, `IdentityDeleted`, `NeverSynchronized` before the first connect, `Closed`.
    #[doc(alias = "PeerGroupExportConfig")]
    pub fn export_membership(&self, password: &str) -> Call<Result<String>> {
        attempt!(check_password(password));
        let inner = self.graph().inner();
        let node = attempt!(inner.node.upgrade().ok_or_else(Error::closed));
        let (peer, secret) = (inner.identity, inner.secret);
        // All of it as it is in this call's turn.
        let (genesis, grants) = (self.genesis(), self.ask(|engine, _| engine.export_membership()));
        let identity = node.exclusive(move |node| {
            let known = node.identities.list().into_iter().find(|entry| entry.peer_id() == peer);
            let gone =
                || Error::new(ErrorKind::IdentityDeleted, "the identity no longer exists on this node");
            known.ok_or_else(gone)?.whole()
        });
        let password = Zeroizing::new(password.to_owned());
        Call::placed(async move {
            let (genesis, (chain, nodes)) = (genesis.await?, grants.await?);
            let identity = identity.await?;
            let membership = ExportedMembership { identity, genesis, secret, chain, nodes };
            let seed = SealSeed { salt: rand::random(), nonce: rand::random() };
            // Slow on purpose.
            Ok(blocking(move || membership.to_text(&password, seed, PasswordCost::default())).await)
        })
    }
}

impl Node {
    /// Takes in a membership that [`Group::export_membership`] wrote, here or on another machine, and opens its group.
    /// No traffic yet: [`enter`](super::Graph::enter) the group by its [`contacts`](super::Graph::contacts), or import
    /// its database first. The identity is added to those of this node, unless it is here already. What a mail or
    /// a chat does to the text is undone; no character may be missing or another.
    ///
    /// # Errors
    /// `InvalidArgument` if the text is not an exported membership or was altered, `WrongPassword`,
    /// `UnsupportedVersion` if a later version made it or the group wants one, `AlreadyExists` if the group is here,
    /// `NotAMember` if the grants in it do not hold, `KeyAccess` or `Storage` if it could not be written, `Closed`.
    /// Nothing is left here if it fails.
    #[doc(alias = "PeerGroupImportConfig")]
    pub fn import_membership(&self, text: &str, password: &str) -> Call<Result<Group>> {
        let (text, password) = (text.to_owned(), Zeroizing::new(password.to_owned()));
        let import = |node: Arc<NodeInner>| async move {
            let membership = blocking(move || ExportedMembership::from_text(&text, &password)).await?;
            check_version(&membership.genesis)?;
            node.import_membership(membership).await
        };
        let take = |opened| Group::new(Graph::new(opened), JoinOutcome::AlreadyMember);
        self.inner.make(import, take)
    }
}

impl NodeInner {
    async fn import_membership(
        self: Arc<Self>,
        membership: ExportedMembership,
    ) -> Result<(Arc<GraphInner>, Undo)> {
        let id = membership.group();
        if self.find_open(&id).await.is_some() || self.is_here(&id) {
            let message = format!("group {} already exists on this node", id.short());
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let secret = membership.identity.clone();
        let known = self.identities.list().iter().any(|entry| entry.peer_id() == secret.key().peer());
        let name = (!known).then(|| secret.peer_name().clone());
        if !known {
            let node = self.clone();
            blocking(move || node.identities.add(secret)).await?;
        }
        let undo = Undo::Membership(id, name);
        match self.open_imported(id, membership).await {
            Ok(graph) => Ok((graph, undo)),
            Err(error) => {
                self.undo(undo).await;
                Err(error)
            }
        }
    }

    async fn open_imported(
        self: &Arc<Self>,
        id: GraphId,
        membership: ExportedMembership,
    ) -> Result<Arc<GraphInner>> {
        let ExportedMembership { identity, genesis, secret, chain, nodes } = membership;
        let opening = Opening {
            secret: Some(secret),
            genesis: Some(genesis),
            ..Opening::of(id, Guard::Membership, identity.key().clone())
        };
        let graph = self.open_alone(opening).await?;
        let taken = |engine: &mut crate::engine::Engine, now| -> Result<_> {
            Ok(engine.import_membership(now, chain, nodes))
        };
        match graph.driver.write(taken).await?? {
            Ok(()) => Ok(graph),
            Err(_) => Err(Error::new(
                ErrorKind::NotAMember,
                "the exported grants do not make this identity a member",
            )),
        }
    }
}
