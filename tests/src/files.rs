//! Source files, for tests that read them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// All Rust files below a directory.
///
/// # Panics
/// If it cannot be read.
pub fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}
