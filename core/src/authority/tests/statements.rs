//! The statements that hold after every step on every node, but for those of single acts; see [`super::effects`].

use std::collections::BTreeMap;

use super::{
    definition::Definition,
    world::{Said, View, World, bits},
};
use crate::authority::{Content, Void};

/// What does not hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Broken {
    /// 1: two nodes with equal sets have different verdicts.
    Differs,
    /// 2: an act or a member counts without a chain of acts that gave the right.
    NoChain(usize),
    /// 3: an act is void, or a membership ended, though nobody with a right over it did that.
    Undone(usize),
    /// 4: an act under a grant that was taken counts, though it was not before that.
    AfterRemoval(usize),
    /// 3, of a record.
    RecordUndone(usize),
    /// 3, of devices and epochs.
    Settled,
    /// 4, of a record: no list of a removal has it.
    RecordAfterRemoval(usize),
    /// 6: an act of somebody with no grant in force changed the standing of an act, a member or a record.
    ByNobody(usize),
    /// 7: an act changed the standing of a member or of its records, to whom its author is not senior.
    ByNoSenior(usize),
    /// 5: somebody is a member, and no act of a person after the removal made them one.
    BackWithoutAct(usize),
}

impl Broken {
    /// The number of the statement.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Differs => 1,
            Self::NoChain(_) => 2,
            Self::Undone(_) | Self::RecordUndone(_) | Self::Settled => 3,
            Self::AfterRemoval(_) | Self::RecordAfterRemoval(_) => 4,
            Self::BackWithoutAct(_) => 5,
            Self::ByNobody(_) => 6,
            Self::ByNoSenior(_) => 7,
        }
    }
}

/// Verdicts by set, and which records count, to compare.
pub(super) type Seen = BTreeMap<u64, (Said, Vec<bool>)>;

/// Checks all statements for what an evaluator says of a set.
pub(super) fn check(world: &World, mask: u64, view: &View, seen: &mut Seen) -> Result<(), Broken> {
    if let Some((said, records)) = seen.get(&mask) {
        let same = *said == view.said && view.records.starts_with(records);
        if !same || records.len() == view.records.len() {
            // What holds of a set, holds at every node.
            return if same { Ok(()) } else { Err(Broken::Differs) };
        }
    }
    seen.insert(mask, (view.said.clone(), view.records.clone()));
    let definition = Definition::new(world, mask, &[], view.clone(), None);
    for at in bits(mask).filter(|at| !world.body(*at).is_leaf()) {
        check_act(&definition, at)?;
    }
    bits(view.in_force).try_for_each(|at| check_member(&definition, at))?;
    for (at, counts) in view.records.iter().enumerate() {
        match (counts, definition.record_counts(at)) {
            (true, false) => return Err(Broken::RecordAfterRemoval(at)),
            (false, true) => return Err(Broken::RecordUndone(at)),
            _ => {}
        }
    }
    let ended = bits(mask).filter(|at| world.grant(*at).is_some() && view.in_force >> at & 1 == 0);
    for at in ended {
        // 3, of memberships.
        if definition.is_in_force(at) {
            return Err(Broken::Undone(at));
        }
    }
    let settled = view.devices == definition.devices() && view.epoch == definition.epoch();
    if settled { Ok(()) } else { Err(Broken::Settled) }
}

fn check_act(definition: &Definition<'_>, at: usize) -> Result<(), Broken> {
    let counts = definition.view.void[at].is_none();
    match (counts, definition.fault(at)) {
        (true, None) | (false, Some(_)) => Ok(()),
        (false, None) => Err(Broken::Undone(at)),
        (true, Some(Void::Removed(_) | Void::Undone(_) | Void::Left(_) | Void::Demoted(_))) => {
            Err(Broken::AfterRemoval(at))
        }
        (true, Some(Void::InvitationRevoked(_))) => Err(Broken::AfterRemoval(at)),
        (true, Some(_)) => Err(Broken::NoChain(at)),
    }
}

fn check_member(definition: &Definition<'_>, grant: usize) -> Result<(), Broken> {
    let (world, view) = (definition.world, &definition.view);
    // 2: from the member to the creator, every act counts, and none gives more than its author had.
    let mut next = Some(grant);
    while let Some(at) = next {
        let info = &world.infos[at];
        let by = definition.giver(at).map_err(|_| Broken::NoChain(grant))?;
        let given = world.rank(by).0.may_grant(world.rank(Some(at)).0);
        let invited = info.serves.is_none_or(|invite| view.void[invite].is_none());
        let own = by.and_then(|by| world.subject(by)).is_none_or(|by| by == world.body(at).author);
        if view.void[at].is_some()
            || !(given && invited && own)
            || !matches!(world.body(at).content, Content::Grant(_))
        {
            return Err(Broken::NoChain(grant));
        }
        next = by;
    }
    // 5: what took memberships of this identity is in the past of this one.
    let covered = !definition.removals_on(grant).is_empty() || !definition.leaves_on(grant).is_empty();
    if covered { Err(Broken::BackWithoutAct(grant)) } else { Ok(()) }
}
