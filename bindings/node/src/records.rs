//! Records. They cross packed and are read field by field when somebody looks at them, so that draining many is cheap.

use napi::Result;
use napi_derive::napi;
use peergraph::{
    Attributes, BodyState, ListQuery, Page, Record, RecordDraft, RecordType, RecordUpdate, ids::Lsn,
};

use crate::{
    bridge::{Bridge, Reply},
    convert::{maybe, moment, parse, size, whole},
    errors::Fail,
    graph::NativeGraph,
    pack::{Pack, Packer, attributes, milliseconds, packed},
};

/// The layout that `lib/record.js` reads: fixed fields, then type, attributes and body.
#[expect(clippy::cast_precision_loss, reason = "versions count edits")]
pub(crate) fn layout(to: &mut Packer, record: &Record) {
    to.raw(record.id.as_bytes());
    to.raw(record.creator.as_bytes());
    to.raw(record.author.as_bytes());
    to.raw(record.key.element.as_bytes());
    to.float(record.version as f64);
    to.float(milliseconds(record.created));
    to.float(milliseconds(record.modified));
    to.float(record.expires.map_or(f64::NAN, milliseconds));
    let state = match record.body_state {
        BodyState::Clear => 0,
        BodyState::KeyMissing => 2,
        BodyState::Unreadable => 4,
    };
    to.byte(state | u8::from(record.deleted) | if record.held { 8 } else { 0 });
    let name = record.record_type.as_str();
    to.byte(u8::try_from(name.len()).unwrap_or(u8::MAX));
    to.raw(&[0; 2]);
    let lengths = to.0.len();
    to.raw(&[0; 4]);
    to.length(record.body.len());
    to.raw(name.as_bytes());
    if !record.attributes.is_empty() {
        let begin = to.0.len();
        record.attributes.pack(to);
        let length = u32::try_from(to.0.len() - begin).unwrap_or(u32::MAX);
        to.0[lengths..lengths + 4].copy_from_slice(&length.to_le_bytes());
    }
    to.raw(&record.body);
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
}

impl Query {
    fn read(self) -> Result<ListQuery> {
        let Self { record_type, creator, include_deleted, include_reserved, after, through, limit } = self;
        let place = |lsn: Option<f64>| lsn.map(|lsn| whole(lsn, "a place").map(Lsn)).transpose();
        Ok(ListQuery {
            record_type: record_type.map(|name| RecordType::new(&name)).transpose().map_err(Fail::from)?,
            creator: maybe(creator.as_deref())?,
            include_deleted: include_deleted.unwrap_or_default(),
            include_reserved: include_reserved.unwrap_or_default(),
            after: place(after)?,
            through: place(through)?,
            limit: limit.map_or(Ok(0), |limit| size(limit, "pageSize"))?,
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
        let draft = RecordDraft::new(&record_type, body.to_vec()).map_err(Fail::from)?;
        let attributes = given.map_or_else(|| Ok(Attributes::new()), attributes)?;
        let draft = RecordDraft { attributes, expires: expires.map(moment).transpose()?, ..draft };
        let graph = self.graph.clone();
        to.ask(id, async move { graph.publish(draft).await });
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
            body: body.map(|body| body.to_vec().into()),
            expires: expires.map(moment).transpose()?,
            expected_version: expected_version.map(|version| whole(version, "a version")).transpose()?,
        };
        let (graph, record) = (self.graph.clone(), parse(&record)?);
        to.ask(id, async move { graph.update(record, update).await });
        Ok(())
    }

    #[napi]
    pub fn delete(&self, to: &Bridge, id: u32, record: String) -> Result<()> {
        let (graph, record) = (self.graph.clone(), parse(&record)?);
        to.ask(id, async move { Ok(graph.delete(record).await?.version) });
        Ok(())
    }

    #[napi]
    pub fn get(&self, to: &Bridge, id: u32, record: String) -> Result<()> {
        let (graph, record) = (self.graph.clone(), parse(&record)?);
        to.ask(id, async move { graph.get(record).await });
        Ok(())
    }

    #[napi]
    pub fn list(&self, to: &Bridge, id: u32, query: Query) -> Result<()> {
        let (graph, query) = (self.graph.clone(), query.read()?);
        to.run(id, async move { Ok(Reply::Packed(packed(&Listed(graph.list(query).await?)))) });
        Ok(())
    }
}
