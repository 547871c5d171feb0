//! Named, typed values of a record, by which it can be found.

use std::collections::{BTreeMap, btree_map};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    limits::{MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES},
    time::{Moment, Timestamp},
};

/// A typed attribute value.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Value {
    /// Text.
    String(String),
    /// A signed 64-bit integer.
    Integer(i64),
    /// A floating-point number; NaN is refused.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A moment: signed milliseconds since 1970, in the years 1 to 9999.
    Time(Moment),
    /// Opaque bytes.
    Bytes(Bytes),
    /// Several values. Lists do not nest.
    List(#[serde(deserialize_with = "flat")] Vec<Self>),
}

/// What may be in a list: nothing that could lead a decoder ever deeper.
#[derive(Deserialize)]
enum Single {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Time(Moment),
    Bytes(Bytes),
}

impl From<Single> for Value {
    fn from(single: Single) -> Self {
        match single {
            Single::String(text) => Self::String(text),
            Single::Integer(number) => Self::Integer(number),
            Single::Float(number) => Self::Float(number),
            Single::Boolean(flag) => Self::Boolean(flag),
            Single::Time(time) => Self::Time(time),
            Single::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

fn flat<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    Ok(Vec::<Single>::deserialize(deserializer)?.into_iter().map(Value::from).collect())
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
value_from!(&str => String, String => String, i64 => Integer, i32 => Integer, u32 => Integer, f64 => Float,
    bool => Boolean, Moment => Time, Timestamp => Time, Bytes => Bytes, Vec<u8> => Bytes, Vec<Self> => List);

/// Names to values, ordered by name.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Attributes(BTreeMap<String, Value>);

/// Attributes break a rule. The caller's mistake, or the sender's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// A name is empty, too long, or has a character that is not allowed.
    #[error("attribute name {name:?} is not 1 to {MAX_ATTRIBUTE_NAME} letters, digits, '_', '-' or '.'")]
    Name {
        /// The name, cut to 64 characters.
        name: String,
    },
    /// A name under `peergraph` belongs to the library.
    #[error("attribute name {name:?} is reserved")]
    Reserved {
        /// The name.
        name: String,
    },
    /// A value is NaN, a list inside a list, or a moment outside of the years 1 to 9999.
    #[error(
        "attribute {name:?} has a value that cannot be stored: NaN, a nested list, or a time outside of the years 1 \
         to 9999"
    )]
    Value {
        /// The attribute's name.
        name: String,
    },
    /// All together are too large.
    #[error("the attributes have {len} bytes; the maximum is {MAX_ATTRIBUTES}")]
    TooLarge {
        /// Their encoded size in bytes.
        len: usize,
    },
}

impl Attributes {
    /// No attributes.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets a value and returns the one it replaces. Rules are checked when a record is published.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.0.insert(name.into(), value.into())
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The value of a name, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The value of a name, if it is an integer.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// Names and values in the order of names.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Value> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their size as it counts towards the record limit: the encoded form, in bytes; zero when empty.
    pub fn encoded_len(&self) -> usize {
        if self.is_empty() { 0 } else { postcard::experimental::serialized_size(self).unwrap_or(usize::MAX) }
    }

    /// Checks names, values and size.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), AttributeError> {
        for (name, value) in &self.0 {
            let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
            if name.is_empty() || name.len() > MAX_ATTRIBUTE_NAME || !name.bytes().all(fits) {
                return Err(AttributeError::Name { name: name.chars().take(64).collect() });
            }
            if name.starts_with("peergraph") {
                return Err(AttributeError::Reserved { name: name.clone() });
            }
            let sound = match value {
                Value::List(values) => values.iter().all(|v| v.is_sound() && !matches!(v, Value::List(_))),
                single => single.is_sound(),
            };
            if !sound {
                return Err(AttributeError::Value { name: name.clone() });
            }
        }
        match self.encoded_len() {
            len if len > MAX_ATTRIBUTES => Err(AttributeError::TooLarge { len }),
            _ => Ok(()),
        }
    }
}

impl Value {
    const fn is_sound(&self) -> bool {
        match self {
            Self::Float(number) => !number.is_nan(),
            Self::Time(at) => at.is_in_bounds(),
            _ => true,
        }
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<N: Into<String>, V: Into<Value>, const LEN: usize> From<[(N, V); LEN]> for Attributes {
    fn from(pairs: [(N, V); LEN]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = (&'a String, &'a Value);
    type IntoIter = btree_map::Iter<'a, String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, value: impl Into<Value>) -> Result<(), AttributeError> {
        Attributes::from([(name, value)]).check()
    }

    #[test]
    fn rules_are_enforced() {
        assert_eq!(checked("room", "main"), Ok(()));
        assert_eq!(checked("n", vec![Value::Integer(1), Value::Float(0.5)]), Ok(()));
        assert!(matches!(checked("", 1), Err(AttributeError::Name { .. })));
        assert!(matches!(checked(&"x".repeat(41), 1), Err(AttributeError::Name { .. })));
        assert!(matches!(checked("a b", 1), Err(AttributeError::Name { .. })));
        assert!(matches!(checked("peergraph.author", 1), Err(AttributeError::Reserved { .. })));
        assert!(matches!(checked("x", f64::NAN), Err(AttributeError::Value { .. })));
        assert!(matches!(checked("x", vec![Value::List(vec![])]), Err(AttributeError::Value { .. })));
        assert!(matches!(checked("x", "y".repeat(3000)), Err(AttributeError::TooLarge { .. })));
    }

    #[test]
    fn k21_times_before_1970_are_kept_and_those_out_of_bounds_are_refused_by_name() {
        let birthday = Moment(-149_731_200_000); // 4 April 1965
        for at in [birthday, Moment::MIN, Moment(-1), Moment(0), Moment::MAX] {
            let attributes =
                Attributes::from([("born", Value::Time(at)), ("list", Value::List(vec![Value::Time(at)]))]);
            assert_eq!(attributes.check(), Ok(()));
            let bytes = postcard::to_stdvec(&attributes).unwrap();
            let back: Attributes = crate::wire::decode_exact(&bytes).unwrap();
            assert_eq!(back.get("born"), Some(&Value::Time(at)));
        }
        let early = std::time::SystemTime::UNIX_EPOCH - std::time::Duration::from_micros(1_500);
        assert_eq!(Moment::from(early), Moment(-2), "rounded down, as after 1970");
        let out = [i64::MIN, Moment::MIN.0 - 1, Moment::MAX.0 + 1, i64::MAX];
        for at in out.map(Moment) {
            for value in [Value::Time(at), Value::List(vec![Value::Time(at)])] {
                let refused = checked("born", value);
                assert!(
                    matches!(&refused, Err(AttributeError::Value { name }) if name == "born"),
                    "{refused:?}"
                );
                assert!(refused.unwrap_err().to_string().contains("\"born\""));
            }
        }
    }
}
