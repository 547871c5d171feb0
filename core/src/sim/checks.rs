//! What must hold when a world has come to rest.

use std::collections::BTreeSet;

use super::World;
use crate::{ids::NodeId, records::Fingerprint};

impl World {
    /// The databases' fingerprints of all living nodes.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.living().map(|(_, actor)| actor.engine.fingerprint()).collect()
    }

    /// True if all living nodes have equal databases.
    pub fn all_databases_equal(&self) -> bool {
        self.fingerprints().windows(2).all(|pair| pair[0] == pair[1])
    }

    /// True if all living nodes know their database to be as current as a neighbor's.
    pub fn all_synchronized(&self) -> bool {
        self.living().all(|(_, actor)| actor.engine.status().synchronized)
    }

    /// How many parts the living nodes fall into.
    pub fn components(&self) -> usize {
        let living: BTreeSet<NodeId> = self.living().map(|(_, actor)| actor.node).collect();
        let mut unseen = living.clone();
        let mut parts = 0;
        while let Some(start) = unseen.pop_first() {
            parts += 1;
            let mut open = vec![start];
            while let Some(node) = open.pop() {
                let actor = self.living().find(|(_, actor)| actor.node == node).expect("it lives").1;
                for neighbor in actor.engine.neighbors() {
                    if unseen.remove(&neighbor.node) {
                        open.push(neighbor.node);
                    }
                }
            }
        }
        parts
    }

    /// # Panics
    /// If two living nodes have different databases; prints the seed.
    pub fn assert_all_databases_equal(&self) {
        let prints = self.fingerprints();
        assert!(self.all_databases_equal(), "seed {}: {prints:?}", self.seed());
    }

    /// # Panics
    /// If the living nodes are not all connected with one another; prints the seed.
    pub fn assert_connected(&self) {
        let parts = self.components();
        assert_eq!(parts, 1, "seed {}: the graph has {parts} parts", self.seed());
    }
}
