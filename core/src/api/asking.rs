//! Asking to be let into a group.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::{
    Error, ErrorKind, Graph, Result, Target,
    connection::reach_for,
    runtime::{rest, spawn, within},
};
use crate::{
    engine::{JoinBy, JoinFailure},
    events::GroupFailure,
    ids::NodeId,
    limits::{CONNECT_TIMEOUT, JOIN_TIMEOUT, MAX_REFERRALS},
    record::NodeAddr,
    wire::{JoinDenied, Purpose},
};

/// Waits of this length at most are waited out, as when several join by one password at the same moment.
const SHORT_WAIT: Duration = Duration::from_secs(10);

/// Asks nodes to be let in, one at a time and whoever answers first, and those they name. Gives true if this
/// identity was a member before, and who let it in.
pub(super) async fn ask(
    graph: &Graph,
    nodes: Vec<NodeAddr>,
    by: &JoinBy,
    name: &str,
    until: Instant,
) -> Result<(bool, NodeAddr)> {
    let mut untried: VecDeque<NodeAddr> = nodes.into();
    let mut tried: BTreeSet<NodeId> = BTreeSet::new();
    let mut worst = Error::new(ErrorKind::NotFound, "the invitation does not name any node to connect to");
    while !untried.is_empty() && tried.len() < MAX_REFERRALS {
        let targets = Target::Any(untried.iter().cloned().collect());
        let info = match reach_for(graph, targets, Purpose::Join, before(until)).await {
            Ok(info) => info,
            // Who is busy may let in what others could not.
            Err(error) if error.kind() == ErrorKind::Busy => return Err(error),
            // Of those left nobody is to be reached; who was said more.
            Err(_) if !tried.is_empty() => break,
            Err(error) => return Err(none_reached(error)),
        };
        tried.insert(info.node);
        untried.retain(|addr| addr.node != info.node);
        let asked = graph.inner().driver.join(info.connection, by.clone(), name.to_owned());
        let Some(answer) = within(JOIN_TIMEOUT, asked).await else {
            worst = Error::new(ErrorKind::TimedOut, "the node did not answer the join request");
            continue;
        };
        match answer? {
            Ok(again) => return Ok((again, info.addr)),
            Err(JoinFailure::Denied(JoinDenied::Throttled(seconds), _))
                if short(seconds).is_some_and(|wait| Instant::now() + wait < until) =>
            {
                // Only the end of the process stops a timer earlier.
                let _ = spawn(rest(short(seconds).unwrap_or_default())).await;
                untried.push_front(info.addr);
            }
            Err(JoinFailure::Denied(reason, referrals)) => {
                worst = denied(reason);
                // Others may know better, but a used-up invitation is used up everywhere.
                if !matches!(reason, JoinDenied::NotAdmitter | JoinDenied::Unknown) {
                    return Err(worst);
                }
                // They are known to be there, which cannot be said of the rest.
                for referral in referrals.into_iter().rev().filter(|addr| !tried.contains(&addr.node)) {
                    untried.push_front(referral);
                }
            }
            Err(JoinFailure::NotConnected) => {
                worst = Error::new(ErrorKind::Unreachable, "the connection ended while joining");
            }
            Err(JoinFailure::BadGrant) => {
                worst = Error::new(ErrorKind::NotAuthorized, "the node granted an invalid membership");
            }
        }
    }
    Err(worst)
}

/// That none of the nodes could be reached, as a joiner is told it.
fn none_reached(error: Error) -> Error {
    if error.kind() != ErrorKind::Unreachable {
        return error;
    }
    let message = "no node of the invitation answered; a member who may admit others must be online";
    Error::new(ErrorKind::Unreachable, message)
}

/// For reaching somebody, a little less than is left: what was in the way can be told then.
fn before(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).mul_f64(0.9).min(CONNECT_TIMEOUT)
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
