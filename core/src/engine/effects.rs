//! What follows once a batch is durable: forwarding, presence, properties, events.

use std::{mem, sync::Arc};

use super::{
    Engine,
    ingest::{Source, Staged},
};
use crate::{
    events::{ChangeOrigin, Event, NewChange},
    graph::Via,
    ids::LinkId,
    record::{ChangeKind, GraphProperties, Record, RecordType, SignedRecord},
    records::{Change, KeptLoser, Put},
    time::Now,
};

impl Engine {
    pub(super) fn apply_effects(&mut self, now: Now) {
        let mut changes = Vec::new();
        for staged in mem::take(&mut self.staged) {
            self.forward(now, &staged);
            if staged.record.signed().header().record_type.is_reserved() {
                let older = match &staged.put {
                    Put::Inserted { .. } => None,
                    Put::Replaced { older, .. } => Some(older),
                    Put::Older { .. } | Put::Expired { .. } | Put::Same => continue,
                };
                self.on_reserved(now, staged.record.signed(), older);
            } else {
                changes.extend(self.change_of(staged));
            }
        }
        for Change { lsn, kind, record, .. } in mem::take(&mut self.expired) {
            if record.record_type.is_reserved() {
                self.on_reserved_expired(&record);
            } else {
                changes.push(NewChange {
                    lsn,
                    change: kind,
                    record,
                    origin: ChangeOrigin::Local,
                    conflict: None,
                });
            }
        }
        self.forward_endings();
        if !changes.is_empty() {
            changes.sort_by_key(|change| change.lsn);
            self.hub.publish_records(&changes);
        }
        self.finish_syncs(now);
        self.tell_progress(now);
        self.tell_members(now);
        self.tell_listings();
    }

    /// What subscribers are told of a record that was given to the store.
    fn change_of(&self, staged: Staged) -> Option<NewChange> {
        let Staged { record, put, source, kept } = staged;
        let origin = match source {
            Source::Local | Source::Restamped | Source::Released => ChangeOrigin::Local,
            Source::Flood { .. } | Source::Held => ChangeOrigin::Flood,
            Source::Sync { .. } | Source::Import => ChangeOrigin::Sync,
        };
        let open = |signed: &SignedRecord| self.stamper.mark_held(self.key_ring().open(signed.to_record()));
        let signed = record.signed();
        let (lsn, version, current, change, conflict) = match (&put, kept) {
            (Put::Inserted { lsn }, _) => (*lsn, signed.header().version, signed, ChangeKind::Added, None),
            (Put::Replaced { lsn, older, version }, kept) => {
                (*lsn, *version, signed, ChangeKind::Updated, kept.map(|_| Arc::new(open(older))))
            }
            // It lost, and that is news.
            (Put::Older { newer }, Some(KeptLoser { lsn, version })) => {
                (lsn, version, newer, ChangeKind::Updated, Some(Arc::new(open(signed))))
            }
            _ => return None,
        };
        let change = if current.header().deleted { ChangeKind::Deleted } else { change };
        let record = Arc::new(Record { version, ..open(current) });
        Some(NewChange { lsn, change, record, origin, conflict })
    }

    fn forward(&mut self, now: Now, staged: &Staged) {
        let signed = staged.record.signed();
        let (key, bytes) = (signed.key(), signed.bytes());
        // Those who have the winner alone are to learn of the conflict as well.
        match (&staged.put, staged.kept) {
            (Put::Replaced { older, .. }, Some(_)) => self.overlay.offer(now, older.key()),
            (Put::Older { .. }, Some(_)) => self.overlay.offer(now, key),
            _ => {}
        }
        match (&staged.put, staged.source) {
            (Put::Inserted { .. } | Put::Replaced { .. }, source) => match source {
                // Nobody could take it yet.
                Source::Local if self.is_far_ahead(now, signed.header().hlc) => {}
                Source::Local | Source::Restamped | Source::Held => self.overlay.publish(now, key, bytes),
                // There are no links yet; the first comparison of databases brings the rest.
                Source::Import => {}
                // All others who have it release it as well; comparisons bring it to the rest.
                Source::Released => {}
                Source::Flood { link, origin } => {
                    self.overlay.accepted(now, link, origin, key, bytes, Via::Flood);
                }
                Source::Sync { link, .. } => {
                    let origin = self.device.node.tag();
                    self.overlay.accepted(now, link, origin, key, bytes, Via::Sync);
                }
            },
            (Put::Older { newer }, Source::Flood { link, origin }) => {
                self.overlay.duplicate(now, link, origin, key);
                // Repair on the spot: the sender gets what beats its version.
                self.supply_newer(link, newer);
            }
            // What a node that was away has in its newest version is not gone: the other side has an older one.
            (Put::Older { newer }, Source::Sync { link, .. }) if self.away.clears(link, &newer.key()) => {
                self.supply_newer(link, newer);
            }
            // What comes after it is gone: so it is there, once they hear.
            (Put::Expired { left }, Source::Flood { link, origin }) => {
                self.overlay.duplicate(now, link, origin, key);
                self.supply_left(link, left);
            }
            (Put::Expired { left }, Source::Sync { link, .. }) => self.supply_left(link, left),
            (Put::Same, Source::Flood { link, origin }) => self.overlay.duplicate(now, link, origin, key),
            _ => {}
        }
    }

    /// At once, or when there is room.
    fn supply_newer(&mut self, link: LinkId, record: &SignedRecord) {
        let origin = self.device.node.tag();
        if !self.overlay.supply(link, origin, record.bytes()) {
            self.overlay.wish(link, origin, record.key());
        }
    }

    fn supply_left(&mut self, link: LinkId, left: &SignedRecord) {
        self.overlay.supply_stub(link, self.device.node.tag(), left.bytes());
    }

    fn on_reserved(&mut self, now: Now, signed: &SignedRecord, older: Option<&SignedRecord>) {
        match signed.header().record_type.as_str() {
            RecordType::PRESENCE => self.on_presence(now, signed),
            RecordType::MEMBER_NAME => self.on_member_name(signed),
            RecordType::PROPERTIES if Some(signed.id()) == self.properties_id => {
                self.on_properties(now, signed, older.is_none());
            }
            _ => {}
        }
    }

    fn on_reserved_expired(&mut self, record: &Record) {
        match record.record_type.as_str() {
            RecordType::PRESENCE => self.presence_gone(&record.id),
            RecordType::MEMBER_NAME => self.member_name_gone(&record.creator),
            _ => {}
        }
    }

    fn on_properties(&mut self, now: Now, signed: &SignedRecord, first: bool) {
        let Ok(properties) = crate::wire::decode_exact::<GraphProperties>(&signed.body()) else {
            return; // admit lets no such record in
        };
        let changed = properties.changes(&self.properties);
        self.properties = properties.clone();
        if changed.contains("presence_lifetime") {
            self.presence_lifetime_changed(now);
        }
        if changed.contains("presence_max") {
            self.presence.touch(now);
        }
        if !changed.is_empty() || first {
            let changed = if first { GraphProperties::NAMES.into() } else { changed };
            self.hub.publish(Event::PropertyChanged { changed, properties });
        }
    }
}
