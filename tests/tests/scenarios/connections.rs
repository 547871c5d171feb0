//! The verbs for connections.

use std::net::SocketAddr;

use peergraph::{ConnectOptions, ConnectionInfo, NodeAddr, NodeId, PeerId, Target, Ticket};

use crate::{
    facts,
    script::{Facts, Fault, Step, wrong},
    world::{Told, World, or_none, seconds, snake, sorted},
};

impl World {
    pub(crate) async fn use_connections(&self, step: &Step) -> Told {
        let at = usize::from(matches!(step.verb.as_str(), "connect" | "direct"));
        let graph = self.graph(&step.names[at])?;
        let id = || step.read("connection").map(|id| peergraph::ConnectionId(id.unwrap_or_default()));
        match step.verb.as_str() {
            "connect" => {
                let mut options = ConnectOptions::default();
                options.expected_peer = step.opt("expected_peer").map(str::parse).transpose()?;
                options.deadline = step.opt("deadline").map_or(Ok(options.deadline), seconds)?;
                Ok(connection(&graph.connect_with(target(step)?, options).await?))
            }
            "enter" => {
                graph.enter(target(step)?).await?;
                Ok(Facts::new())
            }
            "direct" => Ok(connection(graph.open_direct(target(step)?).await?.info())),
            "neighbors" => Ok(connections(&graph.neighbors().await?)),
            "direct-connections" => Ok(connections(&graph.direct_connections().await?)),
            "disconnect" => {
                graph.disconnect(id()?).await?;
                Ok(Facts::new())
            }
            _ => {
                let data = step.opt("data").unwrap_or_default().to_owned();
                let receipt = graph.send(id()?, step.need("type")?, data).await?;
                facts!(delivered = receipt.delivered().await?)
            }
        }
    }
}

fn target(step: &Step) -> Result<Target, Fault> {
    let addr = step.read::<SocketAddr>("addr")?;
    Ok(match (step.opt("node"), step.opt("peer"), step.opt("ticket")) {
        (Some(node), ..) => match (node.parse::<NodeId>()?, addr) {
            (node, Some(addr)) => NodeAddr::at(node, [addr]).into(),
            (node, None) => node.into(),
        },
        (_, Some(peer), _) => peer.parse::<PeerId>()?.into(),
        (.., Some(ticket)) => ticket.parse::<Ticket>()?.into(),
        _ => return wrong("no target"),
    })
}

fn connection(info: &ConnectionInfo) -> Facts {
    let told: Told =
        facts!(connection = info.connection, link = snake(info.kind), node = info.node, peer = info.peer,);
    told.unwrap_or_default()
}

fn connections(all: &[ConnectionInfo]) -> Facts {
    let told: Told = facts!(
        count = all.len(),
        peers = sorted(all.iter().map(|info| info.peer)),
        connection = or_none(all.first().map(|info| info.connection)),
    );
    told.unwrap_or_default()
}
