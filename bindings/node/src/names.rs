//! Enumerations as text: the words are the core's.

use peergraph::{
    BodyState, EventKind, JoinOutcome, ListenOutcome, OpenOutcome,
    events::{
        ChangeKind, ChangeOrigin, ConnectionKind, FailureReason, GroupFailure, MemberChange, NodeChange,
        RequiredReason,
    },
    names::Named,
};

use crate::pack::{Pack, Packer};

macro_rules! packed {
    ($($kind:ident)*) => {$(
        impl Pack for $kind {
            fn pack(&self, to: &mut Packer) {
                self.word().pack(to);
            }
        }
    )*};
}

packed! {
    EventKind BodyState ChangeKind ChangeOrigin ConnectionKind FailureReason RequiredReason NodeChange MemberChange
    GroupFailure OpenOutcome ListenOutcome JoinOutcome
}
