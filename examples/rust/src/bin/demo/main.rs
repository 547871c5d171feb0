//! The demonstration: five separate processes on this machine form one graph, share a folder, lose a member in the
//! middle, heal, and end with equal databases.
//!
//! Without arguments this is the conductor, which starts the members as processes of this same program
//! (`demo member DIR [TICKET]`) and speaks with them in lines of text.

mod conductor;
mod member;

use std::{error::Error, path::PathBuf};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None => conductor::run(PathBuf::from(".")).await,
        Some("member") => {
            let dir = arguments.next().ok_or("member wants a directory")?;
            let ticket = arguments.next().map(|text| text.parse()).transpose()?;
            member::run(dir.into(), ticket).await
        }
        Some(folder) if !folder.starts_with('-') => conductor::run(folder.into()).await,
        Some(_) => Err("usage: demo [FOLDER]".into()),
    }
}
