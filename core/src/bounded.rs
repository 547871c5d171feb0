//! Lists from outside: decoding stops at a limit, so that a count that somebody claims is never worth more memory.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

/// Decodes a list of at most `MAX` items, for `#[serde(deserialize_with = "…")]`. A greater count is refused before the
/// first item is read. Room is made for `MAX` items at most, whatever is claimed.
pub(crate) fn list<'de, T, D, const MAX: usize>(from: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    from.deserialize_seq(Items::<T, MAX>(PhantomData))
}

struct Items<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let claimed = items.size_hint().unwrap_or(0);
        if claimed > MAX {
            return Err(A::Error::invalid_length(claimed, &self));
        }
        let mut list = Vec::with_capacity(claimed);
        while let Some(item) = items.next_element()? {
            // A format that does not say the count beforehand is held to the limit as well.
            if list.len() >= MAX {
                return Err(A::Error::invalid_length(list.len().saturating_add(1), &self));
            }
            list.push(item);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, PartialEq, Debug)]
    struct Few(#[serde(deserialize_with = "list::<_, _, 3>")] Vec<u8>);

    #[test]
    fn b2_a_list_ends_at_its_limit() {
        let read = |items: &[u8]| postcard::from_bytes::<Few>(&postcard::to_stdvec(items).unwrap());
        assert_eq!(read(&[1, 2, 3]), Ok(Few(vec![1, 2, 3])));
        assert_eq!(read(&[]), Ok(Few(Vec::new())));
        assert!(read(&[1, 2, 3, 4]).is_err());
        // A count without items: refused by the count where it is too great, and for want of items where it is not.
        assert!(postcard::from_bytes::<Few>(&[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
        assert!(postcard::from_bytes::<Few>(&[3, 1]).is_err());
    }
}
