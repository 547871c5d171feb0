//! Sources that bring nothing, or little: they keep nobody else from bringing it.

use std::time::Duration;

use super::{
    liars::{LIE, LINK, SESSION, Victim, whole},
    store::TestStore,
    world::{POOL, World},
};
use crate::{
    ids::LinkId,
    limits::{FETCH_PATIENCE, SYNC_TIMEOUT},
    record::RecordKey,
    records::sync::{Footing, SyncOutput},
    wire::{Digest, Filter, Freshness, Range, RangeState, SyncMessage},
};

const HONEST: LinkId = LinkId(2);

/// Everything, of which the other lacks all.
fn everything() -> Vec<Range> {
    whole(RangeState::Fingerprint(Digest { count: 3000, hash: [9; 16] }))
}

/// A node that asks a liar for everything. An honest neighbor has the same.
fn beside_an_honest_one() -> Victim {
    let mut victim = Victim::with(0);
    victim.ranges(everything()).unwrap();
    let (session, initiator, filter) = (78, true, Filter::All);
    let open = SyncMessage::Open { session, digest: LIE, types: Vec::new(), fresh: Freshness::default() };
    let (seen, idle, ranges) = (0, false, everything());
    for message in [open, SyncMessage::Ranges { session, initiator, seen, idle, filter, ranges }] {
        victim.syncs.handle(victim.now, HONEST, message, &victim.store).unwrap();
        victim.drain();
    }
    victim
}

/// The liar sends a record that is here already, a second later. `page`: it says that this was the answer, and that there is
/// more from here on; it is asked for that at once.
fn sends_what_is_known(victim: &mut Victim, page: Option<&mut RecordKey>) {
    victim.now.mono = victim.now.mono + Duration::from_secs(1);
    victim.syncs.arrived(victim.now, LINK, SESSION, &[POOL[0].key()], false);
    if let (Some(from), Some(request)) = (page, victim.requests().last().copied()) {
        let _ = victim.sent(request, 1, Some(*from));
        *from = from.next();
    }
    victim.syncs.handle_timeout(victim.now);
}

/// True if the honest neighbor is asked for something.
fn asks_honest(victim: &mut Victim) -> bool {
    let mut asks = false;
    while let Some(output) = victim.syncs.poll_output() {
        match output {
            SyncOutput::Send { link: HONEST, message } => {
                asks |= matches!(message, SyncMessage::Ranges { .. } | SyncMessage::Pull { .. });
            }
            SyncOutput::Send { message, .. } => victim.said.push(message),
            SyncOutput::Finished { link: LINK, outcome, .. } => victim.outcome = Some(outcome),
            _ => {}
        }
    }
    asks
}

#[test]
fn b8_who_brings_nothing_new_keeps_nobody_from_anything() {
    for pages in [false, true] {
        let mut victim = beside_an_honest_one();
        let (mut from, mut seconds) = (POOL[0].key().next(), 0);
        loop {
            seconds += 1;
            sends_what_is_known(&mut victim, Some(&mut from).filter(|_| pages));
            if asks_honest(&mut victim) {
                break;
            }
            assert!(seconds <= FETCH_PATIENCE.as_secs(), "pages: {pages}: the honest one is never asked");
        }
        while victim.outcome.is_none() {
            seconds += 1;
            sends_what_is_known(&mut victim, Some(&mut from).filter(|_| pages));
            victim.drain();
            assert!(seconds <= 2 * SYNC_TIMEOUT.as_secs(), "what is known is no progress");
        }
    }
}

/// A newcomer between two neighbors that have everything, one of which sends a record in 9 seconds.
#[test]
fn b8_a_slow_source_does_not_hold_up_a_fast_one() {
    for lacking in [3000, 200] {
        let all = || TestStore::of(POOL[..3000].iter().cloned());
        let mut world =
            World::new([TestStore::of(POOL[..3000 - lacking].iter().cloned()), all(), all()], &[]);
        world.link(1, 0, 1);
        world.link(2, 0, 2);
        world.round = Duration::from_millis(100);
        world.slow = Some((LinkId(1), 90));
        world.now.wall = POOL[2999].header().hlc.timestamp();
        let footing = Footing { now: world.now.wall, ..Footing::default() };
        world.nodes[0].syncs.set_footing(footing);
        world.open(1, 0);
        for _ in 0..5 {
            world.step();
        }
        world.open(2, 0);
        let begun = world.now.mono;
        while world.nodes[0].store.all().len() < 3000 {
            world.step();
            let spent = world.now.mono.since(begun);
            let here = world.nodes[0].store.all().len();
            assert!(spent < Duration::from_secs(200), "{here} of 3,000 in {spent:?}: an hour for each 400");
        }
        assert!(world.records < lacking + 400, "{} records for {lacking}", world.records);
    }
}
