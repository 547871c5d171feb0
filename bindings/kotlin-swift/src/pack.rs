//! Events as bytes, as the generated code of both languages reads a list of them. Record changes, of which there may be many,
//! go from the core's record to the bytes without a structure in between; all else is the generator's.

use peergraph::{Record, events as core};
use uniffi::Lower;

use crate::{UniFfiTag, enums, events::Event, record::Value};

/// The place of `RecordChanged` in [`Event`], counted from 1.
const RECORD_CHANGED: i32 = 3;

/// Takes events until there are so many bytes, which the last one may exceed.
pub(crate) fn packed(events: impl IntoIterator<Item = core::Event>, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    let (mut events, mut count) = (events.into_iter(), 0_u32);
    while bytes.len() < most {
        match events.next() {
            None => break,
            Some(core::Event::RecordChanged(changed)) => record_changed(changed, &mut bytes),
            Some(other) => generated(Event::from(other), &mut bytes),
        }
        count += 1;
    }
    bytes[..4].copy_from_slice(&count.to_be_bytes());
    bytes
}

fn generated<T: Lower<UniFfiTag>>(value: T, bytes: &mut Vec<u8>) {
    <T as Lower<UniFfiTag>>::write(value, bytes);
}

fn length(length: usize, bytes: &mut Vec<u8>) {
    // What is longer cannot be in a record.
    bytes.extend_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
}

fn slice(slice: &[u8], bytes: &mut Vec<u8>) {
    length(slice.len(), bytes);
    bytes.extend_from_slice(slice);
}

fn record_changed(changed: core::RecordChanged, bytes: &mut Vec<u8>) {
    let core::RecordChanged { change, record, origin, conflict, cursor } = changed;
    bytes.extend_from_slice(&RECORD_CHANGED.to_be_bytes());
    generated(enums::ChangeKind::from(change), bytes);
    write(&record, bytes);
    generated(enums::ChangeOrigin::from(origin), bytes);
    bytes.push(u8::from(conflict.is_some()));
    if let Some(conflict) = conflict {
        write(&conflict, bytes);
    }
    slice(&cursor.to_bytes(), bytes);
}

/// The fields of [`crate::record::Record`], in their order.
fn write(record: &Record, bytes: &mut Vec<u8>) {
    let Record {
        id,
        record_type,
        version,
        creator,
        author,
        created,
        modified,
        expires,
        deleted,
        attributes,
        body,
        body_state,
        key,
        replaced: _,
        held,
    } = record;
    slice(id.as_bytes(), bytes);
    slice(record_type.as_str().as_bytes(), bytes);
    bytes.extend_from_slice(&version.to_be_bytes());
    slice(creator.as_bytes(), bytes);
    slice(author.as_bytes(), bytes);
    generated(*created, bytes);
    generated(*modified, bytes);
    generated(*expires, bytes);
    bytes.push(u8::from(*deleted));
    length(attributes.iter().count(), bytes);
    for (name, value) in attributes.iter() {
        slice(name.as_bytes(), bytes);
        generated(Value::from(value), bytes);
    }
    slice(body, bytes);
    generated(enums::BodyState::from(*body_state), bytes);
    slice(key.element.as_bytes(), bytes);
    bytes.push(u8::from(*held));
}

#[cfg(test)]
mod tests {
    use peergraph::{Node, NodeConfig, RecordDraft, events::SubscribeOptions};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_packed_is_what_the_generator_writes() {
        let node = Node::start(NodeConfig::loopback()).await.unwrap();
        let graph = node.create_graph("packed").await.unwrap();
        let events = graph.subscribe(SubscribeOptions::default()).unwrap();
        let draft = RecordDraft::new("t", "body").unwrap().with("one", "ä");
        let first = graph.publish(draft).await.unwrap();
        graph.listen().await.unwrap();
        graph.delete(first.id).await.unwrap();
        let told = events.drain(100);
        assert!(told.len() >= 3, "{told:?}");
        let mut generated = Vec::new();
        let by_generator: Vec<Event> = told.iter().cloned().map(Event::from).collect();
        <Vec<Event> as Lower<UniFfiTag>>::write(by_generator, &mut generated);
        assert_eq!(packed(told, usize::MAX), generated);
        assert_eq!(packed(Vec::new(), usize::MAX), [0; 4]);
        node.shutdown().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn k9_a_batch_is_bounded_in_bytes() {
        let node = Node::start(NodeConfig::loopback()).await.unwrap();
        let graph = node.create_graph("large").await.unwrap();
        let events = graph.subscribe(SubscribeOptions::default()).unwrap();
        for _ in 0..10 {
            graph.publish(RecordDraft::new("t", vec![0; 100_000]).unwrap()).await.unwrap();
        }
        let mut batches = Vec::new();
        loop {
            let bytes = packed(std::iter::from_fn(|| events.try_next()), 250_000);
            assert!(bytes.len() < 400_000);
            match u32::from_be_bytes(bytes[..4].try_into().unwrap()) {
                0 => break,
                count => batches.push(count),
            }
        }
        assert_eq!(batches, [3, 3, 3, 1]);
        node.shutdown().await;
    }
}
