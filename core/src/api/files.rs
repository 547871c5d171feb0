//! Files that are there whole or not at all, and never where somebody else put something.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use fs4::FileExt;
use tempfile::{NamedTempFile, PersistError};

use super::{Error, ErrorKind, Result};
use crate::fault;

/// A file while it is written, under a random name beside the one it is to have. Readable for this user alone; gone if
/// dropped. It is locked, by which [`sweep`] tells what is being written from what a crash has left.
#[derive(Debug)]
pub(super) struct Draft {
    file: NamedTempFile,
    target: PathBuf,
}

impl Draft {
    /// Begins a file. Nothing that stands at any name is opened or changed.
    pub(super) fn new(target: &Path, extension: &str) -> io::Result<Self> {
        let dir = folder(target)?;
        let suffix = format!(".{extension}");
        let file = tempfile::Builder::new().prefix(&stem(target)?).suffix(&suffix).tempfile_in(dir)?;
        // Without locks on this file system a crash leaves the draft.
        let _ = FileExt::try_lock(file.as_file());
        fault::point();
        Ok(Self { file, target: target.to_owned() })
    }

    pub(super) fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives it its name, in place of what has that name now; on return it is on the disk.
    pub(super) fn replace(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        fault::point();
        self.file.persist(&self.target).map_err(|error| error.error)?;
        fault::point();
        sync_parent(&self.target)
    }

    /// Gives it its name unless something has it; on return it is on the disk.
    ///
    /// # Errors
    /// `AlreadyExists` if there is anything at that name, a dangling link for one.
    pub(super) fn publish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        fault::point();
        match self.file.persist_noclobber(&self.target) {
            Ok(_) => {}
            Err(PersistError { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(error);
            }
            Err(PersistError { file, .. }) => claim(file, &self.target)?,
        }
        fault::point();
        sync_parent(&self.target)
    }
}

/// For file systems that know neither a rename that does not replace nor hard links, as on memory cards and in an
/// Android application's folders: takes the name with an empty file, and renames over that.
fn claim(file: NamedTempFile, target: &Path) -> io::Result<()> {
    private().write(true).create_new(true).open(target)?;
    file.persist(target).map(drop).map_err(|error| {
        let _ = fs::remove_file(target);
        error.error
    })
}

/// Removes drafts of this target that nobody writes any more: a crash has left them.
pub(super) fn sweep(target: &Path, extension: &str) -> io::Result<()> {
    let (dir, stem) = (folder(target)?, stem(target)?);
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let ours = path.file_name().is_some_and(|name| is_draft(name.as_encoded_bytes(), &stem, extension));
        if ours && path.symlink_metadata().is_ok_and(|found| found.is_file()) && is_abandoned(&path) {
            // Somebody else may have been faster.
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

fn is_draft(name: &[u8], stem: &OsString, extension: &str) -> bool {
    let random =
        name.strip_prefix(stem.as_encoded_bytes()).and_then(|rest| rest.strip_suffix(extension.as_bytes()));
    let random = random.and_then(|rest| rest.strip_suffix(b"."));
    random.is_some_and(|random| random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric))
}

fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| FileExt::try_lock(&file).is_ok())
}

/// Characters by which drafts of one file differ, as `tempfile` has it.
const RANDOM: usize = 6;

/// What the name of a draft begins with.
fn stem(target: &Path) -> io::Result<OsString> {
    let mut stem = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    stem.push(".");
    Ok(stem)
}

fn folder(target: &Path) -> io::Result<&Path> {
    target.parent().ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// What a path means now, whatever the current directory is later.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Error::file(ErrorKind::InvalidArgument, "find the place of", path, error))
}

/// Options for files that only their owner may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a folder for this user alone, and those above it that are missing; one that is there stays as it is.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a new name durable, not only what it names.
#[cfg(unix)]
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let Some(dir) = path.parent() else { return Ok(()) };
    match File::open(dir)?.sync_all() {
        // Some network file systems sync no folders.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

/// Elsewhere folders cannot be synced, and need not be.
#[cfg(not(unix))]
pub(super) fn sync_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn draft(target: &Path, content: &str) -> Draft {
        let mut draft = Draft::new(target, "part").unwrap();
        draft.file().write_all(content.as_bytes()).unwrap();
        draft
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn c47_publishing_replaces_nothing_even_what_came_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("backup");
        draft(&target, "first").publish().unwrap();
        let late = draft(&target, "second");
        assert_eq!(late.publish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&target).unwrap(), "first");
        // The way of file systems that can do less.
        let late = draft(&target, "third");
        assert_eq!(claim(late.file, &target).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&target).unwrap(), "first");
        fs::remove_file(&target).unwrap();
        claim(draft(&target, "fourth").file, &target).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "fourth");
        draft(&target, "fifth").replace().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "fifth");
        drop(draft(&target, "dropped"));
        assert_eq!(names(dir.path()), ["backup"]);
    }

    #[test]
    fn c47_only_what_a_crash_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("backup");
        let busy = draft(&target, "still written");
        let kept = ["backup.Ab12Cd.part.txt", "backup.part", "backup.Ab12Cde.part", "other.Ab12Cd.part"];
        for name in kept.into_iter().chain(["backup.Ab12Cd.part"]) {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        sweep(&target, "part").unwrap();
        let mut expected: Vec<String> = kept.map(String::from).into();
        expected.push(busy.file.path().file_name().unwrap().to_str().unwrap().into());
        expected.sort();
        assert_eq!(names(dir.path()), expected);
    }

    #[cfg(unix)]
    #[test]
    fn c47_links_are_not_followed_and_no_mode_is_inherited() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (target, victim) = (dir.path().join("backup"), dir.path().join("victim"));
        symlink(&victim, &target).unwrap();
        assert_eq!(draft(&target, "x").publish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        // A replacement takes the place of the link, not of what it points at.
        fs::write(&victim, b"precious").unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o644)).unwrap();
        draft(&target, "secret").replace().unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(target.symlink_metadata().unwrap().is_file());
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
