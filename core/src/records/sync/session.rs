//! One session: its phases, what is said in them, and when they are over.

mod exchange;

use std::collections::VecDeque;

use self::exchange::Talk;
use super::{
    Footing, Owner, SyncAbort, SyncFault, SyncOutcome, SyncOutput, Withhold,
    claims::Claims,
    fetching::Fetching,
    ranges::{MAX_TELLING, Span, View},
    serving::{Answer, Batch, Serving},
};
use crate::{
    limits::{MAX_OPEN_RANGES, SYNC_PIPELINE, SYNC_TIMEOUT},
    record::{RecordKey, RecordType},
    records::Store,
    time::{Mono, Timestamp},
    wire::{Filter, Freshness, Range, RangeState, SyncMessage},
};

/// Records that may always be asked for, however small the database.
const MIN_SERVED: u64 = 4096;

/// What a session shares with the others.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) now: Mono,
    pub(super) out: &'a mut VecDeque<SyncOutput>,
    pub(super) claims: &'a mut Claims,
    pub(super) footing: &'a Footing,
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u32,
    owner: Owner,
    /// Types with a phase to come, and whether they differ.
    plan: VecDeque<(RecordType, bool)>,
    /// `None` until compared.
    phase: Option<Filter>,
    talk: Talk,
    pub(super) fetching: Fetching,
    serving: Serving,
    rounds: u64,
    pub(super) received: u64,
    pub(super) expected: u64,
    /// Something new came since the last answer was complete.
    news: bool,
    served: u64,
    max_served: u64,
    touched: Mono,
    /// When the other side last heard that a record which is still arriving is awaited.
    awaiting: Mono,
    /// How often the other side said that it waits on, since it was last sent something.
    waited: u32,
    pub(super) began: Timestamp,
    pub(super) theirs: Freshness,
    /// How many records the other side had at the beginning.
    pub(super) their_count: u64,
    /// What is not to be sent, if this side may have missed deletes.
    withhold: Option<Withhold>,
}

type Flow = Result<Option<SyncOutcome>, SyncFault>;

impl Session {
    pub(super) fn new(owner: Owner, id: u32, types: Vec<(RecordType, bool)>, count: u64, now: Mono) -> Self {
        Self {
            id,
            owner,
            plan: types.into(),
            phase: None,
            talk: Talk::default(),
            fetching: Fetching::default(),
            serving: Serving::default(),
            rounds: 0,
            received: 0,
            expected: 0,
            news: false,
            served: 0,
            max_served: count.saturating_mul(2).saturating_add(MIN_SERVED),
            touched: now,
            awaiting: now,
            waited: 0,
            began: Timestamp::default(),
            theirs: Freshness::default(),
            their_count: 0,
            withhold: None,
        }
    }

    /// The other side said how current it is.
    pub(super) fn learn_freshness(&mut self, theirs: Freshness, footing: &Footing) {
        self.theirs = theirs;
        self.withhold = footing.withhold(theirs);
    }

    /// How many records are missing here, where there are `count`: as many as the other side has more, or as were found
    /// to be missing.
    pub(super) fn outstanding(&self, count: u64) -> u64 {
        self.fetching.outstanding().max(self.their_count.saturating_sub(count))
    }

    const fn is_initiator(&self) -> bool {
        self.owner.1
    }

    pub(super) fn deadline(&self) -> Mono {
        self.touched + SYNC_TIMEOUT
    }

    /// There was progress.
    pub(super) const fn touch(&mut self, now: Mono) {
        self.touched = now;
    }

    fn send(&self, message: SyncMessage, context: &mut Context<'_>) {
        context.out.push_back(SyncOutput::Send { link: self.owner.0, message });
    }

    fn abort(&self, why: SyncAbort, context: &mut Context<'_>) -> SyncOutcome {
        self.send(SyncMessage::Abort { session: self.id, initiator: self.is_initiator() }, context);
        SyncOutcome::Aborted(why)
    }

    pub(super) fn give_up(&self, why: SyncAbort, context: &mut Context<'_>) -> SyncOutcome {
        self.abort(why, context)
    }

    fn reconciled(&self) -> SyncOutcome {
        SyncOutcome::Reconciled { received: self.received, sent_keys: self.served }
    }

    /// The answering side begins: it speaks first in the first phase.
    pub(super) fn begin(&mut self, store: &dyn Store, context: &mut Context<'_>) -> Flow {
        if let Some(filter) = self.advance(context) {
            self.talk.open = View { store, filter: &filter }.first_flight().map_err(SyncFault::Store)?;
        }
        Ok(self.pump(context))
    }

    /// Takes in one message of this session.
    pub(super) fn handle(
        &mut self,
        message: SyncMessage,
        store: &dyn Store,
        context: &mut Context<'_>,
    ) -> Flow {
        match message {
            SyncMessage::Compared { equal, differing, count, fresh, .. } => {
                self.learn_freshness(fresh, context.footing);
                self.their_count = count;
                return self.on_compared(equal, &differing, context);
            }
            SyncMessage::Abort { .. } => return Ok(Some(SyncOutcome::Aborted(SyncAbort::ByPeer))),
            _ if self.phase.is_none() => return Err(SyncFault::Protocol("not compared yet")),
            SyncMessage::Done { .. } => {
                let whole = self.is_quiet() && self.phase == Some(Filter::All);
                return Ok(Some(if whole {
                    self.reconciled()
                } else {
                    SyncOutcome::Aborted(SyncAbort::ByPeer)
                }));
            }
            SyncMessage::Ranges { seen, idle, filter, ranges, .. } => {
                if let Some(outcome) = self.enter(&filter, context)? {
                    return Ok(Some(outcome));
                }
                if let Some(outcome) = self.on_ranges(seen, idle, &filter, ranges, store, context)? {
                    return Ok(Some(outcome));
                }
            }
            SyncMessage::Have { seen, idle, keys, .. } => {
                let mut lacking = Vec::new();
                for key in keys {
                    if !store.contains(&key).map_err(SyncFault::Store)? {
                        lacking.push(key);
                    }
                }
                self.want(lacking);
                if let Some(outcome) = self.took_in(seen, idle, context)? {
                    return Ok(Some(outcome));
                }
            }
            SyncMessage::Status { seen, idle, .. } => {
                self.heard(seen, idle)?;
                self.waits_on(context.now);
            }
            SyncMessage::Fetch { request, keys, .. } => {
                self.serving.fetch(request, keys).map_err(SyncFault::Protocol)?;
            }
            SyncMessage::Pull { request, filter, from, to, max_bytes, .. } => {
                self.serving.pull(request, filter, from, to, max_bytes).map_err(SyncFault::Protocol)?;
            }
            SyncMessage::Sent { request, records, next, .. } => {
                let answer =
                    self.fetching.sent(context.now, self.owner, request, records, next, context.claims);
                if answer.map_err(SyncFault::Protocol)? && std::mem::take(&mut self.news) {
                    self.touch(context.now);
                }
            }
            SyncMessage::Open { .. } => return Err(SyncFault::Protocol("opened twice")),
        }
        Ok(self.pump(context))
    }

    fn on_compared(&mut self, equal: bool, differing: &[u8], context: &mut Context<'_>) -> Flow {
        if !self.is_initiator() || self.phase.is_some() {
            return Err(SyncFault::Protocol("compared twice"));
        }
        self.touch(context.now);
        for at in differing {
            let entry = self.plan.get_mut(usize::from(*at));
            entry.ok_or(SyncFault::Protocol("an answer about nothing"))?.1 = true;
        }
        if equal {
            self.skip_all(context);
            return Ok(Some(SyncOutcome::Equal));
        }
        self.advance(context);
        Ok(self.pump(context))
    }

    /// All types are equal.
    pub(super) fn skip_all(&mut self, context: &mut Context<'_>) {
        let link = self.owner.0;
        let done = self.plan.drain(..).map(|(record_type, _)| SyncOutput::TypeDone { link, record_type });
        context.out.extend(done);
    }

    /// Leaves this phase and enters the next one that is needed; `None` after the last.
    fn advance(&mut self, context: &mut Context<'_>) -> Option<Filter> {
        let link = self.owner.0;
        match self.phase.take() {
            None => {}
            Some(Filter::Only(record_type)) => {
                context.out.push_back(SyncOutput::TypeDone { link, record_type });
            }
            Some(Filter::All) => {
                self.phase = Some(Filter::All);
                return None;
            }
        }
        self.talk = Talk::default();
        let mut next = Filter::All;
        while let Some((record_type, differs)) = self.plan.pop_front() {
            if differs {
                next = Filter::Only(record_type);
                break;
            }
            context.out.push_back(SyncOutput::TypeDone { link, record_type });
        }
        self.phase = Some(next.clone());
        Some(next)
    }

    /// Follows the initiator into another phase, if this is one.
    fn enter(&mut self, filter: &Filter, context: &mut Context<'_>) -> Flow {
        if self.phase.as_ref() == Some(filter) {
            return Ok(None);
        }
        if self.is_initiator() {
            return Err(SyncFault::Protocol("another phase"));
        }
        if !self.is_quiet() {
            return Ok(Some(self.abort(SyncAbort::ByPeer, context)));
        }
        if self.advance(context).as_ref() == Some(filter) {
            Ok(None)
        } else {
            Err(SyncFault::Protocol("a phase out of order"))
        }
    }

    fn on_ranges(
        &mut self,
        seen: u32,
        idle: bool,
        filter: &Filter,
        ranges: Vec<Range>,
        store: &dyn Store,
        context: &mut Context<'_>,
    ) -> Flow {
        let room = MAX_TELLING.saturating_sub(self.talk.telling.len());
        let found = View { store, filter }.compare(ranges, room).map_err(SyncFault::Store)?;
        self.talk.open.extend(found.replies);
        self.talk.telling.extend(found.extra);
        self.want(found.lacking);
        for gap in found.gaps {
            self.expected = self.expected.saturating_add(gap.count);
            self.fetching.fill(gap);
        }
        if self.talk.open.len() > MAX_OPEN_RANGES {
            return Ok(Some(self.abort(SyncAbort::TooMuch, context)));
        }
        self.took_in(seen, idle, context)
    }

    fn want(&mut self, keys: Vec<RecordKey>) {
        self.expected = self.expected.saturating_add(keys.len() as u64);
        self.fetching.want(keys);
    }

    /// Nothing to say, nothing to wait for.
    fn is_quiet(&self) -> bool {
        self.talk.open.is_empty() && self.talk.telling.is_empty() && self.fetching.is_idle()
    }

    /// Says and asks what can be said and asked now, and goes on to the next phase if this one is over.
    pub(super) fn pump(&mut self, context: &mut Context<'_>) -> Option<SyncOutcome> {
        loop {
            let filter = self.phase.clone()?;
            while let Some(request) = self.fetching.next_request(context.now, self.owner, context.claims) {
                self.ask(request, &filter, context);
            }
            while self.talk.sent.saturating_sub(self.talk.acked) < SYNC_PIPELINE && self.say(&filter, context)
            {
            }
            let settled = self.is_quiet() && self.talk.peer_idle == Some(self.talk.sent);
            if !self.is_initiator() || !settled {
                self.acknowledge(context);
                return None;
            }
            if self.advance(context).is_none() {
                self.send(SyncMessage::Done { session: self.id }, context);
                return Some(self.reconciled());
            }
            self.talk.open.push(Span { from: RecordKey::MIN, to: None, state: RangeState::Ask });
        }
    }

    /// A record came in this session. Only `new` ones are progress: what is here can be sent without end.
    pub(super) fn arrived(&mut self, key: &RecordKey, new: bool, context: &mut Context<'_>) {
        let asked = self.fetching.arrived(context.now, self.owner, key, context.claims);
        if new {
            context.claims.brought(self.owner, context.now);
            self.news = true;
        }
        if asked {
            self.received = self.received.saturating_add(1);
        }
        if asked && new {
            self.touch(context.now);
        }
    }

    /// Looks again at what other sessions had claimed.
    pub(super) fn reconsider(&mut self, context: &mut Context<'_>) -> Option<SyncOutcome> {
        for gap in self.fetching.reconsider(self.owner, context.claims, context.now, context.footing.now) {
            self.talk.open.push(Span { from: gap.from, to: gap.to, state: RangeState::Ask });
        }
        self.pump(context)
    }

    pub(super) fn is_asked(&self) -> bool {
        !self.serving.is_idle()
    }

    /// Sends one frame of what was asked for. Returns its size in bytes, and the outcome if the session ends here.
    pub(super) fn serve(
        &mut self,
        room: usize,
        store: &dyn Store,
        context: &mut Context<'_>,
    ) -> Result<(usize, Option<SyncOutcome>), SyncFault> {
        let Some(batch) =
            self.serving.next_batch(room, store, self.withhold.as_ref()).map_err(SyncFault::Store)?
        else {
            return Ok((0, None));
        };
        let Batch { records, answer, withheld } = batch;
        if !withheld.is_empty() {
            self.touch(context.now);
            context.out.push_back(SyncOutput::Withheld { link: self.owner.0, keys: withheld });
        }
        let bytes = records.iter().map(bytes::Bytes::len).sum();
        if !records.is_empty() {
            self.served = self.served.saturating_add(records.len() as u64);
            self.waited = 0;
            self.touch(context.now);
            let (link, session) = (self.owner.0, self.id);
            context.out.push_back(SyncOutput::SendRecords { link, session, records });
        }
        let mut outcome = None;
        if let Some(Answer { request, records, next }) = answer {
            let (session, initiator) = (self.id, self.is_initiator());
            self.send(SyncMessage::Sent { session, initiator, request, records, next }, context);
            if records == 0 {
                outcome = self.count_round(context);
            }
        }
        if self.served > self.max_served {
            outcome = Some(self.abort(SyncAbort::TooMuch, context));
        }
        Ok((bytes, outcome))
    }
}
