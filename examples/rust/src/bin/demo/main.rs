//! The demonstration: separate processes on this machine form a group, share a folder, lose a member in the middle,
//! heal, remove a member for good, and end with equal databases. It checks what it claims, and fails if it is not so.
//!
//! Without arguments this is the conductor, which starts the members as processes of this same program
//! (`demo member NAME DIR`) and speaks with them in lines of text.

mod conductor;
mod member;
mod process;
mod removal;

use std::{error::Error, path::PathBuf, process::ExitCode};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let played = match arguments[..] {
        [] => conductor::run(PathBuf::from(".")).await,
        ["member", name, dir] => member::run(name, dir.into()).await,
        [folder] if !folder.starts_with('-') => conductor::run(folder.into()).await,
        _ => Err("usage: demo [FOLDER]".into()),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nFailed: {error}");
            ExitCode::FAILURE
        }
    }
}
