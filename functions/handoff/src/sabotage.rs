//! Deliberate errors of the engine, so that the simulation can show that it finds them. Without the feature `sabotage` every
//! `if sabotage!(…)` is `if false`, and the program contains none of this.

#[cfg(feature = "sabotage")]
pub use switch::{Sabotage, is, set};

/// Whether the engine is to make this error now.
macro_rules! sabotage {
    ($error:ident) => {{
        #[cfg(feature = "sabotage")]
        let made = $crate::sabotage::is($crate::sabotage::Sabotage::$error);
        #[cfg(not(feature = "sabotage"))]
        let made = false;
        made
    }};
}

#[cfg(feature = "sabotage")]
mod switch {
    use std::cell::Cell;

    /// An error that the engine must never make.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Sabotage {
        /// The idempotency key is derived from the model's id of the call.
        KeyFromCallId,
        /// The service is called without a key.
        NoKey,
        /// An action is sent to the workers before it is recorded.
        SendBeforeRecord,
        /// No sweep looks for lost work.
        NoSweeper,
        /// The outcome is written even if another worker has claimed the action meanwhile.
        NoFence,
        /// The message is forgotten before the outcome is recorded.
        AckBeforeRecord,
        /// An action is claimed although its worker is alive.
        LeaseIgnored,
        /// The sweeper writes back the record from the index, whatever its state is by now.
        SweeperOverwrites,
        /// A failed action is removed.
        RecordDeletedOnError,
        /// A possibly written commit counts as not written.
        AmbiguousIsFailure,
        /// A possibly written commit counts as written.
        AmbiguousIsSuccess,
        /// The lease of a live process is taken for the lease of a dead one.
        LivingTakenForDead,
        /// An action without a price needs no approval.
        PriceUnknownIsFree,
        /// A decision is applied to any later state of the action.
        DecisionNotBound,
        /// The reader after an ambiguous claim does not check whether the action has ended since.
        EndedClaimTaken,
        /// A refusal counts as final although an earlier attempt may still arrive.
        RefusalForgetsTries,
        /// Actions do not wait for earlier ones.
        OrderIgnored,
        /// A repeated call is the same action even with others in between.
        IdentityForWholeTurn,
        /// A refused commit is tried again.
        RefusedIsLater,
        /// The sweep ends at an unreadable record.
        SweepStopsAtUnreadable,
        /// A conversation may have any number of open actions.
        UntoldUnbounded,
        /// A decision is not told in the audit trail.
        NotAudited,
        /// An operator decides on actions of any tenant.
        TenantIgnored,
        /// An operator decides without the role for it.
        RolesIgnored,
        /// Both approvals of an action may be one operator's.
        OneMayApproveTwice,
        /// The owner is compared with the caller at the first attempt only, as if a handler did it, and not for the version of
        /// META that is written over.
        OwnerCheckedOnce,
        /// A remembered conversation is advanced for every caller.
        OwnerOfWarmIgnored,
        /// A stranger may read, stop and erase.
        StrangersOversee,
        /// A name means the same conversation to every owner.
        NamesShared,
        /// An id that Baton made, and that nobody has, begins a conversation.
        MadeIdsBegin,
        /// A sign-in writes over what another one has written since the first read.
        AliasUnconditional,
        /// A sign-in is written in two commits.
        AliasHalf,
        /// A visitor who has signed in is still let in.
        VisitorStays,
        /// That a visitor has not signed in is believed for as long as it is remembered, also when its customer asks.
        OldNoBelieved,
        /// A tool is called although the tool that must come before has not succeeded.
        AfterIgnored,
        /// An accepted turn begins without a place.
        PlaceNotAwaited,
        /// A worker forgets the conversation whose turn found no place.
        FullForgotten,
        /// A limit is checked against sums that were read before, and not those that the commit writes over.
        LimitOutsideOfCommit,
        /// An attempt that may have been written counts its amounts once more.
        CountedTwice,
        /// A yes counts for whatever arguments the action has.
        YesOfAnyArguments,
        /// A card stays open although its tool was proposed anew.
        CardNotWithdrawn,
        /// A card can be answered when its time is over.
        CardNeverExpires,
        /// An operator may approve an action before its customer has confirmed it.
        ApprovedBeforeCustomer,
        /// An operator may answer a customer's card.
        StrangersConfirm,
        /// What ends without effect stays counted.
        NeverGivenBack,
        /// A model call is reserved for after it was made.
        ReservedAfterCall,
        /// A slice that was settled is settled again.
        SettledTwice,
        /// A budget is checked before the commit, and not for the version that the commit writes over.
        CheckedOutsideOfCommit,
        /// A conversation takes from a slice, and nothing says so when the instance is gone.
        SliceForgotten,
        /// A step is said anew by another model, and listeners are not told.
        ForgetReset,
        /// Another model goes on where the first one broke off.
        MixedFallback,
        /// What one model wants back is sent to another.
        OpaqueToOther,
        /// What a model wants back is sent behind other words than those that it was made behind.
        OpaqueAfterChange,
        /// A turn that is recovered gets the newest summary.
        SummaryForgotten,
        /// A summary is written although its conversation was erased meanwhile.
        SummaryOfErased,
        /// A message does not close the calls that wait for the client.
        ClientCallsStayOpen,
        /// Calls that were answered go on to wait.
        ClientAnswersTwice,
        /// The results of the client are not in the request.
        ClientResultLost,
        /// A recovered turn does not offer the client's tools again.
        ClientToolsForgotten,
        /// A notice that was not taken counts as taken.
        NoticeForgotten,
        /// The newest notice of a conversation is sent first.
        NoticesOutOfOrder,
        /// Any worker's message ends the wait for a service's report.
        ReportNotAwaited,
    }

    impl Sabotage {
        /// All errors.
        pub const ALL: [Self; 62] = [
            Self::KeyFromCallId,
            Self::NoKey,
            Self::SendBeforeRecord,
            Self::NoSweeper,
            Self::NoFence,
            Self::AckBeforeRecord,
            Self::LeaseIgnored,
            Self::SweeperOverwrites,
            Self::RecordDeletedOnError,
            Self::AmbiguousIsFailure,
            Self::AmbiguousIsSuccess,
            Self::LivingTakenForDead,
            Self::PriceUnknownIsFree,
            Self::DecisionNotBound,
            Self::EndedClaimTaken,
            Self::RefusalForgetsTries,
            Self::OrderIgnored,
            Self::IdentityForWholeTurn,
            Self::RefusedIsLater,
            Self::SweepStopsAtUnreadable,
            Self::UntoldUnbounded,
            Self::NotAudited,
            Self::TenantIgnored,
            Self::RolesIgnored,
            Self::OneMayApproveTwice,
            Self::OwnerCheckedOnce,
            Self::OwnerOfWarmIgnored,
            Self::StrangersOversee,
            Self::NamesShared,
            Self::MadeIdsBegin,
            Self::AliasUnconditional,
            Self::AliasHalf,
            Self::VisitorStays,
            Self::OldNoBelieved,
            Self::AfterIgnored,
            Self::PlaceNotAwaited,
            Self::FullForgotten,
            Self::LimitOutsideOfCommit,
            Self::CountedTwice,
            Self::YesOfAnyArguments,
            Self::CardNotWithdrawn,
            Self::CardNeverExpires,
            Self::ApprovedBeforeCustomer,
            Self::StrangersConfirm,
            Self::NeverGivenBack,
            Self::ReservedAfterCall,
            Self::SettledTwice,
            Self::CheckedOutsideOfCommit,
            Self::SliceForgotten,
            Self::ForgetReset,
            Self::MixedFallback,
            Self::OpaqueToOther,
            Self::OpaqueAfterChange,
            Self::SummaryForgotten,
            Self::SummaryOfErased,
            Self::ClientCallsStayOpen,
            Self::ClientAnswersTwice,
            Self::ClientResultLost,
            Self::ClientToolsForgotten,
            Self::NoticeForgotten,
            Self::NoticesOutOfOrder,
            Self::ReportNotAwaited,
        ];
    }

    thread_local! {
        static MADE: Cell<Option<Sabotage>> = const { Cell::new(None) };
    }

    /// Makes engines on this thread commit this error, or none.
    pub fn set(sabotage: Option<Sabotage>) {
        MADE.set(sabotage);
    }

    /// Whether engines on this thread commit this error.
    pub fn is(sabotage: Sabotage) -> bool {
        MADE.get() == Some(sabotage)
    }
}
