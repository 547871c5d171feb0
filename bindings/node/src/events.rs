//! Events, and the subscription under JavaScript's streams: a wake and a packed drain. No event crosses inside a promise.

use std::sync::Arc;

use napi::{Env, Result, bindgen_prelude::BufferSlice};
use napi_derive::napi;
use peergraph::{
    EventKind, EventStream,
    events::{
        ChangeKind, ChangeOrigin, ConnectionChange, ConnectionEvent, ConnectionKind, Cursor, Event,
        EventFilter, IncomingData, RecordChanged, Start, SubscribeOptions, SyncProgress,
    },
    names::Named,
};

use crate::{
    bridge::Bridge,
    convert::{parse_all, record_types, size},
    errors::{Fail, invalid},
    graph::NativeGraph,
    pack::{Pack, Packer},
    records::layout,
    values::Raw,
};

const RECORD_CHANGED: u8 = 0;
const INCOMING_DATA: u8 = 1;
const OTHER: u8 = 2;

/// Bytes before the places of the events: how many there are, the cursor before the first, and where the ids of all records
/// are as text: JavaScript reads them at once.
const HEAD: usize = 4 + Cursor::LEN + 4;

/// The layout that `lib/events.js` reads: a head, the place of each event, the events, ids. Exhaustive on purpose.
fn batch(before: Cursor, events: &[Event]) -> Vec<u8> {
    let mut to = Packer {
        bytes: Vec::with_capacity(HEAD + events.len() * 256),
        ids: Some(Vec::with_capacity(events.len() * 32)),
        ..Packer::default()
    };
    to.length(events.len());
    to.raw(&before.to_bytes());
    to.bytes.resize(HEAD + 4 * events.len(), 0);
    for (at, event) in events.iter().enumerate() {
        to.place(HEAD + 4 * at);
        pack(&mut to, event);
    }
    to.place(4 + Cursor::LEN);
    if let Some(ids) = to.ids.take() {
        to.raw(&ids);
    }
    to.bytes
}

fn pack(to: &mut Packer, event: &Event) {
    match event {
        Event::RecordChanged(event) => record_changed(to, event),
        Event::IncomingData(event) => incoming_data(to, event),
        Event::StatusChanged(status) => other(to, "status_changed", &[("status", status)]),
        Event::PropertyChanged { changed, properties } => {
            let changed: Vec<&str> = changed.iter().copied().map(camel).collect();
            other(to, "property_changed", &[("changed", &changed), ("properties", properties)]);
        }
        Event::DirectConnection(event) => connection(to, "direct_connection", event),
        Event::NeighborConnection(event) => connection(to, "neighbor_connection", event),
        Event::ConnectionRequired(reason) => other(to, "connection_required", &[("reason", reason)]),
        Event::NodeChanged { change, node } => {
            other(to, "node_changed", &[("change", change), ("node", node)]);
        }
        Event::Synchronized(record_type) => {
            let record_type = record_type.as_ref().map(|name| name.as_str());
            other(to, "synchronized", &[("recordType", &record_type)]);
        }
        Event::MemberChanged { change, member } => {
            other(to, "member_changed", &[("change", change), ("member", member)]);
        }
        Event::ConnectionFailed(reason) => other(to, "connection_failed", &[("reason", reason)]),
        Event::SyncProgress(SyncProgress { records, bytes, records_expected, bytes_expected }) => {
            let fields: [(&str, &dyn Pack); 4] = [
                ("records", records),
                ("bytes", bytes),
                ("recordsExpected", records_expected),
                ("bytesExpected", bytes_expected),
            ];
            other(to, "sync_progress", &fields);
        }
        Event::Lagged { dropped } => other(to, "lagged", &[("dropped", dropped)]),
        Event::Reset => other(to, "reset", &[]),
        Event::CaughtUp(cursor) => other(to, "caught_up", &[("cursor", &Raw(&cursor.to_bytes()))]),
    }
}

/// The names of properties, as JavaScript spells its fields.
fn camel(name: &'static str) -> &'static str {
    match name {
        "presence_lifetime" => "presenceLifetime",
        "presence_max" => "presenceMax",
        "defer_expiration" => "deferExpiration",
        same => same,
    }
}

fn other(to: &mut Packer, name: &str, fields: &[(&str, &dyn Pack)]) {
    to.byte(OTHER);
    to.map(fields.len() + 1);
    name.pack(to.key("type"));
    for (name, value) in fields {
        value.pack(to.key(name));
    }
}

fn record_changed(to: &mut Packer, event: &RecordChanged) {
    let RecordChanged { change, record, origin, conflict, cursor } = event;
    let change = match change {
        ChangeKind::Added => 0,
        ChangeKind::Updated => 1,
        ChangeKind::Deleted => 2,
        ChangeKind::Expired => 3,
    };
    let origin = match origin {
        ChangeOrigin::Local => 0,
        ChangeOrigin::Flood => 1,
        ChangeOrigin::Sync => 2,
        ChangeOrigin::Feed => 3,
    };
    to.raw(&[RECORD_CHANGED, change, origin, u8::from(conflict.is_some())]);
    to.raw(&cursor.to_bytes());
    layout(to, record);
    if let Some(conflict) = conflict {
        layout(to, conflict);
    }
}

#[expect(clippy::cast_precision_loss, reason = "connections are counted from 1")]
fn incoming_data(to: &mut Packer, event: &IncomingData) {
    let IncomingData { connection, kind, node, peer, data_type, data } = event;
    let kind = match kind {
        ConnectionKind::Neighbor => 0,
        ConnectionKind::Direct => 1,
    };
    let name = data_type.as_str();
    to.raw(&[INCOMING_DATA, kind, u8::try_from(name.len()).unwrap_or(u8::MAX), 0]);
    to.float(connection.0 as f64);
    to.raw(node.as_bytes());
    to.raw(peer.as_bytes());
    to.length(data.len());
    to.raw(name.as_bytes());
    to.raw(data);
}

fn connection(to: &mut Packer, name: &str, event: &ConnectionEvent) {
    let ConnectionEvent { change, connection, node, peer } = event;
    let (change, reason, hop, next) = match change {
        ConnectionChange::Connected => ("connected", None, None, None),
        ConnectionChange::Disconnected { reason } => ("disconnected", Some(*reason), None, None),
        ConnectionChange::Failed { reason } => ("failed", Some(*reason), None, None),
        ConnectionChange::Referred { hop, next } => ("referred", None, Some(*hop), Some(*next)),
    };
    other(
        to,
        name,
        &[
            ("change", &change),
            ("connection", &connection.0),
            ("node", node),
            ("peer", peer),
            ("reason", &reason),
            ("hop", &hop),
            ("next", &next),
        ],
    );
}

/// One subscription.
#[napi]
pub struct NativeSubscription {
    stream: Arc<EventStream>,
    _node: peergraph::Node,
}

#[napi]
impl NativeSubscription {
    /// Takes up to `max` waiting events, packed; nothing if there are none.
    #[napi]
    pub fn drain<'env>(&self, env: &'env Env, max: u32) -> Result<Option<BufferSlice<'env>>> {
        let before = self.stream.cursor();
        let events = self.stream.drain(max as usize);
        if events.is_empty() {
            return Ok(None);
        }
        BufferSlice::copy_from(env, batch(before, &events)).map(Some)
    }

    #[napi(getter)]
    pub fn finished(&self) -> bool {
        self.stream.is_finished()
    }

    /// Has news of this id told whenever there is something to drain. Holds nothing of JavaScript: a reference would make
    /// a cycle that no collector can see.
    #[napi]
    pub fn arm(&self, to: &Bridge, id: u32) {
        let teller = to.teller(id);
        self.stream.set_wake_hook(Some(Arc::new(move || teller.readable())));
    }

    #[napi]
    pub fn disarm(&self) {
        self.stream.set_wake_hook(None);
    }

    #[napi]
    pub fn cursor<'env>(&self, env: &'env Env) -> Result<BufferSlice<'env>> {
        BufferSlice::copy_from(env, self.stream.cursor().to_bytes())
    }

    #[napi]
    pub fn close(&self) {
        self.stream.close();
    }
}

fn cursor_from(bytes: &[u8]) -> Result<Cursor> {
    let refuse = || invalid("a cursor has 24 bytes, as an event or a stream gave it");
    Ok(Cursor::from_bytes(bytes.try_into().map_err(|_| refuse())?))
}

/// What a subscription lets through, and where it begins.
#[napi(object, object_to_js = false)]
pub struct Wanted {
    pub kinds: Vec<String>,
    pub record_types: Vec<String>,
    pub authors: Vec<String>,
    pub data_types: Vec<String>,
    pub snapshot: bool,
    pub capacity: Option<f64>,
}

#[napi]
impl NativeGraph {
    #[napi]
    pub fn subscribe(&self, wanted: Wanted, after: Option<&[u8]>) -> Result<NativeSubscription> {
        let Wanted { kinds, record_types: types, authors, data_types, snapshot, capacity } = wanted;
        let kinds = kinds
            .iter()
            .map(|name| EventKind::from_word(name))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(Fail::from)?;
        let filter = EventFilter::kinds(kinds)
            .record_types(record_types(&types)?)
            .authors(parse_all(&authors)?)
            .data_types(record_types(&data_types)?);
        let start = match (snapshot, after) {
            (true, Some(_)) => {
                return Err(invalid("a stream begins with a snapshot or after a cursor, not both"));
            }
            (true, None) => Start::Snapshot,
            (false, Some(bytes)) => Start::After(cursor_from(bytes)?),
            (false, None) => Start::Now,
        };
        let capacity = capacity.map(|capacity| size(capacity, "capacity")).transpose()?;
        let options = SubscribeOptions { filter, start, capacity };
        let stream = self.graph.subscribe(options).map_err(Fail::from)?;
        Ok(NativeSubscription { stream: Arc::new(stream), _node: self.node.clone() })
    }

    #[napi]
    pub fn save_cursor(&self, to: &Bridge, id: u32, name: String, cursor: &[u8]) -> Result<()> {
        to.act(id, self.graph.save_cursor(&name, cursor_from(cursor)?));
        Ok(())
    }

    #[napi]
    pub fn load_cursor(&self, to: &Bridge, id: u32, name: String) {
        let loaded = self.graph.load_cursor(&name);
        to.ask(id, async move { Ok(loaded.await?.map(Saved)) });
    }
}

struct Saved(Cursor);

impl Pack for Saved {
    fn pack(&self, to: &mut Packer) {
        to.blob(&self.0.to_bytes());
    }
}
