//! Records, attributes, drafts, queries, pages.

use std::collections::HashMap;

use peergraph::{Attributes, Moment, PeerId, RecordId, Timestamp, Value as CoreValue, ids::Lsn};

use crate::{
    enums::BodyState,
    errors::{Result, core},
};

/// A typed attribute value.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
#[allow(clippy::use_self, reason = "the generator knows the name only")]
pub enum Value {
    /// Text.
    Text {
        /// It.
        value: String,
    },
    /// A signed 64-bit integer.
    Integer {
        /// It.
        value: i64,
    },
    /// A floating-point number; NaN is refused.
    Float {
        /// It.
        value: f64,
    },
    /// True or false.
    Boolean {
        /// It.
        value: bool,
    },
    /// A moment, in the years 1 to 9999.
    Time {
        /// It.
        value: Moment,
    },
    /// Opaque bytes.
    Bytes {
        /// They.
        value: Vec<u8>,
    },
    /// Several values. Lists do not nest.
    Several {
        /// They.
        values: Vec<Value>,
    },
}

impl From<&CoreValue> for Value {
    fn from(value: &CoreValue) -> Self {
        match value {
            CoreValue::String(value) => Self::Text { value: value.clone() },
            CoreValue::Integer(value) => Self::Integer { value: *value },
            CoreValue::Float(value) => Self::Float { value: *value },
            CoreValue::Boolean(value) => Self::Boolean { value: *value },
            CoreValue::Time(value) => Self::Time { value: *value },
            CoreValue::Bytes(value) => Self::Bytes { value: value.to_vec() },
            CoreValue::List(values) => Self::Several { values: values.iter().map(Self::from).collect() },
        }
    }
}

impl From<Value> for CoreValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Text { value } => Self::String(value),
            Value::Integer { value } => Self::Integer(value),
            Value::Float { value } => Self::Float(value),
            Value::Boolean { value } => Self::Boolean(value),
            Value::Time { value } => Self::Time(value),
            Value::Bytes { value } => Self::Bytes(value.into()),
            Value::Several { values } => Self::List(values.into_iter().map(Into::into).collect()),
        }
    }
}

/// One record as applications read it.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Record {
    /// Stays the same through all versions.
    pub id: RecordId,
    /// What kind of record this is.
    pub record_type: String,
    /// Counts from 1, one up with every update.
    pub version: u64,
    /// Who made the record.
    pub creator: PeerId,
    /// Who wrote this version.
    pub author: PeerId,
    /// When the record was made, in peer time.
    pub created: Timestamp,
    /// When this version was written, in peer time.
    pub modified: Timestamp,
    /// When it ceases to exist, if ever, in peer time.
    pub expires: Option<Timestamp>,
    /// True for what a delete leaves behind: no attributes, no body.
    pub deleted: bool,
    /// Named values.
    pub attributes: HashMap<String, Value>,
    /// The content; empty if it could not be read.
    pub body: Vec<u8>,
    /// Whether it could, in a group with encrypted bodies.
    pub body_state: BodyState,
    /// Names this version: 16 bytes.
    pub element: Vec<u8>,
    /// True for a version of this identity's that others cannot accept yet, because this machine's clock was ahead.
    #[uniffi(default = false)]
    pub held: bool,
}

impl From<&peergraph::Record> for Record {
    fn from(record: &peergraph::Record) -> Self {
        // Named one by one, so that what is new in the core is seen here.
        let peergraph::Record {
            id,
            record_type,
            version,
            creator,
            author,
            created,
            modified,
            expires,
            deleted,
            attributes,
            body,
            body_state,
            key,
            replaced: _,
            held,
        } = record;
        Self {
            id: *id,
            record_type: record_type.as_str().to_owned(),
            version: *version,
            creator: *creator,
            author: *author,
            created: *created,
            modified: *modified,
            expires: *expires,
            deleted: *deleted,
            attributes: attributes.iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
            body: body.to_vec(),
            body_state: (*body_state).into(),
            held: *held,
            element: key.element.as_bytes().to_vec(),
        }
    }
}

pub(crate) fn attributes(given: HashMap<String, Value>) -> Attributes {
    let mut attributes = Attributes::new();
    for (name, value) in given {
        attributes.insert(name, CoreValue::from(value));
    }
    attributes
}

/// What a list shall have, and from where on. Without a type all but the reserved.
#[derive(Debug, Clone, uniffi::Record)]
pub struct ListQuery {
    /// Of this type.
    #[uniffi(default = None)]
    pub record_type: Option<String>,
    /// Made by this identity.
    #[uniffi(default = None)]
    pub creator: Option<PeerId>,
    /// Tombstones too.
    #[uniffi(default = false)]
    pub include_deleted: bool,
    /// Reserved types too.
    #[uniffi(default = false)]
    pub include_reserved: bool,
    /// After this place: the `next` of the page before.
    #[uniffi(default = None)]
    pub after: Option<u64>,
    /// As the feed stood here: later changes are left out. The first page sets it.
    #[uniffi(default = None)]
    pub through: Option<u64>,
    /// At most so many; 0 means as many as a page may have.
    #[uniffi(default = 0)]
    pub limit: u32,
    /// Count the items of all pages together.
    #[uniffi(default = false)]
    pub count: bool,
}

impl ListQuery {
    pub(crate) fn into_core(self) -> Result<peergraph::ListQuery> {
        let Self { record_type, creator, include_deleted, include_reserved, after, through, limit, count } =
            self;
        Ok(peergraph::ListQuery {
            record_type: record_type.map(|name| core(peergraph::RecordType::new(&name))).transpose()?,
            creator,
            include_deleted,
            include_reserved,
            after: after.map(Lsn),
            through: through.map(Lsn),
            limit: limit as usize,
            count,
        })
    }
}

/// One page of a list.
#[derive(Debug, Clone, uniffi::Record)]
pub struct RecordPage {
    /// What is on it, oldest change first.
    pub items: Vec<Record>,
    /// Where the next page begins; none on the last.
    pub next: Option<u64>,
    /// The feed's end when the first page was made.
    pub through: u64,
    /// How many items all pages have together, if the query asked for it.
    pub total: Option<u64>,
}

/// Two versions of one record, neither written in knowledge of the other.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Conflict {
    /// The record as it is now. Deleted, if a delete won.
    pub winner: Record,
    /// The version that lost.
    pub loser: Record,
    /// When this node noticed, in peer time.
    pub noticed: Timestamp,
}

/// One page of conflicts.
#[derive(Debug, Clone, uniffi::Record)]
pub struct ConflictPage {
    /// What is on it, in the order in which it was noticed.
    pub items: Vec<Conflict>,
    /// Where the next page begins; none on the last.
    pub next: Option<u64>,
}

impl From<peergraph::Page<peergraph::Conflict>> for ConflictPage {
    fn from(page: peergraph::Page<peergraph::Conflict>) -> Self {
        let peergraph::Page { items, next, through: _, total: _ } = page;
        let conflict = |conflict: &peergraph::Conflict| {
            let peergraph::Conflict { winner, loser, noticed } = conflict;
            Conflict { winner: winner.into(), loser: loser.into(), noticed: *noticed }
        };
        Self { items: items.iter().map(conflict).collect(), next: next.map(|lsn| lsn.0) }
    }
}

impl From<peergraph::Page<peergraph::Record>> for RecordPage {
    fn from(page: peergraph::Page<peergraph::Record>) -> Self {
        let peergraph::Page { items, next, through, total } = page;
        let items = items.iter().map(Record::from).collect();
        Self { items, next: next.map(|lsn| lsn.0), through: through.0, total }
    }
}
