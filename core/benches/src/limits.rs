//! What the machine allows: checking signatures in batches, and inserting into SQLite in batches, and nothing else.

use std::time::Duration;

use anyhow::{Result, ensure};
use peergraph::{
    Durability, Genesis, RecordType, SecretKey, Timestamp,
    record::{Header, SignedRecord},
    records::{Admission, AdmitContext, OpenPolicy, SqliteStore, Store, admit},
    time::Hlc,
};

use crate::report::{Report, Watch};

const RECORDS: u64 = 100_000;
const BATCH: usize = 512;

/// Admits and stores 100,000 signed records of 300 bytes, in batches of 512: the most a sync can do on this machine.
pub fn verify_and_insert(report: &mut Report) -> Result<()> {
    let key = SecretKey::from_bytes(&[1; 32]);
    let genesis = Genesis::new(key.peer(), [2; 16]);
    let graph = genesis.id();
    let now: Timestamp = std::time::SystemTime::now().into();
    let records: Vec<SignedRecord> = (0..RECORDS)
        .map(|n| {
            let at = now - Duration::from_millis(RECORDS - n);
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&(n + 1).to_le_bytes());
            let header =
                Header::first(RecordType::new("bench.note").expect("a type"), nonce, key.peer(), Hlc::at(at));
            SignedRecord::sign(&graph, &key, header, &[7; 300])
        })
        .collect();
    let dir = tempfile::tempdir()?;
    let (mut store, _) = SqliteStore::open(&dir.path().join("db"), graph, 1)?;
    let context =
        AdmitContext { genesis: &genesis, peer_time: now, policy: &OpenPolicy, seed: 3, parallel: true };
    let watch = Watch::start();
    let mut stored = 0;
    let mut rest = records.into_iter().peekable();
    while rest.peek().is_some() {
        let batch: Vec<SignedRecord> = rest.by_ref().take(BATCH).collect();
        for admission in admit(&graph, batch, &context, |id| store.get(id))? {
            if let Admission::Verified(record) = admission {
                store.put(&record)?;
                stored += 1;
            }
        }
        store.commit(Durability::Synced)?;
    }
    ensure!(stored == RECORDS, "{stored} were stored");
    report.put("records/s", RECORDS as f64 / watch.seconds());
    report.put("CPU us a record", watch.cpu() * 1e6 / RECORDS as f64);
    Ok(())
}
