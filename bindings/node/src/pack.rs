//! The packed form of values: how everything crosses into JavaScript, many events at a time. `lib/pack.js` is the other
//! half. Numbers are little-endian.

use peergraph::{Attributes, Moment, PeerId, RecordType, Timestamp, Value};

use crate::errors::invalid;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NUMBER: u8 = 3;
const TEXT: u8 = 4;
const BYTES: u8 = 5;
const TIME: u8 = 6;
const LIST: u8 = 7;
const MAP: u8 = 8;
const INTEGER: u8 = 9;
const RECORD: u8 = 10;
/// A number that is meant to have 64 bits: always a bigint.
const LARGE: u8 = 11;

/// Where packed values are written.
#[derive(Default)]
pub(crate) struct Packer {
    pub(crate) bytes: Vec<u8>,
    /// Of the record written last: JavaScript reads them in this order, and has their text already.
    pub(crate) last_author: Option<PeerId>,
    pub(crate) last_type: Option<RecordType>,
    /// The ids of the records as text, where they are wanted at once.
    pub(crate) ids: Option<Vec<u8>>,
}

/// What has a packed form.
pub(crate) trait Pack {
    fn pack(&self, to: &mut Packer);
}

/// The packed form of a value.
pub(crate) fn packed<T: Pack + ?Sized>(value: &T) -> Vec<u8> {
    let mut packer = Packer::default();
    value.pack(&mut packer);
    packer.bytes
}

impl Packer {
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn float(&mut self, number: f64) {
        self.raw(&number.to_le_bytes());
    }

    /// Lengths and places: nothing here is as long as 4 GiB.
    pub(crate) fn length(&mut self, length: usize) {
        self.raw(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }

    /// Writes at an earlier place where this one is.
    pub(crate) fn place(&mut self, at: usize) {
        let here = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[at..at + 4].copy_from_slice(&here.to_le_bytes());
    }

    pub(crate) fn null(&mut self) {
        self.byte(NULL);
    }

    pub(crate) fn number(&mut self, number: f64) {
        self.byte(NUMBER);
        self.float(number);
    }

    /// A count, which JavaScript has as a number: exact up to 2^53.
    #[expect(clippy::cast_precision_loss, reason = "counts of this process stay far below 2^53")]
    pub(crate) fn count(&mut self, count: u64) {
        self.number(count as f64);
    }

    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        self.byte(BYTES);
        self.length(bytes.len());
        self.raw(bytes);
    }

    #[expect(clippy::cast_precision_loss, reason = "the core lets in no moment that a Date cannot hold")]
    pub(crate) fn signed_time(&mut self, at: Moment) {
        self.byte(TIME);
        self.float(at.0 as f64);
    }

    pub(crate) fn time(&mut self, at: Timestamp) {
        self.byte(TIME);
        self.float(milliseconds(at));
    }

    pub(crate) fn integer(&mut self, number: i64) {
        self.byte(INTEGER);
        self.raw(&number.to_le_bytes());
    }

    pub(crate) fn large(&mut self, number: u64) {
        self.byte(LARGE);
        self.raw(&number.to_le_bytes());
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut f: impl FnMut(&mut Self, &T)) {
        self.byte(LIST);
        self.length(items.len());
        for item in items {
            f(self, item);
        }
    }

    /// Begins an object with so many fields; each is a [`key`](Self::key) and a value.
    pub(crate) fn map(&mut self, fields: usize) {
        self.byte(MAP);
        self.length(fields);
    }

    pub(crate) fn key(&mut self, name: &str) -> &mut Self {
        self.length(name.len());
        self.raw(name.as_bytes());
        self
    }

    /// Begins a record, whose layout follows.
    pub(crate) fn record(&mut self) {
        self.byte(RECORD);
    }

    /// An object of some fields.
    pub(crate) fn object(&mut self, fields: &[(&str, &dyn Pack)]) {
        self.map(fields.len());
        for (name, value) in fields {
            value.pack(self.key(name));
        }
    }
}

/// A moment for JavaScript. Those beyond its `Date` become its last.
#[expect(clippy::cast_precision_loss, reason = "limited to what a double has exactly")]
pub(crate) fn milliseconds(at: Timestamp) -> f64 {
    at.0.min(8_640_000_000_000_000) as f64
}

impl Pack for str {
    fn pack(&self, to: &mut Packer) {
        to.byte(TEXT);
        to.length(self.len());
        to.raw(self.as_bytes());
    }
}

impl Pack for String {
    fn pack(&self, to: &mut Packer) {
        self.as_str().pack(to);
    }
}

impl Pack for &str {
    fn pack(&self, to: &mut Packer) {
        (**self).pack(to);
    }
}

impl Pack for bool {
    fn pack(&self, to: &mut Packer) {
        to.byte(if *self { TRUE } else { FALSE });
    }
}

impl Pack for () {
    fn pack(&self, to: &mut Packer) {
        to.null();
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, to: &mut Packer) {
        match self {
            Some(value) => value.pack(to),
            None => to.null(),
        }
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, to: &mut Packer) {
        to.list(self, |to, item| item.pack(to));
    }
}

impl Pack for Moment {
    fn pack(&self, to: &mut Packer) {
        to.signed_time(*self);
    }
}

impl Pack for Timestamp {
    fn pack(&self, to: &mut Packer) {
        to.time(*self);
    }
}

impl Pack for u64 {
    fn pack(&self, to: &mut Packer) {
        to.count(*self);
    }
}

macro_rules! small {
    ($($kind:ty),*) => {$(
        impl Pack for $kind {
            fn pack(&self, to: &mut Packer) {
                to.number(f64::from(*self));
            }
        }
    )*};
}
small!(u8, u16, u32);

/// A difference of times, in milliseconds. Exact as far as a double is.
#[expect(clippy::cast_precision_loss, reason = "285,000 years are exact")]
impl Pack for i64 {
    fn pack(&self, to: &mut Packer) {
        to.number(*self as f64);
    }
}

/// A length of time, in milliseconds.
impl Pack for std::time::Duration {
    fn pack(&self, to: &mut Packer) {
        to.number(self.as_secs_f64() * 1000.0);
    }
}

macro_rules! ids {
    ($($kind:ident),*) => {$(
        impl Pack for peergraph::$kind {
            fn pack(&self, to: &mut Packer) {
                self.to_string().pack(to);
            }
        }
    )*};
}
ids!(PeerId, NodeId, GraphId, RecordId, Role);

impl Pack for Value {
    fn pack(&self, to: &mut Packer) {
        match self {
            Self::String(text) => text.pack(to),
            Self::Integer(number) => to.integer(*number),
            Self::Float(number) => to.number(*number),
            Self::Boolean(flag) => flag.pack(to),
            Self::Time(at) => at.pack(to),
            Self::Bytes(bytes) => to.blob(bytes),
            Self::List(values) => values.pack(to),
        }
    }
}

impl Pack for Attributes {
    fn pack(&self, to: &mut Packer) {
        to.map(self.len());
        for (name, value) in self.iter() {
            value.pack(to.key(name));
        }
    }
}

/// Attributes as `lib/pack.js` packs them.
pub(crate) fn attributes(packed: &[u8]) -> napi::Result<Attributes> {
    let mut rest = Unpacker(packed);
    rest.attributes().ok_or_else(|| invalid("these attributes were not packed by this package"))
}

struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn length(&mut self) -> Option<usize> {
        Some(u32::from_le_bytes(self.array()?) as usize)
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.long()?.to_vec()).ok()
    }

    fn attributes(&mut self) -> Option<Attributes> {
        let mut attributes = Attributes::new();
        if self.array()? != [MAP] {
            return None;
        }
        for _ in 0..self.length()? {
            let name = self.text()?;
            attributes.insert(name, self.value(true)?);
        }
        Some(attributes)
    }

    fn value(&mut self, list_may: bool) -> Option<Value> {
        let [tag] = self.array()?;
        Some(match tag {
            FALSE | TRUE => Value::Boolean(tag == TRUE),
            NUMBER => Value::Float(f64::from_le_bytes(self.array()?)),
            TEXT => Value::String(self.text()?),
            BYTES => Value::Bytes(self.long()?.to_vec().into()),
            TIME => Value::Time(crate::convert::signed_moment(f64::from_le_bytes(self.array()?)).ok()?),
            INTEGER => Value::Integer(i64::from_le_bytes(self.array()?)),
            LIST if list_may => {
                let length = self.length()?;
                Value::List((0..length).map(|_| self.value(false)).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }
}
