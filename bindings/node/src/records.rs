//! Records. They cross packed and are read field by field when somebody looks at them, so that draining many is cheap.

use napi::Result;
use napi_derive::napi;
use peergraph::{
    Attributes, BodyState, Conflict, ConflictQuery, ListQuery, Page, Record, RecordDraft, RecordType,
    RecordUpdate, given,
    ids::{ElementId, Lsn},
};

use crate::{
    bridge::{Bridge, Reply},
    convert::{maybe, moment, parse, size, whole},
    errors::{Fail, invalid},
    graph::NativeGraph,
    pack::{Pack, Packer, attributes, milliseconds, packed},
};

/// Flags of a record beside its state, so that JavaScript makes a text once where records have it in common.
const SAME_AUTHOR: u8 = 16;
const SAME_TYPE: u8 = 32;
const CREATOR_IS_AUTHOR: u8 = 64;

/// Bytes of a record before its type.
const FIXED: usize = 140;

/// The layout that `lib/record.js` reads: fixed fields, then type, attributes and body.
pub(crate) fn layout(to: &mut Packer, record: &Record) {
    if let Some(ids) = &mut to.ids {
        for byte in record.id.as_bytes() {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            ids.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
    let begin = to.bytes.len();
    let flags = flags(to, record);
    to.raw(&fixed(record, flags));
    to.raw(record.record_type.as_str().as_bytes());
    if !record.attributes.is_empty() {
        let attributes = to.bytes.len();
        record.attributes.pack(to);
        let length = u32::try_from(to.bytes.len() - attributes).unwrap_or(u32::MAX);
        to.bytes[begin + 132..][..4].copy_from_slice(&length.to_le_bytes());
    }
    to.raw(&record.body);
}

fn flags(to: &mut Packer, record: &Record) -> u8 {
    let mut flags = match record.body_state {
        BodyState::Clear => 0,
        BodyState::KeyMissing => 2,
        BodyState::Unreadable => 4,
    };
    flags |= u8::from(record.deleted);
    flags |= if record.held { 8 } else { 0 };
    if record.creator == record.author {
        flags |= CREATOR_IS_AUTHOR;
    }
    if to.last_author.replace(record.author) == Some(record.author) {
        flags |= SAME_AUTHOR;
    }
    if to.last_type.as_ref() == Some(&record.record_type) {
        flags |= SAME_TYPE;
    } else {
        to.last_type = Some(record.record_type.clone());
    }
    flags
}

#[expect(clippy::cast_precision_loss, reason = "versions count edits")]
fn fixed(record: &Record, flags: u8) -> [u8; FIXED] {
    let mut fixed = [0; FIXED];
    fixed[..16].copy_from_slice(record.id.as_bytes());
    fixed[16..48].copy_from_slice(record.creator.as_bytes());
    fixed[48..80].copy_from_slice(record.author.as_bytes());
    fixed[80..96].copy_from_slice(record.key.element.as_bytes());
    let numbers = [
        record.version as f64,
        milliseconds(record.created),
        milliseconds(record.modified),
        record.expires.map_or(f64::NAN, milliseconds),
    ];
    for (at, number) in numbers.iter().enumerate() {
        fixed[96 + 8 * at..][..8].copy_from_slice(&number.to_le_bytes());
    }
    fixed[128] = flags;
    fixed[129] = u8::try_from(record.record_type.as_str().len()).unwrap_or(u8::MAX);
    let body = u32::try_from(record.body.len()).unwrap_or(u32::MAX);
    fixed[136..].copy_from_slice(&body.to_le_bytes());
    fixed
}

impl Pack for Record {
    fn pack(&self, to: &mut Packer) {
        to.record();
        layout(to, self);
    }
}

struct Listed(Page<Record>);

impl Pack for Listed {
    fn pack(&self, to: &mut Packer) {
        let Page { items, next, through, total } = &self.0;
        let next = next.map(|lsn| lsn.0);
        to.object(&[("items", items), ("next", &next), ("through", &through.0), ("total", total)]);
    }
}

impl Pack for Conflict {
    fn pack(&self, to: &mut Packer) {
        let Self { winner, loser, noticed } = self;
        to.object(&[("winner", winner), ("loser", loser), ("noticed", noticed)]);
    }
}

struct ListedConflicts(Page<Conflict>);

impl Pack for ListedConflicts {
    fn pack(&self, to: &mut Packer) {
        let Page { items, next, through: _, total: _ } = &self.0;
        to.object(&[("items", items), ("next", &next.map(|lsn| lsn.0))]);
    }
}

/// What records are asked for.
#[napi(object, object_to_js = false)]
pub struct Query {
    pub record_type: Option<String>,
    pub creator: Option<String>,
    pub include_deleted: Option<bool>,
    pub include_reserved: Option<bool>,
    pub after: Option<f64>,
    pub through: Option<f64>,
    pub limit: Option<f64>,
    pub count: Option<bool>,
}

impl Query {
    fn read(self) -> Result<ListQuery> {
        let Self { record_type, creator, include_deleted, include_reserved, after, through, limit, count } =
            self;
        let place = |lsn: Option<f64>| lsn.map(|lsn| whole(lsn, "a place").map(Lsn)).transpose();
        Ok(ListQuery {
            record_type: record_type.map(|name| RecordType::new(&name)).transpose().map_err(Fail::from)?,
            creator: maybe(creator.as_deref())?,
            include_deleted: include_deleted.unwrap_or_default(),
            include_reserved: include_reserved.unwrap_or_default(),
            after: place(after)?,
            through: place(through)?,
            limit: limit.map_or(Ok(0), |limit| size(limit, "pageSize"))?,
            count: count.unwrap_or_default(),
        })
    }
}

/// What an update asks for beside content.
#[napi(object, object_to_js = false)]
pub struct Conditions {
    pub expires: Option<f64>,
    pub expected_version: Option<f64>,
}

#[napi]
impl NativeGraph {
    /// Most bytes of body and attributes that a record may have, as far as it is known.
    #[napi(getter)]
    pub fn record_limit(&self) -> u32 {
        u32::try_from(given::record_limit(&self.graph)).unwrap_or(u32::MAX)
    }

    #[napi]
    pub fn publish(
        &self,
        to: &Bridge,
        id: u32,
        record_type: String,
        body: &[u8],
        given: Option<&[u8]>,
        expires: Option<f64>,
    ) -> Result<()> {
        let body = given::body(&self.graph, body).map_err(Fail::from)?;
        let draft = RecordDraft::new(&record_type, body).map_err(Fail::from)?;
        let attributes = given.map_or_else(|| Ok(Attributes::new()), attributes)?;
        let draft = RecordDraft { attributes, expires: expires.map(moment).transpose()?, ..draft };
        to.ask(id, self.graph.publish(draft));
        Ok(())
    }

    #[napi]
    pub fn update(
        &self,
        to: &Bridge,
        id: u32,
        record: String,
        body: Option<&[u8]>,
        given: Option<&[u8]>,
        conditions: Conditions,
    ) -> Result<()> {
        let Conditions { expires, expected_version } = conditions;
        let update = RecordUpdate {
            attributes: given.map(attributes).transpose()?,
            body: body.map(|body| given::body(&self.graph, body)).transpose().map_err(Fail::from)?,
            expires: expires.map(moment).transpose()?,
            expected_version: expected_version.map(|version| whole(version, "a version")).transpose()?,
        };
        to.ask(id, self.graph.update(parse(&record)?, update));
        Ok(())
    }

    #[napi]
    pub fn delete(&self, to: &Bridge, id: u32, record: String) -> Result<()> {
        let deleted = self.graph.delete(parse(&record)?);
        to.ask(id, async move { Ok(deleted.await?.version) });
        Ok(())
    }

    #[napi]
    pub fn get(&self, to: &Bridge, id: u32, record: String) -> Result<()> {
        to.ask(id, self.graph.get(parse(&record)?));
        Ok(())
    }

    #[napi]
    pub fn conflicts(
        &self,
        to: &Bridge,
        id: u32,
        record: Option<String>,
        after: Option<f64>,
        limit: Option<f64>,
    ) -> Result<()> {
        let query = ConflictQuery {
            record: maybe(record.as_deref())?,
            after: after.map(|lsn| whole(lsn, "a place").map(Lsn)).transpose()?,
            limit: limit.map_or(Ok(0), |limit| size(limit, "pageSize"))?,
        };
        let page = self.graph.conflicts(query);
        to.run(id, async move { Ok(Reply::Packed(packed(&ListedConflicts(page.await?)))) });
        Ok(())
    }

    /// `loser`: the sixteen bytes of a version's element.
    #[napi]
    pub fn acknowledge_conflict(&self, to: &Bridge, id: u32, loser: &[u8]) -> Result<()> {
        let loser = <[u8; 16]>::try_from(loser).map_err(|_| invalid("a version has 16 bytes"))?;
        to.ask(id, self.graph.acknowledge_conflict(ElementId::from_bytes(loser)));
        Ok(())
    }

    #[napi]
    pub fn list(&self, to: &Bridge, id: u32, query: Query) -> Result<()> {
        let page = self.graph.list(query.read()?);
        to.run(id, async move { Ok(Reply::Packed(packed(&Listed(page.await?)))) });
        Ok(())
    }
}
