//! The sending side: what was asked for, sent as the link has room.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Withhold;
use crate::{
    limits::{BATCH_BYTES, FETCH_WINDOW, MAX_PULLS, PULL_WINDOW},
    record::RecordKey,
    records::{Store, StoreError},
    wire::Filter,
};

#[derive(Debug)]
enum Job {
    Fetch { request: u32, keys: VecDeque<RecordKey>, sent: u32 },
    Pull { request: u32, filter: Filter, from: RecordKey, to: Option<RecordKey>, left: usize, sent: u32 },
}

/// An answered request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Answer {
    pub(super) request: u32,
    pub(super) records: u32,
    pub(super) next: Option<RecordKey>,
}

/// Records to be sent, and the request that they complete.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<Bytes>,
    pub(super) answer: Option<Answer>,
    /// Asked for, and not sent.
    pub(super) withheld: Vec<RecordKey>,
}

/// The sending side of a session.
#[derive(Default, Debug)]
pub(super) struct Serving {
    jobs: VecDeque<Job>,
}

impl Serving {
    pub(super) fn fetch(&mut self, request: u32, keys: Vec<RecordKey>) -> Result<(), &'static str> {
        let waiting: usize =
            self.jobs.iter().map(|job| if let Job::Fetch { keys, .. } = job { keys.len() } else { 0 }).sum();
        if waiting.saturating_add(keys.len()) > FETCH_WINDOW {
            return Err("more keys asked for than the window allows");
        }
        self.jobs.push_back(Job::Fetch { request, keys: keys.into(), sent: 0 });
        Ok(())
    }

    pub(super) fn pull(
        &mut self,
        request: u32,
        filter: Filter,
        from: RecordKey,
        to: Option<RecordKey>,
        max_bytes: u32,
    ) -> Result<(), &'static str> {
        if self.jobs.iter().filter(|job| matches!(job, Job::Pull { .. })).count() >= MAX_PULLS {
            return Err("more ranges asked for than the window allows");
        }
        let left = (max_bytes as usize).clamp(1, PULL_WINDOW);
        self.jobs.push_back(Job::Pull { request, filter, from, to, left, sent: 0 });
        Ok(())
    }

    /// The next frame, of about `room` bytes; one record at least. `None`: nothing is asked for.
    pub(super) fn next_batch(
        &mut self,
        room: usize,
        store: &dyn Store,
        withhold: Option<&Withhold>,
    ) -> Result<Option<Batch>, StoreError> {
        let Some(mut job) = self.jobs.pop_front() else { return Ok(None) };
        let max = room.min(BATCH_BYTES);
        let mut withheld = Vec::new();
        let (records, answer) = match &mut job {
            Job::Fetch { request, keys, sent } => {
                let records = take_records(keys, max, store, withhold, &mut withheld)?;
                *sent = sent.saturating_add(count(&records));
                let answer = Answer { request: *request, records: *sent, next: None };
                (records, keys.is_empty().then_some(answer))
            }
            Job::Pull { request, filter, from, to, left, sent } => {
                let (mut records, mut next) = store.envelopes(filter, *from, *to, max.min(*left))?;
                if let Some(rule) = withhold {
                    rule.sift(&mut records, &mut withheld);
                    // An answer that goes on must bring something.
                    while let Some(begin) = next.filter(|_| records.is_empty()) {
                        (records, next) = store.envelopes(filter, begin, *to, max.min(*left))?;
                        rule.sift(&mut records, &mut withheld);
                    }
                }
                *sent = sent.saturating_add(count(&records));
                *left = left.saturating_sub(records.iter().map(Bytes::len).sum());
                let answer = Answer { request: *request, records: *sent, next };
                match next {
                    Some(next) if *left > 0 && !records.is_empty() => {
                        *from = next;
                        (records, None)
                    }
                    _ => (records, Some(answer)),
                }
            }
        };
        if answer.is_none() {
            self.jobs.push_front(job);
        }
        Ok(Some(Batch { records, answer, withheld }))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }
}

fn count(records: &[Bytes]) -> u32 {
    u32::try_from(records.len()).unwrap_or(u32::MAX)
}

fn take_records(
    keys: &mut VecDeque<RecordKey>,
    max: usize,
    store: &dyn Store,
    withhold: Option<&Withhold>,
    withheld: &mut Vec<RecordKey>,
) -> Result<Vec<Bytes>, StoreError> {
    let mut records = Vec::new();
    let mut bytes = 0;
    while bytes < max {
        let Some(key) = keys.pop_front() else { break };
        // What lost since the other side heard of it is sent all the same: the conflict is news there as well.
        if let Some(record) = store.fetch(&key)?.map_or_else(|| store.loser(&key), |found| Ok(Some(found)))? {
            if withhold.is_some_and(|rule| rule.holds(&record)) {
                withheld.push(key);
                continue;
            }
            bytes = record.bytes().len().saturating_add(bytes);
            records.push(record.bytes().clone());
        }
    }
    Ok(records)
}
