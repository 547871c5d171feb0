//! Turns of those who gave something: whoever gives much, and lets others give, leaves a place for what somebody else gave.

use std::collections::BTreeMap;

use crate::ids::PeerId;

/// Who answers for something, from the highest down, and behind them all `None`.
pub(super) type Line = Vec<Option<PeerId>>;

/// How many turns everything below the beginnings of lines had before.
#[derive(Debug, Default)]
pub(super) struct Had(BTreeMap<Line, usize>);

impl Had {
    /// Notes so many turns of what these answer for.
    pub(super) fn add(&mut self, line: &[Option<PeerId>], count: usize) {
        for end in 1..=line.len() {
            *self.0.entry(line[..end].to_vec()).or_default() += count;
        }
    }

    /// How many turns everything below the beginning of a line had.
    pub(super) fn of(&self, begin: &[Option<PeerId>]) -> usize {
        self.0.get(begin).copied().unwrap_or_default()
    }
}

/// Puts items in turns: of those next to this node, and in the turns of each of these, of those next to that one, and so on.
/// Whoever had fewer turns before comes first; within one turn, and of what one gave itself, the order stays.
pub(super) fn in_turns<T>(items: Vec<(Line, T)>, had: &Had) -> Vec<(Line, T)> {
    let placed = items.into_iter().enumerate().map(|(place, (line, it))| Item { line, place, it }).collect();
    let ordered = order(placed, 0, had);
    ordered.into_iter().map(|item| (item.line, item.it)).collect()
}

struct Item<T> {
    line: Line,
    place: usize,
    it: T,
}

/// Items whose lines begin with the same `depth` names. Not deeper than the longest line.
fn order<T>(items: Vec<Item<T>>, depth: usize, had: &Had) -> Vec<Item<T>> {
    if items.len() < 2 {
        return items;
    }
    let mut by_giver = BTreeMap::<Option<PeerId>, Vec<Item<T>>>::new();
    for item in items {
        by_giver.entry(item.line.get(depth).copied().flatten()).or_default().push(item);
    }
    let mut turns = Vec::new();
    for (giver, items) in by_giver {
        let before = items.first().map_or(0, |item| had.of(&item.line[..item.line.len().min(depth + 1)]));
        let items = if giver.is_some() { order(items, depth + 1, had) } else { items };
        turns.extend(items.into_iter().enumerate().map(|(turn, item)| (before + turn, item)));
    }
    turns.sort_by_key(|(turn, item)| (*turn, item.place));
    turns.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(names: &[u8]) -> Line {
        names.iter().map(|name| Some(PeerId::from_bytes([*name; 32]))).chain([None]).collect()
    }

    fn ordered(lines: &[&[u8]], had: &Had) -> Vec<usize> {
        let items = lines.iter().enumerate().map(|(at, names)| (line(names), at)).collect();
        in_turns(items, had).into_iter().map(|(_, at)| at).collect()
    }

    #[test]
    fn u5_many_below_one_have_the_turns_of_one() {
        // Five below 1, one of 2, one of nobody's.
        let all: [&[u8]; 7] = [&[1, 3], &[1, 4], &[1, 5], &[1, 6], &[1, 7], &[2], &[]];
        assert_eq!(ordered(&all, &Had::default()), [0, 5, 6, 1, 2, 3, 4]);
        // The same one step further down: 8's puppets and 9, both below 1.
        let all: [&[u8]; 6] = [&[1, 8, 3], &[1, 8, 4], &[1, 8, 5], &[1, 8], &[1, 9], &[2]];
        assert_eq!(ordered(&all, &Had::default()), [0, 5, 4, 1, 2, 3]);
    }

    #[test]
    fn u5_whoever_had_turns_before_comes_behind_those_who_had_none() {
        let mut had = Had::default();
        had.add(&line(&[1, 8]), 3);
        assert_eq!((had.of(&line(&[1])[..1]), had.of(&line(&[1, 8])[..2]), had.of(&line(&[2]))), (3, 3, 0));
        let all: [&[u8]; 5] = [&[1, 8], &[1, 9], &[1, 9], &[2], &[2]];
        assert_eq!(ordered(&all, &had), [3, 4, 1, 2, 0]);
    }
}
