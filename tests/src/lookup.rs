//! A server for address lookup: keeps what nodes publish under their names, and hands it out.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a lookup server was asked.
#[derive(Debug, Default)]
pub struct Asked {
    /// How often somebody published.
    pub published: usize,
    /// How often somebody asked for what is there.
    pub found: usize,
    kept: BTreeMap<String, Vec<u8>>,
}

/// Starts one on loopback; gives its URL.
///
/// # Panics
/// If there is no socket.
pub async fn lookup() -> (String, Arc<Mutex<Asked>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let url = format!("http://{}/pkarr", listener.local_addr().expect("a bound socket"));
    let asked = Arc::new(Mutex::new(Asked::default()));
    let all = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = all.clone();
            tokio::spawn(async move { serve(stream, &asked).await });
        }
    });
    (url, asked)
}

/// One request: `PUT /pkarr/<name>` with a body, or `GET /pkarr/<name>`.
async fn serve(mut stream: TcpStream, asked: &Mutex<Asked>) -> Option<()> {
    let mut request = Vec::new();
    let end = loop {
        if let Some(end) = request.windows(4).position(|part| part == b"\r\n\r\n") {
            break end + 4;
        }
        read_more(&mut stream, &mut request).await?;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let length: usize = length.unwrap_or(0);
    while request.len() < end + length {
        read_more(&mut stream, &mut request).await?;
    }
    let mut words = head.split_whitespace();
    let (method, path) = (words.next()?, words.next()?.to_owned());
    let answer = {
        let mut asked = asked.lock().expect("nobody panics with it");
        if method == "put" {
            asked.published += 1;
            asked.kept.insert(path, request[end..].to_vec());
            Some(Vec::new())
        } else {
            let kept = asked.kept.get(&path).cloned();
            asked.found += usize::from(kept.is_some());
            kept
        }
    };
    let status = if answer.is_some() { "200 OK" } else { "404 Not Found" };
    let body = answer.unwrap_or_default();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).await.ok()
}

async fn read_more(stream: &mut TcpStream, into: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(into).await.ok()? > 0).then_some(())
}
