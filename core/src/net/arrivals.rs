//! What has arrived for a graph and waits for its thread: each link has its turn, however much another sends.

use std::time::Duration;

use super::Inbound;
use crate::{ids::LinkId, io::Input, ledger::Turns, limits::LAST_FRAMES, wire::Stream};

/// What waits, in turns of links by the time that their messages take.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Turns<Option<LinkId>, Inbound>);

/// Which link's turn it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    link: Option<LinkId>,
    /// Nothing more comes from it.
    last: bool,
}

impl Arrivals {
    pub(super) fn push(&mut self, inbound: Inbound) {
        let link = link_of(&inbound.input);
        if let (Input::LinkClosed { .. }, Some(_)) = (&inbound.input, link) {
            self.drop_questions(link);
        }
        self.0.push(link, inbound);
    }

    /// Who is gone gets no answer: of what it asked only the last words are heard. Its records are taken in.
    fn drop_questions(&mut self, link: Option<LinkId>) {
        let is_question =
            |inbound: &Inbound| matches!(inbound.input, Input::Frame { stream: Stream::Control, .. });
        let mut left = self.0.of(link).filter(|inbound| is_question(inbound)).count();
        self.0.retain(link, |inbound| {
            let asks = is_question(inbound);
            let keeps = !asks || left <= LAST_FRAMES;
            left = left.saturating_sub(usize::from(asks));
            keeps
        });
    }

    /// What is next.
    pub(super) fn next(&mut self) -> Option<(Served, Inbound)> {
        let (link, inbound) = self.0.take()?;
        let last = matches!(inbound.input, Input::LinkClosed { .. });
        Some((Served { link, last }, inbound))
    }

    /// How long that took.
    pub(super) fn spent(&mut self, served: Served, time: Duration) {
        self.0.spent(served.link, time);
        if served.last {
            self.0.forget(served.link);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

const fn link_of(input: &Input) -> Option<LinkId> {
    match input {
        Input::LinkOpened { link, .. }
        | Input::LinkClosed { link, .. }
        | Input::Frame { link, .. }
        | Input::Written { link, .. }
        | Input::Arriving { link, .. } => Some(*link),
        Input::DialFailed { .. } | Input::AddressesChanged(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::link::FailureReason;

    fn frame(link: u64, stream: Stream, number: u8) -> Inbound {
        let bytes = Bytes::from(vec![number]);
        Inbound { input: Input::Frame { link: LinkId(link), stream, bytes }, charge: None }
    }

    fn closed(link: u64) -> Inbound {
        Inbound {
            input: Input::LinkClosed { link: LinkId(link), why: FailureReason::ClosedByPeer },
            charge: None,
        }
    }

    #[test]
    fn b3_what_waits_of_a_link_that_is_gone_is_dropped_but_its_records_and_last_words() {
        let mut arrivals = Arrivals::default();
        for number in 0..100 {
            arrivals.push(frame(1, Stream::Control, number));
            arrivals.push(frame(1, Stream::Records, number));
            arrivals.push(frame(2, Stream::Control, number));
        }
        arrivals.push(closed(1));
        let (mut kept, mut ended) = ([0, 0, 0], false);
        while let Some((served, inbound)) = arrivals.next() {
            match &inbound.input {
                Input::Frame { link: LinkId(1), stream: Stream::Control, bytes } => {
                    assert!(usize::from(bytes[0]) >= 100 - LAST_FRAMES, "the last ones");
                    kept[0] += 1;
                }
                Input::Frame { link: LinkId(1), .. } => kept[1] += 1,
                Input::Frame { .. } => kept[2] += 1,
                _ => ended = true,
            }
            assert!(!ended || kept[1] == 100, "the end comes after what was before it");
            arrivals.spent(served, Duration::from_micros(10));
        }
        assert_eq!((kept, ended), ([LAST_FRAMES, 100, 100], true));
    }
}
