//! Asking to be let into a group.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    ConnectionInfo, Error, ErrorKind, Graph, Result, Target,
    connection::reach_for,
    runtime::{rest, spawn, within},
};
use crate::{
    engine::{JoinBy, JoinFailure},
    events::GroupFailure,
    ids::{NodeId, PeerId},
    limits::{CONNECT_TIMEOUT, ENTER_PATIENCE, JOIN_TIMEOUT, MAX_JOIN_DELAYS, MAX_REFERRED_JOINS},
    record::NodeAddr,
    wire::{JoinDenied, Purpose},
};

/// Waits of this length at most are waited out, as when several join by one password at the same moment. Others are waited
/// for as long after somebody has said no.
const SHORT_WAIT: Duration = Duration::from_secs(10);

/// Asking nodes to be let in, one at a time and whoever answers first, and those they name.
///
/// Nobody's "no" is final but that of the invitation's issuer: a single member could keep everybody out with it. So all
/// nodes of the invitation are asked, and the reason that says most is told in the end. By password, two identities that
/// say that it is wrong are enough, for each costs a try.
pub(super) struct Asking<'a> {
    graph: &'a Graph,
    by: &'a JoinBy,
    issuer: PeerId,
    name: &'a str,
    until: Instant,
    untried: VecDeque<NodeAddr>,
    tried: BTreeSet<NodeId>,
    /// How many of those asked the invitation does not name.
    referred: usize,
    /// The nodes that others have named.
    referrals: BTreeSet<NodeId>,
    /// Those that want to be asked again later.
    later: Vec<(Instant, NodeAddr)>,
    /// How often each wanted that.
    delays: BTreeMap<NodeId, u8>,
    /// Those that did not answer: they are asked once more when nobody else is left.
    silent: Vec<NodeAddr>,
    /// Identities that say that the password is wrong.
    wrong: BTreeSet<PeerId>,
    /// Said of membership that is not by the invitation, and by whom.
    unproven: Option<(Vec<Bytes>, NodeAddr)>,
    /// What is told if nobody lets in, and how much it says.
    worst: (u8, Error),
    /// Others are waited for no longer than this.
    patience: Duration,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        nodes: Vec<NodeAddr>,
        (by, issuer): (&'a JoinBy, PeerId),
        name: &'a str,
        until: Instant,
    ) -> Self {
        let none = Error::new(ErrorKind::NotFound, "the invitation does not name any node to connect to");
        Self {
            graph,
            by,
            issuer,
            name,
            until,
            untried: nodes.into(),
            tried: BTreeSet::new(),
            referred: 0,
            referrals: BTreeSet::new(),
            later: Vec::new(),
            delays: BTreeMap::new(),
            silent: Vec::new(),
            wrong: BTreeSet::new(),
            unproven: None,
            worst: (0, none),
            patience: CONNECT_TIMEOUT,
        }
    }

    /// There is something to go on with already: nodes that are away are not waited for.
    pub(super) fn hasten(&mut self) {
        self.patience = self.patience.min(ENTER_PATIENCE);
    }

    /// Asks until somebody lets in. Gives true if this identity was a member before, and who let it in. Asked again, it goes
    /// on with those that are left.
    pub(super) async fn next(&mut self) -> Result<(bool, NodeAddr)> {
        let left = self.until.saturating_duration_since(Instant::now());
        if let Some(answer) = within(left, self.ask()).await {
            return answer;
        }
        let message = "no member admitted this identity before the deadline";
        self.say(TOLD_NOTHING, Error::new(ErrorKind::TimedOut, message));
        self.finish().await
    }

    async fn ask(&mut self) -> Result<(bool, NodeAddr)> {
        while self.next_round().await {
            let targets = Target::Any(self.untried.iter().cloned().collect());
            let info = match reach_for(self.graph, targets, Purpose::Join, self.time_to_reach()).await {
                Ok(info) => info,
                // Who is busy may let in what others could not.
                Err(error) if error.kind() == ErrorKind::Busy => {
                    self.say(TOLD_MOST, error);
                    self.untried.clear();
                    continue;
                }
                // Of those left none can be reached.
                Err(error) => {
                    self.say(TOLD_NOTHING, none_reached(error));
                    let left = std::mem::take(&mut self.untried);
                    // They had little time if others want to be asked again soon.
                    self.silent.extend(left.into_iter().filter(|_| !self.later.is_empty()));
                    continue;
                }
            };
            self.tried.insert(info.node);
            self.untried.retain(|addr| addr.node != info.node);
            self.referred += usize::from(self.referrals.contains(&info.node));
            let driver = &self.graph.inner().driver;
            let asked = driver.join(info.connection, self.by.clone(), self.name.to_owned());
            let Some(answer) = within(self.time_to_answer(), asked).await else {
                let connection = info.connection;
                self.graph.call(move |engine, now| engine.give_up_join(now, connection)).await?;
                self.say(
                    TOLD_LITTLE,
                    Error::new(ErrorKind::TimedOut, "the node did not answer the join request"),
                );
                if self.patience == CONNECT_TIMEOUT {
                    self.silent.push(info.addr);
                }
                continue;
            };
            match answer? {
                Ok(again) => return Ok((again, info.addr)),
                Err(failure) => {
                    if self.heard(info, failure) {
                        break;
                    }
                }
            }
        }
        self.finish().await
    }

    /// True if there is somebody to ask now; waits for those who want to be asked later once there is nobody else.
    async fn next_round(&mut self) -> bool {
        if self.untried.is_empty() && self.later.is_empty() {
            self.patience = self.patience.min(SHORT_WAIT);
            self.untried = self.silent.drain(..).collect();
        }
        let now = Instant::now();
        if self.untried.is_empty()
            && let Some(first) = self.later.iter().map(|(at, _)| *at).min()
        {
            // Only the end of the process stops a timer earlier.
            let _ = spawn(rest(first.saturating_duration_since(now))).await;
        }
        let now = Instant::now();
        let due = self.later.extract_if(.., |(at, _)| *at <= now).map(|(_, addr)| addr);
        self.untried.extend(due);
        !self.untried.is_empty()
    }

    /// For reaching somebody, a little less than is left: what was in the way can be told then.
    fn time_to_reach(&self) -> Duration {
        let now = Instant::now();
        let due = self.later.iter().map(|(at, _)| at.saturating_duration_since(now)).min();
        let left = self.until.saturating_duration_since(now).mul_f64(0.9);
        left.min(self.patience).min(due.unwrap_or(CONNECT_TIMEOUT))
    }

    /// For an answer: a node that is silent leaves time for the others.
    fn time_to_answer(&self) -> Duration {
        let left = self.until.saturating_duration_since(Instant::now());
        let others = self.untried.len().saturating_add(self.later.len());
        let share = left / u32::try_from(others.saturating_add(1)).unwrap_or(u32::MAX);
        share.max(SHORT_WAIT).min(JOIN_TIMEOUT)
    }

    /// Takes in why a node does not let in; true if it is useless to ask others.
    fn heard(&mut self, info: ConnectionInfo, failure: JoinFailure) -> bool {
        let (reason, referrals) = match failure {
            JoinFailure::NotConnected => {
                let message = "the connection ended while joining";
                self.say(TOLD_LITTLE, Error::new(ErrorKind::Unreachable, message));
                return false;
            }
            JoinFailure::BadGrant => {
                let message = "the node granted an invalid membership";
                self.say(TOLD_LITTLE, Error::new(ErrorKind::NotAuthorized, message));
                return false;
            }
            JoinFailure::Unproven(chain) => {
                let is_issuer = info.peer == self.issuer;
                if self.unproven.is_none() || is_issuer {
                    self.unproven = Some((chain, info.addr));
                }
                self.hasten();
                return is_issuer;
            }
            JoinFailure::Denied(reason, referrals) => (reason, referrals),
        };
        // Only passwords are throttled.
        if let JoinDenied::Throttled(seconds) = reason
            && matches!(self.by, JoinBy::Password(_))
            && let Some(wait) = short(seconds)
            && Instant::now() + wait < self.until
            && self.may_delay(info.node)
        {
            self.later.push((Instant::now() + wait, info.addr));
            return false;
        }
        let weight = match reason {
            JoinDenied::NotAdmitter | JoinDenied::Unknown => TOLD_SOME,
            JoinDenied::Throttled(_) => TOLD_MORE,
            _ => TOLD_MOST,
        };
        self.say(weight, denied(reason));
        if weight == TOLD_MOST {
            // It may be so: then nobody waits a minute for nodes that are away.
            self.patience = self.patience.min(SHORT_WAIT);
        }
        if reason == JoinDenied::WrongProof && matches!(self.by, JoinBy::Password(_)) {
            self.wrong.insert(info.peer);
        }
        // They are known to be there, which cannot be said of the rest.
        for referral in referrals.into_iter().rev() {
            if !self.tried.contains(&referral.node) && self.referred < MAX_REFERRED_JOINS {
                self.untried.retain(|addr| addr.node != referral.node);
                self.referrals.insert(referral.node);
                self.untried.push_front(referral);
            }
        }
        (weight == TOLD_MOST && info.peer == self.issuer) || self.wrong.len() > 1
    }

    /// Who puts off again and again keeps others from being asked.
    fn may_delay(&mut self, node: NodeId) -> bool {
        let delays = self.delays.entry(node).or_default();
        *delays = delays.saturating_add(1);
        *delays <= MAX_JOIN_DELAYS
    }

    /// Nobody is left who could let in.
    async fn finish(&mut self) -> Result<(bool, NodeAddr)> {
        if let Some((chain, addr)) = self.unproven.take() {
            let accepted =
                self.graph.write(move |engine, now| -> Result<_> { Ok(engine.accept_as_member(now, chain)) });
            if accepted.await?.is_ok() {
                return Ok((true, addr));
            }
        }
        Err(std::mem::replace(&mut self.worst, (0, Error::closed())).1)
    }

    fn say(&mut self, weight: u8, error: Error) {
        if weight >= self.worst.0 {
            self.worst = (weight, error);
        }
    }
}

/// How much an answer tells: nobody was reached, somebody was, may not admit, wants more time, or says why not.
const TOLD_NOTHING: u8 = 0;
const TOLD_LITTLE: u8 = 1;
const TOLD_SOME: u8 = 2;
const TOLD_MORE: u8 = 3;
const TOLD_MOST: u8 = 4;

/// That none of the nodes could be reached, as a joiner is told it.
fn none_reached(error: Error) -> Error {
    if error.kind() != ErrorKind::Unreachable {
        return error;
    }
    let message = "no node of the invitation answered; a member who may admit others must be online";
    Error::new(ErrorKind::Unreachable, message)
}

fn short(seconds: u32) -> Option<Duration> {
    let wait = Duration::from_secs(u64::from(seconds));
    (wait <= SHORT_WAIT).then_some(wait)
}

fn denied(reason: JoinDenied) -> Error {
    let (kind, message) = match reason {
        JoinDenied::NotAdmitter => {
            (ErrorKind::NotAuthorized, "none of the nodes that answered may admit new members".into())
        }
        JoinDenied::Unknown => (ErrorKind::NotAuthorized, "the invitation is not known in the group".into()),
        JoinDenied::Expired => {
            (ErrorKind::InvitationExpired, "the invitation has expired; ask for a new one".into())
        }
        JoinDenied::UsedUp => (
            ErrorKind::InvitationUsedUp,
            "the invitation has reached its maximum number of uses; ask for a new one".into(),
        ),
        JoinDenied::Revoked => (ErrorKind::InvitationRevoked, "the invitation was taken back".into()),
        JoinDenied::WrongProof => (ErrorKind::WrongPassword, "the password is wrong".into()),
        JoinDenied::NoPassword => (ErrorKind::NotAuthorized, "this group has no join password".into()),
        JoinDenied::Throttled(seconds) => {
            (ErrorKind::Throttled, format!("too many attempts; wait {seconds} s before the next one"))
        }
        JoinDenied::Removed => (ErrorKind::Removed, "this identity was removed from the group".into()),
    };
    Error::new(kind, message)
}

/// The word for a failure in events.
pub(super) const fn failure(error: &Error) -> GroupFailure {
    match error.kind() {
        ErrorKind::NotFound => GroupFailure::NoMembersFound,
        ErrorKind::NotAuthorized | ErrorKind::Removed | ErrorKind::WrongGraph | ErrorKind::NotAMember => {
            GroupFailure::NotAuthorized
        }
        ErrorKind::InvitationExpired
        | ErrorKind::InvitationUsedUp
        | ErrorKind::InvitationRevoked
        | ErrorKind::InvalidInvitation => GroupFailure::InvitationInvalid,
        ErrorKind::WrongPassword => GroupFailure::WrongPassword,
        ErrorKind::Throttled => GroupFailure::Throttled,
        ErrorKind::TimedOut => GroupFailure::TimedOut,
        ErrorKind::Busy => GroupFailure::Busy,
        ErrorKind::NotListening | ErrorKind::NeverSynchronized => GroupFailure::CannotListen,
        _ => GroupFailure::NoneConnectable,
    }
}
