//! Whose turn it is: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) by the time that each one's work took.
//!
//! Each has a queue. What is next comes from whoever has used least, counted from when it last had nothing: whoever sends
//! only what takes long gets no more of the time than others do, whether it sends one by one or many at once. Alone, nobody waits
//! or owes anything later.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crate::limits::{KEPT_QUEUES, KEPT_ROOM};

/// Queues of several, taken from in turns.
#[derive(Debug)]
pub struct Turns<K, T> {
    queues: BTreeMap<K, Queue<T>>,
    /// Those whose queues have something, who used least first.
    waiting: BTreeSet<(u64, K)>,
    /// What whoever was served last had used before. Nobody who comes has used less.
    floor: u64,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    /// In microseconds.
    used: u64,
}

impl<K, T> Default for Turns<K, T> {
    fn default() -> Self {
        Self { queues: BTreeMap::new(), waiting: BTreeSet::new(), floor: 0 }
    }
}

impl<K: Ord + Copy, T> Turns<K, T> {
    /// Puts something at the end of one's queue.
    pub fn push(&mut self, who: K, item: T) {
        if !self.queues.contains_key(&who) {
            self.forget_some();
        }
        let queue = self.queues.entry(who).or_insert(Queue { items: VecDeque::new(), used: 0 });
        if queue.items.is_empty() {
            queue.used = queue.used.max(self.floor);
            self.waiting.insert((queue.used, who));
        }
        queue.items.push_back(item);
    }

    /// Takes what is next, and tells whose it is. Say with [`spent`](Self::spent) how long it took.
    pub fn take(&mut self) -> Option<(K, T)> {
        let (used, who) = *self.waiting.first()?;
        let queue = self.queues.get_mut(&who)?;
        let item = queue.items.pop_front()?;
        self.floor = used;
        if queue.items.is_empty() {
            self.waiting.pop_first();
            // What a burst took is given back.
            queue.items.shrink_to(KEPT_ROOM);
        }
        Some((who, item))
    }

    /// What was taken last of somebody's took so long.
    pub fn spent(&mut self, who: K, time: Duration) {
        let Some(queue) = self.queues.get_mut(&who) else { return };
        let waits = self.waiting.remove(&(queue.used, who));
        // Nothing is for nothing: of two that cost less than the clock tells, both have their turns.
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        queue.used = queue.used.saturating_add(time);
        if waits {
            self.waiting.insert((queue.used, who));
        }
    }

    /// Drops what waits of somebody and is not to be kept.
    pub fn retain(&mut self, who: K, keep: impl FnMut(&T) -> bool) {
        let Some(queue) = self.queues.get_mut(&who) else { return };
        queue.items.retain(keep);
        if queue.items.is_empty() {
            self.waiting.remove(&(queue.used, who));
        }
    }

    /// Nothing more comes of somebody whose queue is empty: what it used is forgotten.
    pub fn forget(&mut self, who: K) {
        if self.of(who).next().is_none() {
            self.queues.remove(&who);
        }
    }

    /// Forgets those who have nothing, and have used no more than anybody who comes: not all who go say so.
    fn forget_some(&mut self) {
        if self.queues.len() > self.waiting.len().saturating_mul(2).saturating_add(KEPT_QUEUES) {
            let floor = self.floor;
            self.queues.retain(|_, queue| !queue.items.is_empty() || queue.used > floor);
        }
    }

    /// What waits of somebody.
    pub fn of(&self, who: K) -> impl Iterator<Item = &T> {
        self.queues.get(&who).into_iter().flat_map(|queue| &queue.items)
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Serves for so long. `cost`: of one item of each; all have items without end. Gives what each took.
    fn serve(turns: &mut Turns<usize, ()>, costs: &[Duration], until: Duration) -> Vec<Duration> {
        let (mut took, mut all) = (vec![Duration::ZERO; costs.len()], Duration::ZERO);
        while all < until {
            for who in 0..costs.len() {
                if turns.of(who).next().is_none() {
                    turns.push(who, ());
                }
            }
            let (who, ()) = turns.take().expect("something waits");
            turns.spent(who, costs[who]);
            took[who] += costs[who];
            all += costs[who];
        }
        took
    }

    #[test]
    fn b3_who_sends_what_takes_long_gets_no_more_than_its_share() {
        let mut turns = Turns::default();
        let costs = [Duration::from_millis(42), Duration::from_micros(50)];
        let took = serve(&mut turns, &costs, Duration::from_secs(10));
        assert!(took[0] < Duration::from_millis(5050) && took[1] > Duration::from_millis(4950), "{took:?}");
    }

    #[test]
    fn b3_many_at_once_get_no_more_than_one_by_one() {
        let mut turns = Turns::default();
        (0..10_000).for_each(|_| turns.push(0, ()));
        let took = serve(&mut turns, &[Duration::from_millis(1); 2], Duration::from_secs(1));
        assert!(took[1] > Duration::from_millis(490), "{took:?}");
    }

    #[test]
    fn alone_nobody_waits_and_owes_nothing_later() {
        let mut turns = Turns::default();
        for _ in 0..1000 {
            turns.push(0, ());
            assert_eq!(turns.take(), Some((0, ())));
            turns.spent(0, Duration::from_millis(50));
        }
        let took = serve(&mut turns, &[Duration::from_millis(1); 2], Duration::from_secs(1));
        assert!(took[0] > Duration::from_millis(400), "{took:?}");
    }

    #[test]
    fn b3_those_who_went_without_a_word_are_not_remembered_for_ever() {
        let mut turns = Turns::default();
        for who in 0..10_000u32 {
            for _ in 0..3 {
                turns.push(who, ());
                // Somebody who stays.
                turns.push(u32::MAX, ());
                while let Some((served, ())) = turns.take() {
                    turns.spent(served, Duration::from_micros(20));
                }
            }
        }
        assert!(turns.queues.len() < 4 * KEPT_QUEUES, "{}", turns.queues.len());
    }

    proptest! {
        #[test]
        fn each_gets_a_like_share_and_all_comes_out_in_order(
            costs in prop::collection::vec(1u64..20_000, 2..6),
        ) {
            let costs: Vec<Duration> = costs.into_iter().map(Duration::from_micros).collect();
            let mut turns = Turns::default();
            let (until, parties) = (Duration::from_secs(5), u32::try_from(costs.len()).unwrap());
            let took = serve(&mut turns, &costs, until);
            // As much less as the longest items, one of each.
            let slack = 2 * *costs.iter().max().unwrap();
            for time in &took {
                prop_assert!(*time + slack >= until / parties, "{:?} of {:?}", took, costs);
            }
        }

        #[test]
        fn what_one_puts_in_comes_out_in_order(items in prop::collection::vec((0usize..4, 0u64..5000), 0..100)) {
            let mut turns = Turns::default();
            for (at, (who, cost)) in items.iter().enumerate() {
                turns.push(*who, (at, *cost));
            }
            let mut last = BTreeMap::new();
            let mut count = 0;
            while let Some((who, (at, cost))) = turns.take() {
                prop_assert!(last.insert(who, at).is_none_or(|before| before < at));
                turns.spent(who, Duration::from_micros(cost));
                count += 1;
            }
            prop_assert_eq!(count, items.len());
            prop_assert!(turns.is_empty());
        }
    }
}
