//! What waits to be sent on a link, within bounds: nobody's silence costs more than a fixed amount.
//!
//! Each stream has a window of bytes under way, given back as the network takes them. Beyond it every message waits in the place
//! that its [`Class`] names: the newest of its kind, a set with a cap, a queue of bounded bytes, or a key whose record is
//! read when there is room. What does not fit is made good by a comparison of databases.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use bytes::Bytes;

use super::{Overlay, OverlayEvent};
use crate::{
    ids::{LinkId, NodeId},
    io::{Output, frame_cost},
    limits::{
        CONTROL_WAITING, LINK_QUEUE, LINK_WINDOW, LOST_WAITING, MAKE_GOOD_INTERVAL, MAX_LOST_TOLD,
        MAX_ORIGINS, OUTBOX_PACE, OUTBOX_STUCK,
    },
    record::RecordKey,
    time::{Hlc, Mono, Now},
    wire::{Announce, Class, Lost, Message, Slot, Stream},
};

/// Bytes under way on one stream.
#[derive(Debug, Default)]
pub(super) struct Lane {
    under_way: usize,
    /// Of them, those of which the network will tell.
    told: usize,
}

impl Lane {
    pub(super) const fn under_way(&self) -> usize {
        self.under_way
    }

    pub(super) const fn has_room(&self) -> bool {
        self.under_way < LINK_WINDOW
    }

    /// Counts a frame. True if the network is to tell when it was taken: that wakes this engine, so only where something
    /// waits for room, or soon will.
    pub(super) const fn sent(&mut self, cost: usize, awaited: bool) -> bool {
        self.under_way = self.under_way.saturating_add(cost);
        let tell = awaited || self.under_way > LINK_WINDOW / 2;
        if tell {
            self.told = self.under_way;
        }
        tell
    }

    const fn written(&mut self, bytes: usize) {
        self.under_way = self.under_way.saturating_sub(bytes);
        self.told = self.told.saturating_sub(bytes);
    }
}

/// Keys of records that are to be read and sent when there is room, each once.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    queue: VecDeque<Announce>,
    keys: BTreeSet<RecordKey>,
}

impl Wishes {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// False if there are too many.
    pub(super) fn add(&mut self, item: Announce) -> bool {
        let known = self.keys.contains(&item.key);
        if !known && self.queue.len() < LINK_QUEUE {
            self.keys.insert(item.key);
            self.queue.push_back(item);
            return true;
        }
        known
    }

    fn next(&mut self) -> Option<Announce> {
        let item = self.queue.pop_front()?;
        self.keys.remove(&item.key);
        Some(item)
    }
}

/// What waits to be sent on a link.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) control: Lane,
    pub(super) records: Lane,
    pub(super) bulk: Lane,
    /// When bytes of which the network will tell moved last; `None` while there are none.
    moved: Option<Mono>,
    /// Of these messages the newest says all.
    latest: BTreeMap<Slot, Bytes>,
    /// Messages of reconciliation, in their order.
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// Something did not fit: the databases are to be compared once there is room, and no sooner than then.
    compare: bool,
    next_compare: Mono,
    /// Records of this batch, by origin.
    pub(super) pushes: BTreeMap<u64, (Vec<Bytes>, usize)>,
    pub(super) staged: usize,
    /// Records that did not fit and records asked for; they are read when there is room.
    pub(super) wishes: Wishes,
    /// A step of reading them is over, and there may be room for another.
    pub(super) more: bool,
    /// True if the wishes overflowed: the databases must be compared.
    pub(super) dirty: bool,
    pub(super) announces: Vec<Announce>,
    pub(super) announce_at: Option<Mono>,
    pub(super) prunes: BTreeSet<u64>,
    lost: BTreeMap<NodeId, Hlc>,
    pub(super) useful: u32,
    pub(super) useless: u32,
    /// Announced to us and still missing.
    pub(super) missing: usize,
}

impl Outbox {
    /// True if a message of the control stream can be sent at once.
    pub(super) fn has_room(&self) -> bool {
        self.control.has_room() && self.waiting.is_empty()
    }

    /// True if so much of reconciliation waits here that no more of it is answered.
    pub(super) const fn is_clogged(&self) -> bool {
        self.waiting_bytes >= CONTROL_WAITING / 4 * 3
    }

    /// True if records can be read from the database to be sent.
    pub(super) const fn has_room_for_records(&self) -> bool {
        self.records.under_way.saturating_add(self.staged) < LINK_WINDOW && self.bulk.has_room()
    }

    /// Notes that something did not fit.
    pub(super) const fn miss(&mut self) {
        self.compare = true;
    }

    /// Asks for no more pushes of this origin; beyond the cap, when another useless one comes.
    pub(super) fn prune(&mut self, origin: u64) {
        if self.prunes.len() < MAX_ORIGINS {
            self.prunes.insert(origin);
        }
    }

    /// Takes nodes to be told of as lost; beyond the cap, the neighbor hears of them by others, or by their presence.
    pub(super) fn lose(&mut self, lost: &[Lost]) {
        for Lost { node, seen } in lost {
            if self.lost.len() < LOST_WAITING || self.lost.contains_key(node) {
                let known = self.lost.entry(*node).or_insert(*seen);
                *known = (*known).max(*seen);
            }
        }
    }

    fn wait(&mut self, message: &Message) {
        match message.class() {
            Class::Latest(slot) => {
                self.latest.insert(slot, message.encode());
            }
            Class::Queued => {
                let frame = message.encode();
                let all = self.waiting_bytes.saturating_add(frame_cost(&frame));
                if all <= CONTROL_WAITING {
                    self.waiting_bytes = all;
                    self.waiting.push_back(frame);
                } else {
                    self.miss();
                }
            }
            // Made when there is room only; if not, as if they had not fit.
            Class::Gathered | Class::SetUp | Class::Records => self.miss(),
        }
    }

    /// The next of what waits. An abort goes last: its session had more to say.
    fn next(&mut self) -> Option<Bytes> {
        if self.latest.keys().next().is_some_and(|slot| *slot < Slot::Abort) {
            return self.latest.pop_first().map(|(_, frame)| frame);
        }
        if let Some(frame) = self.waiting.pop_front() {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(frame_cost(&frame));
            return Some(frame);
        }
        self.latest.pop_first().map(|(_, frame)| frame)
    }

    pub(super) fn written(&mut self, now: Now, stream: Stream, bytes: usize) {
        self.moved = Some(now.mono);
        match stream {
            Stream::Control => self.control.written(bytes),
            Stream::Records => self.records.written(bytes),
            Stream::Bulk => self.bulk.written(bytes),
        }
    }

    /// True if the network has taken nothing for longer than the slowest neighbor needs.
    fn is_stuck(&mut self, now: Now) -> bool {
        let told = [&self.control, &self.records, &self.bulk].map(|lane| lane.told);
        let told = told.into_iter().fold(0, usize::saturating_add);
        if told == 0 {
            self.moved = None;
            return false;
        }
        let since = *self.moved.get_or_insert(now.mono);
        let pace = Duration::from_secs((told / OUTBOX_PACE) as u64);
        now.mono.since(since) > OUTBOX_STUCK.saturating_add(pace)
    }

    /// All bytes that are kept for the other end, and what keys and sets take about.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let lanes =
            [&self.control, &self.records, &self.bulk].iter().map(|lane| lane.under_way).sum::<usize>();
        let latest = self.latest.values().map(frame_cost).sum::<usize>();
        let announces = self.announces.len() * size_of::<Announce>();
        let sets = 8 * self.prunes.len() + (size_of::<NodeId>() + 8) * self.lost.len();
        let wishes = self.wishes.len() * (size_of::<Announce>() + size_of::<RecordKey>());
        lanes + latest + self.waiting_bytes + self.staged + announces + sets + wishes
    }
}

impl Overlay {
    /// Sends a message on the control stream if there is room, else it waits in its place.
    pub(super) fn send(&mut self, id: LinkId, message: &Message) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.out.has_room() || message.class() == Class::SetUp {
            let frame = message.encode();
            self.send_frame(id, frame);
        } else {
            link.out.wait(message);
        }
    }

    fn send_frame(&mut self, id: LinkId, frame: Bytes) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let confirm = link.out.control.sent(frame_cost(&frame), false);
        self.outputs.push_back(Output::Send { link: id, stream: Stream::Control, frame, confirm });
    }

    /// The network has taken frames of the control stream: what waited follows.
    pub(super) fn control_written(&mut self, id: LinkId) {
        while let Some(link) = self.links.get_mut(&id).filter(|link| link.out.control.has_room()) {
            let Some(frame) = link.out.next() else { return };
            self.send_frame(id, frame);
        }
    }

    /// Once all that waited is under way, what did not fit is made good.
    pub(super) fn make_good_what_missed(&mut self, now: Now, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.out.compare && link.out.has_room() && link.out.wishes.is_empty() {
            link.out.compare = false;
            self.make_good(id, now.mono);
        }
    }

    /// Compares databases at this time because something did not fit, but not all the time.
    pub(super) fn make_good(&mut self, id: LinkId, at: Mono) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let at = at.max(link.out.next_compare);
        if at < link.next_sync {
            link.next_sync = at;
            link.out.next_compare = at + MAKE_GOOD_INTERVAL;
        }
    }

    /// Tells a neighbor of lost nodes as far as there is room.
    pub(super) fn send_lost(&mut self, id: LinkId) {
        while let Some(link) = self.links.get_mut(&id).filter(|l| !l.out.lost.is_empty() && l.out.has_room())
        {
            let next = || link.out.lost.pop_first().map(|(node, seen)| Lost { node, seen });
            let lost = std::iter::from_fn(next).take(MAX_LOST_TOLD).collect();
            self.send(id, &Message::Lost(lost));
        }
    }

    /// A neighbor is to have a record: it is read when there is room. What does not fit is left to a comparison.
    pub fn wish(&mut self, link: LinkId, origin: u64, key: RecordKey) {
        if let Some(state) = self.links.get_mut(&link) {
            if !state.out.wishes.add(Announce { origin, key }) {
                state.out.miss();
            }
            self.serve(link);
        }
    }

    /// The next record that the neighbor is to have, if there is room for it.
    pub fn next_wish(&mut self, link: LinkId) -> Option<Announce> {
        let out = &mut self.links.get_mut(&link)?.out;
        if out.has_room_for_records() { out.wishes.next() } else { None }
    }

    /// Has wishes fulfilled if there are any and there is room.
    pub(super) fn serve(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.out.more && !link.out.wishes.is_empty() && link.out.has_room_for_records() {
            link.out.more = true;
            self.events.push_back(OverlayEvent::Wishes { link: id });
        }
    }

    /// A step of fulfilling wishes is over; the rest follows when others have had their turn.
    pub fn served(&mut self, link: LinkId, more: bool) {
        if let Some(link) = self.links.get_mut(&link) {
            link.out.more = more;
        }
    }

    pub(super) fn serve_on(&mut self) {
        for id in self.links.values().filter(|l| l.out.more).map(|l| l.id).collect::<Vec<_>>() {
            self.served(id, false);
            self.serve(id);
        }
    }

    /// Parts with a neighbor that takes nothing. It may be asleep or far away: nobody is at fault.
    pub(super) fn give_up_if_stuck(&mut self, now: Now, id: LinkId) {
        if self.links.get_mut(&id).is_some_and(|link| link.out.is_stuck(now)) {
            tracing::debug!(link = id.0, "a link whose other end reads nothing is given up");
            self.lost(now, id);
        }
    }

    /// The most bytes that are kept for one link's other end.
    #[cfg(test)]
    pub(crate) fn held_for_one(&self) -> usize {
        self.links.values().map(|link| link.out.held()).max().unwrap_or_default()
    }
}
