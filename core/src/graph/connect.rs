//! The connect operation: targets, referrals, deadline; exactly one outcome.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use rand::RngExt;

use super::{ConnectFailure, DialWhy, Known, Link, NeighborInfo, Overlay, OverlayEvent, contacts::believed};
use crate::{
    ids::{LinkId, NodeId, PeerId},
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

/// How far a connect has come with one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Dial(DialId),
    Link(LinkId),
    /// The other end prefers the link it is dialling itself.
    Crossing,
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
    /// One had no place even to ask: it is asked again until the deadline.
    crowded: bool,
    /// When they are asked next.
    retry: Option<Mono>,
    /// Those being tried.
    steps: BTreeMap<NodeId, Step>,
    /// Until then they alone are: a node that is silent does not hold up the others for long.
    head_start: Mono,
    hops: u32,
    failure: ConnectFailure,
}

impl Operation {
    fn next(&self) -> Mono {
        let another = self.may_try_another().then_some(self.head_start);
        [self.retry, another].into_iter().flatten().fold(self.deadline, Mono::min)
    }

    fn may_try_another(&self) -> bool {
        !self.untried.is_empty() && (1..MAX_AT_ONCE).contains(&self.steps.len())
    }
}

/// All connects under way.
#[derive(Debug, Default)]
pub(super) struct Connects {
    running: BTreeMap<ConnectId, Operation>,
}

impl Connects {
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.running.values().map(Operation::next).min()
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
            _ if self.paused.is_some() => Some(ConnectFailure::Paused),
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
            crowded: false,
            retry: None,
            untried: others,
            options,
            steps: BTreeMap::new(),
            head_start: now.mono,
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
    pub(super) fn connect_linked(&mut self, id: ConnectId, node: NodeId, link: LinkId) -> bool {
        match self.connects.running.get_mut(&id) {
            Some(operation) => {
                operation.steps.insert(node, Step::Link(link));
                true
            }
            None => false,
        }
    }

    /// The dial of a connect failed, or its link went down before it was set up.
    pub(super) fn connect_step_failed(&mut self, now: Now, id: ConnectId, node: NodeId, why: FailureReason) {
        let failure = match why {
            FailureReason::NotAuthenticated => ConnectFailure::WrongGraph,
            FailureReason::Protocol | FailureReason::Refused => ConnectFailure::Refused { hops: 0 },
            FailureReason::UnsupportedVersion => ConnectFailure::UnsupportedVersion,
            FailureReason::Busy => {
                self.connect_busy(id, node);
                ConnectFailure::Busy
            }
            _ => ConnectFailure::Unreachable,
        };
        self.advance(now, id, node, failure, Vec::new());
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
            RefuseReason::Busy if self.connects.purpose(id) != Purpose::Neighbor => {
                self.connect_busy(id, node);
                ConnectFailure::Busy
            }
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
        self.advance(now, id, node, failure, if follow { referrals } else { Vec::new() });
    }

    /// The other end has no place for whoever comes, whatever for.
    fn connect_busy(&mut self, id: ConnectId, node: NodeId) {
        if let Some(operation) = self.connects.running.get_mut(&id) {
            operation.crowded = true;
            if !operation.busy.contains(&node) {
                operation.busy.push(node);
            }
        }
    }

    /// Another identity answered.
    pub(super) fn connect_wrong_peer(&mut self, now: Now, id: ConnectId, node: NodeId) {
        self.advance(now, id, node, ConnectFailure::WrongPeer, Vec::new());
    }

    /// A link is up: for this connect, or for one that waits for the same node.
    pub(super) fn connect_done(&mut self, now: Now, link: LinkId, info: &NeighborInfo) {
        let reached = [Some(&Step::Link(link)), Some(&Step::Crossing)];
        let done: Vec<ConnectId> = self
            .connects
            .running
            .iter()
            .filter(|(_, op)| reached.contains(&op.steps.get(&info.node)))
            .map(|(id, _)| *id)
            .collect();
        for id in done {
            self.finish_connect(now, id, Some(info.node), Ok(info.clone()));
        }
    }

    pub(super) fn connects_timed_out(&mut self, now: Now) {
        let late = self.connects.running.iter().filter(|(_, op)| op.deadline <= now.mono);
        let why = |op: &Operation| match op.failure {
            ConnectFailure::Busy => ConnectFailure::Busy,
            _ => ConnectFailure::TimedOut,
        };
        for (id, why) in late.map(|(id, op)| (*id, why(op))).collect::<Vec<_>>() {
            self.fail_connect(now, id, why);
        }
    }

    /// Tries further nodes beside those that are silent.
    pub(super) fn widen_connects(&mut self, now: Now) {
        let due = |op: &Operation| op.may_try_another() && op.head_start <= now.mono;
        let due: Vec<_> = self.connects.running.iter().filter(|(_, op)| due(op)).map(|(id, _)| *id).collect();
        for id in due {
            self.try_next(now, id);
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
            self.finish_connect(now, id, Some(node), Ok(info));
        } else if let Some(operation) = self.connects.running.get_mut(&id) {
            operation.steps.insert(node, Step::Crossing);
            operation.deadline = operation.deadline.min(now.mono + CROSSING_PATIENCE);
        }
    }

    fn advance(
        &mut self,
        now: Now,
        id: ConnectId,
        node: NodeId,
        failure: ConnectFailure,
        referrals: Vec<NodeAddr>,
    ) {
        let me = self.me();
        let Some(operation) = self.connects.running.get_mut(&id) else { return };
        operation.steps.remove(&node);
        operation.failure = operation.failure.or(failure);
        for referral in referrals {
            let fresh = referral.node != me && operation.known.len() < MAX_REFERRALS;
            if fresh && !operation.known.contains_key(&referral.node) {
                let referral = believed(Known::Hearsay, referral);
                operation.known.insert(referral.node, referral.clone());
                operation.untried.push_back(referral);
            }
        }
        if matches!(failure, ConnectFailure::Refused { .. })
            && let Some(next) = operation.untried.front()
            && !operation.busy.contains(&next.node)
        {
            operation.hops = operation.hops.saturating_add(1);
            let (hop, next) = (operation.hops, next.node);
            self.events.push_back(OverlayEvent::Referred { connect: id, hop, next });
        }
        self.try_next(now, id);
    }

    fn try_next(&mut self, now: Now, id: ConnectId) {
        let alone = self.ready_neighbors() == 0;
        while let Some(operation) = self.connects.running.get_mut(&id) {
            if operation.untried.is_empty()
                && operation.steps.is_empty()
                && !operation.busy.is_empty()
                && (operation.crowded || alone && operation.rounds < MAX_ROUNDS)
            {
                // All are full: soon some may not be, or will make room.
                let wait = FIRST_ROUND.saturating_mul(1 << operation.rounds.min(MAX_DOUBLINGS));
                operation.rounds = operation.rounds.saturating_add(1);
                operation.retry = Some(now.mono + wait.mul_f64(0.5 + self.rng.random::<f64>()));
                return;
            }
            let Some(target) = operation.untried.pop_front() else {
                if !operation.steps.is_empty() {
                    return;
                }
                let failure = match operation.failure {
                    ConnectFailure::Refused { .. } => ConnectFailure::Refused { hops: operation.hops },
                    other => other,
                };
                return self.fail_connect(now, id, failure);
            };
            let purpose = operation.options.purpose;
            let trying = operation.steps.contains_key(&target.node);
            if trying || purpose == Purpose::Neighbor && self.neighbor(&target.node).is_some() {
                continue;
            }
            let node = target.node;
            let addr = self.best_address(target);
            let dial = self.dial(now, addr, DialWhy::Connect(id));
            if let Some(operation) = self.connects.running.get_mut(&id) {
                operation.steps.insert(node, Step::Dial(dial));
                operation.head_start = now.mono + HEAD_START;
            }
            return;
        }
    }

    fn fail_connect(&mut self, now: Now, id: ConnectId, failure: ConnectFailure) {
        self.finish_connect(now, id, None, Err(failure));
    }

    /// Tells what it came to, and lets go of whoever else was being tried.
    fn finish_connect(
        &mut self,
        now: Now,
        id: ConnectId,
        reached: Option<NodeId>,
        result: Result<NeighborInfo, ConnectFailure>,
    ) {
        let Some(operation) = self.connects.running.remove(&id) else { return };
        for (_, step) in operation.steps.into_iter().filter(|(node, _)| Some(*node) != reached) {
            match step {
                Step::Dial(dial) => self.cancel_dial(dial),
                Step::Link(link) => self.drop_link(now, link, FailureReason::Cancelled),
                Step::Crossing => {}
            }
        }
        self.events.push_back(OverlayEvent::ConnectFinished { connect: id, result });
    }
}

/// How often, and when first, full nodes are asked again: 11.75 s in all, give or take the jitter. Each makes room once a
/// second, and many may ask.
const MAX_ROUNDS: u32 = 8;
const MAX_DOUBLINGS: u32 = 3;
const FIRST_ROUND: Duration = Duration::from_millis(250);
/// Full nodes that are asked to make room.
const MAX_URGENT: usize = 10;
/// Nodes tried at once, and how much later the next begins (as in RFC 8305, for nodes instead of addresses).
const MAX_AT_ONCE: usize = 4;
const HEAD_START: Duration = Duration::from_secs(1);
/// How long to wait for the other end's own dial when two cross.
const CROSSING_PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
