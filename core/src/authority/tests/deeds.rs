//! What members do, honest and hostile.

use super::{
    story::Kind,
    world::{LINKS, MAX_CHAIN, NOON, World, bits, grant_of, invite_by, link_key, peer, removal_of, use_of},
};
use crate::{
    authority::{ActBody, Content, Epoch, Grant, Invite, Keep, Password},
    ids::{ActId, NodeId, PeerId},
    record::Role,
    time::Timestamp,
};

/// An honest member acts by its best grant that is in force; a hostile one by any that it ever had. Outer `None`: none.
pub(super) fn own_grant(world: &World, who: usize, lie: Option<u32>) -> Option<Option<usize>> {
    if who == 0 {
        return Some(None);
    }
    let names = world.names_of(who, peer(who));
    if let Some(lie) = lie {
        return names.get(lie as usize % names.len().max(1)).map(|at| Some(*at));
    }
    let verdict = world.judged(who);
    let own = names.iter().copied().filter(|at| world.is_in_force(verdict, *at));
    let best = own.max_by_key(|at| (world.rank(Some(*at)), *at))?;
    let renews = |at: &usize| world.grant(*at).is_none() && world.infos[*at].serves == Some(best);
    let renewed = names.into_iter().filter(renews).rfind(|at| verdict.act(&world.id(*at)) == Some(None));
    Some(Some(renewed.unwrap_or(best)))
}

/// A hostile member names any part of what it knows, and any time.
pub(super) fn lying_body(
    world: &World,
    who: usize,
    by: Option<usize>,
    content: Content,
    lie: u32,
) -> ActBody {
    let known = bits(world.nodes[who].mask).filter(|at| !world.body(*at).is_leaf());
    let after = world.ids(known.filter(|at| lie >> (at % 29) & 5 == 5).take(16));
    let at = Timestamp(NOON + u64::from(lie % 300));
    ActBody { author: peer(who), by: by.map(|at| world.id(at)), after, at, content }
}

/// Who acts, and by what.
pub(super) struct Actor {
    who: usize,
    members: usize,
    role: Role,
    depth: u8,
    /// The end of its membership.
    end: Option<Timestamp>,
}

impl Actor {
    pub(super) fn of(world: &World, who: usize, members: usize, by: Option<usize>) -> Self {
        let grant = by.map(|at| world.grant(at).map_or_else(|| world.infos[at].serves.unwrap(), |_| at));
        let end = by.and_then(|at| match &world.body(at).content {
            Content::Grant(grant) => grant.not_after,
            Content::Renew { not_after, .. } => Some(*not_after),
            _ => None,
        });
        let depth = grant.and_then(|at| world.grant(at)).map_or(MAX_CHAIN, |grant| grant.depth);
        Self { who, members, role: world.rank(grant).0, depth: depth.saturating_sub(1), end }
    }
}

fn given(actor: &Actor, subject: PeerId, role: Role, detail: u8, despite: Vec<ActId>) -> Grant {
    let end = (detail & 32 != 0).then_some(Timestamp(NOON + 100 + u64::from(detail)));
    let end = actor.end.or(end);
    Grant { not_after: end, renew: end.is_some(), despite, ..grant_of(subject, role, actor.depth) }
}

fn lowered(actor: &Actor, subject: PeerId, role: Role, detail: u8) -> Grant {
    let depth = if detail & 32 == 0 { actor.depth } else { actor.depth.min(detail % 2) };
    let end = (detail & 64 != 0).then_some(Timestamp(NOON + u64::from(detail)));
    Grant { not_after: actor.end.or(end), ..grant_of(subject, role, depth) }
}

fn admitted(world: &World, actor: &Actor, on: u8, detail: u8) -> Option<Grant> {
    let (invite, id) = pick(world, actor.who, on, |content| matches!(content, Content::Invite(_)))?;
    let Content::Invite(offer) = &world.body(invite).content else { return None };
    let link = (0..LINKS).find(|n| link_key(*n).peer() == offer.key)?;
    let joiner = peer(usize::from(detail) % (actor.members + 3));
    let admission = Some(use_of(link, id, joiner));
    let issued = world.infos[invite].under.and_then(|at| world.grant(at)).and_then(|g| g.not_after);
    let not_after = actor.end.into_iter().chain(issued).min();
    Some(Grant { admission, not_after, ..grant_of(joiner, offer.role, actor.depth.min(1)) })
}

pub(super) fn content(world: &mut World, actor: &Actor, kind: Kind, on: u8, detail: u8) -> Option<Content> {
    let (who, members) = (actor.who, actor.members);
    let others: Vec<usize> = (1..members).filter(|other| *other != who).collect();
    let subject = peer(*others.get(usize::from(on) % others.len().max(1))?);
    let role = Role::ALL[usize::from(detail) % 5].min(actor.role);
    let leaves = |world: &World, subject: PeerId| -> Vec<ActId> {
        let leaves = bits(world.nodes[who].mask).filter(|at| {
            let body = world.body(*at);
            matches!(body.content, Content::Leave(_)) && body.author == subject
        });
        world.ids(leaves.take(17))
    };
    Some(match kind {
        Kind::Grant => Content::Grant(given(actor, subject, role, detail, leaves(world, subject))),
        Kind::Demote => {
            let lower = lowered(actor, subject, role.min(Role::Inviter), detail);
            let despite = leaves(world, subject);
            Content::Grant(Grant { demotes: Some(world.list(who, subject, false)), despite, ..lower })
        }
        Kind::Remove => {
            let mut remove = removal_of(subject);
            (remove.branch, remove.undo) = (detail & 1 == 1, detail & 6 == 6);
            remove.keep =
                if detail & 24 == 24 { remove.keep } else { world.list(who, subject, remove.branch) };
            remove.keep.chunks.extend(lost_chunk(detail));
            Content::Remove(remove)
        }
        Kind::Leave => {
            let mut keep = Keep { cuts: Vec::new(), ..world.list(who, peer(who), false) };
            keep.chunks.extend(lost_chunk(detail));
            Content::Leave(keep)
        }
        Kind::Invite => {
            let offer = invite_by(usize::from(on), role.min(Role::Inviter), u32::from(detail % 2) + 1);
            let not_after = actor.end.unwrap_or(offer.not_after);
            Content::Invite(Invite { not_after, ..offer })
        }
        Kind::Admit => {
            let by_it = admitted(world, actor, on, detail)?;
            let despite = leaves(world, by_it.subject);
            Content::Grant(Grant { despite, ..by_it })
        }
        Kind::Withdraw => {
            Content::RevokeInvite(pick(world, who, on, |content| matches!(content, Content::Invite(_)))?.1)
        }
        Kind::Renew => {
            let (_, id) = pick(world, who, on, |content| matches!(content, Content::Grant(g) if g.renew))?;
            Content::Renew {
                grant: id,
                not_after: actor.end.unwrap_or_else(|| Timestamp(NOON + 300 + u64::from(detail))),
            }
        }
        Kind::Write => return None,
        Kind::Epoch => {
            let keys = (0..members).filter(|who| (on | 1 << (detail % 8)) >> (who % 8) & 1 == 1);
            let keys = keys.map(|who| (peer(who), vec![1])).collect();
            Content::Epoch(Epoch { key_id: [detail; 32], keys, older: Vec::new() })
        }
        Kind::EpochKeys => {
            let (_, epoch) = pick(world, who, on, |content| matches!(content, Content::Epoch(_)))?;
            let keys = vec![(peer(usize::from(detail) % (members + 2)), vec![1])];
            Content::EpochKeys { epoch, keys }
        }
        Kind::PassOn => {
            let is_set =
                |content: &Content| matches!(content, Content::Password(rule) if !rule.verifiers.is_empty());
            let (_, password) = pick(world, who, on, is_set)?;
            Content::PassOn { password, verifiers: vec![(subject, vec![1])] }
        }
        Kind::Refuse => {
            let identity = if detail % 4 == 3 { peer(who) } else { subject };
            Content::RevokeDevice { identity, node: NodeId::from_bytes([detail % 2; 32]) }
        }
        Kind::Restore => {
            let is_refusal = |content: &Content| matches!(content, Content::RevokeDevice { .. });
            Content::RestoreDevice(pick(world, who, on, is_refusal)?.1)
        }
        Kind::Password => Content::Password(Password {
            role: Role::Member,
            lifetime_ms: u64::from(detail),
            verifiers: if detail & 1 == 0 { Vec::new() } else { vec![(peer(0), vec![1])] },
            despite: leavers(world, who, detail),
        }),
    })
}

/// Those of whom somebody knows that they left; now and then none, or everybody.
fn leavers(world: &World, who: usize, detail: u8) -> Vec<PeerId> {
    let known = world.nodes[who].mask;
    let left = |other: PeerId| {
        bits(known)
            .any(|at| world.body(at).author == other && matches!(world.body(at).content, Content::Leave(_)))
    };
    let mut leavers: Vec<PeerId> = (1..8).map(peer).collect();
    leavers.retain(|other| detail % 8 != 7 && (left(*other) || detail % 8 == 6));
    leavers.sort_unstable();
    leavers
}

/// A chunk of a list that never comes.
fn lost_chunk(detail: u8) -> Option<[u8; 32]> {
    (detail % 16 == 15).then_some([0xee; 32])
}

fn pick(world: &World, who: usize, on: u8, is: impl Fn(&Content) -> bool) -> Option<(usize, ActId)> {
    let found: Vec<usize> = bits(world.nodes[who].mask).filter(|at| is(&world.body(*at).content)).collect();
    let at = *found.get(usize::from(on) % found.len().max(1))?;
    Some((at, world.id(at)))
}
