//! What the application asks of a graph, and what it is told of links.

use super::{Engine, Notice, PublishError};
use crate::{
    events::{ConnectionChange, ConnectionEvent, Cursor, Event, NodeInfo, Status},
    graph::{ConnectFailure, ConnectId, ConnectOptions, Known, NeighborInfo},
    group::Ending,
    ids::{ConnectionId, ElementId, GraphId, LinkId, NodeId, PeerId},
    link::{ConnectionKind, FailureReason},
    record::{Genesis, GraphProperties, NodeAddr, RecordType},
    records::{Fingerprint, StoreError},
    time::Now,
    wire::{Mark, Purpose},
};

impl Engine {
    /// Begins to reach a neighbor or a direct connection; exactly one [`Notice::Connect`] follows.
    pub fn connect(&mut self, now: Now, targets: Vec<NodeAddr>, options: ConnectOptions) -> ConnectId {
        let options_purpose = options.purpose;
        let kind = match options_purpose {
            Purpose::Direct => ConnectionKind::Direct,
            _ => ConnectionKind::Neighbor,
        };
        // Of several, none is the one that failed.
        let only = if let [only] = targets.as_slice() { Some(only.node) } else { None };
        let id = self.overlay.connect(now, targets, options);
        if options_purpose != Purpose::Join {
            self.connecting.insert(id, (kind, only));
        }
        self.pump(now);
        id
    }

    /// Ends a connect; its notice says `Cancelled`, unless it was over.
    pub fn cancel_connect(&mut self, now: Now, id: ConnectId) {
        self.overlay.cancel_connect(now, id);
        self.pump(now);
    }

    /// Closes a neighbor link or direct connection; false if there is none with this number.
    pub fn disconnect(&mut self, now: Now, connection: ConnectionId) -> bool {
        let found = self.overlay.disconnect(now, connection);
        self.pump(now);
        found
    }

    /// Lets others connect; false if they could already.
    ///
    /// # Errors
    /// [`PublishError::NeverSynchronized`] if this node has nothing to offer yet.
    pub fn listen(&mut self, now: Now) -> Result<bool, PublishError> {
        self.check_usable()?;
        let started = !self.overlay.is_listening();
        if started {
            self.overlay.set_listening(now, true);
            self.presence.touch(now);
        }
        self.pump(now);
        Ok(started)
    }

    /// Dials the nodes that are known, in the background, and listens as soon as there is something to offer.
    pub fn go_online(&mut self, now: Now) {
        self.listen_when_usable = true;
        self.overlay.go_online(now);
        self.listen_if_wanted(now);
        self.pump(now);
    }

    pub(super) fn listen_if_wanted(&mut self, now: Now) {
        if self.listen_when_usable && self.usable && !self.overlay.is_listening() {
            self.overlay.set_listening(now, true);
            self.presence.touch(now);
        }
    }

    /// How many records its neighbors are still to get of a node whose identity has left the group for good.
    pub fn parting_words(&self) -> usize {
        let left =
            self.membership().is_some_and(|members| members.ending(self.device.peer) == Some(Ending::Left));
        if left { self.overlay.queued() } else { 0 }
    }

    /// Says goodbye to all, withdraws presence. Flush and drain outputs, then drop the engine.
    pub fn leave(&mut self, now: Now) {
        if self.leaving {
            return;
        }
        self.finish_listings(now);
        self.keep_contacts_now();
        if self.usable
            && let Err(error) = self.withdraw_presence(now)
        {
            tracing::warn!(%error, "presence could not be withdrawn");
        }
        self.leaving = true;
        if let Err(error) = self.flush(now) {
            tracing::error!(%error, "the database failed while closing");
        }
        self.overlay.leave(now);
        self.pump(now);
    }

    /// Acknowledges a conflict, here: the content of the version that lost is dropped, and it is not told of again. False
    /// if it is not here. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn acknowledge_conflict(&mut self, loser: &ElementId) -> Result<bool, StoreError> {
        let found = self.store.acknowledge_loser(loser)?;
        self.meta_written |= found;
        Ok(found)
    }

    /// The changeable properties.
    ///
    /// # Errors
    /// [`PublishError::NeverSynchronized`] if they are not known yet.
    pub fn properties(&self) -> Result<&GraphProperties, PublishError> {
        self.check_usable()?;
        // A call sees what the calls before it wrote, committed or not.
        Ok(self.written_properties.as_ref().unwrap_or(&self.properties))
    }

    /// Gives the graph new properties. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`PublishError`]; check the bounds with [`GraphProperties::check`] first.
    pub fn put_properties(&mut self, now: Now, properties: &GraphProperties) -> Result<(), PublishError> {
        self.check_standing()?;
        self.check_usable()?;
        let id = self.properties_id.ok_or(PublishError::NeverSynchronized)?;
        let body = postcard::to_stdvec(properties).expect("properties always encode");
        self.put_reserved(now, &id, [0; 16], RecordType::properties(), body.into(), None)?;
        self.written_properties = Some(properties.clone());
        Ok(())
    }

    /// Sets the text that others read beside this node, at most 1,024 bytes; empty clears it.
    pub fn set_attributes(&mut self, now: Now, attributes: String) {
        self.presence.attributes = attributes;
        self.presence.touch(now);
    }

    /// Publishes presence whatever the policy says, or no longer.
    pub fn force_presence(&mut self, now: Now, forced: bool) {
        self.presence.forced = forced;
        self.presence.touch(now);
    }

    /// Follows whether some subscription wants direct connections.
    pub fn refresh_accepting(&mut self) {
        self.overlay.set_accept_direct(self.hub.accepts_direct());
    }

    /// The nodes known to be here, this one first.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        std::iter::once(self.own_info()).chain(self.nodes.values().cloned()).collect()
    }

    /// The neighbors.
    pub fn neighbors(&self) -> Vec<NeighborInfo> {
        self.overlay.neighbors()
    }

    /// The direct connections.
    pub fn directs(&self) -> Vec<NeighborInfo> {
        self.overlay.directs()
    }

    /// True once the database was equal to a neighbor's, or was made here: this node may publish and listen.
    pub const fn is_usable(&self) -> bool {
        self.usable
    }

    /// Listening, connected, synchronised.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The graph's id.
    pub const fn graph_id(&self) -> GraphId {
        self.graph
    }

    /// What the graph is, once known.
    pub const fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_ref()
    }

    /// Where a node or a peer's nodes can be dialled, as far as known.
    pub fn addresses_of(&self, node: Option<NodeId>, peer: Option<PeerId>) -> Vec<NodeAddr> {
        let wanted =
            |n: NodeId, p: Option<PeerId>| node.is_none_or(|w| w == n) && peer.is_none_or(|w| Some(w) == p);
        let mut found: Vec<NodeAddr> =
            self.nodes.values().filter(|i| wanted(i.node, Some(i.peer))).map(|i| i.addr.clone()).collect();
        for neighbor in self.overlay.neighbors() {
            if wanted(neighbor.node, Some(neighbor.peer)) && found.iter().all(|a| a.node != neighbor.node) {
                found.push(neighbor.addr);
            }
        }
        for contact in self.overlay.contacts() {
            if wanted(contact.node, contact.peer) && found.iter().all(|a| a.node != contact.node) {
                found.push(contact.addr());
            }
        }
        found
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one event")]
    pub(super) fn on_connected(
        &mut self,
        now: Now,
        link: LinkId,
        connection: ConnectionId,
        kind: ConnectionKind,
        node: NodeId,
        peer: PeerId,
        addr: NodeAddr,
    ) {
        self.links.insert(link, (node, peer));
        if kind == ConnectionKind::Neighbor {
            self.note_joining(Some(super::Joining::LetIn));
            self.overlay.add_contact(now, addr, Some(peer), Known::Link);
            // What was overdue while alone goes before databases are compared. A failing store fails the next flush.
            if let Err(error) = self.expire_due(now) {
                tracing::error!(%error, "records that are overdue stay");
            }
            self.neighbor_found(now, link, node);
            self.group.epochs.spoiled.neighbor_came();
        }
        self.publish_connection(kind, connection, Some(node), Some(peer), ConnectionChange::Connected);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one event")]
    pub(super) fn on_disconnected(
        &mut self,
        now: Now,
        link: LinkId,
        connection: ConnectionId,
        kind: ConnectionKind,
        node: NodeId,
        peer: PeerId,
        reason: FailureReason,
    ) {
        self.forget_link(link);
        if kind == ConnectionKind::Neighbor && reason == FailureReason::Lost {
            self.neighbor_lost(now, node);
        }
        let change = ConnectionChange::Disconnected { reason };
        self.publish_connection(kind, connection, Some(node), Some(peer), change);
    }

    pub(super) fn on_connect_finished(
        &mut self,
        now: Now,
        connect: ConnectId,
        result: Result<NeighborInfo, ConnectFailure>,
    ) {
        if self.on_relay_connected(now, connect, &result) {
            return;
        }
        let asked = self.connecting.remove(&connect);
        if let (Some((kind, node)), Err(failure)) = (asked, &result) {
            let change = ConnectionChange::Failed { reason: failure.reason() };
            self.publish_connection(kind, ConnectionId(connect.0), node, None, change);
        }
        self.notices.push_back(Notice::Connect { connect, result });
    }

    pub(super) fn publish_referred(&self, connect: ConnectId, hop: u32, next: NodeId) {
        let kind = self.connecting.get(&connect).map_or(ConnectionKind::Neighbor, |(kind, _)| *kind);
        let change = ConnectionChange::Referred { hop, next };
        self.publish_connection(kind, ConnectionId(connect.0), Some(next), None, change);
    }

    pub(super) fn update_status(&mut self, now: Now) {
        self.refresh_stamper(now);
        self.confirm_clock(now);
        let has_connections = self.overlay.has_neighbors();
        if self.status.has_connections && !has_connections {
            // Alone, nobody can tell whether this database is still current.
            self.current_now = false;
        }
        let clock_skew_ms = self.shown_skew();
        if clock_skew_ms.is_some_and(i64::is_negative) {
            // What others write is refused: equal databases mean nothing.
            self.current_now = false;
        }
        let status = Status {
            listening: self.overlay.is_listening(),
            has_connections,
            synchronized: self.current_now,
            clock_skew_ms,
        };
        if status != self.status {
            self.tell_skew(now, clock_skew_ms);
            self.status = status;
            self.hub.publish(Event::StatusChanged(status));
            self.presence.touch(now);
        }
    }

    fn publish_connection(
        &self,
        kind: ConnectionKind,
        connection: ConnectionId,
        node: Option<NodeId>,
        peer: Option<PeerId>,
        change: ConnectionChange,
    ) {
        let event = ConnectionEvent { change, connection, node, peer };
        self.hub.publish(match kind {
            ConnectionKind::Neighbor => Event::NeighborConnection(event),
            ConnectionKind::Direct => Event::DirectConnection(event),
        });
    }

    /// This machine's clock against the graph's: peer time minus wall time, in milliseconds.
    pub fn clock_offset_ms(&self) -> i64 {
        self.overlay.clock_offset_ms()
    }

    /// The lowest live node heard of: the same everywhere in one part of the graph.
    pub const fn mark(&self) -> Mark {
        self.overlay.mark()
    }

    /// Count and fingerprint of the whole database.
    pub fn fingerprint(&self) -> Fingerprint {
        self.store.root()
    }

    /// Keeps an application's cursor under a name. Acknowledge only after [`flush`](Engine::flush) succeeds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn save_cursor(&mut self, name: &str, cursor: &Cursor) -> Result<(), StoreError> {
        self.keep_meta(&format!("cursor/{name}"), &cursor.to_bytes())
    }

    /// A cursor kept under a name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load_cursor(&self, name: &str) -> Result<Option<Cursor>, StoreError> {
        let kept = self.store.meta(&format!("cursor/{name}"))?;
        Ok(kept.and_then(|bytes| Some(Cursor::from_bytes(bytes.as_slice().try_into().ok()?))))
    }

    /// Calls back once when the graph's fixed properties become known.
    pub fn on_genesis(&mut self, hook: impl FnOnce(&Genesis) + Send + 'static) {
        match &self.genesis {
            Some(genesis) => hook(genesis),
            None => self.genesis_hook = Some(Box::new(hook)),
        }
    }
}
