//! Writing a graph's database to a file, and taking one in.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{
    Call, Error, ErrorKind, Graph, Result,
    call::attempt,
    config::Hidden,
    files::{Draft, absolute, sweep},
    identities::check_password,
    joining::{check_version, is_a_group},
    runtime::{blocking, on_task_until_dropped},
};
use crate::{
    crypto::{OpeningReader, PasswordCost, SealingWriter, StreamError},
    engine::{Engine, ImportCount, ImportFault, PublishError},
    ids::PeerId,
    limits::{IMPORT_BATCH, IMPORT_BATCH_BYTES},
    net::Steps,
    record::{Genesis, SignedRecord},
    records::{ExportError, ExportHead, ExportReader, ExportWriter, Reader},
    time::Now,
};

/// What a file begins with; the last digit is its version.
const MAGIC: &[u8; 8] = b"peergdb1";
const SEAL_CONTEXT: &[u8] = b"peergraph/v1/exported database\0";
/// What the file's name ends with until it is whole.
const DRAFT: &str = "part";

/// What follows in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    Plain = 0,
    Sealed = 1,
}

/// How an exported database is taken in.
#[derive(Clone, Default)]
pub struct ImportDatabase {
    /// The password, if the file is sealed.
    pub password: Option<Zeroizing<String>>,
    /// Whose export it must be. Default: of the identity that this graph is open as.
    ///
    /// All records are validated, whoever exported them; but what is missing in the file, or out of date, nobody sees
    /// before the next connect.
    pub exporter: Option<PeerId>,
}

impl fmt::Debug for ImportDatabase {
    /// Says of the password only whether there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { password, exporter } = self;
        f.debug_struct("ImportDatabase")
            .field("password", &password.as_ref().map(|_| Hidden))
            .field("exporter", exporter)
            .finish()
    }
}

impl ImportDatabase {
    /// Of a sealed file.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Zeroizing::new(password.into()));
        self
    }

    /// Of another identity's export.
    #[must_use]
    pub const fn exporter(mut self, peer: PeerId) -> Self {
        self.exporter = Some(peer);
        self
    }
}

impl Graph {
    /// Writes all records (tombstones too, presence not) to a new file, as of one moment; the graph goes on meanwhile.
    /// Returns how many there are. The file is readable for this user alone, and there whole or not at all.
    ///
    /// With a password, of 8 characters at least, the file is sealed, and worth as much as the password is. Without one
    /// it is in the clear, even if the database is sealed. It makes nobody a member: for that, see
    /// [`Group::export_membership`](super::Group::export_membership).
    ///
    /// # Errors
    /// `AlreadyExists` if there is such a file, `InvalidArgument` for a short password, `NeverSynchronized` before the
    /// first connect, `Damaged` or `Storage` if the database cannot be read or the file not written, `Closed`.
    #[doc(alias("PeerGraphExportDatabase", "PeerGroupExportDatabase"))]
    pub fn export_database(&self, path: impl AsRef<Path>, password: Option<&str>) -> Call<Result<u64>> {
        let path = attempt!(absolute(path.as_ref()));
        attempt!(password.map_or(Ok(()), check_password));
        let inner = self.inner();
        let (reader, graph, peer) = (attempt!(inner.reader()), inner.id, inner.identity);
        // What was written before is in the file.
        let known = inner.driver.call_stored(|engine, now| -> Result<_, PublishError> {
            engine.properties()?;
            let genesis = engine.genesis().cloned().ok_or(PublishError::NeverSynchronized)?;
            Ok((genesis, engine.peer_time(now)))
        });
        let password = password.map(|password| Zeroizing::new(password.to_owned()));
        Call::placed(async move {
            let (genesis, time) = known.await??;
            let head = ExportHead { graph, genesis, peer, time };
            // If nobody waits any more, there is to be no file.
            let unwanted = CancellationToken::new();
            let waiting = unwanted.clone().drop_guard();
            let written = blocking(move || export(&path, &head, reader, password, &unwanted)).await;
            waiting.disarm();
            written
        })
    }

    /// Takes in the records of a file that [`export_database`](Self::export_database) wrote, here or on another machine:
    /// only while the graph is open and has neither connected nor listened since. Each record is validated like a
    /// stranger's; what is newer here stays. Then this node may publish and listen, as if it had synchronised; what was
    /// written after the export comes with the next connect.
    ///
    /// From a file that is older than [`tombstone_lifetime`](super::NodeConfig::tombstone_lifetime), what the others have
    /// deleted since is dropped when this node meets them, as at a node that was away for so long.
    ///
    /// A file that is cut off or damaged is refused before any record is taken. If this breaks off later, or is dropped,
    /// the records so far stay; a second import does no harm. Calls made after this one wait until it is over, reads too;
    /// but a [`pause`](super::Node::pause) of the node does not.
    ///
    /// # Errors
    /// `GraphInUse` once the graph has connected or listened, `WrongGraph` for another graph's file, `WrongPeer` for
    /// another identity's (see [`ImportDatabase::exporter`]), `WrongPassword`, `InvalidArgument` if the file is sealed and
    /// there is no password, or the reverse, `NotFound` if there is no file, `Damaged` if it is not an exported
    /// database or was altered, `UnsupportedVersion` if a later version wrote it, `Storage`, `Closed`.
    #[doc(alias("PeerGraphImportDatabase", "PeerGroupImportDatabase"))]
    pub fn import_database(
        &self,
        path: impl AsRef<Path>,
        options: ImportDatabase,
    ) -> Call<Result<ImportCount>> {
        let ImportDatabase { password, exporter } = options;
        let source = Source { path: attempt!(absolute(path.as_ref())), password };
        let (graph, steps) = (self.clone(), self.inner().driver.steps());
        // Also if it is not awaited: the calls after it wait for it.
        on_task_until_dropped(async move {
            let import = Importing { steps: steps.await?, graph };
            import.run(source, exporter).await
        })
    }
}

/// An import whose turn it is among the calls of its graph.
struct Importing {
    graph: Graph,
    steps: Steps,
}

impl Importing {
    async fn run(&self, source: Source, exporter: Option<PeerId>) -> Result<ImportCount> {
        self.steps.call(|engine, _| engine.check_offline()).await?.map_err(Error::from)?;
        let (graph, exporter) = (self.graph.id(), exporter.unwrap_or(self.graph.inner().identity));
        let checked = blocking(move || -> Result<_> {
            // All of it first: nothing is taken from a file that is not whole.
            let mut file = source.open()?;
            check_head(file.head(), graph, exporter)?;
            while file.next_record().map_err(Error::from)?.is_some() {}
            Ok(source)
        });
        let source = checked.await?;
        let mut file = blocking(move || source.open()).await?;
        let genesis = file.head().genesis.clone();
        self.accept(&genesis).await?;
        let max_record = genesis.max_record as usize;
        let mut total = ImportCount::default();
        loop {
            let (back, batch) = blocking(move || {
                let batch =
                    next_batch(&mut file, |bytes| SignedRecord::decode(&graph, bytes, max_record).ok());
                (file, batch)
            })
            .await;
            file = back;
            let Batch { records, malformed, last } = batch?;
            let count = self.write(move |engine, now| engine.import(now, records)).await?;
            total.added += count.added;
            total.known += count.known;
            total.waiting += count.waiting;
            total.refused += count.refused + malformed;
            if last {
                break;
            }
        }
        self.write(|engine, now| engine.finish_import(now)).await?;
        Ok(total)
    }

    /// Holds what the graph is to what it was opened as.
    async fn accept(&self, genesis: &Genesis) -> Result<()> {
        check_version(genesis)?;
        match (genesis.is_group(), self.graph.inner().is_group()) {
            (true, false) => return Err(is_a_group()),
            (false, true) => return Err(super::group::not_a_group()),
            _ => {}
        }
        let genesis = genesis.clone();
        self.write(move |engine, now| engine.begin_import(now, &genesis)).await
    }

    async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Engine, Now) -> std::result::Result<T, ImportFault> + Send + 'static,
    ) -> Result<T> {
        self.steps.write(f).await?.map_err(|fault| self.graph.located(fault))
    }
}

fn check_head(head: &ExportHead, graph: crate::ids::GraphId, exporter: PeerId) -> Result<()> {
    if head.graph != graph {
        let message = format!("the file belongs to graph {}, not {}", head.graph.short(), graph.short());
        return Err(Error::new(ErrorKind::WrongGraph, message));
    }
    if head.peer != exporter {
        let message = format!("the file was exported by {}, not {}", head.peer.short(), exporter.short());
        return Err(Error::new(ErrorKind::WrongPeer, message));
    }
    Ok(())
}

fn export(
    path: &Path,
    head: &ExportHead,
    reader: Arc<dyn Reader>,
    password: Option<Zeroizing<String>>,
    unwanted: &CancellationToken,
) -> Result<u64> {
    let exists =
        || Error::new(ErrorKind::AlreadyExists, format!("{} already exists", path.display())).at_path(path);
    // A link that leads nowhere is there too.
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let failed = |error| Error::file(ErrorKind::Storage, "write", path, error);
    sweep(path, DRAFT).map_err(failed)?;
    let mut draft = Draft::new(path, DRAFT).map_err(failed)?;
    let count = write_all(draft.file(), head, &*reader, password, failed, unwanted)?;
    if unwanted.is_cancelled() {
        return Err(cancelled());
    }
    draft.publish().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(),
        _ => failed(error),
    })?;
    Ok(count)
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the export was cancelled")
}

fn write_all(
    file: &mut File,
    head: &ExportHead,
    reader: &dyn Reader,
    password: Option<Zeroizing<String>>,
    failed: impl Fn(io::Error) -> Error,
    unwanted: &CancellationToken,
) -> Result<u64> {
    let mut file = BufWriter::new(file);
    file.write_all(MAGIC).map_err(&failed)?;
    let (file, count) = match password {
        None => {
            file.write_all(&[Form::Plain as u8]).map_err(&failed)?;
            write_records(file, head, reader, &failed, unwanted)?
        }
        Some(password) => {
            file.write_all(&[Form::Sealed as u8]).map_err(&failed)?;
            let cost = PasswordCost::default();
            let sealing = SealingWriter::new(file, &password, rand::random(), cost, SEAL_CONTEXT);
            let (sealing, count) = write_records(sealing.map_err(&failed)?, head, reader, &failed, unwanted)?;
            (sealing.finish().map_err(&failed)?, count)
        }
    };
    file.into_inner().map_err(|error| failed(error.into_error()))?;
    Ok(count)
}

fn write_records<W: Write>(
    writer: W,
    head: &ExportHead,
    reader: &dyn Reader,
    failed: impl Fn(io::Error) -> Error,
    unwanted: &CancellationToken,
) -> Result<(W, u64)> {
    let mut writer = ExportWriter::new(writer, head).map_err(&failed)?;
    let mut written = Ok(());
    reader.snapshot(&mut |envelope| {
        written = writer.record(&envelope);
        written.is_ok() && !unwanted.is_cancelled()
    })?;
    if unwanted.is_cancelled() {
        return Err(cancelled());
    }
    written.and_then(|()| writer.finish()).map_err(failed)
}

/// A file to be imported.
struct Source {
    path: PathBuf,
    password: Option<Zeroizing<String>>,
}

type Import = ExportReader<Box<dyn Read + Send>>;

impl Source {
    fn open(&self) -> Result<Import> {
        let shown = self.path.display();
        let mut file = File::open(&self.path).map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Storage,
            };
            Error::file(kind, "read", &self.path, error)
        })?;
        let mut start = [0; MAGIC.len() + 1];
        let whole = file.read_exact(&mut start);
        let (magic, form) = start.split_at(MAGIC.len());
        if whole.is_err() || magic[..MAGIC.len() - 1] != MAGIC[..MAGIC.len() - 1] {
            let message = format!("{shown} is not an exported database");
            return Err(Error::new(ErrorKind::Damaged, message));
        }
        if magic != MAGIC || form[0] > Form::Sealed as u8 {
            let message = format!("{shown} was exported by a newer version of the library");
            return Err(Error::new(ErrorKind::UnsupportedVersion, message));
        }
        let file = BufReader::new(file);
        let reader: Box<dyn Read + Send> = match (form[0] == Form::Sealed as u8, &self.password) {
            (false, None) => Box::new(file),
            (true, Some(password)) => {
                let opening = OpeningReader::new(file, password, SEAL_CONTEXT);
                Box::new(opening.map_err(ExportError::from)?)
            }
            (true, None) => {
                let message = format!("{shown} is sealed with a password; give that password");
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
            (false, Some(_)) => {
                let message = format!("{shown} is not sealed; import it without a password");
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
        };
        Ok(ExportReader::new(reader)?)
    }
}

/// Some records of a file.
struct Batch {
    records: Vec<SignedRecord>,
    /// How many could not be read as records.
    malformed: u64,
    last: bool,
}

fn next_batch(file: &mut Import, decode: impl Fn(bytes::Bytes) -> Option<SignedRecord>) -> Result<Batch> {
    let mut batch = Batch { records: Vec::new(), malformed: 0, last: false };
    let mut bytes = 0;
    while batch.records.len() < IMPORT_BATCH && bytes < IMPORT_BATCH_BYTES {
        let Some(envelope) = file.next_record()? else {
            batch.last = true;
            break;
        };
        bytes += envelope.len();
        match decode(envelope) {
            Some(record) => batch.records.push(record),
            None => batch.malformed += 1,
        }
    }
    Ok(batch)
}

impl From<ExportError> for Error {
    fn from(error: ExportError) -> Self {
        let sealed = match &error {
            ExportError::Io(cause) => cause.get_ref().and_then(|cause| cause.downcast_ref::<StreamError>()),
            ExportError::Damaged => None,
        };
        let kind = match (&error, sealed) {
            (_, Some(StreamError::WrongPassword)) => ErrorKind::WrongPassword,
            (_, Some(StreamError::Version(_))) => ErrorKind::UnsupportedVersion,
            (ExportError::Damaged, _) | (_, Some(StreamError::Altered)) => ErrorKind::Damaged,
            (ExportError::Io(_), None) => ErrorKind::Storage,
        };
        Self::caused(kind, error.to_string(), error)
    }
}

impl From<ImportFault> for Error {
    fn from(fault: ImportFault) -> Self {
        let kind = match fault {
            ImportFault::Store(store) => return store.into(),
            ImportFault::Online => ErrorKind::GraphInUse,
            ImportFault::WrongGraph => ErrorKind::WrongGraph,
        };
        Self::new(kind, fault.to_string())
    }
}
