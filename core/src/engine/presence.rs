//! Who is here: this node's own presence record, and the list of the others'.

use std::{collections::BTreeMap, time::Duration};

use rand::RngExt;

use super::Engine;
use crate::{
    events::{Event, NodeChange, NodeInfo},
    ids::{NodeId, RecordId},
    limits::{MAX_PRESENCE_SPAN, PRESENCE_NODES},
    record::{Presence, RecordKey, RecordType, SignedRecord, record_id},
    time::{Hlc, Mono, Now, Timestamp},
    wire::Filter,
};

/// What this node says of itself, and when it says it again.
#[derive(Debug, Default)]
pub(super) struct PresenceState {
    next: Option<Mono>,
    published: bool,
    pub(super) forced: bool,
    pub(super) attributes: String,
    pub(super) since: Timestamp,
    pub(super) addr: Option<crate::record::NodeAddr>,
    by_record: BTreeMap<RecordId, NodeId>,
}

impl PresenceState {
    pub(super) const fn next(&self) -> Option<Mono> {
        self.next
    }

    /// Say it again then, or earlier if that is due.
    pub(super) fn say_at(&mut self, at: Mono) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Something about this node changed: say so at the next chance.
    pub(super) const fn touch(&mut self, now: Now) {
        self.next = Some(now.mono);
    }
}

impl Engine {
    /// Publishes, refreshes or withdraws this node's presence when it is time.
    pub(super) fn maintain_presence(&mut self, now: Now) {
        if self.presence.next.is_none_or(|at| at > now.mono) || self.leaving {
            return;
        }
        let lifetime = self.presence_lifetime();
        // Half the lifetime, less a tenth at random, so that nodes started together do not speak together.
        self.presence.next = Some(now.mono + lifetime.mul_f64(0.5 - 0.05 * self.rng.random::<f64>()));
        let result = match self.wants_presence() {
            Some(true) => self.publish_presence(now, lifetime),
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
        }
    }

    /// How long presence lives: longer where there are many, so that what each node hears does not grow with them.
    fn presence_lifetime(&self) -> Duration {
        let least = self.properties.presence_lifetime;
        let many = (self.nodes.len() + 1) as f64 / PRESENCE_NODES as f64;
        least.mul_f64(many.max(1.0)).min(least.max(MAX_PRESENCE_SPAN))
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

    fn publish_presence(&mut self, now: Now, lifetime: Duration) -> Result<(), super::PublishError> {
        let Some(addr) = self.presence.addr.clone() else { return Ok(()) };
        let presence = Presence {
            device: self.device.clone(),
            addr,
            attributes: self.presence.attributes.clone(),
            since: self.presence.since,
        };
        let body = postcard::to_stdvec(&presence).expect("presence always encodes");
        let expires = self.peer_time(now) + lifetime;
        let (id, nonce) = self.own_presence();
        // One that a wrong clock stamped would lead this one beyond its end.
        if let Some(old) = self.current(&id)?.filter(|old| self.is_ahead(now, old)) {
            self.store.discard(&old.key())?;
        }
        self.put_reserved(now, &id, nonce, RecordType::presence(), body.into(), Some(expires))?;
        self.presence.published = true;
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
        self.overlay.add_contact(now, presence.addr.clone(), Some(presence.device.peer));
        self.presence.by_record.insert(id, node);
        if !self.presence_seen(now, node, signed.header().hlc) || !self.current_now {
            return; // lost, or listed when this database is known to be current
        }
        self.list_node(presence);
    }

    fn list_node(&mut self, presence: Presence) {
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
        let Some(node) = self.presence.by_record.remove(id) else { return };
        self.absence.forget(&node);
        if let Some(info) = self.nodes.remove(&node) {
            self.group.changed = true;
            self.hub.publish(Event::NodeChanged { change: NodeChange::Disconnected, node: info });
        }
    }

    /// Lists everybody whose presence is in the database, now that it is known to be current.
    pub(super) fn list_present(&mut self, now: Now) {
        for (stamp, presence) in self.stored_presence(now) {
            let node = presence.device.node;
            if node != self.device.node && self.presence_seen(now, node, stamp) {
                self.list_node(presence);
            }
        }
    }

    /// The presence records in the database that have not expired; their nodes become contacts.
    pub(super) fn stored_presence(&mut self, now: Now) -> Vec<(Hlc, Presence)> {
        let filter = Filter::Only(RecordType::presence());
        let Ok((envelopes, _)) = self.store.envelopes(&filter, RecordKey::MIN, None, usize::MAX) else {
            return Vec::new();
        };
        let peer_now = self.peer_time(now);
        let mut found = Vec::new();
        for bytes in envelopes {
            let Ok(signed) = SignedRecord::decode_stored(&self.graph, bytes) else { continue };
            let live = !signed.header().deleted && signed.header().expires.is_none_or(|at| at > peer_now);
            if !live {
                continue;
            }
            if let Ok(presence) = crate::wire::decode_exact::<Presence>(&signed.body()) {
                self.presence.by_record.insert(signed.id(), presence.device.node);
                found.push((signed.header().hlc, presence));
            }
        }
        found
    }

    /// This node as others see it.
    pub(super) fn own_info(&self) -> NodeInfo {
        let addr = self.presence.addr.clone();
        NodeInfo {
            node: self.device.node,
            peer: self.device.peer,
            addr: addr.unwrap_or_else(|| crate::record::NodeAddr::new(self.device.node)),
            attributes: self.presence.attributes.clone(),
            since: self.presence.since,
        }
    }
}
