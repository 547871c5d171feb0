//! The connect operation: targets, referrals, deadline; exactly one outcome.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use rand::RngExt;

use super::{DialWhy, Link, NeighborInfo, Overlay, OverlayEvent};
use crate::{
    ids::{ConnectionId, LinkId, NodeId, PeerId},
    limits::{CONNECT_TIMEOUT, MAX_REFERRALS},
    link::{DialId, FailureReason},
    record::NodeAddr,
    time::{Mono, Now},
    wire::{Purpose, RefuseReason},
};

/// A connect under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectId(pub u64);

/// How to connect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectOptions {
    /// Fail if another identity answers.
    pub expected_peer: Option<PeerId>,
    /// Fail after this.
    pub deadline: Duration,
    /// To be neighbors, or for a direct connection.
    pub purpose: Purpose,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { expected_peer: None, deadline: CONNECT_TIMEOUT, purpose: Purpose::Neighbor }
    }
}

/// Why a connect came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFailure {
    /// The only target is this node.
    #[error("a node cannot connect to itself")]
    ToSelf,
    /// The target is a neighbor, on this connection.
    #[error("already a neighbor, on connection {0}")]
    AlreadyNeighbor(ConnectionId),
    /// The other end cannot prove to know the graph.
    #[error("the other end does not know this graph")]
    WrongGraph,
    /// The other end is not the expected identity.
    #[error("another identity answered than the expected one")]
    WrongPeer,
    /// All who were asked refused.
    #[error("refused, after {hops} referrals")]
    Refused {
        /// How many referrals were followed.
        hops: u32,
    },
    /// The other end does not accept this identity, or could not show that it is a member itself.
    #[error("not accepted as a member")]
    NotAuthorized,
    /// The two ends speak no common version, or the group demands a later one.
    #[error("the other end wants another version of the protocol")]
    UnsupportedVersion,
    /// The other end takes no direct connections.
    #[error("the other end does not accept direct connections")]
    DirectNotAccepted,
    /// Nobody answered.
    #[error("nobody answered at any address")]
    Unreachable,
    /// The deadline passed.
    #[error("the deadline passed")]
    TimedOut,
    /// The application asked, or the graph was closed.
    #[error("cancelled")]
    Cancelled,
    /// The other end has the graph, but does not listen.
    #[error("the other end does not listen")]
    NotListening,
}

impl ConnectFailure {
    /// The word for it in events.
    pub const fn reason(&self) -> FailureReason {
        match self {
            Self::ToSelf | Self::AlreadyNeighbor(_) | Self::Refused { .. } => FailureReason::Refused,
            Self::DirectNotAccepted | Self::NotListening => FailureReason::Refused,
            Self::WrongGraph | Self::WrongPeer | Self::NotAuthorized => FailureReason::NotAuthenticated,
            Self::UnsupportedVersion => FailureReason::UnsupportedVersion,
            Self::Unreachable => FailureReason::Unreachable,
            Self::TimedOut => FailureReason::TimedOut,
            Self::Cancelled => FailureReason::Cancelled,
        }
    }
}

/// What a connect waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Dial(DialId, NodeId),
    Link(LinkId),
    /// The other end prefers the link it is dialling itself.
    Crossing(NodeId),
}

#[derive(Debug)]
struct Operation {
    options: ConnectOptions,
    deadline: Mono,
    untried: VecDeque<NodeAddr>,
    known: BTreeMap<NodeId, NodeAddr>,
    /// Those that were full.
    busy: Vec<NodeId>,
    /// How often the full ones were asked again, to make room.
    rounds: u32,
    /// When they are asked next.
    retry: Option<Mono>,
    step: Option<Step>,
    hops: u32,
    /// True once the targets are used up and referrals are followed.
    failure: ConnectFailure,
}

/// All connects under way.
#[derive(Debug, Default)]
pub(super) struct Connects {
    running: BTreeMap<ConnectId, Operation>,
}

impl Connects {
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.running.values().map(|op| op.retry.map_or(op.deadline, |retry| retry.min(op.deadline))).min()
    }

    pub(super) fn expected(&self, id: ConnectId) -> Option<PeerId> {
        self.running.get(&id).and_then(|op| op.options.expected_peer)
    }

    pub(super) fn is_urgent(&self, id: ConnectId) -> bool {
        self.running.get(&id).is_some_and(|op| op.rounds > 0)
    }

    pub(super) fn purpose(&self, id: ConnectId) -> Purpose {
        self.running.get(&id).map_or(Purpose::Neighbor, |op| op.options.purpose)
    }
}

impl Overlay {
    /// Begins to reach one of the targets, tried in turn. Exactly one `ConnectFinished` follows.
    pub fn connect(&mut self, now: Now, targets: Vec<NodeAddr>, options: ConnectOptions) -> ConnectId {
        let id = ConnectId(self.next_number());
        if options.purpose == Purpose::Neighbor {
            self.online = true;
            self.hurry(now);
        }
        let me = self.me();
        let others: VecDeque<NodeAddr> = targets.into_iter().filter(|t| t.node != me).collect();
        let neighbor = others.front().and_then(|first| self.neighbor(&first.node));
        let refused = match neighbor {
            _ if self.leaving => Some(ConnectFailure::Cancelled),
            _ if others.is_empty() => Some(ConnectFailure::ToSelf),
            Some(link) if options.purpose == Purpose::Neighbor => {
                Some(ConnectFailure::AlreadyNeighbor(link.connection))
            }
            _ => None,
        };
        if let Some(failure) = refused {
            self.events.push_back(OverlayEvent::ConnectFinished { connect: id, result: Err(failure) });
            return id;
        }
        let operation = Operation {
            deadline: now.mono + options.deadline,
            known: others.iter().map(|t| (t.node, t.clone())).collect(),
            busy: Vec::new(),
            rounds: 0,
            retry: None,
            untried: others,
            options,
            step: None,
            hops: 0,
            failure: ConnectFailure::Unreachable,
        };
        self.connects.running.insert(id, operation);
        self.try_next(now, id);
        id
    }

    /// Ends a connect with `Cancelled`, unless it is over.
    pub fn cancel_connect(&mut self, now: Now, id: ConnectId) {
        self.fail_connect(now, id, ConnectFailure::Cancelled);
    }

    /// The dial of a connect has become a link.
    pub(super) fn connect_linked(&mut self, id: ConnectId, link: LinkId) -> bool {
        match self.connects.running.get_mut(&id) {
            Some(operation) => {
                operation.step = Some(Step::Link(link));
                true
            }
            None => false,
        }
    }

    /// The dial of a connect failed, or its link went down before it was set up.
    pub(super) fn connect_step_failed(&mut self, now: Now, id: ConnectId, why: FailureReason) {
        let failure = match why {
            FailureReason::NotAuthenticated => ConnectFailure::WrongGraph,
            FailureReason::Protocol | FailureReason::Refused => ConnectFailure::Refused { hops: 0 },
            FailureReason::UnsupportedVersion => ConnectFailure::UnsupportedVersion,
            _ => ConnectFailure::Unreachable,
        };
        self.advance(now, id, failure, Vec::new());
    }

    /// The other end refused.
    pub(super) fn connect_refused(
        &mut self,
        now: Now,
        id: ConnectId,
        node: NodeId,
        reason: RefuseReason,
        referrals: Vec<NodeAddr>,
    ) {
        let failure = match reason {
            RefuseReason::Duplicate => return self.connect_crossing(now, id, node),
            RefuseReason::Busy => ConnectFailure::Refused { hops: 0 },
            RefuseReason::NotAuthorized => ConnectFailure::NotAuthorized,
            RefuseReason::DirectNotAccepted => ConnectFailure::DirectNotAccepted,
            RefuseReason::WrongPeer => ConnectFailure::WrongPeer,
            RefuseReason::NotListening => ConnectFailure::NotListening,
        };
        let follow = reason == RefuseReason::Busy && self.connects.purpose(id) == Purpose::Neighbor;
        if follow
            && let Some(operation) = self.connects.running.get_mut(&id)
            && !operation.busy.contains(&node)
        {
            operation.busy.push(node);
        }
        self.advance(now, id, failure, if follow { referrals } else { Vec::new() });
    }

    /// Another identity answered.
    pub(super) fn connect_wrong_peer(&mut self, now: Now, id: ConnectId) {
        self.advance(now, id, ConnectFailure::WrongPeer, Vec::new());
    }

    /// A link is up: for this connect, or for one that waits for the same node.
    pub(super) fn connect_done(&mut self, link: LinkId, info: &NeighborInfo) {
        let node = info.node;
        let done: Vec<ConnectId> = self
            .connects
            .running
            .iter()
            .filter(|(_, op)| op.step == Some(Step::Link(link)) || op.step == Some(Step::Crossing(node)))
            .map(|(id, _)| *id)
            .collect();
        for id in done {
            self.connects.running.remove(&id);
            self.events.push_back(OverlayEvent::ConnectFinished { connect: id, result: Ok(info.clone()) });
        }
    }

    pub(super) fn connects_timed_out(&mut self, now: Now) {
        let late = self.connects.running.iter().filter(|(_, op)| op.deadline <= now.mono);
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.fail_connect(now, id, ConnectFailure::TimedOut);
        }
    }

    /// Asks full nodes again.
    pub(super) fn retry_connects(&mut self, now: Now) {
        let due = |op: &Operation| op.retry.is_some_and(|at| at <= now.mono);
        let due: Vec<_> = self.connects.running.iter().filter(|(_, op)| due(op)).map(|(id, _)| *id).collect();
        for id in due {
            if let Some(operation) = self.connects.running.get_mut(&id) {
                operation.retry = None;
                // The latest first, whose neighbors are youngest.
                let busy = operation.busy.iter().rev().take(MAX_URGENT);
                operation.untried.extend(busy.filter_map(|node| operation.known.get(node).cloned()));
            }
            self.try_next(now, id);
        }
    }

    pub(super) fn cancel_all_connects(&mut self, now: Now) {
        for id in self.connects.running.keys().copied().collect::<Vec<_>>() {
            self.fail_connect(now, id, ConnectFailure::Cancelled);
        }
    }

    fn connect_crossing(&mut self, now: Now, id: ConnectId, node: NodeId) {
        if let Some(info) = self.neighbor(&node).map(Link::info) {
            if self.connects.running.remove(&id).is_some() {
                self.events.push_back(OverlayEvent::ConnectFinished { connect: id, result: Ok(info) });
            }
        } else if let Some(operation) = self.connects.running.get_mut(&id) {
            operation.step = Some(Step::Crossing(node));
            operation.deadline = operation.deadline.min(now.mono + CROSSING_PATIENCE);
        }
    }

    fn advance(&mut self, now: Now, id: ConnectId, failure: ConnectFailure, referrals: Vec<NodeAddr>) {
        let me = self.me();
        let Some(operation) = self.connects.running.get_mut(&id) else { return };
        operation.step = None;
        operation.failure = worse(operation.failure, failure);
        for referral in referrals {
            let fresh = referral.node != me && operation.known.len() < MAX_REFERRALS;
            if fresh && !operation.known.contains_key(&referral.node) {
                let referral = referral.trimmed();
                operation.known.insert(referral.node, referral.clone());
                operation.untried.push_back(referral);
            }
        }
        if matches!(failure, ConnectFailure::Refused { .. })
            && let Some(next) = operation.untried.front()
            && !operation.busy.contains(&next.node)
        {
            operation.hops += 1;
            let (hop, next) = (operation.hops, next.node);
            self.events.push_back(OverlayEvent::Referred { connect: id, hop, next });
        }
        self.try_next(now, id);
    }

    fn try_next(&mut self, now: Now, id: ConnectId) {
        let alone = self.ready_neighbors() == 0;
        while let Some(operation) = self.connects.running.get_mut(&id) {
            if operation.untried.is_empty()
                && alone
                && !operation.busy.is_empty()
                && operation.rounds < MAX_ROUNDS
            {
                // All are full: soon some may not be, or will make room.
                let wait = FIRST_ROUND * (1 << operation.rounds);
                operation.rounds += 1;
                operation.retry = Some(now.mono + wait.mul_f64(0.5 + self.rng.random::<f64>()));
                return;
            }
            let Some(target) = operation.untried.pop_front() else {
                let failure = match operation.failure {
                    ConnectFailure::Refused { .. } => ConnectFailure::Refused { hops: operation.hops },
                    other => other,
                };
                return self.fail_connect(now, id, failure);
            };
            let purpose = operation.options.purpose;
            if purpose == Purpose::Neighbor && self.neighbor(&target.node).is_some() {
                continue;
            }
            let node = target.node;
            let addr = self.best_address(target);
            let dial = self.dial(now, addr, DialWhy::Connect(id));
            if let Some(operation) = self.connects.running.get_mut(&id) {
                operation.step = Some(Step::Dial(dial, node));
            }
            return;
        }
    }

    fn fail_connect(&mut self, now: Now, id: ConnectId, failure: ConnectFailure) {
        let Some(operation) = self.connects.running.remove(&id) else { return };
        match operation.step {
            Some(Step::Dial(dial, _)) => self.cancel_dial(dial),
            Some(Step::Link(link)) => self.drop_link(now, link, FailureReason::Cancelled),
            Some(Step::Crossing(_)) | None => {}
        }
        self.events.push_back(OverlayEvent::ConnectFinished { connect: id, result: Err(failure) });
    }
}

/// How often, and when first, full nodes are asked again: 3.75 s in all, give or take the jitter.
const MAX_ROUNDS: u32 = 4;
const FIRST_ROUND: Duration = Duration::from_millis(250);
/// Full nodes that are asked to make room.
const MAX_URGENT: usize = 10;
/// How long to wait for the other end's own dial when two cross.
const CROSSING_PATIENCE: Duration = Duration::from_secs(5);

/// Of two failures the one that tells more.
fn worse(a: ConnectFailure, b: ConnectFailure) -> ConnectFailure {
    let rank = |failure: &ConnectFailure| match failure {
        ConnectFailure::WrongPeer => 6,
        ConnectFailure::DirectNotAccepted => 5,
        ConnectFailure::WrongGraph | ConnectFailure::NotAuthorized | ConnectFailure::UnsupportedVersion => 4,
        ConnectFailure::Refused { .. } => 3,
        ConnectFailure::NotListening => 2,
        _ => 1,
    };
    if rank(&b) >= rank(&a) { b } else { a }
}
