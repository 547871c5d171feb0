//! Application data that comes in on a link: cut out of its stream, given to who wants it, acknowledged.
//!
//! What waits here is bounded: small messages by the stream's window, large ones by their places in the [`DataPool`], and
//! nothing is kept of a large one that nobody wants.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use iroh::endpoint::RecvStream;
use tokio::time::timeout;

use super::{
    DataLink,
    data_pool::DataPool,
    link::{LinkHandle, read_more},
};
use crate::{
    events::IncomingData,
    limits::{DATA_AT_ONCE, SMALL_DATA},
    wire::{DataHead, MAX_NOT_TAKEN, Malformed, data_head, next_data},
};

/// How often a large message's pace is looked at.
const PACE_CHECK: Duration = Duration::from_secs(1);

/// Reads the messages of one link.
pub(super) struct DataReader<'a> {
    data: &'a DataLink,
    link: &'a LinkHandle,
    stream: &'a mut RecvStream,
    buffer: BytesMut,
    waiting: VecDeque<IncomingData>,
    /// Messages dealt with.
    received: u64,
}

impl<'a> DataReader<'a> {
    pub(super) fn new(data: &'a DataLink, link: &'a LinkHandle, stream: &'a mut RecvStream) -> Self {
        Self { data, link, stream, buffer: BytesMut::new(), waiting: VecDeque::new(), received: 0 }
    }

    /// Reads to the end of the stream, or of the link.
    ///
    /// # Errors
    /// [`Malformed`].
    pub(super) async fn run(mut self, pool: &Arc<DataPool>) -> Result<(), Malformed> {
        loop {
            self.deliver_whole().await?;
            let go_on = match data_head(&self.buffer)? {
                Some(head) if head.len > SMALL_DATA => self.read_large(pool, &head).await?,
                _ => self.read().await,
            };
            if !go_on {
                return Ok(());
            }
        }
    }

    async fn read(&mut self) -> bool {
        read_more(self.stream, &self.link.over, &mut self.buffer).await
    }

    /// Delivers all messages that are there whole.
    async fn deliver_whole(&mut self) -> Result<(), Malformed> {
        loop {
            while self.waiting.len() < DATA_AT_ONCE
                && let Some((data_type, data)) = next_data(&mut self.buffer)?
            {
                self.waiting.push_back(self.data.incoming(data_type, data));
            }
            if self.waiting.is_empty() {
                return Ok(());
            }
            let taken = self.data.hub().deliver(&mut self.waiting).await;
            for some in taken.chunks(MAX_NOT_TAKEN) {
                self.acknowledge(some).await;
            }
        }
    }

    async fn acknowledge(&mut self, taken: &[bool]) {
        let numbers = self.received + 1..;
        let not_taken = numbers.zip(taken).filter(|(_, taken)| !**taken).map(|(number, _)| number).collect();
        self.received += taken.len() as u64;
        self.data.acknowledge(self.received, not_taken).await;
    }

    /// Reads on until the message at the front is there whole, in its place. It is skipped if nobody wants it, or if it is too
    /// slow while others wait for a place. False at the end of the stream.
    async fn read_large(&mut self, pool: &Arc<DataPool>, head: &DataHead) -> Result<bool, Malformed> {
        if !self.data.hub().wants_data(&self.data.incoming(head.data_type.clone(), Bytes::new())) {
            return Ok(self.skip(head.end()).await);
        }
        let Some(mut place) = pool.take(self.data.peer(), head.len).await else { return Ok(false) };
        while self.buffer.len() < head.end() {
            // All at once, when enough has come to believe in it: no buffer is twice as large as its message.
            if self.buffer.len() >= head.end() / 4 {
                self.buffer.reserve(head.end() - self.buffer.len());
            }
            if timeout(PACE_CHECK, self.read()).await == Ok(false) {
                return Ok(false);
            }
            if place.is_too_slow(self.buffer.len()) && self.buffer.len() < head.end() {
                drop(place);
                return Ok(self.skip(head.end()).await);
            }
        }
        // Held until somebody has it.
        self.deliver_whole().await?;
        drop(place);
        Ok(true)
    }

    async fn skip(&mut self, mut len: usize) -> bool {
        loop {
            let some = len.min(self.buffer.len());
            self.buffer.advance(some);
            len -= some;
            if len == 0 {
                self.acknowledge(&[false]).await;
                return true;
            }
            if !self.read().await {
                return false;
            }
        }
    }
}
