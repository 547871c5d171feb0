//! Who is here: this node's own presence record, and the list of the others'.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use rand::RngExt;

use super::Engine;
use crate::{
    crypto::SecretKey,
    events::{Event, NodeChange, NodeInfo},
    graph::Known,
    ids::{NodeId, PeerId, RecordId},
    limits::{LISTED_OF_PEER, MAX_PRESENCE_SPAN, PRESENCE_INTERVAL, PRESENCE_RETRY},
    record::{NodeAddr, Presence, RecordKey, RecordType, SignedRecord, record_id},
    records::StoreError,
    time::{Hlc, Mono, Now, Timestamp},
    wire::Filter,
};

/// What this node says of itself, and when it says it again.
#[derive(Debug)]
pub(super) struct PresenceState {
    /// Signs beside the identity.
    node_key: SecretKey,
    /// When to look at it again.
    next: Option<Mono>,
    /// By peer time: when the record is to be renewed, whatever it says.
    renew: Timestamp,
    /// When to publish anew even if the record still holds.
    anew: Option<Mono>,
    published: bool,
    /// The version that was published last, whether or not its batch was stored.
    stamp: Option<Hlc>,
    pub(super) forced: bool,
    pub(super) attributes: String,
    pub(super) since: Timestamp,
    pub(super) addr: Option<NodeAddr>,
    by_record: BTreeMap<RecordId, Current>,
    /// The same by identity, the oldest first.
    current: BTreeSet<(PeerId, Hlc, RecordId)>,
    /// By which record each listed node is listed.
    listed_by: BTreeMap<NodeId, RecordId>,
}

/// A presence record that counts.
#[derive(Clone, Copy, Debug)]
struct Current {
    node: NodeId,
    peer: PeerId,
    stamp: Hlc,
}

impl PresenceState {
    pub(super) const fn of(node_key: SecretKey) -> Self {
        Self {
            node_key,
            next: None,
            renew: Timestamp(0),
            anew: None,
            published: false,
            stamp: None,
            forced: false,
            attributes: String::new(),
            since: Timestamp(0),
            addr: None,
            by_record: BTreeMap::new(),
            current: BTreeSet::new(),
            listed_by: BTreeMap::new(),
        }
    }

    pub(super) const fn next(&self) -> Option<Mono> {
        self.next
    }

    /// Takes note of a record. Of one identity those with the greatest stamps are current, whichever came first. Gives the one that
    /// is not, if there is one too many: perhaps this one.
    fn note(&mut self, id: RecordId, current: Current) -> Option<RecordId> {
        let peer = current.peer;
        self.drop_record(&id);
        self.current.insert((peer, current.stamp, id));
        self.by_record.insert(id, current);
        let last = RecordId::from_bytes([255; 16]);
        let first = RecordId::from_bytes([0; 16]);
        let mut all = self.current.range((peer, Hlc(0), first)..=(peer, Hlc(u64::MAX), last));
        let oldest = all.next().map(|(.., id)| *id)?;
        all.nth(LISTED_OF_PEER.saturating_sub(1)).map(|_| oldest)
    }

    fn drop_record(&mut self, id: &RecordId) -> Option<Current> {
        let known = self.by_record.remove(id)?;
        self.current.remove(&(known.peer, known.stamp, *id));
        Some(known)
    }

    /// Publish anew then, or earlier if that is due: somebody may not list this node.
    pub(super) fn say_at(&mut self, at: Mono) {
        self.anew = Some(self.anew.map_or(at, |anew| anew.min(at)));
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// True if an answer to a doubt is due.
    pub(super) const fn is_about_to_speak(&self) -> bool {
        self.anew.is_some()
    }

    /// Something about this node may have changed: compare with the record at the next chance.
    pub(super) const fn touch(&mut self, now: Now) {
        self.touch_at(now.mono);
    }

    /// The same, not now.
    pub(super) const fn touch_at(&mut self, at: Mono) {
        self.next = Some(at);
    }
}

impl Engine {
    /// This node can be dialled there now.
    pub(super) fn set_address(&mut self, now: Now, addr: NodeAddr) {
        self.presence.addr = Some(addr.clone());
        self.overlay.set_address(now, addr);
        self.presence.touch(now);
    }

    /// Publishes, renews or withdraws this node's presence when it is time.
    pub(super) fn maintain_presence(&mut self, now: Now) {
        if self.presence.next.is_none_or(|at| at > now.mono) || self.leaving {
            return;
        }
        if let Some(due) = self.failing.due.filter(|due| *due > now.mono) {
            // What the database dropped is published again once it can be written.
            self.presence.next = Some(due);
            return;
        }
        let lifetime = self.presence_lifetime();
        self.presence.next = Some(now.mono + lifetime / 2);
        let result = match self.wants_presence() {
            Some(true) => self.renew_presence(now, lifetime),
            Some(false) if self.presence.published => self.withdraw_presence(now),
            Some(false) => Ok(()),
            None => {
                // Neither too few nor too many: look again in a while.
                self.presence.next = Some(now.mono + Duration::from_secs(self.rng.random_range(30..=180)));
                Ok(())
            }
        };
        if let Err(error) = result {
            tracing::warn!(%error, "presence could not be published");
            self.presence.next = Some(now.mono + PRESENCE_RETRY);
        }
    }

    /// How long presence lives: longer where there are many, so that the whole graph publishes one record in
    /// [`PRESENCE_INTERVAL`]. Each record is renewed after half of its lifetime, on average.
    fn presence_lifetime(&self) -> Duration {
        let nodes = u32::try_from(self.nodes.len() + 1).unwrap_or(u32::MAX);
        let budget = PRESENCE_INTERVAL.saturating_mul(nodes).saturating_mul(2).min(MAX_PRESENCE_SPAN);
        budget.max(self.properties.presence_lifetime)
    }

    /// Publishes unless the record of before still holds.
    fn renew_presence(&mut self, now: Now, lifetime: Duration) -> Result<(), super::PublishError> {
        let Some(body) = self.presence_body() else { return Ok(()) };
        let anew = self.presence.anew.is_some_and(|at| at <= now.mono);
        if anew || !self.presence_holds(now, &body)? {
            self.publish_presence(now, body, lifetime)?;
            self.presence.anew = None;
            self.presence.renew = self.renewal(now, lifetime);
        }
        let renew = now.mono + self.presence.renew.since(self.peer_time(now));
        self.presence.next = Some(self.presence.anew.map_or(renew, |anew| anew.min(renew)));
        Ok(())
    }

    /// The moment to renew a record: random in the middle half of its lifetime, so that nodes which were started together
    /// do not speak together.
    fn renewal(&mut self, now: Now, lifetime: Duration) -> Timestamp {
        self.peer_time(now) + lifetime.mul_f64(0.25 + 0.5 * self.rng.random::<f64>())
    }

    /// The graph's properties ask for another lifetime: all nodes renew their records, but not at once.
    pub(super) fn presence_lifetime_changed(&mut self, now: Now) {
        let lifetime = self.presence_lifetime();
        self.presence.renew = self.presence.renew.min(self.renewal(now, lifetime));
        self.presence.touch(now);
    }

    /// True if the published record says what is so, and is not to be renewed yet.
    fn presence_holds(&self, now: Now, body: &[u8]) -> Result<bool, StoreError> {
        if !self.presence.published || self.presence.renew <= self.peer_time(now) {
            return Ok(false);
        }
        let record = self.current(&self.own_presence().0)?;
        Ok(record.is_some_and(|record| {
            // Another version is here if the batch with the last one could not be stored.
            Some(record.header().hlc) == self.presence.stamp
                && !record.header().deleted
                && !self.is_ahead(now, &record)
                && *record.body() == *body
        }))
    }

    /// `None` while the number of publishers is fine as it is.
    fn wants_presence(&self) -> Option<bool> {
        if !self.usable || !self.overlay.is_listening() || self.presence.addr.is_none() {
            return Some(false);
        }
        if self.is_clock_off() {
            return None; // no other node would take it
        }
        let others = self.nodes.len() as u64;
        match self.properties.presence_max {
            _ if self.presence.forced => Some(true),
            None => Some(true),
            Some(0) => Some(false),
            Some(max) if self.presence.published && others > u64::from(max) + 10 => Some(false),
            Some(max) if self.presence.published || others < u64::from(max) => Some(true),
            Some(_) => None,
        }
    }

    fn presence_body(&self) -> Option<Bytes> {
        let (key, addr) = (&self.presence.node_key, self.presence.addr.clone()?);
        let says = (self.presence.attributes.clone(), self.presence.since);
        let presence = Presence::sign(&self.graph, key, self.device.clone(), addr, says);
        Some(postcard::to_stdvec(&presence).expect("presence always encodes").into())
    }

    fn publish_presence(
        &mut self,
        now: Now,
        body: Bytes,
        lifetime: Duration,
    ) -> Result<(), super::PublishError> {
        let expires = self.peer_time(now) + lifetime;
        let (id, nonce) = self.own_presence();
        // One that a wrong clock stamped would lead this one beyond its end.
        if let Some(old) = self.current(&id)?.filter(|old| self.is_ahead(now, old)) {
            self.store.discard(&old.key())?;
        }
        self.put_reserved(now, &id, nonce, RecordType::presence(), body, Some(expires))?;
        self.presence.published = true;
        self.presence.stamp = self.current(&id)?.map(|record| record.header().hlc);
        Ok(())
    }

    pub(super) fn withdraw_presence(&mut self, now: Now) -> Result<(), super::PublishError> {
        self.presence.published = false;
        let (id, _) = self.own_presence();
        self.delete_reserved(now, &id)
    }

    pub(super) fn own_presence(&self) -> (RecordId, [u8; 16]) {
        let node = self.device.node.as_bytes();
        let nonce: [u8; 16] = node[..16].try_into().expect("a node id has 32 bytes");
        (record_id(&self.graph, &self.device.peer, &nonce), nonce)
    }

    /// A presence record is new or changed.
    pub(super) fn on_presence(&mut self, now: Now, signed: &SignedRecord) {
        let id = signed.id();
        if signed.header().deleted {
            return self.presence_gone(&id);
        }
        let Ok(presence) = crate::wire::decode_exact::<Presence>(&signed.body()) else {
            return; // admit lets no such record in
        };
        let node = presence.device.node;
        if node == self.device.node {
            return;
        }
        let current = Current { node, peer: presence.device.peer, stamp: signed.header().hlc };
        if let Some(surplus) = self.presence.note(id, current) {
            self.presence_gone(&surplus);
            if surplus == id {
                return;
            }
        }
        if self.is_outdated(&id, &presence) {
            return;
        }
        self.overlay.add_contact(now, presence.addr.clone(), Some(presence.device.peer), Known::Signed);
        if !self.presence_seen(now, node, signed.header().hlc) || !self.current_now {
            return; // lost, or listed when this database is known to be current
        }
        self.list_node(id, presence);
    }

    /// True if the node is listed by another identity's record, as which it was started later: a node that changed its
    /// identity is listed under the new one, whatever the old one still says.
    fn is_outdated(&self, id: &RecordId, presence: &Presence) -> bool {
        let node = presence.device.node;
        self.presence.listed_by.get(&node).is_some_and(|by| by != id)
            && self.nodes.get(&node).is_some_and(|listed| listed.since >= presence.since)
    }

    fn list_node(&mut self, id: RecordId, presence: Presence) {
        if self.is_outdated(&id, &presence) {
            return;
        }
        self.presence.listed_by.insert(presence.device.node, id);
        let info = NodeInfo {
            node: presence.device.node,
            peer: presence.device.peer,
            addr: presence.addr,
            attributes: presence.attributes,
            since: presence.since,
        };
        let change = match self.nodes.insert(info.node, info.clone()) {
            None => NodeChange::Connected,
            Some(before) if before == info => return,
            Some(_) => NodeChange::Updated,
        };
        self.group.changed = true;
        self.hub.publish(Event::NodeChanged { change, node: info });
    }

    /// A presence record was deleted or has expired.
    pub(super) fn presence_gone(&mut self, id: &RecordId) {
        let Some(Current { node, .. }) = self.presence.drop_record(id) else { return };
        // Another identity's record of the node says nothing of the one by which it is listed.
        if self.presence.listed_by.get(&node).is_some_and(|by| by != id) {
            return;
        }
        self.presence.listed_by.remove(&node);
        self.absence.forget(&node);
        if let Some(info) = self.nodes.remove(&node) {
            self.group.changed = true;
            self.hub.publish(Event::NodeChanged { change: NodeChange::Disconnected, node: info });
        }
    }

    /// Lists everybody whose presence is in the database, now that it is known to be current.
    pub(super) fn list_present(&mut self, now: Now) {
        for (id, stamp, presence) in self.stored_presence(now) {
            let node = presence.device.node;
            let listed = node != self.device.node && !self.is_outdated(&id, &presence);
            if listed && self.presence_seen(now, node, stamp) {
                self.list_node(id, presence);
            }
        }
    }

    /// The presence records in the database that have not expired, of one identity the latest; their nodes become contacts.
    pub(super) fn stored_presence(&mut self, now: Now) -> Vec<(RecordId, Hlc, Presence)> {
        let filter = Filter::Only(RecordType::presence());
        let Ok((envelopes, _)) = self.store.envelopes(&filter, RecordKey::MIN, None, usize::MAX) else {
            return Vec::new();
        };
        let peer_now = self.peer_time(now);
        let mut found = BTreeMap::new();
        for bytes in envelopes {
            let Ok(signed) = SignedRecord::decode_stored(&self.graph, bytes) else { continue };
            let live = !signed.header().deleted && signed.header().expires.is_none_or(|at| at > peer_now);
            if !live {
                continue;
            }
            if let Ok(presence) = crate::wire::decode_exact::<Presence>(&signed.body()) {
                let (id, stamp) = (signed.id(), signed.header().hlc);
                let current = Current { node: presence.device.node, peer: presence.device.peer, stamp };
                found.insert(id, (id, stamp, presence));
                if let Some(surplus) = self.presence.note(id, current) {
                    self.presence_gone(&surplus);
                    found.remove(&surplus);
                }
            }
        }
        found.into_values().collect()
    }

    /// This node as others see it.
    pub(super) fn own_info(&self) -> NodeInfo {
        let addr = self.presence.addr.clone();
        NodeInfo {
            node: self.device.node,
            peer: self.device.peer,
            addr: addr.unwrap_or_else(|| NodeAddr::new(self.device.node)),
            attributes: self.presence.attributes.clone(),
            since: self.presence.since,
        }
    }
}
