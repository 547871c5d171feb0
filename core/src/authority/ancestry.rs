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

    /// In the smaller of both forms: a run takes as much memory as a word.
    fn of_runs(runs: Vec<(u32, u32)>, mut bits: Vec<u64>) -> Self {
        let runs = merged(runs);
        let words = runs.last().map_or(0, |run| run.1 as usize).div_ceil(64);
        if bits.is_empty() && runs.len() <= words.max(FEW_RUNS) {
            return Self::Runs(runs);
        }
        bits.resize(bits.len().max(words), 0);
        for (start, end) in runs {
            set_bits(&mut bits, start, end);
        }
        if count_runs(&bits) <= bits.len().max(FEW_RUNS) / 2 {
            return Self::Runs(runs_in(&bits));
        }
        Self::Bits(bits)
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

/// Sets the bits of a run, a word at a time.
fn set_bits(bits: &mut [u64], start: u32, end: u32) {
    let mut at = start;
    while at < end {
        let (word, first) = (at as usize / 64, at % 64);
        let last = (end - at + first).min(64);
        let below = |bit: u32| if bit == 64 { u64::MAX } else { (1 << bit) - 1 };
        bits[word] |= below(last) & !below(first);
        at += last - first;
    }
}

/// How many runs of set bits there are.
fn count_runs(bits: &[u64]) -> usize {
    let mut before = 0;
    let mut runs = 0;
    for word in bits {
        runs += (word & !(word << 1 | before)).count_ones() as usize;
        before = word >> 63;
    }
    runs
}

fn runs_in(bits: &[u64]) -> Vec<(u32, u32)> {
    let (mut runs, mut start) = (Vec::new(), None);
    for at in 0..bits.len() as u32 * 64 {
        match (start, bits[at as usize / 64] >> (at % 64) & 1 == 1) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                runs.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    runs.extend(start.map(|from| (from, bits.len() as u32 * 64)));
    runs
}

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
