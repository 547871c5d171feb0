//! Application data on a link, past the engine: in order, acknowledged, held back by a slow reader.
//!
//! Two streams in each direction: messages, and acknowledgements, which must not wait behind messages that nobody
//! reads yet. The frames are those of [`crate::wire`].

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    sync::{Arc, Mutex},
};

use bytes::{Bytes, BytesMut};
use iroh::endpoint::RecvStream;
use tokio::{
    sync::{Notify, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{
    Transport,
    connection::{KIND_ACKS, KIND_DATA},
    link::{ACKS_PRIORITY, DATA_PRIORITY, LinkHandle, read_more},
    not_taken::NotTaken,
    transport::lock,
};
use crate::{
    events::{Hub, IncomingData},
    ids::{ConnectionId, NodeId, PeerId},
    limits::{CLOSE_TIMEOUT, DATA_SEND_BUFFER, MAX_DATA, MAX_UNTOLD},
    link::ConnectionKind,
    record::RecordType,
    wire::{DataAck, MAX_NOT_TAKEN, Malformed, put_data},
};

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// A subscriber at the other end has it.
    Delivered,
    /// Nobody there subscribes to such data; or it came so slowly that its place was given to others.
    NotTaken,
}

/// A message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// More than 16 MiB.
    #[error("a message of {len} bytes is too long; the maximum is {MAX_DATA}")]
    TooLarge {
        /// How many there were.
        len: usize,
    },
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
}

/// The data plane of one link.
#[derive(Clone)]
pub struct DataLink(Arc<Shared>);

struct Shared {
    connection: ConnectionId,
    kind: ConnectionKind,
    node: NodeId,
    peer: PeerId,
    hub: Arc<Hub>,
    out: Mutex<Out>,
    /// Messages, or acknowledgements, wait to be written.
    work: [Notify; 2],
    /// Acknowledgements were taken to be written.
    told: Notify,
    acked: watch::Sender<Acked>,
    not_taken: Mutex<NotTaken>,
    writers: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Out {
    messages: BytesMut,
    /// Those for which there is no room yet, in order.
    waiting: VecDeque<Waiting>,
    acks: Vec<DataAck>,
    sent: u64,
    end: End,
}

/// A message for which there is no room yet, and whom to tell its number.
struct Waiting {
    data_type: RecordType,
    data: Bytes,
    accepted: oneshot::Sender<u64>,
}

impl Out {
    /// Accepts a message, if nothing waits before it and there is room.
    fn accept(&mut self, data_type: &RecordType, data: &Bytes) -> Option<u64> {
        let room = self.messages.is_empty() || self.messages.len() + data.len() <= DATA_SEND_BUFFER;
        (room && self.waiting.is_empty()).then(|| self.put(data_type, data))
    }

    fn put(&mut self, data_type: &RecordType, data: &Bytes) -> u64 {
        put_data(&mut self.messages, data_type, data);
        self.sent += 1;
        self.sent
    }

    /// What is to be written next. Those that wait move up, but for those whose senders gave up.
    fn take_messages(&mut self) -> BytesMut {
        let taken = self.messages.split();
        while let Some(Waiting { data_type, data, accepted }) = self.waiting.pop_front() {
            if accepted.is_closed() {
                continue;
            }
            if !self.messages.is_empty() && self.messages.len() + data.len() > DATA_SEND_BUFFER {
                self.waiting.push_front(Waiting { data_type, data, accepted });
                break;
            }
            let number = self.put(&data_type, &data);
            // Who gives up now has sent it.
            let _ = accepted.send(number);
        }
        taken
    }
}

impl Out {
    /// Messages nobody took of which the other end is still to be told.
    fn untold(&self) -> usize {
        self.acks.iter().map(|ack| ack.not_taken.len()).sum()
    }
}

/// How the sending side ends.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum End {
    #[default]
    Open,
    /// What was accepted is written, no more is accepted.
    Finishing,
    Closed,
}

/// Which of the two streams.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Messages,
    Acks,
}

/// Where a message stands.
enum Accepted {
    Now(u64),
    Later(oneshot::Receiver<u64>),
}

#[derive(Clone, Copy, Default)]
struct Acked {
    through: u64,
    closed: bool,
}

/// The way to learn what became of a message.
#[derive(Debug)]
pub struct Receipt {
    link: DataLink,
    number: u64,
}

impl fmt::Debug for DataLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataLink({})", self.0.connection)
    }
}

impl Receipt {
    /// Waits until the message was delivered, or found not to be wanted.
    ///
    /// # Errors
    /// [`SendError::Closed`] if the link ended before that was known.
    pub async fn delivered(self) -> Result<Delivery, SendError> {
        let mut acked = self.link.0.acked.subscribe();
        let state = acked.wait_for(|a| a.through >= self.number || a.closed).await;
        let known = state.is_ok_and(|a| a.through >= self.number);
        if !known {
            return Err(SendError::Closed);
        }
        let not_taken = lock(&self.link.0.not_taken).take(self.number);
        Ok(if not_taken { Delivery::NotTaken } else { Delivery::Delivered })
    }
}

impl DataLink {
    pub(super) fn start(
        transport: &Arc<Transport>,
        link: &Arc<LinkHandle>,
        connection: ConnectionId,
        kind: ConnectionKind,
        node: NodeId,
        peer: PeerId,
    ) -> Self {
        let data = Self(Arc::new(Shared {
            connection,
            kind,
            node,
            peer,
            hub: link.graph.hub.clone(),
            out: Mutex::default(),
            work: Default::default(),
            told: Notify::new(),
            acked: watch::Sender::new(Acked::default()),
            not_taken: Mutex::default(),
            writers: Mutex::default(),
        }));
        let writers = [Lane::Messages, Lane::Acks].map(|lane| {
            let (writing, link) = (data.clone(), link.clone());
            transport.track(async move { writing.write(&link, lane).await })
        });
        lock(&data.0.writers).extend(writers);
        data
    }

    /// Sends a message after those for which this was called before; resolves when it is accepted for sending. A slow
    /// reader makes this wait.
    ///
    /// Cancel safe: a dropped call has sent the message or has not.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send(
        &self,
        data_type: RecordType,
        data: Bytes,
    ) -> impl Future<Output = Result<Receipt, SendError>> + Send + 'static {
        let placed = self.place(data_type, data);
        let link = self.clone();
        async move {
            let number = match placed? {
                Accepted::Now(number) => number,
                Accepted::Later(accepted) => accepted.await.map_err(|_| SendError::Closed)?,
            };
            Ok(Receipt { link, number })
        }
    }

    fn place(&self, data_type: RecordType, data: Bytes) -> Result<Accepted, SendError> {
        if data.len() > MAX_DATA {
            return Err(SendError::TooLarge { len: data.len() });
        }
        let placed = {
            let mut out = lock(&self.0.out);
            if out.end != End::Open {
                return Err(SendError::Closed);
            }
            match out.accept(&data_type, &data) {
                Some(number) => Accepted::Now(number),
                None => {
                    let (accepted, told) = oneshot::channel();
                    out.waiting.push_back(Waiting { data_type, data, accepted });
                    Accepted::Later(told)
                }
            }
        };
        self.wake(Lane::Messages);
        Ok(placed)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// No more is accepted; what was is written, by the tasks that are given back.
    pub(super) fn finish(&self) -> Vec<JoinHandle<()>> {
        self.end(End::Finishing);
        std::mem::take(&mut *lock(&self.0.writers))
    }

    /// No more is accepted; what was is written.
    pub fn refuse(&self) {
        let open = lock(&self.0.out).end == End::Open;
        if open {
            self.end(End::Finishing);
        }
    }

    /// Nothing more is sent; whoever waits is told.
    pub(super) fn close(&self) {
        self.end(End::Closed);
        self.0.acked.send_modify(|acked| acked.closed = true);
    }

    fn end(&self, end: End) {
        let given_up = {
            let mut out = lock(&self.0.out);
            out.end = end;
            if end == End::Closed { std::mem::take(&mut out.waiting) } else { VecDeque::new() }
        };
        // Their senders are told.
        drop(given_up);
        self.wake(Lane::Messages);
        self.wake(Lane::Acks);
    }

    fn wake(&self, lane: Lane) {
        self.0.work[lane as usize].notify_one();
    }

    /// Writes what is queued, a buffer at a time. The stream is opened with the first.
    async fn write(&self, link: &LinkHandle, lane: Lane) {
        let (kind, priority) = match lane {
            Lane::Messages => (KIND_DATA, DATA_PRIORITY),
            Lane::Acks => (KIND_ACKS, ACKS_PRIORITY),
        };
        let mut stream = None;
        loop {
            let (buffer, end) = {
                let mut out = lock(&self.0.out);
                let buffer = match lane {
                    Lane::Messages => out.take_messages(),
                    Lane::Acks => {
                        let mut buffer = BytesMut::new();
                        out.acks.drain(..).for_each(|ack| ack.put(&mut buffer));
                        self.0.told.notify_one();
                        buffer
                    }
                };
                (buffer.freeze(), out.end)
            };
            match end {
                End::Closed => return,
                End::Finishing if buffer.is_empty() => break,
                _ => {}
            }
            if buffer.is_empty() {
                tokio::select! {
                    () = self.0.work[lane as usize].notified() => continue,
                    () = link.over.cancelled() => return,
                }
            }
            if stream.is_none() {
                stream = link.open_stream(kind, priority).await;
            }
            let Some(send) = &mut stream else { return };
            let written = tokio::select! {
                written = send.write_chunk(buffer) => written.is_ok(),
                () = link.over.cancelled() => false,
            };
            if !written {
                return;
            }
        }
        if let Some(mut send) = stream {
            let _ = send.finish();
            let _ = timeout(CLOSE_TIMEOUT, send.stopped()).await;
        }
    }

    /// Reads the other end's acknowledgements to the end of the stream.
    ///
    /// # Errors
    /// [`Malformed`].
    pub(super) async fn receive_acks(
        &self,
        link: &LinkHandle,
        stream: &mut RecvStream,
    ) -> Result<(), Malformed> {
        let mut buffer = BytesMut::new();
        while read_more(stream, &link.over, &mut buffer).await {
            while let Some(ack) = DataAck::next(&mut buffer)? {
                self.acknowledged(ack)?;
            }
        }
        Ok(())
    }

    pub(super) fn incoming(&self, data_type: RecordType, data: Bytes) -> IncomingData {
        let Shared { connection, kind, node, peer, .. } = *self.0;
        IncomingData { connection, kind, node, peer, data_type, data }
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    pub(super) fn peer(&self) -> PeerId {
        self.0.peer
    }

    /// Tells the other end what became of its messages; waits while it reads nothing of that.
    pub(super) async fn acknowledge(&self, through: u64, not_taken: Vec<u64>) {
        // One waits at a time, and a permit is kept: no room is missed.
        while lock(&self.0.out).untold() >= MAX_UNTOLD {
            self.0.told.notified().await;
        }
        {
            let acks = &mut lock(&self.0.out).acks;
            match acks.last_mut() {
                // Not written yet: one says all.
                Some(last) if last.not_taken.len() + not_taken.len() <= MAX_NOT_TAKEN => {
                    last.through = through;
                    last.not_taken.extend(not_taken);
                }
                _ => acks.push(DataAck { through, not_taken }),
            }
        }
        self.wake(Lane::Acks);
    }

    fn acknowledged(&self, ack: DataAck) -> Result<(), Malformed> {
        if ack.through > lock(&self.0.out).sent {
            return Err(Malformed);
        }
        lock(&self.0.not_taken).extend(ack.not_taken);
        self.0.acked.send_modify(|acked| acked.through = acked.through.max(ack.through));
        Ok(())
    }
}
