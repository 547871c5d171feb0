//! The past of an act, as a compact set of positions in the set of acts.

/// Positions of acts. Honest histories are nearly linear, so a past is a few runs; a scattered one is a bit set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Past {
    /// Half-open runs, ascending and apart.
    Runs(Vec<(u32, u32)>),
    /// One bit for each position.
    Bits(Vec<u64>),
}

impl Past {
    /// The parents and their pasts.
    pub(super) fn of<'a>(parents: impl IntoIterator<Item = (u32, &'a Self)>) -> Self {
        let (mut runs, mut bits): (Vec<(u32, u32)>, Vec<u64>) = (Vec::new(), Vec::new());
        for (parent, past) in parents {
            runs.push((parent, parent + 1));
            match past {
                Self::Runs(more) => runs.extend_from_slice(more),
                Self::Bits(words) => {
                    bits.resize(bits.len().max(words.len()), 0);
                    bits.iter_mut().zip(words).for_each(|(word, more)| *word |= more);
                }
            }
        }
        Self::of_runs(runs, bits)
    }

    fn of_runs(runs: Vec<(u32, u32)>, mut bits: Vec<u64>) -> Self {
        let runs = merged(runs);
        let words = runs.last().map_or(0, |run| run.1 as usize).div_ceil(64);
        // A run takes as much memory as a word.
        if bits.is_empty() && runs.len() <= words.max(FEW_RUNS) {
            return Self::Runs(runs);
        }
        bits.resize(bits.len().max(words), 0);
        for (start, end) in runs {
            (start..end).for_each(|at| bits[at as usize / 64] |= 1 << (at % 64));
        }
        Self::Bits(bits)
    }

    /// The same past when acts were taken out of the set: by old position, how many before it stay.
    pub(super) fn moved(&self, before: &[u32]) -> Self {
        let runs = match self {
            Self::Runs(runs) => runs.clone(),
            Self::Bits(bits) => {
                let set = (0..bits.len() as u32 * 64).filter(|at| self.contains(*at));
                merged(set.map(|at| (at, at + 1)).collect())
            }
        };
        let moved = runs.into_iter().map(|(start, end)| (before[start as usize], before[end as usize]));
        Self::of_runs(moved.filter(|(start, end)| start < end).collect(), Vec::new())
    }

    /// True if the act at this position is in the past.
    pub(super) fn contains(&self, at: u32) -> bool {
        match self {
            Self::Runs(runs) => {
                let next = runs.partition_point(|run| run.0 <= at);
                next > 0 && at < runs[next - 1].1
            }
            Self::Bits(bits) => bits.get(at as usize / 64).is_some_and(|word| word >> (at % 64) & 1 == 1),
        }
    }
}

/// So few runs are kept as such, however little a bit set would take.
const FEW_RUNS: usize = 4;

fn merged(mut runs: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    runs.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for run in runs {
        match merged.last_mut() {
            Some(last) if run.0 <= last.1 => last.1 = last.1.max(run.1),
            _ => merged.push(run),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_past_holds_what_a_plain_set_holds(
            parents in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 1..200),
        ) {
            let (mut pasts, mut plain): (Vec<Past>, Vec<BTreeSet<u32>>) = (Vec::new(), Vec::new());
            for (at, chosen) in parents.iter().enumerate() {
                let chosen: Vec<u32> =
                    chosen.iter().filter(|_| at > 0).map(|index| index.index(at) as u32).collect();
                let past = Past::of(chosen.iter().map(|parent| (*parent, &pasts[*parent as usize])));
                let mut set: BTreeSet<u32> = chosen.iter().copied().collect();
                chosen.iter().for_each(|parent| set.extend(&plain[*parent as usize]));
                for other in 0..at as u32 + 70 {
                    prop_assert_eq!(past.contains(other), set.contains(&other));
                }
                pasts.push(past);
                plain.push(set);
            }
        }
    }
}
