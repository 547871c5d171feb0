//! Two statements that ask for no definition of what counts: what a set says is held against what the same set says
//! without its newest act, which no other act names.

use std::cmp::Reverse;

use super::{
    statements::Broken,
    world::{View, World, bits},
};
use crate::{authority::Content, ids::PeerId, record::Role};

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
        // It refuses devices of its own for good. A key that it gave away makes an epoch stale, as it did if it was itself a holder.
        let devices = before.devices.symmetric_difference(&after.devices).any(|(who, _)| *who != author);
        let epoch = before.epoch.0 != after.epoch.0 || (before.epoch.1 && !after.epoch.1);
        return if changed.is_some() || password || back || devices || epoch {
            Err(Broken::ByNobody(act))
        } else {
            Ok(())
        };
    }
    let changed: Vec<usize> = members.filter(|at| world.subject(*at) != Some(author)).collect();
    // A record waits for the act that it names. A new grant carries records of its subject as well.
    let people = |at: usize| [at, world.records[at].of.unwrap_or(at)].map(|at| world.records[at]);
    let known = |at: &usize| people(*at).iter().all(|record| record.by.is_none_or(|by| mask >> by & 1 == 1));
    let writers = records.into_iter().filter(known).map(|at| people(at).map(|record| record.author));
    let mut writers = writers.filter(|writers| !writers.contains(&author)).peekable();
    if is_creator || (changed.is_empty() && writers.peek().is_none()) {
        return Ok(());
    }
    let reached = reach(world, mask, &own, act);
    let holds = |writer: PeerId| bits(reached | 1 << act).any(|at| world.subject(at) == Some(writer));
    let allowed = changed.iter().all(|at| reached >> at & 1 == 1)
        && writers.all(|writers| writers.into_iter().any(holds));
    if allowed { Ok(()) } else { Err(Broken::ByNoSenior(act)) }
}

/// The grants to which somebody is senior. And those to which these are: who takes a grant, takes what was done under it, and
/// what was done under another of its holder, but stood under this one. And those by an invitation of which a use was
/// reached or is added, or is seen by somebody who outranks all uses: one takes the place of another.
fn reach(world: &World, mask: u64, own: &[usize], act: usize) -> u64 {
    let grants: Vec<usize> = bits(mask).filter(|at| world.grant(*at).is_some()).collect();
    let invitation = |at: usize| world.grant(at).and(world.infos[at].serves);
    let beside = |at: usize, other: usize| invitation(at).is_some() && invitation(at) == invitation(other);
    let outranks = |invite: usize| {
        let Content::Invite(offer) = &world.body(invite).content else { return false };
        let bound = (offer.role, Reverse(world.rank(world.infos[invite].under).1.0 + 1));
        own.iter().any(|at| world.rank(Some(*at)) > bound)
    };
    let seen = |other: usize| {
        let is_seen = |used: &usize| beside(*used, other) && world.is_before(*used, act);
        invitation(other).is_some_and(outranks) && grants.iter().any(is_seen)
    };
    let mut reached = 0;
    let mut next: Vec<usize> = Vec::new();
    let mut add = |next: &mut Vec<usize>, leads: &dyn Fn(usize) -> bool| {
        for other in &grants {
            if reached >> other & 1 == 0 && leads(*other) {
                reached |= 1 << other;
                next.push(*other);
            }
        }
    };
    add(&mut next, &|other| {
        beside(act, other) || seen(other) || own.iter().any(|at| is_senior(world, *at, other))
    });
    while let Some(at) = next.pop() {
        add(&mut next, &|other| {
            beside(at, other) || is_senior(world, at, other) || may_have_fallen(world, other, at)
        });
    }
    reached
}

/// True if a grant was given under one from which it may fall to another of the same holder: one that was there before, or a
/// demotion.
fn may_have_fallen(world: &World, given: usize, at: usize) -> bool {
    let named = [world.infos[given].under, world.word_of(given)];
    let of_holder = named.into_iter().flatten().any(|by| world.subject(by) == world.subject(at));
    let demotes = world.grant(at).is_some_and(|grant| grant.demotes.is_some());
    of_holder && (demotes || world.is_before(at, given))
}

fn is_senior(world: &World, grant: usize, other: usize) -> bool {
    let (rank, below) = (world.rank(Some(grant)), world.rank(Some(other)));
    let subject: Option<PeerId> = world.subject(grant);
    let sponsors = world.infos[other].sponsors;
    let of_sponsor = bits(sponsors).any(|at| world.subject(at) == subject);
    let by_word = || world.word_of(grant).is_none_or(|word| is_senior(world, word, other));
    let is_sponsor = sponsors >> grant & 1 == 1 || (of_sponsor && by_word());
    rank > below && ((rank.0 >= Role::Admin && rank.0 > below.0) || is_sponsor)
}
