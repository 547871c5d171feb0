//! The seam between the pure engine and the world: what goes in, what comes out. The driver of a real node and
//! the simulator know nothing else.

use bytes::Bytes;

use crate::{
    ids::{ConnectionId, LinkId, NodeId, PeerId},
    ledger::Source,
    limits::SENT_FRAME_COST,
    link::{ConnectionKind, DialId, FailureReason},
    record::NodeAddr,
    wire::Stream,
};

/// What a frame under way counts: its bytes, and what it takes to keep it. Small frames are not for nothing.
pub const fn frame_cost(frame: &Bytes) -> usize {
    frame.len().saturating_add(SENT_FRAME_COST)
}

/// Something happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// A link's transport is up and both ends have proven to know the graph.
    LinkOpened {
        /// Its number, chosen by the driver; never used again.
        link: LinkId,
        /// The node at the other end, proven by TLS.
        node: NodeId,
        /// The dial it answers; `None` if the other end dialled.
        dial: Option<DialId>,
        /// The range of public addresses it comes from; `None` for others, and if only a relay knows.
        source: Option<Source>,
        /// 32 bytes that only the two ends of this very TLS connection know.
        exporter: [u8; 32],
    },
    /// A link is gone. Nothing more comes from it.
    LinkClosed {
        /// Which.
        link: LinkId,
        /// Why.
        why: FailureReason,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Which.
        dial: DialId,
        /// `Unreachable`, `TimedOut`, or `NotAuthenticated` if the other end does not know the graph.
        why: FailureReason,
    },
    /// A frame arrived, no longer than its stream allows.
    Frame {
        /// On which link.
        link: LinkId,
        /// On which stream.
        stream: Stream,
        /// Exactly one message.
        bytes: Bytes,
    },
    /// Frames given out by [`Output::Send`] on this stream were handed to the network: all up to one that
    /// asked for this word.
    Written {
        /// On which link.
        link: LinkId,
        /// On which stream.
        stream: Stream,
        /// Their [`frame_cost`] together.
        bytes: usize,
    },
    /// Part of a frame arrived, told at most once a second while a large frame is on its way.
    Arriving {
        /// On which link.
        link: LinkId,
        /// On which stream.
        stream: Stream,
        /// How many bytes since this was last told of the same frame.
        bytes: usize,
    },
    /// This node can now be dialled here.
    AddressesChanged(NodeAddr),
}

/// Something is to be done outside.
#[derive(Clone, Debug)]
pub enum Output {
    /// Open a link; answered by exactly one `LinkOpened` or `DialFailed`.
    Dial {
        /// The attempt.
        dial: DialId,
        /// Whom and where.
        addr: NodeAddr,
    },
    /// Stop a dial. `DialFailed` may still follow; `LinkOpened` may too, if it was under way.
    CancelDial(DialId),
    /// Send a frame. Never waits: the engine bounds what is under way by `Input::Written`.
    Send {
        /// On which link.
        link: LinkId,
        /// On which stream.
        stream: Stream,
        /// One encoded message.
        frame: Bytes,
        /// True to be told when it was written.
        confirm: bool,
    },
    /// A link is set up: application data may flow on it.
    LinkReady {
        /// Which.
        link: LinkId,
        /// Its number for applications.
        connection: ConnectionId,
        /// Neighbor or direct.
        kind: ConnectionKind,
        /// The node at the other end.
        node: NodeId,
        /// Its identity.
        peer: PeerId,
    },
    /// Close a link. No `LinkClosed` follows.
    Close {
        /// Which.
        link: LinkId,
        /// False: once what was sent before is written. True: at once, because the other end is silent; what is still
        /// buffered is dropped, so that it does not cross for nothing if the network comes back.
        abort: bool,
    },
}
