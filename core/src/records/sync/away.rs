//! Coming back after a long time: what a node has and the others lack may be what they deleted meanwhile.
//!
//! Tombstones are forgotten at the end of their life, so who was away for longer has missed some. Each side says when
//! it was last known to have everything (`synced`), and up to when it has forgotten tombstones (`collected`). A tombstone can
//! come half a life late, so all those until half a life before `synced` are known. If that lies before the other's
//! `collected`, what the other lacks from that time is not sent: it would come to life again. What it wrote itself since is new and goes out; so do credentials, which are never deleted.

use bytes::Bytes;

use crate::{
    ids::{GraphId, PeerId},
    record::{RecordKey, RecordType, SignedRecord},
    time::Timestamp,
    wire::Freshness,
};

/// How current this side is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Footing {
    /// Peer time.
    pub now: Timestamp,
    /// What the other side is told.
    pub ours: Freshness,
    /// No other side is believed to have forgotten tombstones that are younger than this.
    pub horizon: Timestamp,
    /// How late a tombstone can come to a node that is current: half its life. Later ones are written anew.
    pub late: std::time::Duration,
    /// Whose own writes are new: graph and identity. `None`: nothing is ever withheld.
    pub author: Option<(GraphId, PeerId)>,
}

impl Footing {
    /// What is not sent to a side that says this of itself.
    pub(super) fn withhold(&self, theirs: Freshness) -> Option<Withhold> {
        let (graph, author) = self.author?;
        let until = theirs.collected.min(self.horizon);
        if until == Timestamp::default() {
            return None; // nothing was ever forgotten
        }
        let synced = self.ours.synced;
        (synced < until + self.late).then_some(Withhold { graph, author, synced, until })
    }
}

/// Which records are not sent.
#[derive(Clone, Copy, Debug)]
pub struct Withhold {
    /// The graph.
    pub graph: GraphId,
    /// The identity of the node that was away.
    pub author: PeerId,
    /// When it last had everything.
    pub synced: Timestamp,
    /// Until when tombstones were forgotten at the other end.
    pub until: Timestamp,
}

impl Withhold {
    /// True if this one is not.
    pub fn holds(&self, record: &SignedRecord) -> bool {
        let header = record.header();
        let written = header.hlc.timestamp();
        let is_own = header.author() == self.author && written > self.synced;
        // A new version of what was there before: gone over there, unless they turn out to have an older one.
        let is_new = is_own && (header.deleted || header.created > self.synced);
        let kept = [RecordType::CREDENTIAL, RecordType::PROPERTIES].contains(&header.record_type.as_str());
        written < self.until && !is_new && !kept
    }

    /// Takes out of a batch what is not sent.
    pub(super) fn sift(&self, records: &mut Vec<Bytes>, withheld: &mut Vec<RecordKey>) {
        records.retain(|bytes| match SignedRecord::decode_stored(&self.graph, bytes.clone()) {
            Ok(record) if self.holds(&record) => {
                withheld.push(record.key());
                false
            }
            _ => true,
        });
    }
}
