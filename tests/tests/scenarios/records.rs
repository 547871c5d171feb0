//! The verbs for records and events, and what these tell.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use peergraph::{
    Attributes, ConflictQuery, EventFilter, EventKind, EventStream, ListQuery, Record, RecordDraft,
    RecordType, RecordUpdate, Timestamp, Value,
    events::{ConnectionChange, ConnectionEvent, Cursor, Event, Start, SubscribeOptions},
};

use crate::{
    facts,
    script::{Facts, Fault, Step, wrong},
    world::{Told, World, joined, or_none, properties, snake, sorted, types},
};

impl World {
    pub(crate) async fn step_of_records(&mut self, step: &Step) -> Option<Told> {
        Some(match step.verb.as_str() {
            "publish" | "update" | "get" => self.one_record(step).await,
            "delete" => self.delete(step).await,
            "list" => self.list(step).await,
            "conflicts" => self.list_conflicts(step).await,
            "acknowledge-conflict" => self.acknowledge(step).await,
            _ => return None,
        })
    }

    async fn one_record(&self, step: &Step) -> Told {
        let graph = self.graph(&step.names[1])?;
        let (given, body) = (attributes(step)?, step.opt("body").map(|text| Bytes::from(text.to_owned())));
        let expires = step
            .read::<i64>("expires")?
            .map(|after| Timestamp::from(std::time::SystemTime::now()).offset_by(after.saturating_mul(1000)));
        match step.verb.as_str() {
            "publish" => {
                let mut draft = RecordDraft::new(step.need("type")?, body.unwrap_or_default())?;
                draft.attributes = given.unwrap_or_default();
                draft.expires = expires;
                Ok(record(&graph.publish(draft).await?))
            }
            "update" => {
                let expected_version = step.read("expected_version")?;
                let update = RecordUpdate { attributes: given, body, expires, expected_version };
                Ok(record(&graph.update(step.need("id")?.parse()?, update).await?))
            }
            _ => {
                let found = graph.get(step.need("id")?.parse()?).await?;
                let mut told = found.as_ref().map(record).unwrap_or_default();
                told.insert("found".into(), found.is_some().to_string());
                Ok(told)
            }
        }
    }

    async fn delete(&self, step: &Step) -> Told {
        facts!(version = self.graph(&step.names[0])?.delete(step.need("id")?.parse()?).await?.version)
    }

    async fn list(&self, step: &Step) -> Told {
        let query = ListQuery {
            record_type: step.opt("type").map(RecordType::new).transpose()?,
            creator: step.opt("creator").map(str::parse).transpose()?,
            include_deleted: step.read("include_deleted")?.unwrap_or(false),
            include_reserved: step.read("include_reserved")?.unwrap_or(false),
            limit: step.read("page_size")?.unwrap_or(0),
            ..ListQuery::default()
        };
        let mut pages = self.graph(&step.names[0])?.records(query);
        let (mut all, mut count) = (Vec::new(), 0);
        while let Some(page) = pages.next().await? {
            all.extend(page);
            count += 1;
        }
        facts!(count = all.len(), texts = joined(all.iter().map(text)), pages = count)
    }

    async fn list_conflicts(&mut self, step: &Step) -> Told {
        let record = step.opt("record").map(str::parse).transpose()?;
        let query = ConflictQuery { record, ..ConflictQuery::default() };
        let found = self.graph(&step.names[1])?.conflicts(query).await?.items;
        let (winner, loser) = found.first().map(|first| (text(&first.winner), text(&first.loser))).unzip();
        let facts = facts!(count = found.len(), winner = or_none(winner), loser = or_none(loser));
        self.conflicts.insert(step.names[0].clone(), found);
        facts
    }

    async fn acknowledge(&self, step: &Step) -> Told {
        let found = self.conflicts.get(step.need("conflict")?).and_then(|found| found.first());
        let Some(conflict) = found else { return wrong("no conflict was found under this name") };
        let loser = conflict.loser.key.element;
        facts!(known = self.graph(&step.names[0])?.acknowledge_conflict(loser).await?)
    }

    pub(crate) async fn step_of_events(&mut self, step: &Step) -> Option<Told> {
        let name = step.names[0].as_str();
        Some(match step.verb.as_str() {
            "events" => self.subscribe(step),
            "save-cursor" | "load-cursor" => self.cursors(step).await,
            "next" | "find" | "drain" | "cursor" | "close-events" => match self.stream(name) {
                Ok(stream) => use_stream(stream, step, self.patience).await,
                Err(fault) => Err(fault),
            },
            _ => return None,
        })
    }

    fn subscribe(&mut self, step: &Step) -> Told {
        let kind = |name: &str| match EventKind::ALL.into_iter().find(|kind| snake(kind) == name) {
            Some(kind) => Ok(kind),
            None => wrong(format!("no kind of event is called {name}")),
        };
        let kinds = step.opt("kinds").map(|list| list.split(',').map(kind).collect::<Result<Vec<_>, _>>());
        let authors = step.opt("authors").map(|list| list.split(',').map(str::parse).collect());
        let filter = EventFilter::kinds(kinds.transpose()?.unwrap_or_default())
            .record_types(types(step.opt("types"))?)
            .authors(authors.transpose()?.unwrap_or_else(Vec::new))
            .data_types(types(step.opt("data_types"))?);
        let start = match (step.read("snapshot")?, step.opt("after")) {
            (Some(true), _) => Start::Snapshot,
            (_, Some(cursor)) => Start::After(cursor_from(cursor)?),
            _ => Start::Now,
        };
        let options = SubscribeOptions { filter, start, capacity: step.read("capacity")? };
        let stream = self.graph(&step.names[1])?.subscribe(options)?;
        self.add_stream(&step.names[0], stream);
        Ok(Facts::new())
    }

    async fn cursors(&self, step: &Step) -> Told {
        if step.verb == "save-cursor" {
            let cursor = cursor_from(step.need("cursor")?)?;
            self.graph(&step.names[0])?.save_cursor(step.need("name")?, cursor).await?;
            return Ok(Facts::new());
        }
        let cursor = self.graph(&step.names[1])?.load_cursor(step.need("name")?).await?;
        facts!(cursor = or_none(cursor.map(|cursor| hex(&cursor.to_bytes()))))
    }
}

async fn use_stream(stream: &EventStream, step: &Step, patience: Duration) -> Told {
    match step.verb.as_str() {
        "next" | "find" => match tokio::time::timeout(patience, stream.next()).await {
            Ok(Some(told)) => Ok(event(&told)),
            Ok(None) => facts!(kind = "end"),
            Err(_) => wrong("no event in time"),
        },
        "drain" => {
            let (mut kinds, mut count) = (BTreeSet::new(), 0);
            while let Some(told) = stream.try_next() {
                kinds.extend(event(&told).remove("kind"));
                count += 1;
            }
            facts!(count = count, kinds = joined(kinds))
        }
        "cursor" => facts!(cursor = hex(&stream.cursor().to_bytes())),
        _ => {
            stream.close();
            Ok(Facts::new())
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn cursor_from(text: &str) -> Result<Cursor, Fault> {
    match data_encoding::HEXLOWER.decode(text.as_bytes()).map(<[u8; Cursor::LEN]>::try_from) {
        Ok(Ok(bytes)) => Ok(Cursor::from_bytes(&bytes)),
        _ => wrong("a cursor is 24 bytes in hexadecimal"),
    }
}

/// The attributes of a step; `None` if it names none.
fn attributes(step: &Step) -> Result<Option<Attributes>, Fault> {
    let mut all = Attributes::new();
    for (name, text) in step.starting("attribute.") {
        all.insert(name, value(text)?);
    }
    Ok((!all.is_empty()).then_some(all))
}

fn value(text: &str) -> Result<Value, Fault> {
    let bad = || Fault::Script(format!("{text} is no value of an attribute"));
    let (kind, rest) = text.split_once(':').ok_or_else(bad)?;
    Ok(match kind {
        "text" => rest.into(),
        "int" => rest.parse::<i64>().map_err(|_| bad())?.into(),
        "float" => rest.parse::<f64>().map_err(|_| bad())?.into(),
        "bool" => rest.parse::<bool>().map_err(|_| bad())?.into(),
        "time" => Timestamp::from_secs(rest.parse().map_err(|_| bad())?).into(),
        "bytes" => data_encoding::HEXLOWER.decode(rest.as_bytes()).map_err(|_| bad())?.into(),
        "list" => rest.split(',').map(value).collect::<Result<Vec<_>, _>>()?.into(),
        _ => return Err(bad()),
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("text:{text}"),
        Value::Integer(number) => format!("int:{number}"),
        Value::Float(number) => format!("float:{number:?}"),
        Value::Boolean(flag) => format!("bool:{flag}"),
        Value::Time(at) => format!("time:{}", at.0.div_euclid(1000)),
        Value::Bytes(bytes) => format!("bytes:{}", hex(bytes)),
        Value::List(values) => format!("list:{}", joined(values.iter().map(shown))),
    }
}

fn text(record: &Record) -> String {
    or_none(record.body_text())
}

fn record(record: &Record) -> Facts {
    let mut told: Facts =
        record.attributes.iter().map(|(name, value)| (format!("attribute.{name}"), shown(value))).collect();
    let facts: Told = facts!(
        id = record.id,
        version = record.version,
        text = text(record),
        creator = record.creator,
        author = record.author,
        deleted = record.deleted,
        expires = record.expires.is_some(),
    );
    told.extend(facts.unwrap_or_default());
    told.insert("type".into(), record.record_type.to_string());
    told
}

fn connection(event: &ConnectionEvent) -> Facts {
    let (change, reason, hop) = match &event.change {
        ConnectionChange::Connected => ("connected", None, None),
        ConnectionChange::Disconnected { reason } => ("disconnected", Some(snake(reason)), None),
        ConnectionChange::Failed { reason } => ("failed", Some(snake(reason)), None),
        ConnectionChange::Referred { hop, .. } => ("referred", None, Some(hop)),
    };
    let facts: Told = facts!(
        change = change,
        connection = event.connection,
        node = or_none(event.node),
        peer = or_none(event.peer),
        reason = or_none(reason),
        hop = or_none(hop),
    );
    facts.unwrap_or_default()
}

/// What an event tells. Exhaustive on purpose.
fn event(event: &Event) -> Facts {
    let facts: Told = match event {
        Event::StatusChanged(status) => facts!(
            listening = status.listening,
            connections = status.has_connections,
            synchronized = status.synchronized,
        ),
        Event::PropertyChanged { changed, properties: now } => {
            let mut told = properties(now);
            told.insert("changed".into(), sorted(changed));
            Ok(told)
        }
        Event::RecordChanged(changed) => {
            let mut told = record(&changed.record);
            let facts: Told = facts!(
                change = snake(changed.change),
                origin = snake(changed.origin),
                conflict = changed.conflict.is_some(),
                cursor = hex(&changed.cursor.to_bytes()),
            );
            told.extend(facts.unwrap_or_default());
            Ok(told)
        }
        Event::DirectConnection(event) | Event::NeighborConnection(event) => Ok(connection(event)),
        Event::IncomingData(data) => {
            let text = std::str::from_utf8(&data.data).ok();
            let mut told = Facts::from([("type".into(), data.data_type.to_string())]);
            let facts: Told = facts!(
                connection = data.connection,
                link = snake(data.kind),
                node = data.node,
                peer = data.peer,
                data = or_none(text),
            );
            told.extend(facts.unwrap_or_default());
            Ok(told)
        }
        Event::ConnectionRequired(reason) => facts!(reason = snake(reason)),
        Event::NodeChanged { change, node } => {
            facts!(change = snake(change), node = node.node, peer = node.peer, attributes = node.attributes,)
        }
        Event::Synchronized(record_type) => Ok(Facts::from([("type".into(), or_none(record_type.as_ref()))])),
        Event::MemberChanged { change, member } => facts!(
            change = snake(change),
            peer = member.peer,
            name = member.name,
            role = or_none(member.role),
        ),
        Event::ConnectionFailed(reason) => facts!(reason = snake(reason)),
        Event::SyncProgress(now) => facts!(records = now.records, expected = now.records_expected),
        Event::Lagged { dropped } => facts!(dropped = dropped),
        Event::Reset => Ok(Facts::new()),
        Event::CaughtUp(cursor) => facts!(cursor = hex(&cursor.to_bytes())),
    };
    let kind = match event {
        Event::Lagged { .. } => "lagged".to_owned(),
        Event::Reset => "reset".to_owned(),
        Event::CaughtUp(_) => "caught_up".to_owned(),
        other => or_none(other.kind().map(snake)),
    };
    let mut facts = facts.unwrap_or_default();
    facts.insert("kind".into(), kind);
    facts
}
