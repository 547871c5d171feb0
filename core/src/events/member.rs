//! Members of a group, as applications are told of them.

use serde::{Deserialize, Serialize};

use super::NodeInfo;
use crate::{ids::PeerId, record::Role, time::Timestamp};

/// What happened to a member.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_MEMBER_CHANGE_TYPE")]
pub enum MemberChange {
    /// It became a member.
    Joined,
    /// Its role, name or time changed.
    Updated,
    /// The first of its nodes is here.
    Connected,
    /// The last of its nodes is gone.
    Disconnected,
    /// It left the group for good, by its own word.
    Left,
    /// It was removed.
    Removed,
    /// Its membership ended and was not renewed.
    Expired,
}

/// What is known of a member.
#[derive(Clone, PartialEq, Eq, Debug)]
#[doc(alias = "PEER_MEMBER")]
pub struct MemberInfo {
    /// Its identity.
    pub peer: PeerId,
    /// The friendly name it goes by: the one it gave itself, or else the one it was invited under, or else the first ten
    /// digits of its id in square brackets, which nobody can choose as a name.
    pub name: String,
    /// What it may do; `None` once it is no member any more.
    pub role: Option<Role>,
    /// When its membership ends, in peer time; `None`: not at all, or it ended.
    pub not_after: Option<Timestamp>,
    /// Who let it in; `None` for the creator.
    pub issuer: Option<PeerId>,
    /// Its nodes that are here.
    pub nodes: Vec<NodeInfo>,
}

impl MemberInfo {
    /// True if one of its nodes is here.
    pub const fn is_present(&self) -> bool {
        !self.nodes.is_empty()
    }
}

/// Why a group could not be entered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_GROUP_EVENT_CONNECTION_FAILED")]
pub enum GroupFailure {
    /// No member is known, here or by lookup.
    NoMembersFound,
    /// Members are known, but none could be connected to.
    NoneConnectable,
    /// This node cannot listen.
    CannotListen,
    /// The others do not accept this identity as a member.
    NotAuthorized,
    /// The invitation is expired, used up or taken back.
    InvitationInvalid,
    /// The password is wrong.
    WrongPassword,
    /// Too many tries; later ones may succeed.
    Throttled,
    /// The deadline passed.
    TimedOut,
    /// Those who could let in have no place at the moment; later it may succeed.
    Busy,
}
