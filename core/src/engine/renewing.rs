//! Memberships that this node renews, and what it does for members by itself beside that.

use std::time::Duration;

use rand::RngExt;

use super::{Engine, PublishError};
use crate::{
    authority::Content, crypto, group::Renewal, ids::ActId, limits::ISSUED_AT_ONCE, record::Role, time::Now,
};

/// Time between two looks for memberships to renew, ± 50 %.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(60);

impl Engine {
    /// Renews memberships that are past half of their time, and notices those that ended.
    pub(super) fn maintain_members(&mut self, now: Now) {
        if self.group.next_check.is_none_or(|at| at > now.mono) {
            return;
        }
        self.group.changed = true;
        self.group.expel_later();
        // While the database fails nothing is signed that can wait.
        if self.group.next_renewal <= now.mono && self.failing.due.is_none() {
            self.group.next_renewal = now.mono + RENEWAL_INTERVAL.mul_f64(0.5 + self.rng.random::<f64>());
            // What others know of the members comes first: one may have been removed while this node was off.
            if self.group.compared {
                if !self.is_clock_off() {
                    self.renew_members(now);
                }
                self.pass_on_verifier(now);
            }
        }
        self.refresh_standing(now);
    }

    /// Renews some of the memberships that are due; those that are left at once after the next commit.
    fn renew_members(&mut self, now: Now) {
        let Some(members) = &self.group.members else { return };
        if !self.usable || self.group.standings.iter().all(|own| own.role < Role::Inviter) {
            return;
        }
        // Each node has moments of its own: the first renewal serves everybody, and who came on one day is not renewed by all
        // nodes at once, nor in one order.
        let moment = |grant: &ActId| self.moment_for(grant);
        let own = &self.group.standings;
        let mut due = members.due_for_renewal(self.device.peer, own, self.peer_time(now), moment);
        let more = due.len() > ISSUED_AT_ONCE;
        due.truncate(ISSUED_AT_ONCE);
        match self.renew(now, &due) {
            Ok(()) if more => self.group.next_renewal = now.mono,
            Ok(()) => {}
            Err(PublishError::Store(error)) => tracing::warn!(%error, "memberships could not be renewed"),
            Err(error) => tracing::debug!(%error, "memberships could not be renewed"),
        }
    }

    /// A number in 0..1 that is this node's alone, for a grant.
    fn moment_for(&self, grant: &ActId) -> f64 {
        let hash =
            crypto::hash("peergraph v1 moment of renewal", &[self.device.node.as_bytes(), grant.as_bytes()]);
        f64::from(u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])) / 2f64.powi(32)
    }

    fn renew(&mut self, now: Now, due: &[Renewal]) -> Result<(), PublishError> {
        let renewals = due.iter().map(|due| Content::Renew { grant: due.grant, not_after: due.until });
        self.issue_all(now, renewals.collect())
    }

    /// Signs automatic acts, each after the one before, and judges them together.
    pub(super) fn issue_all(&mut self, now: Now, contents: Vec<Content>) -> Result<(), PublishError> {
        let mut last: Option<ActId> = None;
        for content in contents {
            if last.is_none() {
                self.merge_heads(now)?;
            }
            let act = match last {
                Some(last) => self.draft_after(now, vec![last], content)?,
                None => self.draft(now, content)?,
            };
            let fits = self.membership().is_some_and(|members| members.may_sign(&act).is_ok());
            if fits {
                self.put_act(act.to_record())?;
                last = Some(act.id());
            }
        }
        Ok(self.learn(now)?)
    }
}

#[cfg(test)]
#[path = "large_group_tests.rs"]
mod tests;
