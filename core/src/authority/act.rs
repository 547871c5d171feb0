//! Acts: the signed statements from which all authority in a group follows.

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::{
    crypto::{Domain, SecretKey, SignatureBytes, signature_serde},
    ids::{ActId, GraphId, NodeId, PeerId},
    limits::{
        MAX_ACT_HEADS, MAX_ADMITTERS, MAX_CUT_HEADS, MAX_CUTS, MAX_EPOCH_KEYS, MAX_KEEP_CHUNKS, MAX_LEAVERS,
        MAX_LEAVES, MAX_NAME, MAX_OLDER_EPOCHS, MAX_REASON, MAX_SEALED_KEY, MAX_VERIFIERS,
    },
    record::Role,
    time::Timestamp,
};

/// The signed part of an act.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ActBody {
    /// The identity that signs.
    pub author: PeerId,
    /// The grant under which the author acts, or the latest renewal of it. `None`: the author is the group's creator.
    pub by: Option<ActId>,
    /// The latest acts that the author knew, ascending; at most 16.
    pub after: Vec<ActId>,
    /// The author's clock. Held against the period of `by`; never orders acts.
    pub at: Timestamp,
    /// What the act does.
    pub content: Content,
}

/// What an act does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Content {
    /// Makes an identity a member.
    Grant(Grant),
    /// Offers membership to the holders of a key.
    Invite(Invite),
    /// Withdraws an invitation.
    RevokeInvite(ActId),
    /// Ends the membership of another identity.
    Remove(Remove),
    /// Ends the author's own membership, and keeps the listed records.
    Leave(Keep),
    /// Refuses a node that acts for an identity.
    RevokeDevice {
        /// The identity.
        identity: PeerId,
        /// The node.
        node: NodeId,
    },
    /// Sets or clears the group's password.
    Password(Password),
    /// Gives the verifier of a password to more admitters. Automatic.
    PassOn {
        /// The password act that it serves.
        password: ActId,
        /// The verifier, sealed to each admitter.
        verifiers: Sealed,
    },
    /// Extends the period of a grant. Automatic.
    Renew {
        /// The grant.
        grant: ActId,
        /// The new end.
        not_after: Timestamp,
    },
    /// Begins an epoch of body keys.
    Epoch(Epoch),
    /// Gives the key of an epoch to more members. Automatic.
    EpochKeys {
        /// The epoch act that it serves.
        epoch: ActId,
        /// The key, sealed to each member. 1 to 450.
        keys: Sealed,
    },
    /// Does nothing but name more heads than one act can. Automatic.
    Merge,
    /// Takes back that a node of another identity is refused: names the [`Content::RevokeDevice`].
    RestoreDevice(ActId),
}

/// Bytes sealed to the identity that they stand beside.
pub type Sealed = Vec<(PeerId, Vec<u8>)>;

/// Makes an identity a member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The new member.
    pub subject: PeerId,
    /// Its friendly name, at most 255 bytes.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Start of the membership, in peer time.
    pub not_before: Timestamp,
    /// End of the membership; `None`: without end.
    pub not_after: Option<Timestamp>,
    /// Grants that may follow below this one.
    pub depth: u8,
    /// True if admitters renew the membership before it ends.
    pub renew: bool,
    /// The invitation that it answers; `None`: the author grants on its own account.
    pub admission: Option<InvitationUse>,
    /// `Some` if this grant also supersedes higher grants of the subject: a demotion. The list keeps records that need the
    /// higher role.
    pub demotes: Option<Keep>,
    /// Leave acts of the subject that the author knew, ascending: the grant holds in spite of them. At most 17.
    pub despite: Vec<ActId>,
}

/// The use of an invitation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InvitationUse {
    /// The invitation.
    pub invite: ActId,
    /// The signature of the invitation's key over invitation and subject; see [`use_message`].
    #[serde(with = "signature_serde")]
    pub proof: SignatureBytes,
}

/// What a joiner signs with an invitation's key.
pub fn use_message(invite: &ActId, subject: &PeerId) -> [u8; 64] {
    let mut message = [0; 64];
    message[..32].copy_from_slice(invite.as_bytes());
    message[32..].copy_from_slice(subject.as_bytes());
    message
}

/// The signature of an invitation's key over its issuer: who only knows the public half offers nothing under it.
pub fn issuer_proof(key: &SecretKey, group: &GraphId, issuer: &PeerId) -> SignatureBytes {
    key.sign(Domain::InvitationIssuer, group.as_bytes(), issuer.as_bytes())
}

/// Offers membership to the holders of a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invite {
    /// The public half of the key.
    pub key: PeerId,
    /// The role of those who join; inviter at most.
    pub role: Role,
    /// Identities that may join; at least 1.
    pub uses: u32,
    /// End of the offer, in peer time.
    pub not_after: Timestamp,
    /// Length of the memberships, in milliseconds; `None`: as long as the admitter's and the issuer's. None outlasts the
    /// grant or renewal that the issuer names.
    pub lifetime_ms: Option<u64>,
    /// Identities that may admit; empty: every admitter. At most 16.
    pub admitters: Vec<PeerId>,
    /// The signature of the invitation's key over the issuer; see [`issuer_proof`]. The issuer signs everything else.
    #[serde(with = "signature_serde")]
    pub proof: SignatureBytes,
}

/// Ends the membership of another identity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Remove {
    /// The identity.
    pub subject: PeerId,
    /// The reason, for people; at most 255 bytes.
    pub reason: String,
    /// Records of the subject that stay.
    pub keep: Keep,
    /// True to remove the members below the subject as well.
    pub branch: bool,
    /// True to undo the acts of the removed as well. Otherwise those that the remover knew stand.
    pub undo: bool,
}

/// What a removal keeps.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Keep {
    /// The records: the hash of each chunk of a sorted list, see [`KeepChunk`](super::KeepChunk); at most 1,024. Empty: none.
    pub chunks: Vec<[u8; 32]>,
    /// How far the acts of those who had left stand, at most 48: of an identity's acts under a grant, the first of its cuts that
    /// concerns the grant says which are kept. All others that the author knew are. See
    /// [`ActSet::cuts`](super::ActSet::cuts). Empty in a leave act.
    pub cuts: Vec<Cut>,
}

/// How far the acts of somebody who left stand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cut {
    /// The identity.
    pub who: PeerId,
    /// A leave act of it. The cut concerns all its grants but those that name this leave in `despite`, and those in `spares`.
    pub leave: ActId,
    /// The acts that the leave names. Only they, and what is in their past, is kept. Ascending.
    pub heads: Vec<ActId>,
    /// Grants that came after the leave and could not name it in `despite`, which was full. Ascending; with `heads` 17 at most.
    pub spares: Vec<ActId>,
}

/// Sets or clears the group's password.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Password {
    /// The role of those who join by it; below inviter.
    pub role: Role,
    /// Length of the memberships, in milliseconds.
    pub lifetime_ms: u64,
    /// The verifier, sealed to each admitter. Empty: no password.
    pub verifiers: Sealed,
    /// Identities that left, ascending, at most 64: no void password of theirs ends this one, nor of those below them; see
    /// [`Verdict::leavers`](super::Verdict::leavers).
    pub despite: Vec<PeerId>,
}

/// Begins an epoch of body keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Epoch {
    /// The hash of the key.
    pub key_id: [u8; 32],
    /// The key, sealed to members; at most 450.
    pub keys: Sealed,
    /// Hashes of earlier keys, and those keys encrypted under this one; at most 64.
    pub older: Vec<([u8; 32], Vec<u8>)>,
}

impl ActBody {
    /// True for an act that no other act may name in `after`: what everybody may do about themselves. Members without the
    /// right to admit can make no other kinds, so they cannot grow the act graph.
    pub fn is_leaf(&self) -> bool {
        match self.content {
            Content::Leave(_) => true,
            Content::RevokeDevice { identity, .. } => identity == self.author,
            _ => false,
        }
    }

    /// True for a Leave.
    pub(super) const fn is_leave(&self) -> bool {
        matches!(self.content, Content::Leave(_))
    }

    /// The least role that may do this at all.
    pub(super) fn least_role(&self) -> Role {
        match &self.content {
            _ if self.is_leaf() => Role::Reader,
            Content::Password(_)
            | Content::PassOn { .. }
            | Content::Epoch(_)
            | Content::RevokeDevice { .. }
            | Content::RestoreDevice(_) => Role::Admin,
            Content::Grant(grant) => grant.role.max(Role::Inviter),
            Content::Invite(invite) => invite.role.max(Role::Inviter),
            _ => Role::Inviter,
        }
    }

    /// The acts that this one follows: `after`, and every act that it names otherwise.
    pub fn parents(&self) -> impl Iterator<Item = &ActId> {
        self.after.iter().chain(&self.by).chain(self.content.named())
    }

    /// Checks the bounds of all fields.
    pub(super) fn check_form(&self) -> Result<(), Fault> {
        let heads = self.after.len() <= MAX_ACT_HEADS && is_ascending(&self.after);
        if heads && self.content.is_in_bounds() { Ok(()) } else { Err(Fault::Malformed) }
    }
}

impl Content {
    /// The act that it answers, serves, extends or withdraws.
    pub fn named(&self) -> Option<&ActId> {
        match self {
            Self::Grant(grant) => grant.admission.as_ref().map(|admission| &admission.invite),
            Self::RevokeInvite(id)
            | Self::RestoreDevice(id)
            | Self::PassOn { password: id, .. }
            | Self::Renew { grant: id, .. }
            | Self::EpochKeys { epoch: id, .. } => Some(id),
            _ => None,
        }
    }

    fn is_in_bounds(&self) -> bool {
        match self {
            Self::Grant(grant) => grant.is_in_bounds(),
            Self::Invite(invite) => {
                invite.uses > 0 && invite.role <= Role::Inviter && invite.admitters.len() <= MAX_ADMITTERS
            }
            Self::Remove(remove) => remove.reason.len() <= MAX_REASON && remove.keep.is_in_bounds(),
            Self::Leave(keep) => keep.is_in_bounds() && keep.cuts.is_empty(),
            Self::Password(rule) => {
                rule.role < Role::Inviter
                    && is_bounded(&rule.verifiers, MAX_VERIFIERS)
                    && rule.despite.len() <= MAX_LEAVERS
                    && is_ascending(&rule.despite)
            }
            Self::PassOn { verifiers, .. } => !verifiers.is_empty() && is_bounded(verifiers, MAX_VERIFIERS),
            Self::Epoch(epoch) => {
                is_bounded(&epoch.keys, MAX_EPOCH_KEYS)
                    && epoch.older.len() <= MAX_OLDER_EPOCHS
                    && epoch.older.iter().all(|(_, key)| key.len() <= MAX_SEALED_KEY)
            }
            Self::EpochKeys { keys, .. } => !keys.is_empty() && is_bounded(keys, MAX_EPOCH_KEYS),
            Self::RevokeInvite(_)
            | Self::RevokeDevice { .. }
            | Self::RestoreDevice(_)
            | Self::Renew { .. }
            | Self::Merge => true,
        }
    }
}

impl Grant {
    fn is_in_bounds(&self) -> bool {
        self.name.len() <= MAX_NAME
            && self.not_after.is_none_or(|end| end > self.not_before)
            // An admission is automatic: it takes nothing from anybody.
            && (self.demotes.is_none() || self.admission.is_none())
            && self.demotes.as_ref().is_none_or(Keep::is_in_bounds)
            && self.despite.len() <= MAX_LEAVES
            && is_ascending(&self.despite)
    }
}

impl Keep {
    fn is_in_bounds(&self) -> bool {
        self.chunks.len() <= MAX_KEEP_CHUNKS
            && self.cuts.len() <= MAX_CUTS
            && self.cuts.iter().all(Cut::is_in_bounds)
    }
}

impl Cut {
    fn is_in_bounds(&self) -> bool {
        self.heads.len() + self.spares.len() <= MAX_CUT_HEADS
            && is_ascending(&self.heads)
            && is_ascending(&self.spares)
    }
}

fn is_ascending<T: Ord>(ids: &[T]) -> bool {
    ids.is_sorted_by(|a, b| a < b)
}

fn is_bounded(sealed: &Sealed, most: usize) -> bool {
    sealed.len() <= most && sealed.iter().all(|(_, bytes)| bytes.len() <= MAX_SEALED_KEY)
}
