//! The engine's errors on demand, so that the simulation can show that it finds them. Without the feature `sabotage` every
//! `if sabotage!(…)` is `if false`, and nothing of this is in the program.

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
        /// The idempotency key comes from the model's id of the call.
        KeyFromCallId,
        /// The other side is called without a key.
        NoKey,
        /// An action is sent to the workers before it is recorded.
        SendBeforeRecord,
        /// Nobody looks for what was lost.
        NoSweeper,
        /// The outcome is written whoever has claimed the action meanwhile.
        NoFence,
        /// The message is forgotten before the outcome is recorded.
        AckBeforeRecord,
        /// An action is claimed although its worker is alive.
        LeaseIgnored,
        /// The sweeper writes back what the index showed, whatever it is by now.
        SweeperOverwrites,
        /// An action that did not work is removed.
        RecordDeletedOnError,
        /// What may have been written counts as not written.
        AmbiguousIsFailure,
        /// What may have been written counts as written.
        AmbiguousIsSuccess,
        /// The lease of a process that lives is taken for that of a dead one.
        LivingTakenForDead,
        /// What nobody can price needs no approval.
        PriceUnknownIsFree,
        /// A decision is applied to whatever state the action is in by now.
        DecisionNotBound,
        /// Who reads after an ambiguous claim does not look whether the action has ended since.
        EndedClaimTaken,
        /// A refusal counts as final although an earlier try may still arrive.
        RefusalForgetsTries,
        /// Actions do not wait for those before them.
        OrderIgnored,
        /// A repeat is the same action however much lies in between.
        IdentityForWholeTurn,
        /// A commit that was refused is tried again.
        RefusedIsLater,
        /// The sweep ends at a record that it cannot read.
        SweepStopsAtUnreadable,
        /// A conversation may have any number of open actions.
        UntoldUnbounded,
    }

    impl Sabotage {
        /// All of them.
        pub const ALL: [Self; 21] = [
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
        ];
    }

    thread_local! {
        static MADE: Cell<Option<Sabotage>> = const { Cell::new(None) };
    }

    /// From now on engines on this thread make this error, or none.
    pub fn set(sabotage: Option<Sabotage>) {
        MADE.set(sabotage);
    }

    /// Whether engines on this thread make this error.
    pub fn is(sabotage: Sabotage) -> bool {
        MADE.get() == Some(sabotage)
    }
}
