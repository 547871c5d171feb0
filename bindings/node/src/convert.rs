//! Arguments from JavaScript: moments and lengths of time as milliseconds, identifiers and names as text.

use std::time::Duration;

use napi::Result;
use peergraph::{Moment, RecordType, Role, Timestamp};

use crate::errors::{Fail, invalid};

/// A moment in milliseconds since 1970.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in bounds")]
pub(crate) fn moment(at: f64) -> Result<Timestamp> {
    if !(0.0..=8.64e15).contains(&at) {
        return Err(invalid("a moment is a valid Date after 1970"));
    }
    Ok(Timestamp(at as u64))
}

/// A moment of an application's own data: milliseconds since 1970, negative before. The core knows its bounds.
#[expect(clippy::cast_possible_truncation, reason = "a number beyond is out of the core's bounds as well")]
pub(crate) fn signed_moment(at: f64) -> Result<Moment> {
    if !at.is_finite() {
        return Err(invalid("a moment is a valid Date"));
    }
    Ok(Moment(at.floor() as i64))
}

/// A length of time in milliseconds.
pub(crate) fn span(milliseconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(milliseconds / 1000.0)
        .map_err(|_| invalid("a length of time is a number of milliseconds that is not negative"))
}

/// What was given, or the default.
pub(crate) fn span_or(milliseconds: Option<f64>, default: Duration) -> Result<Duration> {
    milliseconds.map_or(Ok(default), span)
}

/// What was given, where infinity stands for no end, or the default.
pub(crate) fn lifetime_or(milliseconds: Option<f64>, default: Option<Duration>) -> Result<Option<Duration>> {
    match milliseconds {
        None => Ok(default),
        Some(f64::INFINITY) => Ok(None),
        Some(milliseconds) => span(milliseconds).map(Some),
    }
}

/// An identifier or text form.
pub(crate) fn parse<T>(text: &str) -> Result<T>
where
    T: std::str::FromStr,
    peergraph::Error: From<T::Err>,
{
    Ok(text.trim().parse::<T>().map_err(Fail::from)?)
}

pub(crate) fn parse_all<T>(texts: &[String]) -> Result<Vec<T>>
where
    T: std::str::FromStr,
    peergraph::Error: From<T::Err>,
{
    texts.iter().map(|text| parse(text)).collect()
}

pub(crate) fn maybe<T>(text: Option<&str>) -> Result<Option<T>>
where
    T: std::str::FromStr,
    peergraph::Error: From<T::Err>,
{
    text.map(parse).transpose()
}

pub(crate) fn role(text: &str) -> Result<Role> {
    text.parse::<Role>().map_err(|error| invalid(&error.to_string()))
}

pub(crate) fn record_types(names: &[String]) -> Result<Vec<RecordType>> {
    Ok(names
        .iter()
        .map(|name| RecordType::new(name))
        .collect::<std::result::Result<_, _>>()
        .map_err(Fail::from)?)
}

/// A count that JavaScript gave back.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in bounds")]
pub(crate) fn whole(number: f64, what: &str) -> Result<u64> {
    if number < 0.0 || number.fract() != 0.0 || number > 9_007_199_254_740_991.0 || number.is_nan() {
        return Err(invalid(&format!("{what} is a whole number that is not negative")));
    }
    Ok(number as u64)
}

pub(crate) fn size(number: f64, what: &str) -> Result<usize> {
    usize::try_from(whole(number, what)?).map_err(|_| invalid(&format!("{what} is too large")))
}

pub(crate) fn small(number: f64, what: &str) -> Result<u32> {
    u32::try_from(whole(number, what)?).map_err(|_| invalid(&format!("{what} is at most 4,294,967,295")))
}

/// The roles, the least first.
#[napi_derive::napi]
pub fn roles() -> Vec<&'static str> {
    Role::ALL.iter().map(|role| role.name()).collect()
}

/// Most bytes of one piece of data on a connection.
#[napi_derive::napi]
pub fn data_limit() -> u32 {
    u32::try_from(peergraph::limits::MAX_DATA).unwrap_or(u32::MAX)
}
