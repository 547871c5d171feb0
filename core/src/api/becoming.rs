//! Becoming a member of a group by an invitation, and connecting.

use bytes::Bytes;

use super::{Error, ErrorKind, Graph, JoinOutcome, Result, Target, asking::Asking, entering::Entering};
use crate::{engine::JoinBy, group::InvitationError, ids::PeerId, record::NodeAddr};

/// What a joiner is to be called.
#[derive(Clone)]
pub(super) struct NameGiven {
    pub(super) name: String,
    /// True if the application said so, false if it is the identity's everywhere.
    pub(super) chosen: bool,
}

impl NameGiven {
    async fn state(&self, graph: &Graph) -> Result<()> {
        let Self { name, chosen } = self.clone();
        graph.write(move |engine, now| engine.join_under(now, &name, chosen)).await
    }
}

/// How this identity becomes a member.
pub(super) enum Means {
    /// It was granted before.
    Granted(Vec<Bytes>),
    /// By somebody who lets in.
    Asked(Box<JoinBy>),
}

/// Becomes a member, unless it is one, and connects.
///
/// A membership may be worth nothing although this node takes it for good: the one who gave it was removed meanwhile, or
/// what it rests on does not exist. So an invitation is used all the same if the others do not accept this node, and
/// what it gives takes the place of what was here.
pub(super) async fn enter_by(
    graph: &Graph,
    (by, issuer): (Means, PeerId),
    mut nodes: Vec<NodeAddr>,
    name: NameGiven,
    how: &Entering<'_>,
) -> Result<JoinOutcome> {
    let member = graph.call(|engine, _| engine.standing().is_some()).await?;
    let named = nodes.clone();
    if member {
        nodes = graph.with_known(nodes).await?;
    }
    let mut again = member;
    let mut entered = None;
    match by {
        Means::Granted(chain) => {
            let accepted =
                graph.write(move |engine, now| -> Result<_> { Ok(engine.accept_chain(now, chain)) });
            let accepted = accepted.await?;
            if !member {
                accepted.map_err(|_| Error::from(InvitationError::Altered))?;
            }
            entered = Some(enter(graph, &nodes, &name, how).await);
        }
        Means::Asked(by) => {
            let asking = (&*by, issuer);
            let mut asking = Asking::new(graph, named, asking, &name.name, how.until);
            if member {
                entered = Some(enter(graph, &nodes, &name, how).await);
            }
            while !is_in(graph, entered.as_ref(), member).await? {
                if entered.is_some() {
                    asking.hasten();
                }
                match asking.next().await {
                    Ok((was, admitter)) => {
                        again = was;
                        nodes.retain(|addr| addr.node != admitter.node);
                        nodes.insert(0, admitter);
                        entered = Some(enter(graph, &nodes, &name, how).await);
                    }
                    Err(error) => {
                        entered = Some(match entered {
                            Some(entered) => told(entered, error),
                            None => Err(error),
                        });
                        break;
                    }
                }
            }
        }
    }
    entered.unwrap_or(Ok(()))?;
    name.state(graph).await?;
    Ok(if again { JoinOutcome::AlreadyMember } else { JoinOutcome::Joined })
}

async fn enter(graph: &Graph, nodes: &[NodeAddr], name: &NameGiven, how: &Entering<'_>) -> Result<()> {
    // Kept together with what is cut off, for the next try. What else the identity stated is known once the database is
    // here.
    if name.chosen {
        name.state(graph).await?;
    }
    graph.try_enter(Target::Any(nodes.to_vec()), how).await
}

/// True if there is nothing to ask for: the others accept this node, or something else than its membership failed.
async fn is_in(graph: &Graph, entered: Option<&Result<()>>, was_member: bool) -> Result<bool> {
    match entered {
        None => Ok(false),
        Some(Err(error)) => Ok(error.kind() != ErrorKind::NotAuthorized),
        Some(Ok(())) => {
            let counts = graph.call(|engine, _| engine.standing().is_some() && !engine.rests_on_papers());
            // One that comes back and is alone was not accepted by anybody yet.
            Ok(counts.await? && (!was_member || !graph.neighbors().await?.is_empty()))
        }
    }
}

/// What is told after somebody who seemed to be a member asked for another membership, and got none.
fn told(entered: Result<()>, denied: Error) -> Result<()> {
    let says_nothing = matches!(
        denied.kind(),
        ErrorKind::Unreachable | ErrorKind::TimedOut | ErrorKind::NotFound | ErrorKind::Busy
    );
    if entered.is_err() && !says_nothing { Err(denied) } else { entered }
}
