//! Which messages of application data nobody took at the other end, by their numbers.

use std::collections::BTreeMap;

use crate::limits::MAX_NOT_TAKEN_RUNS;

/// Runs of numbers, by the first of each. Where nobody listens at all, it is one run.
#[derive(Debug, Default)]
pub(super) struct NotTaken {
    runs: BTreeMap<u64, u64>,
    /// Of numbers up to this one it is no longer known.
    forgotten: u64,
}

impl NotTaken {
    pub(super) fn extend(&mut self, numbers: Vec<u64>) {
        for number in numbers {
            self.insert(number, number);
        }
        while self.runs.len() > MAX_NOT_TAKEN_RUNS {
            if let Some((_, last)) = self.runs.pop_first() {
                self.forgotten = self.forgotten.max(last);
            }
        }
    }

    /// Joins a run to the one before it and the one after it.
    fn insert(&mut self, mut first: u64, mut last: u64) {
        if let Some((before, end)) = self.runs.range(..=first).next_back().map(|(at, end)| (*at, *end)) {
            if end >= last {
                return;
            }
            if end.saturating_add(1) >= first {
                first = before;
            }
        }
        if let Some(end) = self.runs.remove(&last.saturating_add(1)) {
            last = end;
        }
        self.runs.insert(first, last);
    }

    /// True if nobody took this message, or it is no longer known. It is forgotten, since it is asked once.
    pub(super) fn take(&mut self, number: u64) -> bool {
        let run = self.runs.range(..=number).next_back().map(|(first, last)| (*first, *last));
        let Some((first, last)) = run.filter(|(_, last)| *last >= number) else {
            return number <= self.forgotten;
        };
        self.runs.remove(&first);
        if first < number {
            self.runs.insert(first, number.saturating_sub(1));
        }
        if number < last {
            self.runs.insert(number.saturating_add(1), last);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_not_taken_is_known_until_it_is_asked(
            steps in prop::collection::vec((prop::collection::vec(1u64..60, 0..6), 1u64..60), 0..30),
        ) {
            let (mut runs, mut model) = (NotTaken::default(), BTreeSet::new());
            for (numbers, asked) in steps {
                model.extend(numbers.iter().copied());
                runs.extend(numbers);
                prop_assert_eq!(runs.take(asked), model.remove(&asked));
                let all: BTreeSet<u64> = runs.runs.iter().flat_map(|(first, last)| *first..=*last).collect();
                prop_assert_eq!(&all, &model);
            }
        }
    }

    #[test]
    fn b2_where_nobody_listens_one_run_is_remembered() {
        let mut runs = NotTaken::default();
        (0..1000).for_each(|n| runs.extend((n * 100 + 1..=n * 100 + 100).collect()));
        assert_eq!(runs.runs.len(), 1);
        assert!(runs.take(1) && runs.take(100_000) && !runs.take(100_001));
    }

    /// A sender must not take for delivered what was not.
    #[test]
    fn b2_what_is_forgotten_is_said_not_to_have_been_taken() {
        let mut runs = NotTaken::default();
        let gaps = 2 * MAX_NOT_TAKEN_RUNS as u64;
        runs.extend((1..=gaps).map(|n| 2 * n).collect());
        assert_eq!(runs.runs.len(), MAX_NOT_TAKEN_RUNS);
        assert!(runs.take(2) && runs.take(2 * gaps) && !runs.take(2 * gaps - 1));
    }
}
