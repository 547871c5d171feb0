//! What overlay and reconciliation say goes to the part of the engine that deals with it.

use super::{Engine, JoinFailure, Notice};
use crate::{
    events::{Event, RequiredReason},
    graph::OverlayEvent,
    ids::LinkId,
    record::{RecordKey, SignedRecord},
    records::StoreError,
    time::Now,
    wire::Announce,
};

/// Records that are read for one neighbor in one step.
const WISHES_AT_ONCE: usize = 64;

impl Engine {
    pub(super) fn pump(&mut self, now: Now) {
        self.ask_for_keys(now);
        loop {
            let mut idle = true;
            while let Some(event) = self.overlay.poll_event() {
                idle = false;
                self.on_overlay_event(now, event);
            }
            while let Some(output) = self.syncs.poll_output() {
                idle = false;
                self.on_sync_output(now, output);
            }
            if idle {
                break;
            }
        }
        self.end_orphaned_relays(now);
        self.update_status(now);
    }

    fn on_overlay_event(&mut self, now: Now, event: OverlayEvent) {
        match event {
            OverlayEvent::Connected { link, connection, kind, node, peer, addr, .. } => {
                self.on_connected(now, link, connection, kind, node, peer, addr);
            }
            OverlayEvent::Disconnected { link, connection, kind, node, peer, reason } => {
                self.on_disconnected(now, link, connection, kind, node, peer, reason);
            }
            OverlayEvent::ConnectFinished { connect, result } => {
                self.on_connect_finished(now, connect, result)
            }
            OverlayEvent::Referred { connect, hop, next } => {
                self.publish_referred(connect, hop, next);
                self.notices.push_back(Notice::Referred { connect, hop, next });
            }
            OverlayEvent::Genesis(genesis) => self.learn_genesis(now, genesis),
            OverlayEvent::Pushed { link, origin, records } => self.on_pushed(now, link, origin, records),
            OverlayEvent::Announced { link, items } => self.on_announced(now, link, items),
            OverlayEvent::Wishes { link } => self.on_wishes(now, link),
            OverlayEvent::Sync { link, message } => self.on_sync_message(now, link, message),
            OverlayEvent::Records { link, session, records } => {
                self.papers_progress(now, link);
                self.on_sync_records(now, link, session, records);
            }
            OverlayEvent::BulkRoom { link } => self.on_bulk_room(now, link),
            OverlayEvent::Lost { link, lost } => self.on_lost(now, link, lost),
            OverlayEvent::KeysWanted { link, epochs } => self.on_keys_wanted(now, link, &epochs),
            OverlayEvent::KeysGiven(keys) => self.on_keys_given(keys),
            OverlayEvent::SyncDue { link, .. } => self.open_sync(now, link),
            OverlayEvent::Required(reason) => self.hub.publish(Event::ConnectionRequired(match reason {
                crate::graph::Required::Probe => RequiredReason::Probe,
                crate::graph::Required::Isolated => RequiredReason::Isolated,
            })),
            OverlayEvent::Join { link, message } => self.on_join_message(now, link, message),
            OverlayEvent::ContactsChanged => self.contacts_dirty = true,
        }
    }

    fn on_announced(&mut self, now: Now, link: LinkId, items: Vec<Announce>) {
        let is_here = |key: &RecordKey| self.store.knows_loser(key) || self.is_known(now, key);
        let missing: Vec<_> = items.into_iter().filter(|item| !is_here(&item.key)).collect();
        if !missing.is_empty() {
            self.overlay.missing(now, link, missing);
        }
    }

    /// Reads what a neighbor is to have as far as there is room: so much in one step that others do not wait.
    fn on_wishes(&mut self, now: Now, link: LinkId) {
        for _ in 0..WISHES_AT_ONCE {
            let Some(Announce { origin, key }) = self.overlay.next_wish(link) else {
                return self.overlay.served(link, false);
            };
            let found = self.version(&key).ok().flatten().filter(|record| self.may_supply(now, record));
            if let Some(record) = found {
                self.overlay.supply(link, origin, record.bytes());
            }
        }
        self.overlay.served(link, true);
    }

    /// A version that is here: the current one of its record, or the loser of a conflict.
    pub(super) fn version(&self, key: &RecordKey) -> Result<Option<SignedRecord>, StoreError> {
        if self.store.knows_loser(key) { self.store.loser(key) } else { self.store.fetch(key) }
    }

    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.syncs.link_closed(link);
        self.strikes.remove(&link);
        self.links.remove(&link);
        self.away.forget_link(link);
        self.group.epochs.spoiled.forget_link(link);
        self.progress.frame_over(link);
        // Whoever waits for an answer on this link waits no longer.
        if let Some(connection) = self.group.forget_link(link) {
            self.notices.push_back(Notice::Joined { connection, result: Err(JoinFailure::NotConnected) });
        }
    }

    pub(super) fn close_for_protocol(&mut self, now: Now, link: LinkId) {
        tracing::debug!(link = link.0, "closing a link that broke the protocol");
        self.overlay.misbehaved(now, link);
    }
}
