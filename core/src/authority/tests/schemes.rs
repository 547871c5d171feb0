//! What random steps seldom come to: the beginnings of known attacks, by random members.

use rand::{Rng, RngExt};

use super::story::{Kind, Step};

/// A lie that names nothing as its past, and the first grant that its author ever had.
const NOTHING: u32 = 0;
const HONEST: u32 = u32::MAX;

/// Steps of an attack, and the members that lie in it, as a mask.
pub(super) fn scheme(rng: &mut impl Rng, members: u8) -> (u8, Vec<Step>) {
    match rng.random_range(0..14) {
        10 if members > 5 => return taken_line(rng, members),
        11 if members > 4 => return lent_power(rng, members),
        12 if members > 3 => return early_refusal(rng, members),
        13 if members > 2 => return narrow_refusal(rng, members),
        0 | 1 => return forged_renewal(rng, members),
        2 | 3 if members > 3 => return friends_gift(rng, members),
        4 if members > 2 => return undone(rng, members),
        _ => {}
    }
    let liar = rng.random_range(1..members);
    // The number of a subject among the others of an author.
    let on = |who: u8, whom: u8| if who == 0 || whom < who { whom.max(1) - 1 } else { whom - 2 };
    let (first, second) = (other(rng, members, liar), other(rng, members, liar));
    let deeds = [Kind::Grant, Kind::Remove, Kind::Demote, Kind::Grant];
    let act = |who: u8, kind: Kind, whom: u8, lie: u32, rng: &mut _| {
        let detail = RngExt::random(rng);
        Step::Act { who, kind, on: on(who, whom), detail, lie }
    };
    let deed = deeds[rng.random_range(0..deeds.len())];
    let (lie, victim) = (rng.random(), rng.random_range(1..members));
    let victim = if victim == liar { liar % (members - 1) + 1 } else { victim };
    let takes = [Kind::Remove, Kind::Demote][usize::from(rng.random_bool(0.3))];
    let steps = match rng.random_range(0..6) {
        // Acts, is removed or demoted, and leaves as if before.
        0 => vec![
            act(liar, deed, victim, HONEST, rng),
            Step::Meet,
            act(first, takes, liar, HONEST, rng),
            Step::Meet,
            act(liar, Kind::Leave, victim, NOTHING, rng),
        ],
        // Leaves, dates acts back, and is removed by somebody who has seen them.
        1 => vec![
            act(liar, deed, victim, HONEST, rng),
            act(liar, Kind::Leave, victim, HONEST, rng),
            act(liar, deed, victim, lie, rng),
            Step::Meet,
            act(first, takes, liar, HONEST, rng),
            Step::Meet,
            act(liar, Kind::Leave, victim, NOTHING, rng),
        ],
        // Is given a second grant, by which it acts, and which is taken.
        2 => vec![
            act(first, Kind::Grant, liar, HONEST, rng),
            Step::Meet,
            act(liar, deed, victim, HONEST, rng),
            act(liar, Kind::Write, victim, HONEST, rng),
            Step::Meet,
            act(first, takes, liar, HONEST, rng),
        ],
        // The same, with a grant to which acts fall from another.
        3 => vec![
            act(first, [Kind::Grant, Kind::Demote][usize::from(rng.random_bool(0.5))], liar, HONEST, rng),
            Step::Meet,
            act(liar, Kind::Leave, victim, HONEST, rng),
            act(liar, deed, victim, lie, rng),
            Step::Meet,
            act(first, takes, liar, HONEST, rng),
            Step::Meet,
        ],
        // Is removed, goes on, and a friend who knows that removes it as if before.
        4 => vec![
            act(first, Kind::Remove, liar, HONEST, rng),
            act(liar, deed, victim, lie, rng),
            Step::Sync { from: liar, to: second },
            act(second, Kind::Remove, liar, HONEST, rng),
            Step::Meet,
        ],
        // Goes on under the old grant after a demotion or removal by one, knowing that of another.
        _ => vec![
            act(first, takes, liar, HONEST, rng),
            act(liar, deed, victim, lie, rng),
            act(second, takes, liar, HONEST, rng),
            Step::Sync { from: first, to: liar },
            act(liar, deed, victim, lie ^ 1, rng),
            Step::Meet,
            act(liar, Kind::Invite, victim, lie, rng),
        ],
    };
    (1 << liar, steps)
}

/// A member whose records one removal lists; another undoes without a list, or is by a higher role and lists nothing.
fn undone(rng: &mut impl Rng, members: u8) -> (u8, Vec<Step>) {
    let writer = rng.random_range(1..members);
    let by_creator = |kind: Kind, detail: u8| Step::Act { who: 0, kind, on: writer - 1, detail, lie: HONEST };
    let write = |lie: u32| Step::Act { who: writer, kind: Kind::Write, on: 0, detail: 1, lie };
    let admin = writer % (members - 1) + 1;
    let on = if writer < admin { writer - 1 } else { writer - 2 };
    let listing = Step::Act { who: admin, kind: Kind::Remove, on, detail: 0, lie: HONEST };
    let removals = match rng.random_bool(0.5) {
        true => [by_creator(Kind::Remove, 0), by_creator(Kind::Remove, 30)],
        false => [listing, by_creator(Kind::Remove, 24)],
    };
    let mut steps = vec![
        Step::Act { who: 0, kind: Kind::Grant, on: admin - 1, detail: 3, lie: HONEST },
        by_creator(Kind::Grant, 1),
        Step::Meet,
        write(rng.random_range(0..300)),
        write(rng.random_range(0..300)),
        Step::Meet,
    ];
    steps.extend(removals);
    steps.push(Step::Meet);
    (0, steps)
}

/// Links by the creator: two inviters by it let somebody in by one place, the second dates back; or one who was removed
/// with its branch comes back, and lets in by the older link.
pub(super) fn links(rng: &mut impl Rng, members: u8) -> (u8, Vec<Step>) {
    let first = rng.random_range(1..members);
    let second = first % (members - 1) + 1;
    let by_creator =
        |kind: Kind, to: u8, detail: u8| Step::Act { who: 0, kind, on: to - 1, detail, lie: HONEST };
    // By the first invitation that is known; of a number that is no member.
    let admit =
        |who: u8, joiner: u8, lie: u32| Step::Act { who, kind: Kind::Admit, on: 0, detail: joiner, lie };
    // For inviters and for members, one place.
    let offer =
        [by_creator(Kind::Invite, 1, 2), by_creator(Kind::Invite, 1, 6)][usize::from(rng.random_bool(0.4))];
    let mut steps = vec![
        by_creator(Kind::Grant, first, 2),
        by_creator(Kind::Grant, second, 2),
        Step::Meet,
        offer,
        Step::Meet,
    ];
    if rng.random_bool(0.6) {
        let lie = if rng.random_bool(0.5) { NOTHING } else { rng.random() };
        steps.extend([
            admit(first, members, HONEST),
            Step::Sync { from: first, to: 0 },
            by_creator(Kind::Password, 1, 0),
            admit(second, members + 1, lie),
            Step::Meet,
        ]);
        (1 << second, steps)
    } else {
        steps.extend([
            by_creator(Kind::Remove, first, 1),
            by_creator(Kind::Grant, first, 2),
            Step::Meet,
            admit(first, members, HONEST),
            Step::Meet,
            by_creator(Kind::Remove, second, 1),
            admit(second, members + 1, rng.random()),
            Step::Meet,
        ]);
        (1 << second, steps)
    }
}

/// A member that is not the liar; the creator, if it was to be.
fn other(rng: &mut impl Rng, members: u8, liar: u8) -> u8 {
    let other = rng.random_range(0..members);
    if other == liar { 0 } else { other }
}

/// An admin that was removed renews the grant of a friend, who acts by that.
fn forged_renewal(rng: &mut impl Rng, members: u8) -> (u8, Vec<Step>) {
    let friend = rng.random_range(1..members);
    let admin = friend % (members - 1) + 1;
    // What the creator does to the member of a number: grants of the roles admin, and inviter with an end.
    let by_creator =
        |kind: Kind, to: u8, detail: u8| Step::Act { who: 0, kind, on: to - 1, detail, lie: HONEST };
    let mut lie = |who: u8, kind: Kind| {
        let [on, detail] = rng.random();
        Step::Act { who, kind, on, detail, lie: rng.random() }
    };
    let steps = vec![
        by_creator(Kind::Grant, admin, 3),
        by_creator(Kind::Grant, friend, 32),
        Step::Meet,
        by_creator(Kind::Remove, admin, 0),
        lie(admin, Kind::Renew),
        Step::Sync { from: admin, to: friend },
        lie(friend, Kind::Write),
        lie(friend, Kind::Grant),
        lie(friend, Kind::Remove),
        Step::Meet,
    ];
    (1 << friend | 1 << admin, steps)
}

/// An inviter gets a second grant from an equal: after the creator removed it, to end its guests' memberships by that; or before,
/// and the equal takes it back by a demotion.
fn friends_gift(rng: &mut impl Rng, members: u8) -> (u8, Vec<Step>) {
    let friend = rng.random_range(1..members);
    let (liar, victim) = (friend % (members - 1) + 1, (friend + 1) % (members - 1) + 1);
    let on = |who: u8, whom: u8| if who == 0 || whom < who { whom - 1 } else { whom - 2 };
    let act = |who: u8, kind: Kind, whom: u8, detail: u8, lie: u32| Step::Act {
        who,
        kind,
        on: on(who, whom),
        detail,
        lie,
    };
    let (lie, other) = (rng.random(), rng.random());
    let mut steps =
        vec![act(0, Kind::Grant, friend, 2, HONEST), act(0, Kind::Grant, liar, 2, HONEST), Step::Meet];
    let gift = if rng.random_bool(0.5) { HONEST } else { other };
    if rng.random_bool(0.5) {
        steps.extend([
            act(liar, Kind::Grant, victim, 1, HONEST),
            Step::Meet,
            act(0, Kind::Remove, liar, 0, HONEST),
            Step::Meet,
            act(friend, Kind::Grant, liar, 2, gift),
            Step::Sync { from: friend, to: liar },
            act(liar, Kind::Remove, victim, 0, lie),
            Step::Sync { from: liar, to: friend },
            act(friend, Kind::Remove, liar, 0, other),
        ]);
    } else {
        steps.extend([
            act(friend, Kind::Grant, liar, 2, HONEST),
            Step::Meet,
            act(liar, Kind::Grant, victim, 1, lie),
            act(friend, Kind::Demote, liar, 0, HONEST),
        ]);
    }
    steps.push(Step::Meet);
    (1 << liar | 1 << friend, steps)
}

/// Members of a history in a random order, and an act of one on another, by their numbers in it.
struct Cast(Vec<u8>);

impl Cast {
    fn of(rng: &mut impl Rng, members: u8) -> Self {
        let mut all: Vec<u8> = (1..members).collect();
        for at in 0..all.len() {
            let other = rng.random_range(at..all.len());
            all.swap(at, other);
        }
        Self(all)
    }

    /// `who`: `None` is the creator.
    fn act(&self, who: Option<usize>, kind: Kind, whom: usize, detail: u8, lie: u32) -> Step {
        let (who, whom) = (who.map_or(0, |at| self.0[at]), self.0[whom]);
        let on = if who == 0 || whom < who { whom - 1 } else { whom - 2 };
        Step::Act { who, kind, on, detail, lie }
    }
}

/// An admin is removed and comes back by an admin of another line. By its old grant it refuses a device of an admin that it made.
fn taken_line(rng: &mut impl Rng, members: u8) -> (u8, Vec<Step>) {
    let cast = Cast::of(rng, members);
    let (giver, liar, victim, friend, first) = (0, 1, 2, 3, 4);
    let steps = vec![
        cast.act(None, Kind::Grant, first, 3, HONEST),
        cast.act(None, Kind::Grant, friend, 3, HONEST),
        Step::Meet,
        cast.act(Some(first), Kind::Grant, giver, 3, HONEST),
        Step::Meet,
        cast.act(Some(giver), Kind::Grant, liar, 3, HONEST),
        Step::Meet,
        cast.act(Some(liar), Kind::Grant, victim, 3, HONEST),
        Step::Meet,
        cast.act(None, Kind::Remove, liar, 0, HONEST),
        Step::Meet,
        cast.act(Some(friend), Kind::Grant, liar, 3, HONEST),
        Step::Meet,
        cast.act(Some(liar), Kind::Refuse, victim, 0, rng.random()),
        cast.act(Some(liar), Kind::Refuse, victim, 0, u32::MAX - 1 - rng.random_range(0..9)),
        Step::Meet,
    ];
    (1 << cast.0[liar], steps)
}

/// An inviter is removed; a demoted admin lets it in by the grant that it had, and it removes its former guest.
fn lent_power(rng: &mut impl Rng, members: u8) -> (u8, Vec<Step>) {
    let cast = Cast::of(rng, members);
    let (lender, liar, victim) = (0, 1, 2);
    let steps = vec![
        cast.act(None, Kind::Grant, lender, 3, HONEST),
        cast.act(None, Kind::Grant, liar, 2, HONEST),
        Step::Meet,
        cast.act(Some(liar), Kind::Grant, victim, 1, HONEST),
        Step::Meet,
        cast.act(None, Kind::Demote, lender, 2, HONEST),
        cast.act(None, Kind::Remove, liar, 0, HONEST),
        Step::Meet,
        cast.act(Some(lender), Kind::Grant, liar, 2, u32::MAX - 1 - rng.random_range(0..9)),
        Step::Sync { from: cast.0[lender], to: cast.0[liar] },
        cast.act(Some(liar), Kind::Remove, victim, 0, u32::MAX - 1 - rng.random_range(0..9)),
        Step::Meet,
    ];
    (1 << cast.0[lender] | 1 << cast.0[liar], steps)
}

/// An admin refuses a device of an equal and goes on; the equal leaves, or is removed, and is let in again.
fn early_refusal(rng: &mut impl Rng, members: u8) -> (u8, Vec<Step>) {
    let cast = Cast::of(rng, members);
    let (liar, victim) = (0, 1);
    let ends = match rng.random_bool(0.5) {
        true => cast.act(None, Kind::Remove, victim, 0, HONEST),
        false => cast.act(Some(victim), Kind::Leave, liar, 0, HONEST),
    };
    let steps = vec![
        cast.act(None, Kind::Grant, liar, 3, HONEST),
        cast.act(None, Kind::Grant, victim, 3, HONEST),
        Step::Meet,
        cast.act(Some(liar), Kind::Refuse, victim, 0, HONEST),
        Step::Meet,
        cast.act(None, Kind::Password, liar, 0, HONEST),
        ends,
        Step::Meet,
        cast.act(None, Kind::Grant, victim, 3, HONEST),
        Step::Meet,
    ];
    (1 << cast.0[liar], steps)
}

/// An admin was made when another was an inviter, which then becomes an admin as well. It refuses a device of the other as if it
/// knew only of the inviter, or of a small grant that it gives it itself; and goes on. The other leaves, or is removed, and is let in
/// again.
fn narrow_refusal(rng: &mut impl Rng, members: u8) -> (u8, Vec<Step>) {
    let cast = Cast::of(rng, members);
    let (liar, victim) = (0, 1);
    let mut steps = vec![
        cast.act(None, Kind::Grant, victim, 2, HONEST),
        Step::Meet,
        cast.act(None, Kind::Grant, liar, 3, HONEST),
        Step::Meet,
        cast.act(None, Kind::Grant, victim, 3, HONEST),
        Step::Meet,
    ];
    // So small a lie names nothing but one of the liar's grants.
    if rng.random_bool(0.4) {
        steps.push(cast.act(Some(liar), Kind::Grant, victim, 1, rng.random_range(0..4)));
        steps.push(cast.act(Some(liar), Kind::Refuse, victim, 0, rng.random()));
    }
    steps.extend([
        cast.act(Some(liar), Kind::Refuse, victim, 0, rng.random_range(0..4)),
        Step::Meet,
        cast.act(None, Kind::Password, liar, 0, HONEST),
        match rng.random_bool(0.5) {
            true => cast.act(None, Kind::Remove, victim, 0, HONEST),
            false => cast.act(Some(victim), Kind::Leave, liar, 0, HONEST),
        },
        Step::Meet,
        cast.act(None, Kind::Grant, victim, 3, HONEST),
        Step::Meet,
    ]);
    (1 << cast.0[liar], steps)
}
