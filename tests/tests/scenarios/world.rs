//! What a scenario has: nodes, graphs, streams, identities. And the verbs for nodes, identities and graphs.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use peergraph::{
    Conflict, CreateGraph, CreateIdentity, EventStream, Graph, GraphProperties, GraphRef, Group, Identity,
    JoinGraph, KeyProtection, Node, NodeConfig, OnProgress, OpenGraph, OpenOutcome, PeerId, PeerName,
    PropertiesUpdate, RecordType, SyncProgress, Ticket, events::NodeInfo,
};

use crate::script::{Facts, Fault, Step, wrong};

/// Everything that the steps of one scenario made.
pub(crate) struct World {
    pub(crate) patience: Duration,
    dir: tempfile::TempDir,
    nodes: HashMap<String, Node>,
    graphs: HashMap<String, Graph>,
    groups: HashMap<String, Group>,
    streams: HashMap<String, EventStream>,
    pub(crate) conflicts: HashMap<String, Vec<Conflict>>,
    identities: HashMap<String, Identity>,
}

pub(crate) type Told = Result<Facts, Fault>;

/// Facts from pairs.
#[macro_export]
macro_rules! facts {
    ($($name:ident = $value:expr),* $(,)?) => {
        Ok([$((stringify!($name).to_owned(), $value.to_string())),*].into())
    };
}

/// Several in one word.
pub(crate) fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

/// The same, in alphabetical order.
pub(crate) fn sorted<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.sort();
    items.join(",")
}

/// `none`, or what there is.
pub(crate) fn or_none<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

/// A variant as the other languages name it: `TimedOut` is `timed_out`.
pub(crate) fn snake(variant: impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for (at, c) in format!("{variant:?}").char_indices() {
        if c.is_uppercase() && at > 0 {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

pub(crate) fn seconds(text: &str) -> Result<Duration, Fault> {
    match text.parse().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) => Ok(duration),
        _ => wrong(format!("{text} is no number of seconds")),
    }
}

/// What a join with `progress=true` was told last.
pub(crate) struct Progress(Arc<Mutex<Option<SyncProgress>>>);

impl Progress {
    pub(crate) fn of(step: &Step) -> Result<Option<Self>, Fault> {
        Ok(flag(step, "progress")?.then(|| Self(Arc::default())))
    }

    pub(crate) fn callback(&self) -> OnProgress {
        let last = self.0.clone();
        OnProgress::new(move |now| *last.lock().unwrap() = Some(now))
    }

    pub(crate) fn add_to(mut facts: Facts, told: Option<Self>) -> Facts {
        let Some(Self(last)) = told else { return facts };
        let last = *last.lock().unwrap();
        let whole = last.is_some_and(|now| now.records > 0 && now.records == now.records_expected);
        facts.insert("told".into(), last.is_some().to_string());
        facts.insert("whole".into(), whole.to_string());
        facts
    }
}

/// True if the step says so.
pub(crate) fn flag(step: &Step, key: &str) -> Result<bool, Fault> {
    Ok(step.read(key)?.unwrap_or(false))
}

impl World {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            dir: tempfile::tempdir().expect("a folder"),
            nodes: HashMap::new(),
            graphs: HashMap::new(),
            groups: HashMap::new(),
            streams: HashMap::new(),
            conflicts: HashMap::new(),
            identities: HashMap::new(),
        }
    }

    /// Shuts down what is left.
    pub(crate) async fn end(self) {
        for node in self.nodes.values() {
            node.shutdown().await;
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn node(&self, name: &str) -> Result<&Node, Fault> {
        self.nodes.get(name).map_or_else(|| wrong(format!("no node is called {name}")), Ok)
    }

    pub(crate) fn graph(&self, name: &str) -> Result<&Graph, Fault> {
        self.graphs.get(name).map_or_else(|| wrong(format!("no graph is called {name}")), Ok)
    }

    pub(crate) fn group(&self, name: &str) -> Result<&Group, Fault> {
        self.groups.get(name).map_or_else(|| wrong(format!("no group is called {name}")), Ok)
    }

    pub(crate) fn stream(&self, name: &str) -> Result<&EventStream, Fault> {
        self.streams.get(name).map_or_else(|| wrong(format!("no stream is called {name}")), Ok)
    }

    pub(crate) fn identity(&self, name: &str) -> Result<&Identity, Fault> {
        self.identities.get(name).map_or_else(|| wrong(format!("no identity is called {name}")), Ok)
    }

    pub(crate) fn add_stream(&mut self, name: &str, stream: EventStream) {
        self.streams.insert(name.to_owned(), stream);
    }

    pub(crate) fn add_group(&mut self, name: &str, group: Group) -> Told {
        let (id, outcome) = (group.id(), snake(group.join_outcome()));
        self.graphs.insert(name.to_owned(), group.graph().clone());
        self.groups.insert(name.to_owned(), group);
        facts!(id = id, outcome = outcome)
    }

    fn add_graph(&mut self, name: &str, graph: Graph) -> Told {
        let outcome = match graph.open_outcome() {
            OpenOutcome::Created => "created",
            OpenOutcome::Existing => "existing",
        };
        let id = graph.id();
        self.graphs.insert(name.to_owned(), graph);
        facts!(id = id, outcome = outcome)
    }

    fn add_identity(&mut self, name: &str, identity: Identity) -> Told {
        let facts =
            facts!(peer = identity.peer_id(), peer_name = identity.peer_name(), name = identity.name());
        self.identities.insert(name.to_owned(), identity);
        facts
    }

    /// One step, whatever it is about.
    pub(crate) async fn step(&mut self, step: &Step) -> Told {
        if let Some(told) = self.step_of_nodes(step).await {
            return told;
        }
        if let Some(told) = self.step_of_graphs(step).await {
            return told;
        }
        if let Some(told) = self.step_of_records(step).await {
            return told;
        }
        if let Some(told) = self.step_of_events(step).await {
            return told;
        }
        match self.step_of_groups(step).await {
            Some(told) => told,
            None => wrong(format!("the interpreter does not know the verb {}", step.verb)),
        }
    }

    async fn step_of_nodes(&mut self, step: &Step) -> Option<Told> {
        let name = step.names[0].as_str();
        Some(match step.verb.as_str() {
            "node" => self.start(step).await,
            "shutdown" => match self.node(name) {
                Ok(node) => {
                    node.shutdown().await;
                    Ok(Facts::new())
                }
                Err(fault) => Err(fault),
            },
            "stored" => self.stored(name),
            "identity" | "default-identity" | "find-identity" | "import-identity" => {
                self.get_identity(step).await
            }
            "set-default" | "identities" | "rename" | "describe" | "export-identity" | "sign" | "verify"
            | "groups-of" | "delete-identity" => self.use_identity(step).await,
            "alter" => alter(step),
            _ => return None,
        })
    }

    async fn start(&mut self, step: &Step) -> Told {
        let mut config = NodeConfig::loopback();
        if let Some(dir) = step.opt("dir") {
            config = config.at(self.path(dir));
        }
        if let Some(passphrase) = step.opt("passphrase") {
            config = config.keys(KeyProtection::Passphrase(passphrase.to_owned()));
        }
        config.encrypt_database = step.read("encrypt")?.unwrap_or(false);
        if let Some(version) = step.opt("version") {
            let Some((Ok(major), Ok(minor))) = version.split_once('.').map(|(a, b)| (a.parse(), b.parse()))
            else {
                return wrong("a version is such as 0.1");
            };
            config.version = peergraph::ApiVersion { major, minor };
        }
        let node = Node::start(config).await?;
        let facts = facts!(id = node.id(), peer = node.peer_id(), addr = node.bound()[0]);
        self.nodes.insert(step.names[0].clone(), node);
        facts
    }

    fn stored(&self, name: &str) -> Told {
        let node = self.node(name)?;
        let groups = node.stored_groups()?.len();
        facts!(graphs = node.stored_graphs().len(), groups = groups, open = node.open_graphs().len())
    }

    async fn get_identity(&mut self, step: &Step) -> Told {
        let identities = self.node(&step.names[1])?.identities();
        let identity = match step.verb.as_str() {
            "identity" => {
                let (name, classifier) = (step.opt("name"), step.opt("classifier"));
                let classifier = classifier.map(str::to_owned);
                let options =
                    CreateIdentity { name: name.map(str::to_owned), classifier, ..CreateIdentity::default() };
                identities.create(options).await?
            }
            "default-identity" => identities.default().await?,
            "find-identity" => identities.get(&step.need("peer_name")?.parse::<PeerName>()?)?,
            _ => identities.import(step.need("text")?, step.need("password")?).await?,
        };
        self.add_identity(&step.names[0], identity)
    }

    async fn use_identity(&self, step: &Step) -> Told {
        let name = step.names[0].as_str();
        match step.verb.as_str() {
            "set-default" => {
                let name = step.need("peer_name")?.parse::<PeerName>()?;
                self.node(&step.names[0])?.identities().set_default(&name).await?;
                Ok(Facts::new())
            }
            "identities" => {
                let all = self.node(name)?.identities().list();
                facts!(count = all.len(), names = sorted(all.iter().map(Identity::name)))
            }
            "rename" => {
                let identity = self.identity(name)?;
                identity.rename(step.opt("name").filter(|name| !name.is_empty())).await?;
                facts!(name = identity.name())
            }
            "describe" => {
                let description = self.identity(name)?.describe()?;
                facts!(text = description, peer = description.peer_id(), name = description.name())
            }
            "export-identity" => {
                facts!(text = self.identity(name)?.export(step.need("password")?).await?)
            }
            "sign" => {
                let signature = self.identity(name)?.sign(step.need("message")?.as_bytes())?;
                facts!(signature = data_encoding::HEXLOWER.encode(&signature))
            }
            "verify" => {
                let peer: PeerId = step.need("peer")?.parse()?;
                let Ok(signature) = data_encoding::HEXLOWER.decode(step.need("signature")?.as_bytes()) else {
                    return wrong("a signature is hexadecimal");
                };
                facts!(valid = peer.verify(step.need("message")?.as_bytes(), &signature))
            }
            "groups-of" => facts!(count = self.identity(name)?.groups().await?.len()),
            _ => {
                self.identity(name)?.delete().await?;
                Ok(Facts::new())
            }
        }
    }

    async fn step_of_graphs(&mut self, step: &Step) -> Option<Told> {
        Some(match step.verb.as_str() {
            "graph" | "join" | "open" => self.get_graph(step).await,
            "delete-graph" => self.delete_graph(step).await,
            "ticket" | "close" | "listen" | "status" | "sync-progress" | "genesis" | "properties"
            | "set-properties" | "same" | "nodes" | "node-info" | "set-attributes" | "force-presence"
            | "contacts" => self.use_graph(step).await,
            "connect" | "enter" | "direct" | "neighbors" | "direct-connections" | "disconnect" | "send" => {
                self.use_connections(step).await
            }
            _ => return None,
        })
    }

    async fn get_graph(&mut self, step: &Step) -> Told {
        let node = self.node(&step.names[1])?;
        let precedence = types(step.opt("precedence"))?;
        let graph = match step.verb.as_str() {
            "graph" => {
                let text = |key| step.opt(key).unwrap_or_default().to_owned();
                let properties =
                    GraphProperties { name: text("name"), comment: text("comment"), ..Default::default() };
                let base = CreateGraph::default();
                let max_record = step.read("max_record")?.unwrap_or(base.max_record);
                let seed = step.read("seed")?.map(|byte: u8| [byte; 32]);
                node.create_graph(CreateGraph { properties, max_record, seed, precedence }).await?
            }
            "join" => {
                let told = Progress::of(step)?;
                let mut join = JoinGraph::from(step.need("ticket")?.parse::<Ticket>()?);
                join.on_progress = told.as_ref().map(Progress::callback);
                let graph = node.join(join).await?;
                return self.add_graph(&step.names[0], graph).map(|facts| Progress::add_to(facts, told));
            }
            _ => {
                let which = step.need("graph")?;
                let which: GraphRef = match which.contains(':') {
                    true => which.parse::<Ticket>()?.into(),
                    false => which.parse::<peergraph::GraphId>()?.into(),
                };
                node.open_graph(which, OpenGraph { precedence, offline: flag(step, "offline")? }).await?
            }
        };
        self.add_graph(&step.names[0], graph)
    }

    async fn delete_graph(&self, step: &Step) -> Told {
        self.node(&step.names[0])?.delete_graph(step.need("id")?.parse()?).await?;
        Ok(Facts::new())
    }

    async fn use_graph(&self, step: &Step) -> Told {
        let at = usize::from(step.verb == "ticket");
        let graph = self.graph(&step.names[at])?;
        match step.verb.as_str() {
            "ticket" => {
                let ticket = graph.ticket().await?;
                facts!(text = ticket, graph = ticket.graph, nodes = ticket.nodes.len())
            }
            "close" => {
                match self.groups.get(&step.names[0]) {
                    Some(group) => group.close().await,
                    None => graph.close().await,
                }
                Ok(Facts::new())
            }
            "listen" => facts!(outcome = snake(graph.listen().await?)),
            "status" => {
                let status = graph.status().await?;
                facts!(
                    listening = status.listening,
                    connections = status.has_connections,
                    synchronized = status.synchronized
                )
            }
            "sync-progress" => {
                let now = graph.sync_progress().await?;
                let expected = now.map(|now| now.records_expected);
                facts!(records = or_none(now.map(|now| now.records)), expected = or_none(expected))
            }
            "genesis" => {
                let genesis = graph.genesis().await?;
                facts!(creator = genesis.creator, max_record = genesis.max_record, group = genesis.is_group())
            }
            "properties" => Ok(properties(&graph.properties().await?)),
            "set-properties" => {
                let text = |key| step.opt(key).map(str::to_owned);
                let update = PropertiesUpdate {
                    name: text("name"),
                    comment: text("comment"),
                    presence_lifetime: step.opt("presence_lifetime").map(seconds).transpose()?,
                    presence_max: match step.opt("presence_max") {
                        Some("none") => Some(None),
                        _ => step.read("presence_max")?.map(Some),
                    },
                    defer_expiration: step.read("defer_expiration")?,
                };
                Ok(properties(&graph.set_properties(update).await?))
            }
            "same" => {
                let other = self.graph(&step.names[1])?.fingerprint().await?;
                let own = graph.fingerprint().await?;
                facts!(equal = own == other, count = own.count)
            }
            "nodes" => {
                let nodes: Vec<NodeInfo> = match step.opt("peer") {
                    Some(peer) => graph.nodes_of(peer.parse()?).await?,
                    None => graph.nodes().await?,
                };
                facts!(count = nodes.len(), peers = sorted(nodes.iter().map(|info| info.peer)))
            }
            "node-info" => {
                let info = graph.node_info(step.need("node")?.parse()?).await?;
                facts!(node = info.node, peer = info.peer, attributes = info.attributes)
            }
            "set-attributes" => {
                graph.set_node_attributes(step.opt("text")).await?;
                Ok(Facts::new())
            }
            "force-presence" => {
                graph.force_presence(step.read("forced")?.unwrap_or(true)).await?;
                Ok(Facts::new())
            }
            _ => facts!(count = graph.contacts().await?.len()),
        }
    }
}

pub(crate) fn types(list: Option<&str>) -> Result<Vec<RecordType>, Fault> {
    Ok(list.map_or_else(|| Ok(Vec::new()), |list| list.split(',').map(RecordType::new).collect())?)
}

/// The properties of a graph.
pub(crate) fn properties(now: &GraphProperties) -> Facts {
    let told: Told = facts!(
        name = now.name,
        comment = now.comment,
        presence_lifetime = now.presence_lifetime.as_secs(),
        presence_max = or_none(now.presence_max),
        defer_expiration = now.defer_expiration,
    );
    told.unwrap_or_default()
}

fn alter(step: &Step) -> Told {
    let text = step.need("text")?;
    let middle = text.len() / 2;
    if step.read("cut")?.unwrap_or(false) {
        return facts!(text = &text[..middle]);
    }
    let other = if text.as_bytes()[middle] == b'a' { "b" } else { "a" };
    facts!(text = format!("{}{other}{}", &text[..middle], &text[middle + 1..]))
}
