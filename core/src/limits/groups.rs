//! Groups: memberships, invitations, passwords, epochs, exports.

use std::time::Duration;

/// Acts that tell a removed identity of its removal, in one answer.
pub const MAX_ENDING_ACTS: usize = 256;
/// Their bytes.
pub const ENDING_BYTES: usize = 64 * 1024;
/// One removed identity is told of its removal at most once in this time: each answer is read from the database.
pub const ENDING_PAUSE: Duration = Duration::from_secs(10);
/// Most grants between a group's creator and a member, as in Windows.
pub const MAX_CHAIN: u8 = 24;
/// Acts that somebody shows when connecting: the grants from the creator's down, and renewals.
pub const MAX_SHOWN: usize = 4 * MAX_CHAIN as usize;
/// How long links last that rest on shown acts alone, from when the first by the word of one member is made, or from the last
/// records that came. They end before that once the acts of both ends were compared.
pub const PAPERS_PATIENCE: Duration = Duration::from_secs(30);
/// How long they last at most, however much comes on them, or if this node has nothing yet.
pub const MAX_PAPERS_TIME: Duration = Duration::from_secs(10 * 60);
/// So long after that first link, others may be made that rest on the word of this member.
pub const PAPERS_PAUSE: Duration = Duration::from_secs(10 * 60);
/// Grants between a group's creator and a member unless the group says otherwise.
pub const DEFAULT_CHAIN: u8 = 8;
/// Record types that can have rules of their own.
pub const MAX_TYPE_RULES: usize = 256;
/// Longest reason of a removal, in bytes.
pub const MAX_REASON: usize = 255;
/// Identities named as admitters of one invitation.
pub const MAX_ADMITTERS: usize = 16;
/// How long records stay where they are that wait for a list, which may be on its way, before they are withheld.
pub const LIST_PATIENCE: Duration = Duration::from_secs(60);
/// How long a membership lasts unless said otherwise; renewed by whoever may before it ends, as any of [`MIN_RENEWAL`] or more.
pub const DEFAULT_MEMBERSHIP: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long an invitation can be used unless said otherwise.
pub const DEFAULT_INVITATION: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long a membership by password lasts until somebody grants a longer one.
pub const PASSWORD_MEMBERSHIP: Duration = Duration::from_secs(24 * 3600);
/// Automatic acts signed in one step, as renewals. The rest follows after the next commit, or with the next look.
pub const ISSUED_AT_ONCE: usize = 32;
/// Grants in force of this node's identity that are put in order before one is named: those that were used, then in turns of those
/// who gave them; each is compared with each other.
pub const OWN_GRANTS: usize = 16;
/// Grants of one member that are renewed in one step: in turns of those who gave them, and of those above these.
pub const RENEWED_OF_MEMBER: usize = 4;
/// Shortest time for which a node renews a membership. One that a person gives for less ends with it.
pub const MIN_RENEWAL: Duration = Duration::from_secs(24 * 3600);
/// Least time that a renewal adds; the renewer's own membership may allow less. So no grant is renewed more than four times a day.
pub const MIN_RENEWAL_GAIN: Duration = Duration::from_secs(6 * 3600);
/// Renewals that an identity signs in [`RENEWALS_COUNTED`] of memberships that one member gave, or others below that one. Those
/// that itself or the creator gave are not counted. 10,000 members of one giver who came on one day, for 30 days, take three.
pub const RENEWED_OF_GIVER: usize = 4096;
/// Over which time they are counted.
pub const RENEWALS_COUNTED: Duration = Duration::from_secs(24 * 3600);
/// Longest message of a password proof, in bytes.
pub const MAX_PROOF: usize = 1024;
/// How long a link for joining may last.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Joins by password that a member passes on to an admitter at once; further ones are told that it is none.
pub const MAX_RELAYED_JOINS: usize = 8;
/// Messages of joining that one end says on a link; the next one ends it. A join takes two.
pub const MAX_JOIN_MESSAGES: u8 = 3;
/// Nodes that a joiner asks beside those of its invitation, because others named them.
pub const MAX_REFERRED_JOINS: usize = 20;
/// Nodes of one identity among those that joiners are referred to, or that an invitation names.
pub const NODES_OF_ONE: usize = 2;
/// Links for joining at once; further ones are told to come later, unless one makes room that says nothing, or was told no.
pub const MAX_JOINS: usize = 64;
/// Of those, kept for ranges of addresses that have none.
pub const KEPT_JOINS: usize = 16;
/// How often one node may put a joiner by password off for a moment; then its word counts as a no.
pub const MAX_JOIN_DELAYS: u8 = 8;
/// A joiner that has said nothing for this long makes room for another; so does one that was told no, this long after it asked.
pub const JOIN_SILENCE: Duration = Duration::from_secs(2);
/// Most sealed keys in one record of an epoch: it fits the smallest record limit of a group.
pub const MAX_EPOCH_KEYS: usize = 450;
/// Most earlier keys that an epoch carries: all that no other one carries.
pub const MAX_OLDER_EPOCHS: usize = 64;
/// Smallest record limit of a group: credentials must fit.
pub const MIN_GROUP_RECORD: u32 = 64 * 1024;
/// Most bytes of what an exported database says of itself: the rules of the largest group fit.
pub const MAX_EXPORT_HEAD: usize = 256 * 1024;
/// Records taken from an exported database in one transaction.
pub const IMPORT_BATCH: usize = 512;
/// Bytes of such records; one at least is taken.
pub const IMPORT_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Keys of epochs asked for in one message; a message with more ends the link. Of keys that do not open, no more are asked for.
pub const MAX_WANTED_KEYS: usize = 64;
/// Bytes of a sealed key in the answer; a longer one ends the link.
pub const MAX_GIVEN_KEY: usize = 128;
/// After one neighbor was asked for keys that do not open, the next is after this.
pub const KEY_ASK_PAUSE: Duration = Duration::from_secs(5);
/// After all were, they are asked again after this, or when another one comes.
pub const KEY_ASK_ROUND: Duration = Duration::from_secs(10 * 60);
/// A neighbor that asks is answered at most this often.
pub const KEY_ANSWER_PAUSE: Duration = Duration::from_secs(2);
