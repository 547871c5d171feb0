//! The way from the library's threads into Python: one thread that enters the interpreter, and joins before it ends.
//!
//! Tokio's threads never wait for the interpreter. A thread that is inside it when the process ends would abort the process,
//! so there is one only, and `atexit` ends it.

use std::{
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use pyo3::{prelude::*, sync::PyOnceLock, types::PyCFunction};

use crate::errors::Fail;

/// How long a blocking wait goes on before it looks whether Ctrl-C was pressed.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(100);

/// The name of the thread.
const NAME: &str = "peergraph-wake";

type Job = Box<dyn FnOnce(Python<'_>) + Send>;

enum Order {
    Run(Job),
    Stop,
}

struct Waker {
    orders: mpsc::Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

static WAKER: Mutex<Option<Waker>> = Mutex::new(None);
static FORKED: AtomicBool = AtomicBool::new(false);

fn waker() -> std::sync::MutexGuard<'static, Option<Waker>> {
    WAKER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has something done inside the interpreter. Never waits; after the end of the interpreter it does nothing.
pub(crate) fn post(job: impl FnOnce(Python<'_>) + Send + 'static) {
    if let Some(waker) = &*waker() {
        // A waker that has stopped has no use for it.
        let _ = waker.orders.send(Order::Run(Box::new(job)));
    }
}

/// Waits until what was posted before has been done. On the thread of the bridge itself it does nothing.
#[pyfunction]
pub(crate) fn settle(py: Python<'_>) {
    if std::thread::current().name() == Some(NAME) {
        return;
    }
    let (done, settled) = mpsc::channel();
    post(move |_| {
        // Whoever waited may have been interrupted.
        let _ = done.send(());
    });
    // Without a bridge the sender is gone already.
    py.detach(move || settled.recv().ok());
}

/// To be called before anything is started: refuses in a forked child, and starts the thread.
pub(crate) fn ensure(py: Python<'_>) -> PyResult<()> {
    if FORKED.load(Ordering::Acquire) {
        return Err(pyo3::exceptions::PyRuntimeError::new_err(
            "peergraph does not work in a forked process: its threads are not there. Use the start method \"spawn\" \
             of multiprocessing, or open the node after the fork",
        ));
    }
    static REGISTERED: PyOnceLock<()> = PyOnceLock::new();
    REGISTERED.get_or_try_init(py, || {
        let stop = PyCFunction::new_closure(py, None, None, |args, _| stop(args.py()))?;
        py.import("atexit")?.call_method1("register", (stop,))?;
        let (orders, jobs) = mpsc::channel();
        let thread = std::thread::Builder::new().name(NAME.into()).spawn(move || work(&jobs))?;
        *waker() = Some(Waker { orders, thread: Some(thread) });
        Ok::<_, PyErr>(())
    })?;
    Ok(())
}

/// A forked child has neither the thread nor the runtime; whatever is asked of it fails from now on. False if nothing was
/// started before the fork, so that nothing is missing.
#[pyfunction]
pub(crate) fn after_fork() -> bool {
    if WAKER.try_lock().is_ok_and(|waker| waker.is_none()) {
        return false;
    }
    FORKED.store(true, Ordering::Release);
    true
}

fn work(jobs: &mpsc::Receiver<Order>) {
    while let Ok(Order::Run(first)) = jobs.recv() {
        let stopped = Python::attach(|py| {
            first(py);
            loop {
                match jobs.try_recv() {
                    Ok(Order::Run(job)) => job(py),
                    Ok(Order::Stop) => return true,
                    Err(_) => return false,
                }
            }
        });
        if stopped {
            return;
        }
    }
}

fn stop(py: Python<'_>) {
    if FORKED.load(Ordering::Acquire) {
        // The thread is the parent's.
        return;
    }
    py.detach(|| {
        let stopped = waker().take();
        if let Some(Waker { orders, thread: Some(thread) }) = stopped {
            let _ = orders.send(Order::Stop);
            let _ = thread.join();
        }
    });
}

/// The loop that runs in this thread, if any.
pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let get = GET.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("asyncio")?.getattr("_get_running_loop")?.unbind())
    })?;
    let found = get.bind(py).call0()?;
    Ok((!found.is_none()).then_some(found))
}

/// Runs a call of the library, which has its place in the order already. Where an asyncio loop runs, gives a future of it;
/// elsewhere waits for the result.
pub(crate) fn call<'py, T, F>(
    py: Python<'py>,
    future: F,
    map: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: Send + 'static,
    F: Future<Output = peergraph::Result<T>> + Send + 'static,
{
    let map = |py: Python<'_>, result: peergraph::Result<T>| map(py, result.map_err(Fail)?);
    start(py, future, map)
}

/// As [`call`], for what cannot fail.
pub(crate) fn start<'py, T, F>(
    py: Python<'py>,
    future: F,
    map: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    ensure(py)?;
    match running_loop(py)? {
        Some(running) => asynchronous(py, &running, future, map),
        None => {
            Ok(map(py, wait(py, future, None)?.expect("without a limit there is a result"))?.into_bound(py))
        }
    }
}

fn asynchronous<'py, T, F>(
    py: Python<'py>,
    running: &Bound<'py, PyAny>,
    future: F,
    map: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    static FINISH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FINISH.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("peergraph._bridge")?.getattr("finish")?.unbind())
    })?;
    let awaited = running.call_method0("create_future")?;
    let (target, told) = (running.clone().unbind(), awaited.clone().unbind());
    let task = peergraph::spawn(async move {
        let value = future.await;
        post(move |py| {
            let (ok, value) = match map(py, value) {
                Ok(value) => (true, value),
                Err(error) => (false, error.into_value(py).into_any()),
            };
            let finish = FINISH.get(py).expect("set above").clone_ref(py);
            // A loop that was closed meanwhile wants to hear of nothing.
            let _ = target.call_method1(py, "call_soon_threadsafe", (finish, told, ok, value));
        });
    });
    let cancel = Bound::new(py, Cancel(task.abort_handle()))?;
    awaited.call_method1("add_done_callback", (cancel,))?;
    Ok(awaited)
}

/// Waits without the interpreter's lock, but for a look at signals now and then; `None` when the limit is over.
pub(crate) fn wait<T, F>(py: Python<'_>, future: F, limit: Option<Duration>) -> PyResult<Option<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (sender, mut result) = mpsc::sync_channel(1);
    let task = peergraph::spawn(async move {
        let _ = sender.send(future.await);
    });
    let begun = std::time::Instant::now();
    loop {
        let slice =
            limit.map_or(SIGNAL_INTERVAL, |limit| limit.saturating_sub(begun.elapsed()).min(SIGNAL_INTERVAL));
        let told;
        (told, result) = py.detach(move || (result.recv_timeout(slice), result));
        match told {
            Ok(value) => return Ok(Some(value)),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let message = "a fault of the library: its task failed";
                return Err(pyo3::exceptions::PyRuntimeError::new_err(message));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if let Err(interrupted) = py.check_signals() {
            task.abort();
            return Err(interrupted);
        }
        if limit.is_some_and(|limit| begun.elapsed() >= limit) {
            task.abort();
            return Ok(None);
        }
    }
}

/// A function of the application that is told something while a call is under way.
pub(crate) struct Caller {
    function: Py<PyAny>,
    running: Option<Py<PyAny>>,
}

impl Caller {
    /// On the loop that runs here; where there is none, on the thread of the bridge.
    pub(crate) fn of(py: Python<'_>, function: Py<PyAny>) -> PyResult<Self> {
        Ok(Self { function, running: running_loop(py)?.map(Bound::unbind) })
    }

    /// To be called by a job that was posted.
    pub(crate) fn tell(&self, py: Python<'_>, news: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>>) {
        let told = news(py).and_then(|news| match &self.running {
            Some(running) => running.call_method1(py, "call_soon_threadsafe", (&self.function, news)),
            None => self.function.call1(py, (news,)),
        });
        if let Err(error) = told {
            error.write_unraisable(py, Some(self.function.bind(py)));
        }
    }
}

/// Ends the task of a future that was cancelled.
#[pyclass(frozen)]
struct Cancel(tokio::task::AbortHandle);

#[pymethods]
impl Cancel {
    fn __call__(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        if future.call_method0("cancelled")?.is_truthy()? {
            self.0.abort();
        }
        Ok(())
    }
}
