//! Random histories: honest and hostile members, random delivery. A history is a list of steps that mean something in
//! every order, so that a failing one can be cut down to a few lines.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::{
    deeds::{Actor, content, lying_body, own_grant},
    definition,
    effects::check_effect,
    flaw::Flaw,
    schemes::{links, scheme},
    statements::{Broken, Seen, check},
    world::{IDENTITIES, NOON, View, World, Written, bits, peer},
};
use crate::{
    authority::{ActBody, Content},
    ids::PeerId,
    time::Timestamp,
};

/// One step of a history. Numbers are taken modulo what there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// A member acts.
    Act {
        /// Which.
        who: u8,
        /// What.
        kind: Kind,
        /// On whom, or on which act.
        on: u8,
        /// With which role or detail.
        detail: u8,
        /// For a hostile member: which past it names, which grant, which time.
        lie: u32,
    },
    /// One act comes to a node.
    Deliver {
        /// To whom.
        to: u8,
        /// Which.
        act: u8,
    },
    /// All that one node knows comes to another.
    Sync {
        /// From whom.
        from: u8,
        /// To whom.
        to: u8,
    },
    /// Everybody hears all that anybody knows.
    Meet,
}

/// What a member does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Makes somebody a member, or gives a higher role.
    Grant,
    /// Gives a lower role.
    Demote,
    /// Removes somebody.
    Remove,
    /// Leaves.
    Leave,
    /// Makes an invitation.
    Invite,
    /// Admits somebody by an invitation.
    Admit,
    /// Withdraws an invitation.
    Withdraw,
    /// Renews a membership.
    Renew,
    /// Sets a password.
    Password,
    /// Writes a record, or changes one.
    Write,
    /// Begins an epoch.
    Epoch,
    /// Gives an epoch's key to somebody.
    EpochKeys,
    /// Passes a password on.
    PassOn,
    /// Refuses a device, of somebody else or of its own.
    Refuse,
    /// Takes that back.
    Restore,
}

const KINDS: [Kind; 19] = [
    Kind::Write,
    Kind::Write,
    Kind::Write,
    Kind::Grant,
    Kind::Grant,
    Kind::Grant,
    Kind::Grant,
    Kind::Remove,
    Kind::Remove,
    Kind::Remove,
    Kind::Demote,
    Kind::Demote,
    Kind::Leave,
    Kind::Invite,
    Kind::Admit,
    Kind::Admit,
    Kind::Withdraw,
    Kind::Renew,
    Kind::Password,
];

const ADMISSIONS: [Kind; 8] = [
    Kind::Admit,
    Kind::Admit,
    Kind::Admit,
    Kind::Admit,
    Kind::Invite,
    Kind::Withdraw,
    Kind::Remove,
    Kind::Demote,
];

const SETTLED: [Kind; 16] = [
    Kind::Epoch,
    Kind::Epoch,
    Kind::EpochKeys,
    Kind::EpochKeys,
    Kind::Refuse,
    Kind::Refuse,
    Kind::Refuse,
    Kind::Restore,
    Kind::Restore,
    Kind::Password,
    Kind::PassOn,
    Kind::Grant,
    Kind::Remove,
    Kind::Remove,
    Kind::Leave,
    Kind::Demote,
];

/// A history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Story {
    pub(super) members: usize,
    /// By number; the creator is honest.
    pub(super) hostile: u8,
    pub(super) steps: Vec<Step>,
}

impl Story {
    pub(super) fn random(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let members = rng.random_range(2..=8);
        let hostile = rng.random::<u8>() & (rng.random::<u8>() | rng.random::<u8>()) & !1;
        // The beginning makes members, some of them by others than the creator, so that there is something to take.
        let mut steps = Vec::new();
        for member in 1..members {
            let who = if rng.random_bool(0.5) { 0 } else { rng.random_range(0..member) as u8 };
            let detail = [2, 2, 3, 3, 3, 4, 1][rng.random_range(0..7)];
            let lie = u32::MAX;
            steps.push(Step::Act { who, kind: Kind::Grant, on: member as u8, detail, lie });
            steps.push(if rng.random_bool(0.9) { Step::Meet } else { Step::Sync { from: who, to: 0 } });
        }
        let count = rng.random_range(5..=15);
        let admissions = rng.random_bool(0.25);
        if admissions {
            let who = if rng.random_bool(0.3) { 0 } else { rng.random() };
            steps.push(Step::Act { who, kind: Kind::Invite, on: 0, detail: rng.random(), lie: u32::MAX });
            steps.push(Step::Meet);
        }
        let kinds = match rng.random_range(0..5) {
            _ if admissions => &ADMISSIONS[..],
            0 => &SETTLED[..],
            _ => &KINDS[..],
        };
        steps.extend((0..count).map(|_| random_step(&mut rng, kinds)));
        let mut hostile = hostile;
        if members > 2 && rng.random_bool(0.3) {
            let make = if admissions { links } else { scheme };
            let scheme = make(&mut rng, members as u8);
            hostile |= scheme.0;
            let at = rng.random_range(0..=4).min(scheme.1.len());
            steps.truncate(steps.len() - at);
            steps.extend(scheme.1);
        }
        Self { members, hostile, steps }
    }

    fn is_hostile(&self, who: usize) -> bool {
        self.hostile >> who & 1 == 1
    }
}

fn random_step(rng: &mut impl Rng, kinds: &[Kind]) -> Step {
    let [who, on, detail, act] = rng.random::<[u8; 4]>();
    match rng.random_range(0..12) {
        0..8 => {
            let kind = kinds[rng.random_range(0..kinds.len())];
            Step::Act { who, kind, on, detail, lie: rng.random() }
        }
        8 => Step::Deliver { to: who, act },
        9 | 10 => Step::Sync { from: who, to: on },
        _ => Step::Meet,
    }
}

/// An evaluator: what a node says of its set.
pub(super) type Evaluator = dyn Fn(&World, usize) -> View + Sync;

/// The evaluator under test.
pub(super) fn real(world: &World, node: usize) -> View {
    world.verdict(node)
}

/// The definition, with or without a flaw.
pub(super) fn defined(flaw: Option<Flaw>) -> impl Fn(&World, usize) -> View + Sync {
    move |world, node| definition::judge(world, world.nodes[node].mask, &world.nodes[node].order, flaw)
}

/// Plays a history and checks the statements at every node whenever its set changed.
pub(super) fn play(story: &Story, evaluator: &Evaluator) -> Result<World, Box<(Broken, World)>> {
    play_with(story, evaluator, true)
}

/// The same; without `all`, only the statements that ask for no definition.
pub(super) fn play_with(
    story: &Story,
    evaluator: &Evaluator,
    all: bool,
) -> Result<World, Box<(Broken, World)>> {
    let mut world = World::new(story.members);
    let mut checked = Checked { all, seen: Seen::new(), last: vec![(0, View::default()); story.members] };
    for step in &story.steps {
        for node in take(&mut world, story, *step) {
            if let Err(broken) = checked.node(&world, node, evaluator) {
                return Err(Box::new((broken, world)));
            }
        }
    }
    // In the end everybody hears everything, each in another order.
    let all = world.infos.len();
    for node in 0..story.members {
        for at in (0..all).map(|at| (at * 7 + node * 3) % all).chain(0..all) {
            world.deliver(node, at);
        }
        if let Err(broken) = checked.node(&world, node, evaluator) {
            return Err(Box::new((broken, world)));
        }
    }
    Ok(world)
}

/// What was said before.
struct Checked {
    all: bool,
    seen: Seen,
    /// Of each node: its set, and what it said of it.
    last: Vec<(u64, View)>,
}

impl Checked {
    fn node(&mut self, world: &World, node: usize, evaluator: &Evaluator) -> Result<(), Broken> {
        let (mask, view) = (world.nodes[node].mask, evaluator(world, node));
        let (last, before) = &self.last[node];
        let new = mask & !last;
        if new.is_power_of_two() {
            check_effect(world, *last, new.trailing_zeros() as usize, (before, &view))?;
        }
        if self.all {
            check(world, mask, &view, &mut self.seen)?;
        }
        self.last[node] = (mask, view);
        Ok(())
    }
}

/// Does one step; gives the nodes whose sets changed.
fn take(world: &mut World, story: &Story, step: Step) -> Vec<usize> {
    let node = |number: u8| usize::from(number) % story.members;
    match step {
        Step::Deliver { to, act } => {
            let count = world.infos.len();
            let changed = count > 0 && world.deliver(node(to), usize::from(act) % count);
            if changed { vec![node(to)] } else { Vec::new() }
        }
        Step::Sync { from, to } => {
            let (acts, records) = (world.nodes[node(from)].mask, world.nodes[node(from)].records);
            if give(world, acts, records, node(to)) { vec![node(to)] } else { Vec::new() }
        }
        Step::Meet => {
            let all = world.nodes.iter().fold(0, |all, node| all | node.mask);
            let records = world.nodes.iter().fold(0, |all, node| all | node.records);
            (0..story.members).filter(|node| give(world, all, records, *node)).collect()
        }
        Step::Act { who, kind, on, detail, lie } => {
            let who = node(who);
            let hostile = story.is_hostile(who) && lie != u32::MAX;
            let Some(by) = own_grant(world, who, hostile.then_some(lie)) else { return Vec::new() };
            if kind == Kind::Write {
                let at = Timestamp(NOON + u64::from(lie % 300));
                let known: Vec<usize> = bits(world.nodes[who].records).collect();
                let changed = known.get(usize::from(on) % known.len().max(1)).filter(|_| detail % 3 == 0);
                let of = changed.map(|at| world.records[*at].of.unwrap_or(*at));
                let written = world.write(who, Written { author: peer(who), by, at, of });
                return if written { vec![who] } else { Vec::new() };
            }
            let Some(content) = content(world, &Actor::of(world, who, story.members, by), kind, on, detail)
            else {
                return Vec::new();
            };
            let body = if hostile {
                lying_body(world, who, by, content, lie)
            } else {
                let at = Timestamp(NOON + world.infos.len() as u64 * 10);
                let after = world.nodes[who].set.heads();
                ActBody { author: peer(who), by: by.map(|at| world.id(at)), after, at, content }
            };
            world.make(who, body).into_iter().map(|_| who).collect()
        }
    }
}

fn give(world: &mut World, acts: u64, records: u64, to: usize) -> bool {
    let new = records & !world.nodes[to].records != 0;
    world.nodes[to].records |= records;
    bits(acts & !world.nodes[to].mask).fold(new, |changed, at| world.deliver(to, at) | changed)
}

/// Cuts a failing history down: no step can be left out without it passing.
pub(super) fn shrink(story: &Story, fails: impl Fn(&Story) -> bool) -> Story {
    let mut story = story.clone();
    let mut size = story.steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < story.steps.len() {
            let mut shorter = story.clone();
            shorter.steps.drain(at..(at + size).min(story.steps.len()));
            if fails(&shorter) {
                story = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    story
}

/// Tells a history in a few lines: who did what, knowing what.
pub(super) fn tell(world: &World) -> String {
    let name =
        |who: PeerId| (0..IDENTITIES).find(|n| peer(*n) == who).map_or('?', |n| (b'A' + n as u8) as char);
    let mut lines = Vec::new();
    for at in 0..world.infos.len() {
        let body = world.body(at);
        let what = match &body.content {
            Content::Grant(g) => format!(
                "grants {} to {}{}{}",
                g.role,
                name(g.subject),
                if g.demotes.is_some() { ", demoting" } else { "" },
                world.infos[at].serves.map_or(String::new(), |i| format!(" by invitation #{i}")),
            ),
            Content::Remove(r) => {
                format!("removes {} (branch: {}, undo: {})", name(r.subject), r.branch, r.undo)
            }
            Content::Invite(i) => format!("invites {} as {}", i.uses, i.role),
            Content::Leave(_) => "leaves".into(),
            other => format!("{other:?}").chars().take(40).collect(),
        };
        let by = world.infos[at].under.map_or_else(|| "creator".to_owned(), |at| format!("#{at}"));
        let knows: Vec<usize> = bits(world.infos[at].past).collect();
        lines.push(format!(
            "#{at} {} (by {by}) {what}, knowing {knows:?}, at {}",
            name(body.author),
            body.at.0
        ));
    }
    lines.join("\n")
}
