//! What happens in a world as time passes: frames arrive, links close, dials end, nodes wake; and what nodes say to it.

use std::{cmp::Reverse, time::Duration};

use bytes::Bytes;
use rand::RngExt;

use super::World;
use crate::{
    ids::NodeId,
    io::{Input, Output, frame_cost},
    link::{DialId, FailureReason},
    sim::network::End,
    time::Mono,
    wire::Stream,
};

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Step {
    Deliver { to: End, stream: Stream, bytes: Bytes },
    Closed { end: End, why: FailureReason },
    Dial { from: usize, dial: DialId, target: NodeId },
    DialFailed { from: usize, dial: DialId, why: FailureReason },
    Wake { node: usize },
}

impl World {
    pub(super) fn later(&mut self, wait: Duration, step: Step) {
        self.at(self.now + wait, step);
    }

    fn at(&mut self, at: Mono, step: Step) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order)));
        self.steps.insert(self.order, step);
    }

    pub(super) fn perform(&mut self, step: Step) {
        match step {
            Step::Deliver { to, stream, bytes } => {
                let Some(from) = self.wires.peer(to) else { return };
                if self.side[from.node] != self.side[to.node] {
                    return; // silence; the idle timeout tells both
                }
                self.frames += 1;
                self.bytes += bytes.len() as u64;
                self.tally.count(&bytes);
                self.input(to.node, Input::Frame { link: to.link, stream, bytes });
            }
            Step::Closed { end, why } => {
                if self.wires.cut(end).is_some() {
                    self.input(end.node, Input::LinkClosed { link: end.link, why });
                }
            }
            Step::Dial { from, dial, target } => self.dial(from, dial, target),
            Step::DialFailed { from, dial, why } => self.input(from, Input::DialFailed { dial, why }),
            Step::Wake { node } => {
                if self.actors[node].wake.is_some_and(|at| at <= self.now) {
                    self.actors[node].wake = None;
                    let now = self.now_of(node);
                    if self.actors[node].alive {
                        self.actors[node].engine.handle_timeout(now);
                        self.settle(node);
                    }
                }
            }
        }
    }

    fn dial(&mut self, from: usize, dial: DialId, target: NodeId) {
        if !self.actors[from].alive {
            return;
        }
        let to = self.living().find(|(_, actor)| actor.node == target).map(|(number, _)| number);
        let Some(to) = to.filter(|to| self.side[*to] == self.side[from]) else {
            let why = FailureReason::Unreachable;
            return self.later(self.links.dial_timeout, Step::DialFailed { from, dial, why });
        };
        let node = self.actors[from].node;
        let (mine, theirs) = self.wires.connect(from, to);
        let exporter = self.rng.random();
        self.input(to, Input::LinkOpened { link: theirs.link, node, dial: None, source: None, exporter });
        let (node, dial) = (target, Some(dial));
        self.input(from, Input::LinkOpened { link: mine.link, node, dial, source: None, exporter });
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        if self.actors[node].alive {
            let now = self.now_of(node);
            self.actors[node].engine.handle_input(now, input);
            self.settle(node);
        }
    }

    /// Ends a node's batch and carries out what it said.
    pub(super) fn settle(&mut self, node: usize) {
        let now = self.now_of(node);
        self.actors[node].engine.flush(now).expect("a memory store can be written");
        while let Some(output) = self.actors[node].engine.poll_output() {
            self.carry_out(node, output);
        }
        while self.actors[node].engine.poll_notice().is_some() {}
        let engine = &self.actors[node].engine;
        if engine.is_usable() && !engine.status().listening && engine.status().synchronized {
            self.actors[node].engine.listen(now).expect("a synchronised node can listen");
            self.settle(node);
            return;
        }
        if let Some(at) = self.actors[node].engine.poll_timeout(now) {
            let at = at.max(self.now + Duration::from_micros(1));
            if self.actors[node].wake.is_none_or(|wake| at < wake || wake < self.now) {
                self.actors[node].wake = Some(at);
                self.at(at, Step::Wake { node });
            }
        }
    }

    fn carry_out(&mut self, node: usize, output: Output) {
        match output {
            Output::Dial { dial, addr } => {
                let delay = self.links.delay(&mut self.rng) * 2;
                self.later(delay, Step::Dial { from: node, dial, target: addr.node });
            }
            Output::Send { link, stream, frame, confirm } => {
                self.send(End { node, link }, stream, frame, confirm);
            }
            // A cancelled dial may succeed all the same, as it may outside.
            Output::CancelDial(_) | Output::LinkReady { .. } => {}
            Output::Close { link, .. } => self.close(End { node, link }),
        }
    }

    fn send(&mut self, from: End, stream: Stream, frame: Bytes, confirm: bool) {
        let Some(to) = self.wires.peer(from) else { return };
        let earliest = self.now + self.links.delay(&mut self.rng);
        let at = self.wires.arrival(from, stream, earliest);
        let size = frame_cost(&frame);
        self.at(at, Step::Deliver { to, stream, bytes: frame });
        let written = self.wires.unconfirmed(from, stream);
        *written += size;
        if confirm {
            let bytes = std::mem::take(written);
            let now = self.now_of(from.node);
            let written = Input::Written { link: from.link, stream, bytes };
            self.actors[from.node].engine.handle_input(now, written);
        }
    }

    fn close(&mut self, end: End) {
        // What was sent before still arrives first.
        let mut at = self.now;
        for stream in [Stream::Control, Stream::Records, Stream::Bulk] {
            at = at.max(self.wires.arrival(end, stream, self.now + self.links.max_latency));
        }
        if let Some(other) = self.wires.cut(end) {
            self.at(at, Step::Closed { end: other, why: FailureReason::ClosedByPeer });
        }
    }
}
