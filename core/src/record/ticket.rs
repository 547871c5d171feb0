//! A graph's addresses and secret as text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    GraphSecret, NodeAddr,
    text::{TextError, TextForm, is_of_kind},
};
use crate::{
    ids::GraphId,
    limits::{MAX_REFERRALS, REFERRALS},
};

/// The way into a graph: its id, its secret, and nodes to begin with. Text: `peergraph:` and base32.
///
/// Whoever holds a ticket can join. Give it only to those who may.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// The graph.
    pub graph: GraphId,
    /// What proves the right to link.
    pub secret: GraphSecret,
    /// Nodes to connect to, tried in turn. At most 100.
    pub nodes: Vec<NodeAddr>,
}

/// The text is not a ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It does not begin with `peergraph:`.
    #[error("a ticket begins with \"peergraph:\"")]
    Prefix,
    /// It is an invitation to a group.
    #[error("this is an invitation to a group, not a ticket of a graph; join the group with it")]
    Invitation,
    /// It has characters that base32 does not have.
    #[error("the ticket contains an invalid character")]
    Encoding,
    /// The check sum is wrong: cut off or mistyped.
    #[error("the ticket is incomplete or was changed")]
    Checksum,
    /// It was made by a later version.
    #[error("the ticket has version {0}, which this version of the library does not support")]
    Version(u8),
    /// It has the right check sum but not the right form.
    #[error("this is not a valid ticket")]
    Malformed,
    /// There are several tickets in it.
    #[error("the text contains more than one ticket; give exactly one")]
    Several,
}

const FORM: TextForm = TextForm { prefix: "peergraph:", version: 1, context: "peergraph v1 ticket checksum" };

impl From<TextError> for TicketError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Prefix => Self::Prefix,
            TextError::Encoding => Self::Encoding,
            TextError::Checksum => Self::Checksum,
            TextError::Version(version) => Self::Version(version),
            TextError::Malformed => Self::Malformed,
            TextError::Several => Self::Several,
        }
    }
}

impl Ticket {
    /// The same ticket with at most ten nodes.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        self.nodes.truncate(REFERRALS);
        self
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&FORM.encode(&postcard::to_stdvec(self).expect("a ticket always encodes")))
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let content = FORM.decode(text).map_err(|error| match error {
            TextError::Prefix if is_of_kind(text, "peergraph-invitation:") => TicketError::Invitation,
            error => error.into(),
        })?;
        let ticket: Self = crate::wire::decode_exact(&content).map_err(|_| TicketError::Malformed)?;
        if ticket.nodes.len() > MAX_REFERRALS {
            return Err(TicketError::Malformed);
        }
        Ok(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    fn sample() -> Ticket {
        Ticket {
            graph: GraphId::from_bytes([1; 32]),
            secret: GraphSecret::from_bytes([2; 32]),
            nodes: vec![NodeAddr::at(NodeId::from_bytes([3; 32]), ["127.0.0.1:4000".parse().unwrap()])],
        }
    }

    #[test]
    fn text_round_trips_in_either_case() {
        let text = sample().to_string();
        assert_eq!(text.parse(), Ok(sample()));
        assert_eq!(text.to_uppercase().parse(), Ok(sample()));
        assert_eq!(format!(" {text}\n").parse(), Ok(sample()));
    }

    #[test]
    fn each_mistake_has_its_error() {
        let text = sample().to_string();
        let parse = |text: &str| text.parse::<Ticket>().unwrap_err();
        assert_eq!(parse(""), TicketError::Prefix);
        assert_eq!(parse("https://x"), TicketError::Prefix);
        assert_eq!(parse("PEERGRAPH-INVITATION:AAAA"), TicketError::Invitation);
        assert_eq!(parse("peergraph:a!b"), TicketError::Encoding);
        for cut in FORM.prefix.len()..text.len() {
            assert_eq!(parse(&text[..cut]), TicketError::Checksum, "cut at {cut}");
        }
        let mut typo = text.clone().into_bytes();
        typo[20] = if typo[20] == b'a' { b'b' } else { b'a' };
        assert_eq!(parse(std::str::from_utf8(&typo).unwrap()), TicketError::Checksum);
        assert!(!format!("{:?}", sample()).contains("[2, 2"));
    }
}
