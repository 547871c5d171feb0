//! What a type of the core is called in every language, and how a value of it is written.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use peergraph::{
    ApiVersion, Attributes, ConnectionId, EventFilter, GraphId, Identity, Invitation, NodeId, OnProgress,
    PeerId, RecordId, RecordType, SecretKey, Ticket, Timestamp, Who,
    events::{Cursor, Start},
    ids::{ElementId, Lsn},
    record::RecordKey,
};
use zeroize::Zeroizing;

/// A type with a name that is not Rust's.
pub(crate) trait Shape {
    fn shape() -> String;

    /// A value as defaults are written.
    fn show(&self) -> String {
        "?".into()
    }
}

/// What a closure leads to.
pub(crate) fn shape_of<S, T: Shape>(_: impl for<'a> Fn(&'a S) -> Option<&'a T>) -> String {
    T::shape()
}

/// `TimedOut` is `timed_out`.
pub(crate) fn snake(name: &str) -> String {
    let mut text = String::new();
    for (at, c) in name.char_indices() {
        if c.is_uppercase() && at > 0 {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

macro_rules! shown {
    ($($kind:ty => $name:literal, $value:ident => $show:expr;)*) => {$(
        impl Shape for $kind {
            fn shape() -> String {
                $name.into()
            }

            fn show(&self) -> String {
                let $value = self;
                $show
            }
        }
    )*};
}
shown! {
    bool => "bool", value => value.to_string();
    u8 => "number", value => value.to_string();
    u16 => "number", value => value.to_string();
    u32 => "number", value => value.to_string();
    u64 => "number", value => value.to_string();
    i64 => "number", value => value.to_string();
    usize => "number", value => value.to_string();
    String => "text", value => format!("{value:?}");
    Duration => "duration", value => format!("{}s", value.as_secs_f64());
    ApiVersion => "version", value => format!("{}.{}", value.major, value.minor);
    Who => "who", value => match value { Who::Author => "author".into(), Who::Role(role) => role.to_string() };
    Start => "start", value => snake(&format!("{value:?}"));
    EventFilter => "EventFilter", value => if *value == EventFilter::all() { "all".into() } else { "?".into() };
}

macro_rules! named {
    ($($kind:ty => $name:literal),* $(,)?) => {$(
        impl Shape for $kind {
            fn shape() -> String {
                $name.into()
            }
        }
    )*};
}
named! {
    &'static str => "text", Bytes => "bytes", Cursor => "bytes", SecretKey => "bytes", Timestamp => "time",
    PathBuf => "path", SocketAddr => "text", RecordType => "text", Attributes => "attributes",
    ConnectionId => "number", Lsn => "number", PeerId => "PeerId", NodeId => "NodeId", GraphId => "GraphId",
    RecordId => "RecordId", ElementId => "ElementId", RecordKey => "RecordKey", Identity => "Identity",
    Invitation => "Invitation", Ticket => "Ticket", OnProgress => "callback", Zeroizing<String> => "text",
}

impl<const N: usize> Shape for [u8; N] {
    fn shape() -> String {
        "bytes".into()
    }
}

impl<T: Shape> Shape for Arc<T> {
    fn shape() -> String {
        T::shape()
    }
}

impl<T: Shape> Shape for Option<T> {
    fn shape() -> String {
        format!("{}?", T::shape())
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".into(), Shape::show)
    }
}

fn items<'a, T: Shape + 'a>(all: impl Iterator<Item = &'a T>) -> String {
    format!("[{}]", all.map(Shape::show).collect::<Vec<_>>().join(","))
}

impl<T: Shape> Shape for Vec<T> {
    fn shape() -> String {
        format!("[{}]", T::shape())
    }

    fn show(&self) -> String {
        items(self.iter())
    }
}

impl<T: Shape> Shape for BTreeSet<T> {
    fn shape() -> String {
        format!("[{}]", T::shape())
    }

    fn show(&self) -> String {
        items(self.iter())
    }
}

/// Enumerations: each with all its variants, so that a new one does not compile here.
#[macro_export]
macro_rules! enums {
    ($($kind:ident { $($variant:ident)* })*) => {
        $(impl Shape for $kind {
            fn shape() -> String {
                stringify!($kind).into()
            }

            fn show(&self) -> String {
                match self {
                    $(Self::$variant { .. } => snake(stringify!($variant)),)*
                }
            }
        })*

        /// A line for each variant.
        pub(crate) fn enums(lines: &mut Vec<String>) {
            $($(lines.push(format!("value {} {}", stringify!($kind), snake(stringify!($variant))));)*)*
        }
    };
}

/// Plain structures: each with all its fields, so that a new one does not compile here.
#[macro_export]
macro_rules! structs {
    ($($kind:ident { $($field:ident)* })*) => {
        $(impl Shape for $kind {
            fn shape() -> String {
                stringify!($kind).into()
            }

            fn show(&self) -> String {
                "default".into()
            }
        }

        impl Fields for $kind {
            fn fields() -> Vec<(&'static str, String)> {
                fn exhaustive(one: &$kind) {
                    let $kind { $($field: _),* } = one;
                }
                let _ = exhaustive;
                vec![$((stringify!($field), shape_of(|one: &$kind| Some(&one.$field)))),*]
            }
        })*

        /// A line for each field.
        pub(crate) fn structs(lines: &mut Vec<String>) {
            $(for (field, shape) in <$kind>::fields() {
                lines.push(format!("field {} {field} {shape}", stringify!($kind)));
            })*
        }
    };
}

/// What can be chosen: structures with defaults.
#[macro_export]
macro_rules! options {
    ($($kind:ident { $($field:ident)* })*) => {
        $(impl Shape for $kind {
            fn shape() -> String {
                stringify!($kind).into()
            }

            fn show(&self) -> String {
                "default".into()
            }
        })*

        /// A line for each option.
        pub(crate) fn options(lines: &mut Vec<String>) {
            $(
                let $kind { $($field),* } = &$kind::default();
                $(lines.push(format!(
                    "option {} {} {} {}",
                    stringify!($kind),
                    stringify!($field),
                    shape_of(|one: &$kind| Some(&one.$field)),
                    $field.show(),
                ));)*
            )*
        }
    };
}
