//! The model checker: many random histories, seven statements, and proof that it can fail.

use std::{env, thread};

use super::{
    flaw::Flaw,
    statements::Broken,
    story::{Evaluator, Story, defined, play, play_with, real, shrink, tell},
};

/// Plays histories on all cores; gives the first that fails, cut down.
fn find(seeds: std::ops::Range<u64>, evaluator: &Evaluator) -> Option<(Broken, String)> {
    find_with(seeds, evaluator, true)
}

fn find_with(seeds: std::ops::Range<u64>, evaluator: &Evaluator, all: bool) -> Option<(Broken, String)> {
    let play = |story: &Story| play_with(story, evaluator, all);
    let workers = thread::available_parallelism().map_or(2, |n| n.get() as u64);
    let failing = thread::scope(|scope| {
        let run = |worker: u64| {
            let mut own = seeds.clone().filter(move |seed| seed % workers == worker);
            move || own.find(|seed| play_with(&Story::random(*seed), evaluator, all).is_err())
        };
        let running: Vec<_> = (0..workers).map(|worker| scope.spawn(run(worker))).collect();
        running.into_iter().filter_map(|run| run.join().expect("no history panics")).min()
    })?;
    let number = |story: &Story| play(story).err().map(|failed| failed.0.number());
    let story = Story::random(failing);
    let broken = number(&story);
    let story = shrink(&story, |shorter| number(shorter) == broken);
    let (broken, world) = *play(&story).expect_err("it fails");
    Some((broken, format!("history {failing}: {broken:?}\n{}", tell(&world))))
}

#[test]
fn twenty_thousand_histories_keep_the_statements() {
    if let Some((_, story)) = find(0..20_000, &real) {
        panic!("{story}");
    }
}

/// `PEERGRAPH_HISTORIES` says how many, `PEERGRAPH_SEED` where to begin.
#[test]
#[ignore = "minutes to hours: for the nightly run"]
fn a_million_histories_keep_the_statements() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, count) =
        (number("PEERGRAPH_SEED").unwrap_or(0), number("PEERGRAPH_HISTORIES").unwrap_or(1_000_000));
    if let Some((_, story)) = find(first..first + count, &real) {
        panic!("{story}");
    }
}

#[test]
fn the_evaluator_and_the_definition_agree_on_every_act() {
    let both = |world: &super::world::World, node: usize| {
        let (real, defined) = (real(world, node), defined(None)(world, node));
        for at in super::world::bits(world.nodes[node].mask) {
            assert_eq!(real.void[at], defined.void[at], "#{at} in\n{}", tell(world));
        }
        assert_eq!(real.in_force, defined.in_force, "{}", tell(world));
        assert_eq!(real.records, defined.records, "{}", tell(world));
        assert_eq!(real.password, defined.password, "{}", tell(world));
        assert_eq!((&real.devices, real.epoch), (&defined.devices, defined.epoch), "{}", tell(world));
        real
    };
    assert_eq!(find(1_000_000..1_003_000, &both), None);
}

#[test]
fn two_statements_notice_flaws_without_a_definition() {
    let flaws = [
        Flaw::WeakRemoval,
        Flaw::LeavesFirst,
        Flaw::ChainIgnored,
        Flaw::AnyHigherRank,
        Flaw::SponsorsByIdentity,
    ];
    let mut broken = std::collections::BTreeSet::new();
    for flaw in flaws {
        let found = find_with(0..20_000, &defined(Some(flaw)), false);
        let (statement, story) = found.unwrap_or_else(|| panic!("{flaw:?} is not noticed"));
        println!("{flaw:?} breaks {statement:?} in {story}\n");
        broken.insert(statement.number());
    }
    assert_eq!(broken.into_iter().collect::<Vec<_>>(), [6, 7]);
}

#[test]
fn every_flaw_is_found_and_together_they_break_every_statement() {
    let mut broken = std::collections::BTreeSet::new();
    for flaw in Flaw::ALL {
        let found = find(0..12_000, &defined(Some(flaw)));
        let (statement, story) = found.unwrap_or_else(|| panic!("{flaw:?} is not noticed"));
        println!("{flaw:?} breaks {statement:?} in {story}\n");
        broken.insert(statement.number());
    }
    assert!((1..=5).all(|number| broken.contains(&number)), "{broken:?}");
}

#[test]
fn histories_are_not_idle() {
    let mut reasons = std::collections::BTreeMap::<String, u32>::new();
    let (mut acts, mut records) = (0, [0, 0]);
    for seed in 0..1000 {
        let world = play(&Story::random(seed), &real).expect("the statements hold");
        acts += world.infos.len();
        real(&world, 0).records.into_iter().for_each(|counts| records[usize::from(counts)] += 1);
        for void in real(&world, 0).void.into_iter().flatten() {
            let name = format!("{void:?}");
            *reasons.entry(name.split('(').next().unwrap_or_default().into()).or_default() += 1;
        }
    }
    println!("{acts} acts, {reasons:?}; records void and not: {records:?}");
    assert!(records.iter().all(|count| *count > 50), "{records:?}");
    assert!(acts > 6000, "{acts} acts in 1,000 histories");
    for reason in
        ["Grant", "Removed", "Undone", "Left", "Demoted", "Invitation", "InvitationRevoked", "UsedUp"]
    {
        assert!(reasons.get(reason).is_some_and(|count| *count > 0), "{reason} never happens: {reasons:?}");
    }
}
