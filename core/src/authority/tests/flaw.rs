//! Ways to judge wrongly, to show that the model checker can fail.

/// A way to judge wrongly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    /// What is before what is decided by the times that authors claim.
    ClaimedTime,
    /// Acts of the removed count unless they name the removal in their past.
    WeakRemoval,
    /// A renewal brings a removed member back.
    RenewalRevives,
    /// An act counts though the grant it was made under does not.
    ChainIgnored,
    /// Whoever ranks higher may remove, without being a sponsor or an admin.
    AnyHigherRank,
    /// Of removals at once, only what all of them had seen is kept.
    KeptByAll,
    /// A second removal, which knew the first, keeps more than the first.
    KeptBySecond,
    /// One of several leave acts suffices to keep an act.
    KeptByAnyLeave,
    /// Uses of an invitation count in the order of arrival.
    UsesByArrival,
    /// Uses of an invitation count in the order of claimed times.
    UsesByTime,
    /// Uses of an invitation count in the order of their admitters' ranks, whoever saw which first.
    UsesByRank,
    /// Whoever was removed is never a member again.
    NeverBack,
    /// A demotion undoes what the lower role allows as well.
    DemotionRemoves,
    /// The password that was heard of last holds.
    PasswordByArrival,
    /// A record of the removed counts if it claims an earlier time.
    RecordsByTime,
    /// A record of the removed counts if the last removal lists it.
    RecordsByLastList,
    /// A leave act takes what a removal knew.
    LeavesFirst,
    /// A removal keeps all that it knew, also what came after a leave act that it knew.
    CutsIgnored,
    /// A removal cuts only the acts that name the grant which was left, not those that fall to another of its holder.
    CutsByGrant,
    /// A record in the list of a removal counts though another says `undo`.
    RecordsOutlastUndo,
    /// A list keeps a record that a removal by a higher role leaves out.
    ListsOfAnyRole,
    /// An act is kept by a removal beside one by a higher role.
    LowerRolesKeep,
    /// Whoever holds a grant by a friend has all the power that it had before it was removed.
    SponsorsByIdentity,
    /// A giver's power is asked of the grant that it named, not also of the one that its word stands under.
    PowerOfNamedGrant,
    /// A demotion's depth and end do not bind who goes on naming the old grant.
    DemotionsUnbound,
    /// A renewal that does not count lengthens rights.
    VoidRenewals,
    /// What falls to a demotion that does not allow it falls, though another grant of the same author did.
    DemotionsStop,
    /// What falls with one grant falls, though another of the same author allowed it.
    GiftsPoison,
    /// A use of an old invitation brings back whoever was removed.
    LinkUsedAgain,
    /// A removal of the admitter with its branch is held against the invitation.
    AdmitterByLink,
    /// Uses by inviters whom the invitation's uses may equal count by the ids of grants, whoever saw which first.
    EqualsByGrant,
    /// Any admin refuses devices of anybody.
    DevicesByAnyAdmin,
    /// Of the grants that a refusal of a device names and stands under, the lower-ranked alone must be senior.
    DevicesByLowerGrant,
    /// A refusal of a device counts by what holds now, whatever right its author had when it made it.
    DevicesWithoutRight,
    /// A refusal of a device is held against the grants in its past alone, which its author chooses.
    DevicesByChosenPast,
    /// A refusal of a device comes to count when the grant ends that barred it.
    DevicesByLaterEnds,
    /// Whoever was given the key of an epoch later does not make it stale.
    KeysPassedOnForgotten,
}

impl Flaw {
    pub(super) const ALL: [Self; 37] = [
        Self::ClaimedTime,
        Self::WeakRemoval,
        Self::RenewalRevives,
        Self::ChainIgnored,
        Self::AnyHigherRank,
        Self::KeptByAll,
        Self::KeptBySecond,
        Self::KeptByAnyLeave,
        Self::UsesByArrival,
        Self::UsesByTime,
        Self::UsesByRank,
        Self::NeverBack,
        Self::DemotionRemoves,
        Self::PasswordByArrival,
        Self::RecordsByTime,
        Self::RecordsByLastList,
        Self::LeavesFirst,
        Self::CutsIgnored,
        Self::CutsByGrant,
        Self::RecordsOutlastUndo,
        Self::ListsOfAnyRole,
        Self::LowerRolesKeep,
        Self::SponsorsByIdentity,
        Self::PowerOfNamedGrant,
        Self::LinkUsedAgain,
        Self::DemotionsUnbound,
        Self::VoidRenewals,
        Self::GiftsPoison,
        Self::AdmitterByLink,
        Self::EqualsByGrant,
        Self::DevicesByAnyAdmin,
        Self::DevicesByLowerGrant,
        Self::DevicesWithoutRight,
        Self::DevicesByChosenPast,
        Self::DevicesByLaterEnds,
        Self::KeysPassedOnForgotten,
        Self::DemotionsStop,
    ];
}
