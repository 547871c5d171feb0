//! Acts: what one may name, and how many are kept.

/// Heads that one act names. With more, a merge act names some of them first.
pub const MAX_ACT_HEADS: usize = 16;
/// Leave acts of one identity that are kept. With so many, nothing that the identity did counts any more, whichever they are.
pub const MAX_LEAVES: usize = 17;
/// Leave acts of one identity that this node heard first and that gave way to others: it knows what they name. With so many
/// it does not trust the others.
pub const MAX_FIRST_LEAVES_OF_MEMBER: usize = MAX_LEAVES;
/// The same of all identities of a group.
pub const MAX_FIRST_LEAVES: usize = 1024;
/// Grants that name as many leaves as they can, and that one of those ended which were heard first. With more it is taken to name
/// nothing.
pub const MAX_ENDED_NAMED: usize = 16;
/// Identities that left of whom a password says that they do not end it.
pub const MAX_LEAVERS: usize = 64;
/// Cuts in one removal: how far the acts of those who left stand. With them, and with the longest list, it fits the smallest
/// record limit of a group.
pub const MAX_CUTS: usize = 48;
/// Acts that one cut names: the heads and the grant that a leave act names.
pub const MAX_CUT_HEADS: usize = MAX_ACT_HEADS + 1;
/// Nodes that one identity may refuse for itself; those with the smallest ids count.
pub const MAX_REVOKED_DEVICES: usize = 64;
/// Removals and demotions of one grant, or withdrawals of one invitation, by one author that are heard.
pub const MAX_ENDS_HEARD: usize = 16;
/// Acts of one identity without a grant in force that never counted here and that nobody needs; further ones are not taken in.
pub const MAX_IDLE_ACTS: usize = 256;
/// The same of all identities together none of whose grants ever counted here: they cost nothing to invent.
pub const MAX_IDLE_OF_STRANGERS: usize = 1024;
/// Void grants and renewals of members by one identity without a grant in force, with their pasts, that are kept for records which
/// may name them.
pub const MAX_NAMED_ACTS: usize = 4096;
/// Acts of one such identity (of all together none of whose grants ever counted here) beyond which none is taken in for its own
/// sake.
pub const MAX_NEEDED_ACTS: usize = 8192;
/// Admitters to whom one act seals a password's verifier.
pub const MAX_VERIFIERS: usize = 280;
/// Longest key or verifier that is sealed to one identity, in bytes.
pub const MAX_SEALED_KEY: usize = 1024;
/// Chunks of one list of records to keep: 1,024,000 entries.
pub const MAX_KEEP_CHUNKS: usize = 1024;
/// Entries in one chunk of such a list.
pub const KEEP_CHUNK: usize = 1000;
/// Acts and chunks that wait for an act, or until somebody needs them; beyond, the author with most of them loses its oldest.
pub const MAX_WAITING_ACTS: usize = 8192;
/// Their bytes; as above.
pub const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Beside those, the ones by authors none of whose grants ever counted here.
pub const MAX_WAITING_OF_STRANGERS: usize = 256;
/// Their bytes.
pub const MAX_WAITING_BYTES_OF_STRANGERS: usize = 4 * 1024 * 1024;
/// Largest act, in bytes: an epoch with all its keys fits.
pub const MAX_ACT: usize = 128 * 1024;
/// How often a list is completed for what comes while it is stored: who is about to be removed must not put that off for ever. What
/// comes later is in no list.
pub const MAX_COMPLETIONS: u8 = 3;
/// Identities, grants and acts of which it is remembered that something changed for acts that wait; beyond, all are looked at.
pub const MAX_CHANGES: usize = 1024;
