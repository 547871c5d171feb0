//! Two statements that ask for no definition of what counts: what a set says is held against what the same set says
//! without its newest act, which no other act names.

use super::{
    statements::Broken,
    world::{View, World, bits},
};
use crate::{ids::PeerId, record::Role};

/// Checks what one act changed. `mask`: the set without it, of which `before` was said.
pub(super) fn check_effect(
    world: &World,
    mask: u64,
    act: usize,
    (before, after): (&View, &View),
) -> Result<(), Broken> {
    let author = world.body(act).author;
    // A grant that does not count, or that a removal or demotion ended, gives no right. One that was only left does: until
    // somebody removes a leaver, it takes back its own acts by another leave.
    let gives = |at: &usize| before.void[*at].is_none() && before.ended >> at & 1 == 0;
    let own: Vec<usize> = bits(mask).filter(|at| world.subject(*at) == Some(author)).filter(gives).collect();
    let is_creator = author == super::world::peer(0);
    let acts = bits(mask).filter(|at| before.void[*at].is_none() != after.void[*at].is_none());
    let members = bits((before.in_force ^ after.in_force) & mask);
    let records: Vec<usize> =
        (0..before.records.len()).filter(|at| before.records[*at] != after.records[*at]).collect();
    if own.is_empty() && !is_creator {
        let changed = acts.chain(members).next().or_else(|| records.first().copied());
        // A password that fell still ends those before it, and is none itself.
        let password = before.password != after.password && after.password.is_some();
        let back = after.in_force >> act & 1 == 1;
        return if changed.is_some() || password || back { Err(Broken::ByNobody(act)) } else { Ok(()) };
    }
    let by_record = records.iter().filter(|at| world.records[**at].author != author);
    // A record waits for the act that it names.
    let by_record = by_record.filter_map(|at| world.records[*at].by).filter(|by| mask >> by & 1 == 1);
    let by_record = by_record.map(|by| named(world, by));
    let changed: Vec<usize> = members.chain(by_record).collect();
    if is_creator || changed.is_empty() {
        return Ok(());
    }
    let reached = reach(world, mask, &own, act);
    let own_word = |grant: usize| world.subject(grant) == Some(author);
    let allowed = |grant: &usize| own_word(*grant) || reached >> grant & 1 == 1;
    if changed.iter().all(allowed) { Ok(()) } else { Err(Broken::ByNoSenior(act)) }
}

fn named(world: &World, by: usize) -> usize {
    world.grant(by).map_or_else(|| world.infos[by].serves.unwrap(), |_| by)
}

/// The grants to which somebody is senior, or to whose seniors, and so on: who takes a remover at once, takes what it
/// removed. Those by an invitation of which a use was reached or is added: one takes the place of another. And the higher
/// grants of a demoted member: what is done under them later stands under the demotion.
fn reach(world: &World, mask: u64, own: &[usize], act: usize) -> u64 {
    let grants: Vec<usize> = bits(mask).filter(|at| world.grant(*at).is_some()).collect();
    let invitation = |at: usize| world.grant(at).and(world.infos[at].serves);
    let beside = |at: usize, other: usize| invitation(at).is_some() && invitation(at) == invitation(other);
    let demotes = |at: usize| world.grant(at).is_some_and(|grant| grant.demotes.is_some());
    let demoted = |at: usize, other: usize| demotes(at) && world.subject(at) == world.subject(other);
    let (mut reached, mut next): (u64, Vec<usize>) = (0, own.to_vec());
    next.push(act);
    while let Some(at) = next.pop() {
        for other in &grants {
            let leads = beside(at, *other) || demoted(at, *other);
            let leads = leads || (world.grant(at).is_some() && is_senior(world, at, *other));
            if reached >> other & 1 == 0 && leads {
                reached |= 1 << other;
                next.push(*other);
            }
        }
    }
    reached
}

fn is_senior(world: &World, grant: usize, other: usize) -> bool {
    let (rank, below) = (world.rank(Some(grant)), world.rank(Some(other)));
    let subject: Option<PeerId> = world.subject(grant);
    let is_sponsor = bits(world.infos[other].sponsors).any(|at| world.subject(at) == subject);
    rank > below && ((rank.0 >= Role::Admin && rank.0 > below.0) || is_sponsor)
}
