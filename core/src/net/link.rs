//! One link: its writers, its readers, its end.

use std::{
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread,
};

use bytes::{Bytes, BytesMut};
use iroh::endpoint::{RecvStream, SendStream};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    DataLink, Inbound, Transport,
    admission::SetUp,
    connection::{KIND_BULK, KIND_DATA, KIND_RECORDS, NO_REASON, PREAMBLE_LEN, Peer},
    room::Room,
    transport::{GraphEntry, lock},
};
use crate::{
    fault::{self, Place},
    ids::LinkId,
    io::{Input, frame_cost},
    limits::{ARRIVING_BYTES, ARRIVING_INTERVAL, CLOSE_TIMEOUT},
    link::FailureReason,
    wire::{Malformed, Stream, next_frame, next_length},
};

/// Frames gathered into one write.
const GATHER: usize = 64;
/// Pieces taken from a stream at once: each is what one packet brought.
const READ: usize = 64;

/// One encoded message, and whether the engine is to be told when it was written.
type Frame = (Bytes, bool);

/// One link of one graph on one connection.
pub(super) struct LinkHandle {
    pub(super) id: LinkId,
    /// Its number on the wire.
    pub(super) number: u64,
    pub(super) peer: Arc<Peer>,
    pub(super) graph: Arc<GraphEntry>,
    writers: Mutex<Writers>,
    room: Room,
    setup: Mutex<Option<SetUp>>,
    data: watch::Sender<Option<DataLink>>,
    /// Cancelled when the link is over and nothing more is to be read or written.
    pub(super) over: CancellationToken,
    ended: AtomicBool,
    /// Which kinds of the other end's streams have come.
    came: AtomicU8,
    /// Which of our other streams were opened, told at the end of the control stream.
    opened: Arc<AtomicU8>,
    /// Which of theirs have ended.
    heard_out: watch::Sender<u8>,
    /// Cancelled when the other end's control stream has ended.
    pub(super) read_out: CancellationToken,
}

/// Where frames for each stream go; the engine bounds what is under way.
#[derive(Default)]
struct Writers {
    control: Option<mpsc::UnboundedSender<Frame>>,
    records: Option<mpsc::UnboundedSender<Frame>>,
    bulk: Option<mpsc::UnboundedSender<Frame>>,
    tasks: Vec<JoinHandle<()>>,
}

impl LinkHandle {
    pub(super) fn new(
        transport: &Arc<Transport>,
        graph: &Arc<GraphEntry>,
        peer: &Arc<Peer>,
        number: u64,
        control: SendStream,
    ) -> Self {
        let over = transport.stopping.child_token();
        let (sender, frames) = mpsc::unbounded_channel();
        let id = transport.new_link_id();
        let opened = Arc::new(AtomicU8::new(0));
        let writer = write_control(graph.clone(), id, control, frames, over.clone(), opened.clone());
        let writers =
            Writers { control: Some(sender), tasks: vec![transport.track(writer)], ..Writers::default() };
        Self {
            id,
            number,
            peer: peer.clone(),
            graph: graph.clone(),
            writers: Mutex::new(writers),
            room: Room::new(&graph.room),
            setup: Mutex::default(),
            data: watch::Sender::new(None),
            ended: AtomicBool::new(false),
            came: AtomicU8::new(0),
            opened,
            heard_out: watch::Sender::new(0),
            read_out: over.child_token(),
            over,
        }
    }

    /// Queues a frame. The stream is opened with its first one.
    pub(super) fn send(self: &Arc<Self>, transport: &Arc<Transport>, stream: Stream, frame: Frame) {
        let mut writers = lock(&self.writers);
        let Writers { control, records, bulk, tasks } = &mut *writers;
        let slot = match stream {
            Stream::Control => control,
            Stream::Records => records,
            Stream::Bulk => bulk,
        };
        if slot.is_none() && stream != Stream::Control && !self.ended.load(Ordering::Acquire) {
            let (sender, frames) = mpsc::unbounded_channel();
            *slot = Some(sender);
            self.opened.fetch_or(mark(stream), Ordering::AcqRel);
            let (link, over) = (self.clone(), self.over.clone());
            tasks.push(transport.track(async move {
                let kind = if stream == Stream::Records { KIND_RECORDS } else { KIND_BULK };
                let opened = link.open_stream(kind, priority(stream));
                let opened = tokio::select! {
                    opened = opened => opened,
                    () = over.cancelled() => None,
                };
                if let Some(send) = opened {
                    write_stream(link.graph.clone(), link.id, stream, send, frames, over).await;
                }
            }));
        }
        if let Some(sender) = slot {
            // A writer that has ended will be followed by the link.
            let _ = sender.send(frame);
        }
    }

    /// A one-way stream of this link.
    pub(super) async fn open_stream(&self, kind: u8, priority: i32) -> Option<SendStream> {
        let mut send = self.peer.connection.open_uni().await.ok()?;
        let _ = send.set_priority(priority);
        let mut preamble = [kind; PREAMBLE_LEN];
        preamble[1..].copy_from_slice(&self.number.to_le_bytes());
        send.write_all(&preamble).await.ok()?;
        if kind == KIND_DATA {
            self.opened.fetch_or(DATA_MARK, Ordering::AcqRel);
        }
        Some(send)
    }

    /// Notes a stream of the other end. False if there was one of this kind already: a link has one of each, which
    /// bounds what is read of it ahead.
    pub(super) fn takes(&self, kind: u8) -> bool {
        let mark = 1u8.checked_shl(kind.into()).unwrap_or(0);
        self.came.fetch_or(mark, Ordering::AcqRel) & mark == 0
    }

    /// A stream of the other end has been read to its end.
    pub(super) fn heard_out(&self, mark: u8) {
        self.heard_out.send_modify(|ended| *ended |= mark);
    }

    pub(super) fn data(&self) -> Option<DataLink> {
        self.data.borrow().clone()
    }

    pub(super) fn set_data(&self, data: DataLink) {
        self.data.send_replace(Some(data));
    }

    /// Its place among the links that are being set up; `None` once it is answered.
    pub(super) fn set_up(&self, place: Option<SetUp>) {
        *lock(&self.setup) = place;
    }

    /// The data plane, once the link is set up; `None` if the link ends first.
    pub(super) async fn wait_for_data(&self) -> Option<DataLink> {
        let mut watch = self.data.subscribe();
        tokio::select! {
            data = watch.wait_for(Option::is_some) => data.ok()?.clone(),
            () = self.over.cancelled() => None,
        }
    }

    /// The link is over because of the other end or the network: the engine is told.
    pub(super) fn down(self: &Arc<Self>, transport: &Arc<Transport>, why: FailureReason) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            if self.graph.remove_link(self) {
                self.graph.tell(Input::LinkClosed { link: self.id, why });
            }
            self.end(transport);
        }
    }

    /// The engine has closed the link: what was sent is written, then it is over.
    pub(super) fn finish(self: &Arc<Self>, transport: &Arc<Transport>) {
        if self.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        self.graph.finishing.fetch_add(1, Ordering::AcqRel);
        let (transport, link) = (transport.clone(), self.clone());
        transport.clone().track(async move {
            let parted = async {
                // Before the control stream, whose last word tells which streams there were.
                for task in link.data().map(|data| data.finish()).unwrap_or_default() {
                    let _ = task.await;
                }
                let tasks = mem::take(&mut *lock(&link.writers)).tasks;
                for task in tasks {
                    let _ = task.await;
                }
                // The other end finishes its side when it has taken in ours.
                link.read_out.cancelled().await;
            };
            tokio::select! {
                _ = timeout(CLOSE_TIMEOUT, parted) => {}
                () = link.peer.falls_silent() => {}
            }
            link.end(&transport);
            link.graph.finishing.fetch_sub(1, Ordering::AcqRel);
        });
    }

    /// The engine has given the link up: nothing more is written or read.
    pub(super) fn abort(self: &Arc<Self>, transport: &Arc<Transport>) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            self.end(transport);
        }
    }

    fn end(&self, transport: &Arc<Transport>) {
        self.over.cancel();
        self.set_up(None);
        if let Some(data) = self.data() {
            data.close();
        }
        self.peer.remove_link(transport, self.number);
    }
}

/// Control before records, records before data, data before bulk.
pub(super) const fn priority(stream: Stream) -> i32 {
    match stream {
        Stream::Control => 3,
        Stream::Records => 2,
        Stream::Bulk => 0,
    }
}

/// The places of application data and its acknowledgements among them.
pub(super) const DATA_PRIORITY: i32 = 1;
pub(super) const ACKS_PRIORITY: i32 = 2;

/// Which stream, in the word that ends the control stream.
const fn mark(stream: Stream) -> u8 {
    match stream {
        Stream::Control => 0,
        Stream::Records => 1,
        Stream::Bulk => 2,
    }
}

/// Application data, in the same word.
pub(super) const DATA_MARK: u8 = 4;

/// Writes the control stream and, when the engine closes the link, its end: an empty frame and which other streams
/// there were, so that the other end knows what is still to come.
async fn write_control(
    graph: Arc<GraphEntry>,
    id: LinkId,
    mut send: SendStream,
    frames: mpsc::UnboundedReceiver<Frame>,
    over: CancellationToken,
    opened: Arc<AtomicU8>,
) {
    if write_frames(&graph, id, Stream::Control, &mut send, frames, &over).await {
        let end = [0, 0, 0, 0, opened.load(Ordering::Acquire)];
        let _ = timeout(CLOSE_TIMEOUT, send.write_all(&end)).await;
    }
    finish_stream(send).await;
}

async fn write_stream(
    graph: Arc<GraphEntry>,
    id: LinkId,
    stream: Stream,
    mut send: SendStream,
    frames: mpsc::UnboundedReceiver<Frame>,
    over: CancellationToken,
) {
    if write_frames(&graph, id, stream, &mut send, frames, &over).await {
        finish_stream(send).await;
    } else {
        // The other end reads no more of this link: a stream that is merely finished would go on sending its buffer,
        // up to the window of the other end, over a connection that outlives the link.
        let _ = send.reset(NO_REASON);
    }
}

async fn finish_stream(mut send: SendStream) {
    let _ = send.finish();
    // The end of a stream must arrive before its connection is closed.
    let _ = timeout(CLOSE_TIMEOUT, send.stopped()).await;
}

/// Writes frames until there are no more, several at a time, and tells the engine what was written. False if the link
/// ended before.
async fn write_frames(
    graph: &GraphEntry,
    id: LinkId,
    stream: Stream,
    send: &mut SendStream,
    mut frames: mpsc::UnboundedReceiver<Frame>,
    over: &CancellationToken,
) -> bool {
    let _ = send.set_priority(priority(stream));
    let (mut gathered, mut written) = (Vec::with_capacity(GATHER), 0);
    let writing = async {
        while frames.recv_many(&mut gathered, GATHER).await > 0 {
            written += gathered.iter().map(|(frame, _)| frame_cost(frame)).sum::<usize>();
            let confirm = gathered.iter().any(|(_, confirm)| *confirm);
            let mut chunks: Vec<Bytes> = Vec::with_capacity(2 * gathered.len());
            for (frame, _) in gathered.drain(..) {
                let len = u32::try_from(frame.len()).expect("a frame fits in its limit");
                chunks.push(Bytes::copy_from_slice(&len.to_le_bytes()));
                chunks.push(frame);
            }
            if send.write_all_chunks(&mut chunks).await.is_err() {
                return false;
            }
            if confirm {
                graph.tell(Input::Written { link: id, stream, bytes: mem::take(&mut written) });
            }
        }
        true
    };
    tokio::select! {
        all = writing => all,
        () = over.cancelled() => false,
    }
}

/// How much of an unfinished frame has arrived, and how much of that the engine was told.
#[derive(Default)]
struct Partial {
    told: usize,
    last: Option<Instant>,
}

impl Partial {
    /// With this many bytes here: how many more than last told, if the engine is to be told now.
    fn grown(&mut self, len: usize) -> Option<usize> {
        let since = self.last.get_or_insert_with(Instant::now);
        let bytes = len.saturating_sub(self.told);
        if bytes < ARRIVING_BYTES || since.elapsed() < ARRIVING_INTERVAL {
            return None;
        }
        *self = Self { told: len, last: Some(Instant::now()) };
        Some(bytes)
    }
}

/// Takes a link down if the task that reads it panics: nobody would read it any more.
pub(super) struct DownOnPanic<'a>(pub(super) &'a Arc<Transport>, pub(super) &'a Arc<LinkHandle>);

impl Drop for DownOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self(transport, link) = self;
            tracing::error!(node = %link.peer.node.short(), "a link ended after an internal error");
            link.down(transport, FailureReason::Lost);
        }
    }
}

/// Reads frames until the stream or the link ends.
pub(super) async fn read_stream(
    transport: &Arc<Transport>,
    link: &Arc<LinkHandle>,
    stream: Stream,
    mut receive: RecvStream,
) {
    let _panic = DownOnPanic(transport, link);
    let reading = async {
        let mut buffer = BytesMut::new();
        let mut partial = Partial::default();
        let mut large = None;
        loop {
            if !read_more(&mut receive, &link.over, &mut buffer).await {
                return;
            }
            let max = stream.max_message(link.graph.max_record.load(Ordering::Relaxed));
            loop {
                match next_frame(&mut buffer, max) {
                    Ok(Some(bytes)) if bytes.is_empty() => {
                        // The end of the control stream: the others are heard out first.
                        if stream == Stream::Control {
                            return hear_out(link, &mut receive, &mut buffer).await;
                        }
                        return link.down(transport, FailureReason::Protocol);
                    }
                    Ok(Some(bytes)) => {
                        fault::panic_at(Place::Read, &link.graph.id);
                        partial = Partial::default();
                        pass_on(link, stream, bytes).await;
                        large = None;
                    }
                    Ok(None) => {
                        if let Some(bytes) = partial.grown(buffer.len()) {
                            link.graph.tell(Input::Arriving { link: link.id, stream, bytes });
                        }
                        if large.is_none() {
                            large = link.room.assemble(next_length(&buffer)).await;
                        }
                        break;
                    }
                    Err(Malformed) => return link.down(transport, FailureReason::Protocol),
                }
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = link.over.cancelled() => {}
    }
    link.heard_out(mark(stream));
    let _ = receive.stop(NO_REASON);
}

/// Waits until the streams named after the last control frame have ended.
async fn hear_out(link: &LinkHandle, receive: &mut RecvStream, buffer: &mut BytesMut) {
    while buffer.is_empty() {
        match receive.read_chunk(1).await {
            Ok(Some(chunk)) => buffer.extend_from_slice(&chunk),
            Ok(None) | Err(_) => return,
        }
    }
    let named = buffer[0] & (mark(Stream::Records) | mark(Stream::Bulk) | DATA_MARK);
    let mut ended = link.heard_out.subscribe();
    let _ = timeout(CLOSE_TIMEOUT, ended.wait_for(|ended| ended & named == named)).await;
}

/// Reads what more there is of a stream; false at its end or the link's.
pub(super) async fn read_more(
    stream: &mut RecvStream,
    over: &CancellationToken,
    buffer: &mut BytesMut,
) -> bool {
    let mut chunks = [const { Bytes::new() }; READ];
    let read = tokio::select! {
        read = stream.read_many_chunks(&mut chunks) => read,
        () = over.cancelled() => return false,
    };
    let Ok(Some(count)) = read else { return false };
    chunks[..count].iter().for_each(|chunk| buffer.extend_from_slice(chunk));
    true
}

async fn pass_on(link: &LinkHandle, stream: Stream, bytes: Bytes) {
    if link.ended.load(Ordering::Acquire) {
        return; // the engine has closed the link
    }
    let charge = link.room.take(stream, bytes.len()).await;
    let input = Input::Frame { link: link.id, stream, bytes };
    link.graph.inbox.input(Inbound { input, charge });
}
