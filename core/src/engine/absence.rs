//! Nodes that were lost without a word: not listed any more once nobody has a link with them.
//!
//! A node whose neighbor falls silent says so to its neighbors, who pass it on. Whoever is alive hears of it and
//! publishes its presence anew, which clears it everywhere; who does not within a few seconds is not listed any more.
//! The presence record lives on, and the node is listed again when it speaks: by a newer presence, or on a link.

use std::collections::{BTreeMap, BTreeSet};

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
    state: Doubt,
}

#[derive(Clone, Copy, Debug)]
enum Doubt {
    /// Its presence is not here. Forgotten then, or when there are too many.
    Unseen(Mono),
    /// Not listed any more from then on, unless it speaks.
    Due(Mono),
    /// Not listed, until it speaks or its presence ends: also a node that comes later hears of it.
    Hidden,
}

/// The nodes that are said to be lost.
#[derive(Debug, Default)]
pub(super) struct Absence {
    missing: BTreeMap<NodeId, Missing>,
    /// Those of `missing` whose presence is not here, and when they are forgotten.
    unseen: BTreeSet<(Mono, NodeId)>,
    /// Those of `missing` that are still listed, and until when.
    due: BTreeSet<(Mono, NodeId)>,
    /// When the presence of each node here was stamped.
    stamps: BTreeMap<NodeId, Hlc>,
    /// When this node may say again that it is here.
    refute_after: Mono,
}

impl Absence {
    pub(super) fn next(&self) -> Option<Mono> {
        self.unseen.first().into_iter().chain(self.due.first()).map(|(at, _)| *at).min()
    }

    /// The presence of a node is gone: there is nothing to doubt any more.
    pub(super) fn forget(&mut self, node: &NodeId) {
        self.remove(node);
        self.stamps.remove(node);
    }

    fn remove(&mut self, node: &NodeId) -> Option<Missing> {
        let missing = self.missing.remove(node)?;
        match missing.state {
            Doubt::Unseen(at) => self.unseen.remove(&(at, *node)),
            Doubt::Due(at) => self.due.remove(&(at, *node)),
            Doubt::Hidden => false,
        };
        Some(missing)
    }

    fn note(&mut self, node: NodeId, seen: Hlc, state: Doubt) {
        self.remove(&node);
        match state {
            Doubt::Unseen(at) => {
                if self.unseen.len() >= MAX_LOST
                    && let Some((_, oldest)) = self.unseen.pop_first()
                {
                    self.missing.remove(&oldest);
                }
                self.unseen.insert((at, node));
            }
            Doubt::Due(at) => drop(self.due.insert((at, node))),
            Doubt::Hidden => {}
        }
        self.missing.insert(node, Missing { seen, state });
    }

    /// Those that are not to be listed at this time any more.
    fn take_due(&mut self, now: Mono) -> Vec<(NodeId, Hlc)> {
        let mut taken = Vec::new();
        while let Some((_, node)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            let missing = self.remove(&node);
            taken.extend(missing.map(|missing| (node, missing.seen)));
        }
        taken
    }

    fn forget_unseen(&mut self, now: Mono) {
        while let Some((_, node)) = self.unseen.first().copied().filter(|(at, _)| *at <= now) {
            self.remove(&node);
        }
    }
}

impl Engine {
    /// The presence of a node is here. False if it is in doubt and the node is not to be listed.
    pub(super) fn presence_seen(&mut self, now: Now, node: NodeId, stamp: Hlc) -> bool {
        self.absence.stamps.insert(node, stamp);
        match self.absence.missing.get(&node).copied() {
            None => true,
            Some(missing) if missing.seen == stamp && !self.is_linked(node) => {
                if matches!(missing.state, Doubt::Unseen(_)) {
                    // Said of it before its presence came.
                    self.doubt(now, node, stamp, None);
                }
                false
            }
            Some(_) => {
                self.absence.remove(&node);
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
        self.absence.note(node, seen, Doubt::Due(now.mono + LOST_PATIENCE));
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
                    None => self.absence.note(node, seen, Doubt::Unseen(now.mono + LOST_KEPT)),
                }
            }
        }
    }

    /// This node is said to be lost: it says that it is here, not too often. However often it hears so of one presence, that
    /// counts once, or the next answer could be put off for hours.
    fn refute(&mut self, now: Now, seen: Hlc) {
        if self.presence.is_about_to_speak() {
            return;
        }
        let (id, _) = self.own_presence();
        let stamp = self.current(&id).ok().flatten().map(|record| record.header().hlc);
        if stamp.is_none_or(|stamp| stamp == seen) {
            self.presence.say_at(now.mono.max(self.absence.refute_after));
            self.absence.refute_after = now.mono.max(self.absence.refute_after) + REFUTE_INTERVAL;
        }
    }

    /// A neighbor is there: it is not lost, and hears who is said to be, so that those on its side can speak.
    pub(super) fn neighbor_found(&mut self, now: Now, link: LinkId, node: NodeId) {
        if self.absence.remove(&node).is_some()
            && !self.nodes.contains_key(&node)
            && let Some((_, peer)) = self.links.get(&link)
        {
            let nonce = node.as_bytes()[..16].try_into().expect("a node id has 32 bytes");
            let id = record_id(&self.graph, peer, &nonce);
            if let Some(signed) = self.current(&id).ok().flatten() {
                self.on_presence(now, &signed);
            }
        }
        // Of the others, that neighbor can know nothing either.
        let here =
            self.absence.missing.iter().filter(|(_, missing)| !matches!(missing.state, Doubt::Unseen(_)));
        let lost: Vec<Lost> = here.map(|(node, missing)| Lost { node: *node, seen: missing.seen }).collect();
        for lost in lost.chunks(MAX_LOST_TOLD) {
            self.overlay.tell_one_lost(link, lost);
        }
    }

    /// Stops listing those who did not speak.
    pub(super) fn hide_lost(&mut self, now: Now) {
        self.absence.forget_unseen(now.mono);
        for (node, seen) in self.absence.take_due(now.mono) {
            if self.is_linked(node) {
                continue;
            }
            self.absence.note(node, seen, Doubt::Hidden);
            if let Some(info) = self.nodes.remove(&node) {
                self.group.changed = true;
                self.hub.publish(Event::NodeChanged { change: NodeChange::Disconnected, node: info });
            }
        }
    }
}
