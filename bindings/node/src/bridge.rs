//! The way from the library's threads into JavaScript: one list of news for each thread of it, and one threadsafe function
//! that says that there are some.
//!
//! No promise of the binding tool: what a call came to waits here until JavaScript takes it, so ending a process or a
//! worker at any moment loses nothing that anybody waits for. The function is weak: it keeps no process alive.

use std::{
    collections::HashMap,
    future::Future,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use napi::{
    Status,
    bindgen_prelude::{Buffer, Function},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use tokio::task::AbortHandle;

use crate::{
    connection::{NativeDirect, NativeReceipt},
    errors::text,
    graph::NativeGraph,
    identities::NativeIdentity,
    node::NativeNode,
    pack::{Pack, packed},
};

type Wake = ThreadsafeFunction<(), (), (), Status, false, true, 1>;

/// What a call gives.
pub(crate) enum Reply {
    Nothing,
    /// A value in the packed form.
    Packed(Vec<u8>),
    Node(NativeNode),
    Graph(NativeGraph),
    Direct(NativeDirect),
    Receipt(NativeReceipt),
    Identity(NativeIdentity),
}

/// One piece of news for JavaScript.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct News {
    /// Which call it answers, or which stream can be drained.
    pub id: u32,
    /// True while the call goes on.
    pub progress: bool,
    /// Why it failed: the text of an error.
    pub error: Option<String>,
    pub packed: Option<Buffer>,
    pub node: Option<NativeNode>,
    pub graph: Option<NativeGraph>,
    pub direct: Option<NativeDirect>,
    pub receipt: Option<NativeReceipt>,
    pub identity: Option<NativeIdentity>,
}

impl News {
    fn new(id: u32, result: peergraph::Result<Reply>) -> Self {
        let news = Self { id, ..Self::default() };
        match result {
            Ok(Reply::Nothing) => news,
            Ok(Reply::Packed(packed)) => Self { packed: Some(packed.into()), ..news },
            Ok(Reply::Node(node)) => Self { node: Some(node), ..news },
            Ok(Reply::Graph(graph)) => Self { graph: Some(graph), ..news },
            Ok(Reply::Direct(direct)) => Self { direct: Some(direct), ..news },
            Ok(Reply::Receipt(receipt)) => Self { receipt: Some(receipt), ..news },
            Ok(Reply::Identity(identity)) => Self { identity: Some(identity), ..news },
            Err(error) => Self { error: Some(text(&error)), ..news },
        }
    }
}

#[derive(Default)]
struct State {
    news: Vec<News>,
    running: HashMap<u32, AbortHandle>,
}

struct Inner {
    state: Mutex<State>,
    wake: Wake,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, news: News) {
        self.lock().news.push(news);
        // A full queue: it is about to be called. Closing: nobody is there any more.
        self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

/// Says to JavaScript that a stream can be drained, or that a call goes on.
#[derive(Clone)]
pub(crate) struct Teller {
    inner: Weak<Inner>,
    id: u32,
}

impl Teller {
    pub(crate) fn readable(&self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.tell(News { id: self.id, ..News::default() });
        }
    }

    pub(crate) fn progress(&self, packed: Vec<u8>) {
        if let Some(inner) = self.inner.upgrade() {
            let news = News { id: self.id, progress: true, packed: Some(packed.into()), ..News::default() };
            inner.tell(news);
        }
    }
}

/// One for each thread of JavaScript.
#[napi]
pub struct Bridge {
    inner: Arc<Inner>,
}

#[napi]
impl Bridge {
    #[napi(constructor)]
    pub fn new(wake: Function<'_, (), ()>) -> napi::Result<Self> {
        let wake = wake
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .callee_handled::<false>()
            .max_queue_size::<1>()
            .build()?;
        Ok(Self { inner: Arc::new(Inner { state: Mutex::default(), wake }) })
    }

    /// All news since the last time.
    #[napi]
    pub fn take(&self) -> Vec<News> {
        mem::take(&mut self.inner.lock().news)
    }

    /// Ends a call: its future is dropped, and no news of it will come.
    #[napi]
    pub fn cancel(&self, id: u32) {
        let mut state = self.inner.lock();
        state.news.retain(|news| news.id != id);
        if let Some(task) = state.running.remove(&id) {
            task.abort();
        }
    }
}

impl Bridge {
    pub(crate) fn teller(&self, id: u32) -> Teller {
        Teller { inner: Arc::downgrade(&self.inner), id }
    }

    /// Runs a call of the library; what it comes to is news.
    pub(crate) fn run<F>(&self, id: u32, future: F)
    where
        F: Future<Output = peergraph::Result<Reply>> + Send + 'static,
    {
        let inner = Arc::downgrade(&self.inner);
        // Held until the task is known, which may be over before.
        let mut state = self.inner.lock();
        let task = peergraph::spawn(async move {
            let result = future.await;
            let Some(inner) = inner.upgrade() else { return };
            // Without an entry it was cancelled, and nobody waits.
            let wanted = inner.lock().running.remove(&id).is_some();
            if wanted {
                inner.tell(News::new(id, result));
            }
        });
        state.running.insert(id, task.abort_handle());
    }

    /// The same for what gives nothing.
    pub(crate) fn act<F>(&self, id: u32, future: F)
    where
        F: Future<Output = peergraph::Result<()>> + Send + 'static,
    {
        self.run(id, async move { future.await.map(|()| Reply::Nothing) });
    }

    /// The same for what gives a value.
    pub(crate) fn ask<T, F>(&self, id: u32, future: F)
    where
        T: Pack + Send,
        F: Future<Output = peergraph::Result<T>> + Send + 'static,
    {
        self.run(id, async move { Ok(Reply::Packed(packed(&future.await?))) });
    }
}
