//! Nodes that were lost without a word: not listed any more once nobody has a link with them.
//!
//! A node whose neighbor falls silent says so to its neighbors, who pass it on. Whoever is alive hears of it and
//! publishes its presence anew, which clears it everywhere; who does not within a few seconds is not listed any more.
//! The presence record lives on, and the node is listed again when it speaks: by a newer presence, or on a link.

use std::collections::BTreeMap;

use super::Engine;
use crate::{
    events::{Event, NodeChange},
    ids::{LinkId, NodeId},
    limits::{LOST_KEPT, LOST_PATIENCE, MAX_LOST, MAX_LOST_TOLD, REFUTE_INTERVAL},
    record::record_id,
    time::{Hlc, Mono, Now},
    wire::Lost,
};

/// A node that is said to be lost.
#[derive(Clone, Copy, Debug)]
struct Missing {
    /// When the presence was stamped that is in doubt.
    seen: Hlc,
    /// When it is not listed any more, unless it speaks. `None`: its presence is not here, or it is hidden already.
    due: Option<Mono>,
    /// When this is forgotten.
    until: Mono,
}

/// The nodes that are said to be lost.
#[derive(Debug, Default)]
pub(super) struct Absence {
    missing: BTreeMap<NodeId, Missing>,
    /// When the presence of each node here was stamped.
    stamps: BTreeMap<NodeId, Hlc>,
    /// When this node may say again that it is here.
    refute_after: Mono,
}

impl Absence {
    pub(super) fn next(&self) -> Option<Mono> {
        self.missing.values().map(|missing| missing.due.unwrap_or(missing.until)).min()
    }

    /// The presence of a node is gone: there is nothing to doubt any more.
    pub(super) fn forget(&mut self, node: &NodeId) {
        self.missing.remove(node);
        self.stamps.remove(node);
    }

    fn note(&mut self, now: Now, node: NodeId, seen: Hlc, due: Option<Mono>) {
        if self.missing.len() >= MAX_LOST && !self.missing.contains_key(&node) {
            let oldest = self.missing.iter().min_by_key(|(_, missing)| missing.until).map(|(node, _)| *node);
            oldest.map(|node| self.missing.remove(&node));
        }
        self.missing.insert(node, Missing { seen, due, until: now.mono + LOST_KEPT });
    }
}

impl Engine {
    /// The presence of a node is here. False if it is in doubt and the node is not to be listed.
    pub(super) fn presence_seen(&mut self, now: Now, node: NodeId, stamp: Hlc) -> bool {
        self.absence.stamps.insert(node, stamp);
        match self.absence.missing.get(&node).copied() {
            None => true,
            Some(missing) if missing.seen == stamp && !self.is_linked(node) => {
                if missing.due.is_none() && !self.nodes.contains_key(&node) {
                    // Said of it before its presence came.
                    self.doubt(now, node, stamp, None);
                }
                false
            }
            Some(_) => {
                self.absence.missing.remove(&node);
                true
            }
        }
    }

    fn is_linked(&self, node: NodeId) -> bool {
        self.links.values().any(|(other, _)| *other == node)
    }

    /// A neighbor fell silent.
    pub(super) fn neighbor_lost(&mut self, now: Now, node: NodeId) {
        if let Some(seen) = self.absence.stamps.get(&node).copied() {
            self.doubt(now, node, seen, None);
        }
    }

    /// Passes on that a node is said to be lost, once for each presence of it.
    fn doubt(&mut self, now: Now, node: NodeId, seen: Hlc, from: Option<LinkId>) {
        self.absence.note(now, node, seen, Some(now.mono + LOST_PATIENCE));
        self.overlay.tell_lost(from, &[Lost { node, seen }]);
    }

    /// A neighbor says that nodes are lost.
    pub(super) fn on_lost(&mut self, now: Now, link: LinkId, lost: Vec<Lost>) {
        for Lost { node, seen } in lost {
            if node == self.device.node {
                self.refute(now, seen);
            } else if self.absence.missing.get(&node).is_some_and(|known| known.seen == seen) {
                // Heard before.
            } else {
                match self.absence.stamps.get(&node) {
                    Some(stamp) if *stamp == seen => self.doubt(now, node, seen, Some(link)),
                    // It has spoken since.
                    Some(_) => {}
                    None => self.absence.note(now, node, seen, None),
                }
            }
        }
    }

    /// This node is said to be lost: it says that it is here, not too often.
    fn refute(&mut self, now: Now, seen: Hlc) {
        let (id, _) = self.own_presence();
        let stamp = self.current(&id).ok().flatten().map(|record| record.header().hlc);
        if stamp.is_none_or(|stamp| stamp == seen) {
            self.presence.say_at(now.mono.max(self.absence.refute_after));
            self.absence.refute_after = now.mono.max(self.absence.refute_after) + REFUTE_INTERVAL;
        }
    }

    /// A neighbor is there: it is not lost, and hears who is said to be, so that those on its side can speak.
    pub(super) fn neighbor_found(&mut self, now: Now, link: LinkId, node: NodeId) {
        if self.absence.missing.remove(&node).is_some()
            && !self.nodes.contains_key(&node)
            && let Some((_, peer)) = self.links.get(&link)
        {
            let nonce = node.as_bytes()[..16].try_into().expect("a node id has 32 bytes");
            let id = record_id(&self.graph, peer, &nonce);
            if let Some(signed) = self.current(&id).ok().flatten() {
                self.on_presence(now, &signed);
            }
        }
        let lost =
            self.absence.missing.iter().map(|(node, missing)| Lost { node: *node, seen: missing.seen });
        let lost: Vec<Lost> = lost.take(MAX_LOST_TOLD).collect();
        if !lost.is_empty() {
            self.overlay.tell_one_lost(link, &lost);
        }
    }

    /// Stops listing those who did not speak.
    pub(super) fn hide_lost(&mut self, now: Now) {
        let late = |missing: &Missing| missing.due.unwrap_or(missing.until) <= now.mono;
        let due: Vec<NodeId> =
            self.absence.missing.iter().filter(|(_, missing)| late(missing)).map(|(node, _)| *node).collect();
        for node in due {
            let linked = self.is_linked(node);
            let Some(missing) = self.absence.missing.get_mut(&node) else { continue };
            if linked || missing.until <= now.mono {
                self.absence.missing.remove(&node);
                continue;
            }
            missing.due = None;
            if let Some(info) = self.nodes.remove(&node) {
                self.group.changed = true;
                self.hub.publish(Event::NodeChanged { change: NodeChange::Disconnected, node: info });
            }
        }
    }
}
