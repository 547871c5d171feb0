//! Neighbors, contacts, probes, pings.

use std::time::Duration;

/// Neighbors we try to keep.
pub const TARGET_NEIGHBORS: usize = 5;
/// Neighbors we accept at most.
pub const MAX_NEIGHBORS: usize = 8;
/// Neighbors of one identity, once there are as many as we try to keep: more of it count for nothing.
pub const PLACES_OF_ONE: usize = 2;
/// The same of one range of public addresses.
pub const PLACES_OF_SOURCE: usize = 3;
/// Places that an identity with so many does not get: for others, and for those we dial.
pub const RESERVED_PLACES: usize = 2;
/// Neighbors that we dialled, the longest lived of different identities, whose places nobody takes.
pub const PROTECTED_BY_AGE: usize = 3;
/// Neighbors that brought most news, whose places nobody takes either.
pub const PROTECTED_BY_NEWS: usize = 2;
/// A link is protected by neither before it has lasted this long.
pub const PROTECTION_AGE: Duration = Duration::from_secs(60);
/// A full node parts with a neighbor for a lonely one at most this often, so that nobody can empty it.
pub const EVICTION_INTERVAL: Duration = Duration::from_secs(1);
/// The same for one identity.
pub const URGENT_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Identities of which that is remembered.
pub const MAX_URGENT: usize = 1024;
/// Neighbors below which we look for more at once.
pub const MIN_NEIGHBORS: usize = 3;
/// Graphs of at most this many nodes are fully meshed.
pub const FULL_MESH: usize = 6;
/// Addresses handed out with a refusal, a welcome or a goodbye.
pub const REFERRALS: usize = 10;
/// Referrals remembered in one connect; each is tried at most once.
pub const MAX_REFERRALS: usize = 100;
/// Contacts dialled at the same time while short of neighbors.
pub const REPAIR_DIALS: usize = 4;
/// First wait before a contact that could not be reached is dialled again; doubles to [`MAX_BACKOFF`].
pub const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// Longest wait between two dials of one contact.
pub const MAX_BACKOFF: Duration = Duration::from_secs(3600);
/// The same for a node that has no neighbor: whoever comes back is found again within a minute.
pub const ALONE_BACKOFF: Duration = Duration::from_secs(60);
/// Contacts remembered of those that this node dialled and that welcomed it, and as many of those it only heard of; beyond, the one
/// not heard of for longest is forgotten. About 600 bytes each.
pub const MAX_CONTACTS: usize = 8 * 1024;
/// Of one identity in each of the two.
pub const CONTACTS_OF_PEER: usize = 16;
/// Of one range of addresses in each of the two.
pub const CONTACTS_OF_SOURCE: usize = 64;
/// Of those that one told of, and that nobody else confirmed.
pub const CONTACTS_OF_TELLER: usize = 32;
/// Ranges of addresses that one contact is counted in.
pub const MAX_CONTACT_SOURCES: usize = 4;
/// Socket addresses that are dialled of those that somebody else told of a node.
pub const MAX_HEARSAY_ADDRESSES: usize = 4;
/// Contacts kept across restarts, of each of the two kinds.
pub const MAX_KEPT_CONTACTS: usize = 2048;
/// Shortest time between two times that they are written; doubles to [`MAX_CONTACTS_INTERVAL`].
pub const MIN_CONTACTS_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time between two times that they are written.
pub const MAX_CONTACTS_INTERVAL: Duration = Duration::from_secs(60);
/// A contact not heard of for this long is forgotten.
pub const CONTACT_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Time between two rounds of maintenance.
pub const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);
/// Time between two probes of a random contact for a partition, ± 50 %.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(30);
/// A partition mark that has not grown for this long is dead.
pub const MARK_LIFETIME: Duration = Duration::from_secs(30);
/// Time between two comparisons of databases with each neighbor, ± 50 %.
pub const ANTI_ENTROPY_INTERVAL: Duration = Duration::from_secs(60);
/// Time between pings of a link.
pub const PING_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time between pings that another node may ask for.
pub const MAX_PING_INTERVAL: Duration = Duration::from_secs(60);
/// Unanswered pings after which a neighbor is taken for dead, at least.
pub const PING_MISSES: u32 = 3;
