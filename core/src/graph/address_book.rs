//! The address book: the nodes of the graph that were ever heard of, and whom to dial.
//!
//! Nodes that this node dialled and that welcomed it are in a table of their own, which nothing that is only told can fill. In
//! both, one identity and one range of addresses have a bounded part; so has whoever tells of others.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::contacts::{Contact, Group, KeptContact, Known, Teller};
use crate::{
    ids::{NodeId, PeerId},
    ledger::Source,
    limits::{
        CONTACT_LIFETIME, CONTACTS_OF_PEER, CONTACTS_OF_SOURCE, CONTACTS_OF_TELLER, MAX_BACKOFF,
        MAX_CONTACTS, MIN_BACKOFF,
    },
    record::NodeAddr,
    time::Mono,
};

const FIRST: NodeId = NodeId::from_bytes([0; 32]);
const LAST: NodeId = NodeId::from_bytes([255; 32]);

/// Contacts in each order in which they are asked for.
#[derive(Debug, Default)]
struct Table {
    /// The one not heard of for longest first.
    heard: BTreeSet<(Mono, NodeId)>,
    /// The same within each group.
    groups: BTreeSet<(Group, Mono, NodeId)>,
    /// Those not to be dialled before a time.
    waiting: BTreeSet<(Mono, NodeId)>,
    /// The others: as they were heard of, and by lot.
    lately: BTreeSet<(Mono, NodeId)>,
    lots: BTreeSet<(u64, NodeId)>,
}

impl Table {
    fn insert(&mut self, contact: &Contact) {
        let (heard, node) = (contact.heard, contact.node);
        self.heard.insert((heard, node));
        self.groups.extend(contact.groups().into_iter().map(|group| (group, heard, node)));
        if contact.ready {
            self.lately.insert((heard, node));
            self.lots.insert((contact.lot, node));
        } else {
            self.waiting.insert((contact.not_before, node));
        }
    }

    fn remove(&mut self, contact: &Contact) {
        let (heard, node) = (contact.heard, contact.node);
        self.heard.remove(&(heard, node));
        for group in contact.groups() {
            self.groups.remove(&(group, heard, node));
        }
        self.lately.remove(&(heard, node));
        self.lots.remove(&(contact.lot, node));
        self.waiting.remove(&(contact.not_before, node));
    }

    /// Who has to go now that this one came: of a group that has more than its part, or of all, the one not heard of for longest.
    fn surplus(&self, contact: &Contact) -> Option<NodeId> {
        let too_many = |group: Group| {
            let most = match group {
                Group::Peer(_) => CONTACTS_OF_PEER,
                Group::Source(_) => CONTACTS_OF_SOURCE,
                Group::Teller(_) => CONTACTS_OF_TELLER,
            };
            let mut all = self.groups.range((group, Mono(0), FIRST)..=(group, Mono(u64::MAX), LAST));
            let oldest = all.next().map(|(.., node)| *node);
            oldest.filter(|_| all.nth(most.saturating_sub(1)).is_some())
        };
        let full = self.heard.len() > MAX_CONTACTS;
        let all = || self.heard.first().filter(|_| full).map(|(_, node)| *node);
        contact.groups().into_iter().find_map(too_many).or_else(all)
    }

    /// Nodes worth dialling: as they were lately heard of, or by lot from a number on.
    fn ready(&self, lot: Option<u64>) -> Box<dyn Iterator<Item = NodeId> + '_> {
        match lot {
            None => Box::new(self.lately.iter().rev().map(|(_, node)| *node)),
            Some(lot) => {
                let (from, before) = (self.lots.range((lot, FIRST)..), self.lots.range(..(lot, FIRST)));
                Box::new(from.chain(before).map(|(_, node)| *node))
            }
        }
    }
}

/// All known nodes but this one.
#[derive(Debug)]
pub(super) struct Contacts {
    by_node: BTreeMap<NodeId, Contact>,
    reached: Table,
    heard: Table,
    /// Draws the lots, which nobody can choose.
    lots: StdRng,
}

impl Contacts {
    /// An empty book.
    pub(super) fn new(seed: u64) -> Self {
        let (reached, heard) = (Table::default(), Table::default());
        Self { by_node: BTreeMap::new(), reached, heard, lots: StdRng::seed_from_u64(seed) }
    }

    const fn table(&mut self, reached: bool) -> &mut Table {
        if reached { &mut self.reached } else { &mut self.heard }
    }

    fn take(&mut self, node: &NodeId) -> Option<Contact> {
        let contact = self.by_node.remove(node)?;
        self.table(contact.reached).remove(&contact);
        Some(contact)
    }

    fn put(&mut self, now: Mono, mut contact: Contact) {
        contact.ready = contact.not_before <= now;
        contact.lot = self.lots.random();
        let table = self.table(contact.reached);
        table.insert(&contact);
        let mut surplus = table.surplus(&contact);
        let shown = contact.clone();
        self.by_node.insert(contact.node, contact);
        while let Some(node) = surplus {
            self.take(&node);
            surplus = self.table(shown.reached).surplus(&shown);
        }
    }

    fn change(&mut self, now: Mono, node: &NodeId, change: impl FnOnce(&mut Contact)) {
        if let Some(mut contact) = self.take(node) {
            change(&mut contact);
            self.put(now, contact);
        }
    }

    /// Notes where a node is; true if that is news. `teller`: who said so, if it is hearsay.
    pub(super) fn learn(
        &mut self,
        now: Mono,
        addr: NodeAddr,
        peer: Option<PeerId>,
        how: Known,
        teller: Option<Teller>,
    ) -> bool {
        let node = addr.node;
        let known = self.take(&node);
        let new = known.is_none();
        let mut contact = known.unwrap_or_else(|| Contact::new(now, node, peer));
        if new {
            contact.teller = teller;
        }
        if how != Known::Hearsay {
            contact.teller = None;
        }
        contact.heard = now;
        contact.peer = peer.or(contact.peer);
        let news = contact.learn(how, addr);
        if news {
            contact.not_before = contact.not_before.min(now + MIN_BACKOFF);
        }
        self.put(now, contact);
        news || new
    }

    /// A contact as it was kept.
    pub(super) fn restore(&mut self, now: Mono, kept: KeptContact) -> Option<NodeId> {
        let mut contact = Contact::restored(now, kept)?;
        let node = contact.node;
        if let Some(known) = self.take(&contact.node) {
            // From its presence: that is as good as what was kept of it.
            for (how, addr) in known.addrs() {
                contact.learn(how, addr.clone());
            }
            contact.peer = contact.peer.or(known.peer);
        }
        self.put(now, contact);
        Some(node)
    }

    pub(super) fn get(&self, node: &NodeId) -> Option<&Contact> {
        self.by_node.get(node)
    }

    /// All; those that were reached first, and of each the one heard of last.
    pub(super) fn all(&self) -> impl Iterator<Item = &Contact> {
        [&self.reached, &self.heard].into_iter().flat_map(|table| self.of(table))
    }

    /// The same, so many of each table.
    pub(super) fn latest(&self, each: usize) -> impl Iterator<Item = &Contact> {
        [&self.reached, &self.heard].into_iter().flat_map(move |table| self.of(table).take(each))
    }

    fn of<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a Contact> {
        table.heard.iter().rev().filter_map(|(_, node)| self.by_node.get(node))
    }

    pub(super) fn len(&self) -> usize {
        self.by_node.len()
    }

    /// On whose account it goes what a node tells.
    pub(super) fn teller(&self, node: &NodeId) -> Teller {
        let contact = self.by_node.get(node);
        let peer = contact.and_then(|contact| contact.peer).map(|peer| *peer.as_bytes());
        peer.or_else(|| contact.and_then(|contact| contact.teller)).unwrap_or(*node.as_bytes())
    }

    /// Forgets the nodes of some identities; true if there were any.
    pub(super) fn forget_peers(&mut self, gone: &mut dyn FnMut(&PeerId) -> bool) -> bool {
        let all = self.by_node.values();
        let gone: Vec<NodeId> =
            all.filter(|contact| contact.peer.is_some_and(|peer| gone(&peer))).map(|c| c.node).collect();
        gone.iter().for_each(|node| drop(self.take(node)));
        !gone.is_empty()
    }

    /// This node dialled it and was welcomed.
    pub(super) fn reached(&mut self, now: Mono, node: &NodeId) {
        self.change(now, node, |contact| {
            contact.reached = true;
            contact.heard = now;
            // Earlier failures count until a link has [lasted](Self::lasted): otherwise a link that is lost right after its
            // set-up, again and again, would be dialled without a pause.
            contact.not_before = now;
        });
    }

    /// A link with the node was up for a while.
    pub(super) fn lasted(&mut self, node: &NodeId) {
        if let Some(contact) = self.by_node.get_mut(node) {
            contact.failures = 0;
        }
    }

    /// The node could not be reached: wait 1 s, then twice as long each time, to an hour; with jitter.
    pub(super) fn failed(&mut self, now: Mono, node: &NodeId, rng: &mut StdRng) {
        let part = 0.75 + 0.5 * rng.random::<f64>();
        self.change(now, node, |contact| {
            let wait = MIN_BACKOFF.saturating_mul(1 << contact.failures.min(12)).min(MAX_BACKOFF);
            contact.failures = contact.failures.saturating_add(1);
            contact.not_before = now + wait.mul_f64(part);
        });
    }

    /// Whoever could not be reached may be dialled again: the reason may be gone.
    pub(super) fn forgive(&mut self, now: Mono) {
        let failed = self.by_node.values().filter(|contact| contact.failures > 0);
        for node in failed.map(|contact| contact.node).collect::<Vec<_>>() {
            self.change(now, &node, |contact| {
                contact.failures = 0;
                contact.not_before = now;
            });
        }
    }

    /// Nobody is left alone for longer than this from now: this node has no neighbor.
    pub(super) fn hasten(&mut self, now: Mono, longest: Duration) {
        let latest = now + longest;
        for reached in [true, false] {
            let later =
                self.table(reached).waiting.range((Bound::Excluded((latest, LAST)), Bound::Unbounded));
            for node in later.map(|(_, node)| *node).collect::<Vec<_>>() {
                self.change(now, &node, |contact| contact.not_before = latest);
            }
        }
    }

    /// Leaves a node alone for a while.
    pub(super) fn rest(&mut self, now: Mono, node: &NodeId, wait: Duration) {
        self.change(now, node, |contact| contact.not_before = contact.not_before.max(now + wait));
    }

    /// True if a node may be dialled now.
    pub(super) fn is_ready(&self, now: Mono, node: &NodeId) -> bool {
        self.by_node.get(node).is_some_and(|contact| contact.not_before <= now)
    }

    /// Nodes worth dialling now: half of them reached before, half only heard of; of both, lately heard of or by lot. Of one identity
    /// and of one range of addresses one, if there are others.
    pub(super) fn choose(
        &mut self,
        now: Mono,
        count: usize,
        rng: &mut StdRng,
        usable: impl Fn(&Contact) -> bool,
    ) -> Vec<NodeAddr> {
        self.ripen(now);
        let mut chosen = Chosen::default();
        let mut reached = rng.random::<bool>();
        for _ in 0..count {
            let lot = rng.random::<bool>().then(|| rng.random::<u64>());
            let ways = [(reached, true), (!reached, true), (reached, false), (!reached, false)];
            // With the first one nobody has anything in common.
            let different = if chosen.nodes.is_empty() { 2 } else { 4 };
            let found = ways.into_iter().take(different).find_map(|(reached, apart)| {
                let table = if reached { &self.reached } else { &self.heard };
                let contacts = table.ready(lot).filter_map(|node| self.by_node.get(&node));
                contacts.into_iter().find(|contact| usable(contact) && chosen.allows(contact, apart))
            });
            let Some(contact) = found else { break };
            chosen.add(contact);
            reached = !reached;
        }
        // With another lot each: its turn comes to everybody.
        chosen.nodes.iter().for_each(|node| self.change(now, node, |_| {}));
        chosen.nodes.iter().filter_map(|node| self.by_node.get(node)).map(Contact::addr).collect()
    }

    /// Whose time has come is ready.
    fn ripen(&mut self, now: Mono) {
        for reached in [true, false] {
            while let Some((_, node)) =
                self.table(reached).waiting.first().filter(|(at, _)| *at <= now).copied()
            {
                self.change(now, &node, |_| {});
            }
        }
    }

    /// When the next node may be dialled that cannot be now.
    pub(super) fn next_ready(&self, now: Mono) -> Option<Mono> {
        let later = (Bound::Excluded((now, LAST)), Bound::Unbounded);
        let tables = [&self.reached, &self.heard].into_iter();
        tables.filter_map(|table| table.waiting.range(later).next()).map(|(at, _)| *at).min()
    }

    /// Drops nodes not heard of for thirty days; true if there were any.
    pub(super) fn forget_old(&mut self, now: Mono) -> bool {
        let before = self.by_node.len();
        for reached in [true, false] {
            let old = |(heard, _): &&(Mono, NodeId)| now.since(*heard) >= CONTACT_LIFETIME;
            while let Some((_, node)) = self.table(reached).heard.first().filter(old).copied() {
                self.take(&node);
            }
        }
        self.by_node.len() < before
    }
}

/// Those that are to be dialled together.
#[derive(Default)]
struct Chosen {
    nodes: Vec<NodeId>,
    peers: BTreeSet<PeerId>,
    sources: BTreeSet<Source>,
}

impl Chosen {
    /// True if the contact is another, and, to be `apart`, has nothing in common with them.
    fn allows(&self, contact: &Contact, apart: bool) -> bool {
        let alike = || {
            contact.peer.is_some_and(|peer| self.peers.contains(&peer))
                || contact.sources().iter().any(|source| self.sources.contains(source))
        };
        !(self.nodes.contains(&contact.node) || (apart && alike()))
    }

    fn add(&mut self, contact: &Contact) {
        self.nodes.push(contact.node);
        self.peers.extend(contact.peer);
        self.sources.extend(contact.sources());
    }
}

#[cfg(test)]
mod tests;
