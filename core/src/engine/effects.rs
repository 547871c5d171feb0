//! What follows once a batch is durable: forwarding, presence, properties, events.

use std::{mem, sync::Arc};

use super::{
    Engine,
    ingest::{Source, Staged},
};
use crate::{
    events::{ChangeOrigin, Event, NewChange},
    graph::Via,
    record::{ChangeKind, GraphProperties, Record, RecordType, SignedRecord},
    records::{Change, Put},
    time::Now,
};

impl Engine {
    pub(super) fn apply_effects(&mut self, now: Now) {
        let mut changes = Vec::new();
        for staged in mem::take(&mut self.staged) {
            self.forward(now, &staged);
            let Staged { record, put, source } = staged;
            let (lsn, older) = match put {
                Put::Inserted { lsn } => (lsn, None),
                Put::Replaced { lsn, older } => (lsn, Some(older)),
                Put::Older { .. } | Put::Same => continue,
            };
            let signed = record.signed();
            if signed.header().record_type.is_reserved() {
                self.on_reserved(now, signed, older.as_ref());
                continue;
            }
            let change = match &older {
                _ if signed.header().deleted => ChangeKind::Deleted,
                None => ChangeKind::Added,
                Some(_) => ChangeKind::Updated,
            };
            let conflict = older
                .filter(|old| source != Source::Restamped && is_conflict(old, signed))
                .map(|old| Arc::new(self.key_ring().open(old.to_record())));
            let origin = match source {
                Source::Local | Source::Restamped => ChangeOrigin::Local,
                Source::Flood { .. } | Source::Held => ChangeOrigin::Flood,
                Source::Sync { .. } | Source::Import => ChangeOrigin::Sync,
            };
            let record = Arc::new(self.stamper.mark_held(self.key_ring().open(signed.to_record())));
            changes.push(NewChange { lsn, change, record, origin, conflict });
        }
        for Change { lsn, kind, record } in mem::take(&mut self.expired) {
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
        if !changes.is_empty() {
            self.hub.publish_records(&changes);
        }
        self.finish_syncs(now);
        self.tell_progress(now);
        self.tell_members(now);
    }

    fn forward(&mut self, now: Now, staged: &Staged) {
        let signed = staged.record.signed();
        let (key, bytes) = (signed.key(), signed.bytes());
        match (&staged.put, staged.source) {
            (Put::Inserted { .. } | Put::Replaced { .. }, source) => match source {
                // Nobody could take it yet.
                Source::Local if self.is_far_ahead(now, signed.header().hlc) => {}
                Source::Local | Source::Restamped | Source::Held => self.overlay.publish(now, key, bytes),
                // There are no links yet; the first comparison of databases brings the rest.
                Source::Import => {}
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
                if let Some(newer) = newer {
                    let newer = vec![(newer.key(), newer.bytes().clone())];
                    self.overlay.supply(now, link, self.device.node.tag(), newer);
                }
            }
            // Neither is what a node that was away has in its newest version gone: the other side has an older one.
            (Put::Older { newer: Some(newer) }, Source::Sync { link, .. })
                if self.away.clears(link, &newer.key()) =>
            {
                let newer = vec![(newer.key(), newer.bytes().clone())];
                self.overlay.supply(now, link, self.device.node.tag(), newer);
            }
            (Put::Same, Source::Flood { link, origin }) => self.overlay.duplicate(now, link, origin, key),
            _ => {}
        }
    }

    fn on_reserved(&mut self, now: Now, signed: &SignedRecord, older: Option<&SignedRecord>) {
        match signed.header().record_type.as_str() {
            RecordType::PRESENCE => self.on_presence(now, signed),
            RecordType::PROPERTIES if Some(signed.id()) == self.properties_id => {
                self.on_properties(now, signed, older.is_none());
            }
            _ => {}
        }
    }

    fn on_reserved_expired(&mut self, record: &Record) {
        if record.record_type == RecordType::PRESENCE {
            self.presence_gone(&record.id);
        }
    }

    fn on_properties(&mut self, now: Now, signed: &SignedRecord, first: bool) {
        let Ok(properties) = crate::wire::decode_exact::<GraphProperties>(&signed.body()) else {
            return; // admit lets no such record in
        };
        let changed = properties.changes(&self.properties);
        self.properties = properties.clone();
        if changed.contains("presence_max") || changed.contains("presence_lifetime") {
            self.presence.touch(now);
        }
        if !changed.is_empty() || first {
            let changed = if first { GraphProperties::NAMES.into() } else { changed };
            self.hub.publish(Event::PropertyChanged { changed, properties });
        }
    }
}

/// True if neither of two versions was written in knowledge of the other, as far as can be told: a version two or
/// more ahead may descend from one that was never seen here.
fn is_conflict(older: &SignedRecord, newer: &SignedRecord) -> bool {
    let (old, new) = (older.header(), newer.header());
    new.replaced != Some(older.key().element) && new.version <= old.version.saturating_add(1)
}
