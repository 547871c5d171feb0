//! What members do, honest and hostile.

use super::{
    story::Kind,
    world::{LINKS, MAX_CHAIN, NOON, World, bits, grant_of, invite_by, link_key, peer, removal_of, use_of},
};
use crate::{
    authority::{ActBody, Content, Grant, Password},
    ids::{ActId, PeerId},
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
    let view = world.verdict(who);
    let own = names.into_iter().filter(|at| view.in_force >> at & 1 == 1);
    own.max_by_key(|at| (world.rank(Some(*at)), *at)).map(Some)
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
}

impl Actor {
    pub(super) fn of(world: &World, who: usize, members: usize, by: Option<usize>) -> Self {
        let grant = by.map(|at| world.grant(at).map_or_else(|| world.infos[at].serves.unwrap(), |_| at));
        let depth = grant.and_then(|at| world.grant(at)).map_or(MAX_CHAIN, |grant| grant.depth);
        Self { who, members, role: world.rank(grant).0, depth: depth.saturating_sub(1) }
    }
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
        Kind::Grant => {
            let end = (detail & 32 != 0).then_some(Timestamp(NOON + 5000));
            let ends = Grant { not_after: end, renew: end.is_some(), ..grant_of(subject, role, actor.depth) };
            Content::Grant(Grant { despite: leaves(world, subject), ..ends })
        }
        Kind::Demote => {
            let lower = grant_of(subject, role.min(Role::Inviter), actor.depth);
            let despite = leaves(world, subject);
            Content::Grant(Grant { demotes: Some(world.list(who, subject)), despite, ..lower })
        }
        Kind::Remove => {
            let mut remove = removal_of(subject);
            (remove.branch, remove.undo) = (detail & 1 == 1, detail & 6 == 6);
            remove.keep = if detail & 24 == 24 { remove.keep } else { world.list(who, subject) };
            Content::Remove(remove)
        }
        Kind::Leave => Content::Leave(world.list(who, peer(who))),
        Kind::Invite => {
            Content::Invite(invite_by(usize::from(on), role.min(Role::Inviter), u32::from(detail % 2) + 1))
        }
        Kind::Admit => {
            let (invite, id) = pick(world, who, on, |content| matches!(content, Content::Invite(_)))?;
            let Content::Invite(offer) = &world.body(invite).content else { return None };
            let link = (0..LINKS).find(|n| link_key(*n).peer() == offer.key)?;
            let joiner = peer(usize::from(detail) % (members + 3));
            let admission = Some(use_of(link, id, joiner));
            let depth = actor.depth.min(1);
            Content::Grant(Grant {
                admission,
                despite: leaves(world, joiner),
                ..grant_of(joiner, offer.role, depth)
            })
        }
        Kind::Withdraw => {
            Content::RevokeInvite(pick(world, who, on, |content| matches!(content, Content::Invite(_)))?.1)
        }
        Kind::Renew => {
            let (_, id) = pick(world, who, on, |content| matches!(content, Content::Grant(g) if g.renew))?;
            Content::Renew { grant: id, not_after: Timestamp(NOON + 6000 + u64::from(detail)) }
        }
        Kind::Write => return None,
        Kind::Password => Content::Password(Password {
            role: Role::Member,
            lifetime_ms: u64::from(detail),
            verifiers: Vec::new(),
        }),
    })
}

fn pick(world: &World, who: usize, on: u8, is: impl Fn(&Content) -> bool) -> Option<(usize, ActId)> {
    let found: Vec<usize> = bits(world.nodes[who].mask).filter(|at| is(&world.body(*at).content)).collect();
    let at = *found.get(usize::from(on) % found.len().max(1))?;
    Some((at, world.id(at)))
}
