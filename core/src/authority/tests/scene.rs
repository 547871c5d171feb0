//! A few acts, written down one by one, and what follows.

use super::world::{MAX_CHAIN, NOON, World, peer};
use crate::{
    authority::{Act, ActBody, ActSet, Content, Fault, Grant, Keep, Verdict, Void},
    ids::ActId,
    record::{GroupRules, Role},
    time::Timestamp,
};

pub(super) const ANN: usize = 0;
pub(super) const BEN: usize = 1;
pub(super) const CAT: usize = 2;
pub(super) const DAN: usize = 3;
pub(super) const EVE: usize = 4;

/// One node that has heard everything. Ann is the creator.
pub(super) struct Scene(pub(super) World);

impl Scene {
    pub(super) fn new() -> Self {
        Self(World::new(1))
    }

    fn body(&self, who: usize, by: Option<usize>, after: &[usize], content: Content) -> ActBody {
        let at = Timestamp(NOON + self.0.infos.len() as u64);
        let after = self.0.ids(after.iter().copied());
        ActBody { author: peer(who), by: by.map(|at| self.0.id(at)), after, at, content }
    }

    /// An act that is accepted: by whom, by which grant (`None`: the creator's), after which acts.
    pub(super) fn act(&mut self, who: usize, by: Option<usize>, after: &[usize], content: Content) -> usize {
        let body = self.body(who, by, after, content);
        self.0.make(0, body).expect("the act is accepted")
    }

    /// The same at a claimed time.
    pub(super) fn act_at(
        &mut self,
        (who, at): (usize, u64),
        by: Option<usize>,
        after: &[usize],
        content: Content,
    ) -> usize {
        let body = ActBody { at: Timestamp(at), ..self.body(who, by, after, content) };
        self.0.make(0, body).expect("the act is accepted")
    }

    /// Why an act is refused.
    pub(super) fn refused(&self, who: usize, by: Option<usize>, after: &[usize], content: Content) -> Fault {
        let act = Act::unsigned(self.body(who, by, after, content));
        let mut set = self.set().clone();
        set.insert(act).refused.first().expect("the act is refused").1
    }

    /// A grant by the creator, knowing all heads.
    pub(super) fn founded(&mut self, subject: usize, role: Role) -> usize {
        let heads: Vec<usize> = self.set().heads().iter().map(|id| self.0.places[id]).collect();
        self.act(ANN, None, &heads, grant(subject, role, MAX_CHAIN - 1))
    }

    pub(super) fn set(&self) -> &ActSet {
        &self.0.nodes[0].set
    }

    pub(super) fn verdict(&self) -> Verdict {
        Verdict::of(self.set())
    }

    pub(super) fn id(&self, at: usize) -> ActId {
        self.0.id(at)
    }

    /// Why an act does not count.
    pub(super) fn void(&self, at: usize) -> Option<Void> {
        self.verdict().act(&self.id(at)).expect("it was accepted")
    }

    pub(super) fn counts(&self, at: usize) -> bool {
        self.void(at).is_none()
    }

    /// The role of an identity now.
    pub(super) fn role(&self, who: usize) -> Option<Role> {
        self.verdict().member(peer(who), Timestamp(NOON + 100)).map(|member| member.role)
    }

    pub(super) fn rules() -> GroupRules {
        GroupRules::default()
    }
}

pub(super) fn grant(subject: usize, role: Role, depth: u8) -> Content {
    Content::Grant(super::world::grant_of(peer(subject), role, depth))
}

pub(super) fn demotion(subject: usize, role: Role, depth: u8) -> Content {
    let demotes = Some(Keep::default());
    Content::Grant(Grant { demotes, ..super::world::grant_of(peer(subject), role, depth) })
}

pub(super) fn removal(subject: usize) -> Content {
    Content::Remove(super::world::removal_of(peer(subject)))
}

pub(super) fn leave() -> Content {
    Content::Leave(Keep::default())
}

/// A use of the invitation of link 0, as a member.
pub(super) fn admission(scene: &Scene, invite: usize, joiner: usize, depth: u8) -> Content {
    let admission = Some(super::world::use_of(0, scene.id(invite), peer(joiner)));
    Content::Grant(Grant { admission, ..super::world::grant_of(peer(joiner), Role::Member, depth) })
}
