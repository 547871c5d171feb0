//! Every call of the API is given up at each of its await points: afterwards there is the whole thing or nothing, nothing is held
//! that was not held before, and a second try succeeds. One test alone, since it counts what the process holds.
#![cfg(target_os = "linux")]

mod cut;
mod graph_calls;
mod group_calls;
mod node_calls;

use std::{collections::BTreeSet, pin::Pin, time::Duration};

use cut::{Cut, Held, Tally, When};
use peergraph::{Graph, Group, Node, RecordDraft, Role};
use peergraph_tests::{converge, member, node, node_at};

/// What most calls are made on: a node on a disk with a graph and a group, in each of which another node is.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) node: Node,
    pub(crate) graph: Graph,
    pub(crate) group: Group,
    pub(crate) friend: Node,
    pub(crate) their_graph: Graph,
    pub(crate) their_node: Node,
    /// Keeps it open.
    _their_group: Group,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = node_at(&dir.path().join("home")).await;
        let own = home.identities().default().await.unwrap();
        home.identities().set_default(&own.peer_name()).await.unwrap();
        let graph = home.create_graph("graph").await.unwrap();
        graph.listen().await.unwrap();
        let group = home.create_group("group").await.unwrap();
        let friend = node().await;
        let their_graph = friend.join(graph.ticket().await.unwrap()).await.unwrap();
        let (their_node, their_group) = member(&group, Role::Member, "friend").await;
        for n in 0..5 {
            graph.publish(RecordDraft::new("test.note", format!("note {n}")).unwrap()).await.unwrap();
        }
        converge(&[&graph, &their_graph]).await;
        converge(&[group.graph(), their_group.graph()]).await;
        Self { dir, node: home, graph, group, friend, their_graph, their_node, _their_group: their_group }
    }

    /// A place for a file that is not there.
    pub(crate) fn place(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }
}

pub(crate) type Case = for<'a> fn(&'a World, &'a mut Cut) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A case: the calls it is about, and what runs it once. It ends with everything as it was at its beginning.
#[macro_export]
macro_rules! case {
    ($name:literal, |$world:ident, $cut:ident| $body:expr) => {
        ($name, (|$world, $cut| Box::pin(async move { $body })) as $crate::Case)
    };
}

/// A call without consequences that need to be taken back: given up, and then made again.
#[macro_export]
macro_rules! plain {
    ($name:literal, |$world:ident| $call:expr) => {
        $crate::case!($name, |$world, cut| {
            if let Some(result) = cut.run(|| $call).await {
                result.expect($name);
            }
            $call.await.expect(concat!($name, ", a second time"));
        })
    };
}

fn cases() -> Vec<(&'static str, Case)> {
    [node_calls::cases(), graph_calls::cases(), group_calls::cases()].concat()
}

#[test]
fn every_call_of_the_api_has_a_case_of_its_own() {
    let known: BTreeSet<String> =
        cases().iter().flat_map(|(names, _)| names.split(", ")).map(String::from).collect();
    let api = peergraph_tests::calls::of_the_api();
    assert!(api.len() > 80, "the sources are read: {api:?}");
    let missing: Vec<_> = api.difference(&known).collect();
    let gone: Vec<_> = known.difference(&api).collect();
    assert!(missing.is_empty() && gone.is_empty(), "without a case: {missing:#?}\nnot in the API: {gone:#?}");
}

/// The times at which calls are given up beside their await points, as parts of what they take.
const PARTS: u32 = 5;
/// Await points beyond this are not looked at one by one: calls that wait for others go round.
const MAX_POLLS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn c20_c21_c22_c23_c33_every_call_is_whole_or_nothing_wherever_it_is_given_up() {
    let world = World::new().await;
    let mut tally = Tally::default();
    let only = std::env::var("PEERGRAPH_CALL").unwrap_or_default();
    let before = Held::now(&world.node, world.dir.path());
    assert_eq!(before.threads, 4, "two graphs on each side");
    for (name, case) in cases().into_iter().filter(|(name, _)| name.contains(&only)) {
        // In full, to measure.
        let mut whole = Cut::new(When::Never);
        case(&world, &mut whole).await;
        before.again(&world.node, world.dir.path(), name).await;
        let points = whole.polls.clamp(1, MAX_POLLS);
        let mut ways: Vec<_> = (0..points).map(When::Polls).collect();
        ways.extend((1..points).map(When::Woken));
        ways.extend((1..PARTS).map(|part| When::After(whole.took * part / PARTS)));
        for when in ways {
            let mut cut = Cut::new(when);
            let tried = tokio::time::timeout(Duration::from_secs(120), case(&world, &mut cut)).await;
            assert!(tried.is_ok(), "{name} given up {when:?}: the second try does not come to an end");
            before.again(&world.node, world.dir.path(), &format!("{name} given up {when:?}")).await;
            tally.note(name, &cut);
        }
        eprintln!("{name}: done");
    }
    let (tried, given_up) = tally.0.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    println!("{} cases, {tried} tries, {given_up} of them given up before the call was done", tally.0.len());
    for (name, (tried, given_up)) in &tally.0 {
        println!("  {name}: {given_up} of {tried}");
    }
    assert!(!only.is_empty() || given_up > 200, "{given_up} of {tried} tries prove too little");
}
