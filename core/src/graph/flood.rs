//! Dissemination: which links get a record, which its id; what duplicates teach; back-pressure without loss.
//!
//! Epidemic broadcast trees (Leitão, Pereira, Rodrigues, SRDS 2007), one tree for each origin.

use std::{collections::VecDeque, mem};

use bytes::Bytes;

use super::{
    Overlay, OverlayEvent,
    links::Missing,
    outbox::{Outbox, Wishes},
};
use crate::{
    ids::LinkId,
    io::{Output, frame_cost},
    limits::{
        ANNOUNCE_BATCH, ANNOUNCE_DELAY, BATCH_BYTES, GRAFT_DELAY, LINK_WINDOW, MAX_ANNOUNCED, MAX_MISSING,
        MAX_PRUNED, PUSH_LIMIT,
    },
    record::RecordKey,
    time::Now,
    wire::{Announce, Message, Purpose, Stream, SyncMessage},
};

/// Keys whose payloads are asked for in one message.
const REFILL: usize = 64;
/// Announcers remembered for one missing record.
const MAX_ANNOUNCERS: usize = 4;
/// Requests for one missing record before it is left to reconciliation.
const MAX_ATTEMPTS: u32 = 4;

/// How a record came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    /// Pushed: it is new in the graph.
    Flood,
    /// By reconciliation: others may well have it.
    Sync,
}

impl Overlay {
    /// A record enters the graph here.
    pub fn publish(&mut self, now: Now, key: RecordKey, bytes: &Bytes) {
        let origin = self.me().tag();
        self.forward(now, Announce { origin, key }, bytes, None, Via::Flood);
    }

    /// A record that came on a link was new, and is stored.
    pub fn accepted(&mut self, now: Now, from: LinkId, origin: u64, key: RecordKey, bytes: &Bytes, via: Via) {
        self.arrived(&key);
        if via == Via::Flood {
            self.trees.delivered(origin, from);
            if let Some(link) = self.links.get_mut(&from) {
                link.out.useful = link.out.useful.saturating_add(1);
                link.rate_news(true);
            }
        }
        self.forward(now, Announce { origin, key }, bytes, Some(from), via);
    }

    /// A version is here that neighbors may lack, though it is not the current one of its record: they hear its id.
    pub fn offer(&mut self, now: Now, key: RecordKey) {
        let origin = self.me().tag();
        for id in self.neighbor_links() {
            self.announce(now, id, Announce { origin, key });
        }
    }

    /// A record that came on a link was known, or older than what is here.
    pub fn duplicate(&mut self, _now: Now, from: LinkId, origin: u64, key: RecordKey) {
        self.arrived(&key);
        let is_parent = self.trees.parent(origin) == Some(from);
        if let Some(link) = self.links.get_mut(&from) {
            link.out.useless = link.out.useless.saturating_add(1);
            link.rate_news(false);
            if !is_parent {
                link.out.prune(origin);
            }
        }
    }

    /// Of the records announced on a link, these are not here.
    pub fn missing(&mut self, now: Now, from: LinkId, items: Vec<Announce>) {
        let Some(link) = self.links.get_mut(&from) else { return };
        let deadline = now.mono + link.patience(GRAFT_DELAY);
        for Announce { origin, key } in items {
            if let Some(known) = self.missing.get_mut(&key) {
                if known.announcers.len() < MAX_ANNOUNCERS && !known.announcers.contains(&from) {
                    known.announcers.push_back(from);
                }
            } else if link.out.missing < MAX_MISSING {
                link.out.missing = link.out.missing.saturating_add(1);
                let announcers = VecDeque::from([from]);
                self.missing
                    .insert(key, Missing { origin, announcers, counted: from, deadline, attempts: 0 });
                self.due.insert((deadline, key));
            } else {
                self.make_good(from, deadline);
                return;
            }
        }
    }

    /// A record that a neighbor is to have: what it asked for, or a newer version than the one it sent. False if there is
    /// no room.
    pub fn supply(&mut self, link: LinkId, origin: u64, bytes: &Bytes) -> bool {
        let room = self.links.get(&link).is_none_or(|l| l.out.has_room_for_records());
        if room && bytes.len() > PUSH_LIMIT {
            // Session 0 is nobody's: an answer to a graft.
            self.send_bulk(link, &Message::Records { session: 0, records: vec![bytes.clone()] });
        } else if room {
            self.stage(link, origin, bytes.clone());
        }
        room
    }

    /// What an expired version left, of which no copy can be read later: without room a comparison makes it good.
    pub fn supply_stub(&mut self, link: LinkId, origin: u64, bytes: &Bytes) {
        if !self.supply(link, origin, bytes)
            && let Some(link) = self.links.get_mut(&link)
        {
            link.out.miss();
        }
    }

    /// Sends a message of reconciliation.
    pub fn send_sync(&mut self, _now: Now, link: LinkId, message: SyncMessage) {
        if self.links.contains_key(&link) {
            self.send(link, &Message::Sync(message));
        }
    }

    /// Sends records that reconciliation was asked for.
    pub fn send_records(&mut self, _now: Now, link: LinkId, session: u32, records: Vec<Bytes>) {
        self.send_bulk(link, &Message::Records { session, records });
    }

    /// Bytes that can be sent on the bulk stream before the network has taken what is under way.
    pub fn bulk_room(&self, link: LinkId) -> usize {
        self.links.get(&link).map_or(0, |l| LINK_WINDOW.saturating_sub(l.out.bulk.under_way()))
    }

    /// The network has taken frames.
    pub fn written(&mut self, now: Now, id: LinkId, stream: Stream, bytes: usize) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.out.written(now, stream, bytes);
        match stream {
            Stream::Control => return self.control_written(id),
            Stream::Bulk => self.events.push_back(OverlayEvent::BulkRoom { link: id }),
            Stream::Records => {}
        }
        if link.out.records.under_way() > LINK_WINDOW / 2 {
            return;
        }
        if link.out.wishes.is_empty() && mem::take(&mut link.out.dirty) {
            link.next_sync = now.mono;
            self.compare_databases(now);
        }
        self.serve(id);
    }

    /// Ends a batch: sends what was gathered.
    pub fn flush(&mut self, now: Now) {
        for id in self.neighbor_links() {
            self.send_staged(id);
            self.send_lost(id);
            self.make_good_what_missed(now, id);
            let Some(link) = self.links.get_mut(&id).filter(|link| link.out.has_room()) else { continue };
            let late = link.out.announce_at.is_none() && !link.out.announces.is_empty();
            let prunes = mem::take(&mut link.out.prunes);
            let many = link.out.useful.saturating_add(link.out.useless) >= ACK_BATCH;
            for origins in prunes.into_iter().collect::<Vec<_>>().chunks(MAX_PRUNED) {
                self.send(id, &Message::Prune(origins.to_vec()));
            }
            if many {
                self.acknowledge(id);
            }
            if late {
                self.send_announcements(id);
            }
        }
    }

    /// Records that wait until a neighbor has taken what is under way.
    pub fn queued(&self) -> usize {
        self.links.values().map(|link| link.out.wishes.len()).sum()
    }

    /// Tells how useful the other end's records were: when there were many, and with each ping.
    pub(super) fn acknowledge(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.out.has_room()) else { return };
        let (useful, useless) = (mem::take(&mut link.out.useful), mem::take(&mut link.out.useless));
        if useful > 0 || useless > 0 {
            self.send(id, &Message::Ack { useful, useless });
        }
    }

    pub(super) fn on_prune(&mut self, link: LinkId, origins: &[u64]) {
        for origin in origins {
            self.trees.prune(*origin, link);
        }
    }

    pub(super) fn on_graft(&mut self, link: LinkId, origin: u64, keys: Vec<RecordKey>) {
        self.trees.graft(origin, link);
        for key in keys {
            self.wish(link, origin, key);
        }
    }

    pub(super) fn on_ack(&mut self, id: LinkId, useful: u32, useless: u32) {
        if let Some(link) = self.links.get_mut(&id) {
            // A batch counts as so many single judgements, but not without bound.
            (0..useful.min(MAX_JUDGED)).for_each(|_| link.rate(true));
            (0..useless.min(MAX_JUDGED)).for_each(|_| link.rate(false));
        }
    }

    pub(super) fn send_due_announcements(&mut self, now: Now) {
        let due = self.links.values().filter(|l| l.out.announce_at.is_some_and(|at| at <= now.mono));
        for id in due.map(|l| l.id).collect::<Vec<_>>() {
            self.send_announcements(id);
        }
    }

    /// Asks for what was announced and has not come.
    pub(super) fn graft_missing(&mut self, now: Now) {
        let mut asked: Vec<(LinkId, u64, Vec<RecordKey>)> = Vec::new();
        while let Some((at, key)) = self.due.first().copied().filter(|(at, _)| *at <= now.mono) {
            self.due.remove(&(at, key));
            let Some(missing) = self.missing.get_mut(&key) else { continue };
            let announcer = loop {
                match missing.announcers.pop_front() {
                    Some(id)
                        if self
                            .links
                            .get(&id)
                            .is_some_and(|l| l.is_ready(Purpose::Neighbor) && l.out.has_room()) =>
                    {
                        break Some(id);
                    }
                    Some(_) => {}
                    None => break None,
                }
            };
            let Some(id) = announcer.filter(|_| missing.attempts < MAX_ATTEMPTS) else {
                self.forget_missing(&key);
                continue;
            };
            missing.attempts = missing.attempts.saturating_add(1);
            missing.announcers.push_back(id);
            let origin = missing.origin;
            let wait = self.links[&id].patience(GRAFT_DELAY).saturating_mul(4);
            missing.deadline = now.mono + wait;
            self.due.insert((missing.deadline, key));
            match asked.iter_mut().find(|(link, o, keys)| *link == id && *o == origin && keys.len() < REFILL)
            {
                Some((.., keys)) => keys.push(key),
                None => asked.push((id, origin, vec![key])),
            }
        }
        for (link, origin, keys) in asked {
            self.send(link, &Message::Graft { origin, keys });
        }
    }

    fn forward(&mut self, now: Now, item: Announce, bytes: &Bytes, from: Option<LinkId>, via: Via) {
        for id in self.neighbor_links() {
            if Some(id) == from {
                continue;
            }
            let push =
                via == Via::Flood && bytes.len() <= PUSH_LIMIT && !self.trees.is_pruned(item.origin, id);
            if !push {
                self.announce(now, id, item);
            } else if self.has_room(id, bytes.len()) {
                self.stage(id, item.origin, bytes.clone());
            } else {
                self.enqueue(id, item);
            }
        }
    }

    fn has_room(&self, id: LinkId, len: usize) -> bool {
        self.links.get(&id).is_some_and(|link| {
            let Outbox { wishes, dirty, records, staged, .. } = &link.out;
            let taken = records.under_way().saturating_add(*staged);
            wishes.is_empty() && !dirty && (taken == 0 || taken.saturating_add(len) <= LINK_WINDOW)
        })
    }

    /// Remembers the id only; when there are too many, not even that: the databases are compared later.
    fn enqueue(&mut self, id: LinkId, item: Announce) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.out.dirty {
            return;
        }
        if !link.out.wishes.add(item) {
            link.out.wishes = Wishes::default();
            link.out.dirty = true;
        }
    }

    fn announce(&mut self, now: Now, id: LinkId, item: Announce) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.out.announces.len() >= MAX_ANNOUNCED {
            return link.out.miss();
        }
        link.out.announces.push(item);
        if link.out.announces.len() >= ANNOUNCE_BATCH {
            self.send_announcements(id);
        } else if link.out.announce_at.is_none() {
            link.out.announce_at = Some(now.mono + ANNOUNCE_DELAY);
        }
    }

    fn send_announcements(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.out.announce_at = None;
        if !link.out.has_room() {
            return;
        }
        let items = mem::take(&mut link.out.announces);
        if !items.is_empty() {
            self.send(id, &Message::Announce(items));
        }
    }

    fn stage(&mut self, id: LinkId, origin: u64, bytes: Bytes) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let len = bytes.len();
        let (records, size) = link.out.pushes.entry(origin).or_default();
        records.push(bytes);
        *size = size.saturating_add(len);
        link.out.staged = link.out.staged.saturating_add(len);
        if *size >= BATCH_BYTES {
            self.send_staged(id);
        }
    }

    fn send_staged(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.out.pushes.is_empty() {
            return;
        }
        link.out.staged = 0;
        for (origin, (records, _)) in mem::take(&mut link.out.pushes) {
            let frame = Message::Push { origin, records }.encode();
            let Some(link) = self.links.get_mut(&id) else { return };
            let awaited = !link.out.wishes.is_empty() || link.out.dirty;
            let confirm = link.out.records.sent(frame_cost(&frame), awaited);
            self.outputs.push_back(Output::Send { link: id, stream: Stream::Records, frame, confirm });
        }
    }

    fn send_bulk(&mut self, id: LinkId, message: &Message) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let frame = message.encode();
        let confirm = link.out.bulk.sent(frame_cost(&frame), true);
        self.outputs.push_back(Output::Send { link: id, stream: Stream::Bulk, frame, confirm });
    }

    fn arrived(&mut self, key: &RecordKey) {
        if let Some(deadline) = self.forget_missing(key) {
            self.due.remove(&(deadline, *key));
        }
    }

    fn forget_missing(&mut self, key: &RecordKey) -> Option<crate::time::Mono> {
        let missing = self.missing.remove(key)?;
        if let Some(link) = self.links.get_mut(&missing.counted) {
            link.out.missing = link.out.missing.saturating_sub(1);
        }
        Some(missing.deadline)
    }
}

/// Judgements that are sent before the next ping.
const ACK_BATCH: u32 = 64;
/// Judgements taken from one acknowledgement: more would not change the utility any further.
const MAX_JUDGED: u32 = 256;
