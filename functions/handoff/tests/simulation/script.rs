//! What a scenario wants to happen, in place of chance. Empty in every other simulation.

use std::collections::VecDeque;

use baton_handoff::ports::{Change, Millis};
use baton_handoff::record::{ActionRecord, ActionState};

/// What is to become of a commit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It is written, nobody confirms it, and its process sleeps before it can look.
    WrittenButAmbiguous { asleep_for: Millis },
    /// It reaches the store so much later.
    Delayed(Millis),
}

/// What is to become of a request to a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Try {
    /// How long it is on its way.
    pub(crate) flight: Millis,
    /// Whether the service refuses it.
    pub(crate) refused: bool,
    /// Whether an answer comes back.
    pub(crate) answered: bool,
    /// Whether it ever arrives.
    pub(crate) lost: bool,
}

impl Try {
    pub(crate) const WORKS: Self = Self {
        flight: 1,
        refused: false,
        answered: true,
        lost: false,
    };
    pub(crate) const REFUSED: Self = Self {
        refused: true,
        ..Self::WORKS
    };
    pub(crate) const UNANSWERED: Self = Self {
        answered: false,
        ..Self::WORKS
    };
    pub(crate) const LOST: Self = Self {
        lost: true,
        ..Self::UNANSWERED
    };
    /// Not answered in time, and then it arrives after all.
    pub(crate) const LATE: Self = Self {
        flight: 9_000,
        ..Self::UNANSWERED
    };
}

/// What a commit is recognised by.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// It brings an action into this state.
    Action(ActionState),
    /// It writes a record whose partition begins so.
    Partition(&'static str),
}

/// A commit to be disturbed: the next one of this process with this mark.
#[derive(Debug, Clone, Copy)]
struct Disturbance {
    process: usize,
    mark: Mark,
    fate: Fate,
}

/// A response of the model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) text: String,
    /// Tools with their arguments.
    pub(crate) calls: Vec<(String, String)>,
    /// It breaks off behind that.
    pub(crate) breaks: bool,
}

impl Reply {
    pub(crate) fn calls(calls: &[(&str, &str)]) -> Self {
        let own = |(name, arguments): &(&str, &str)| ((*name).to_owned(), (*arguments).to_owned());
        Self {
            calls: calls.iter().map(own).collect(),
            ..Self::default()
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Script {
    /// What the model answers, response by response. Behind the last it says one sentence.
    pub(crate) replies: VecDeque<Reply>,
    /// What lookups and actions find or say, in place of what is usual.
    pub(crate) result: Option<String>,
    /// What becomes of the tries of actions, one after the other. Those behind the last work.
    pub(crate) tries: VecDeque<Try>,
    disturbances: Vec<Disturbance>,
    /// The next record read from a partition that begins so comes so much later.
    pub(crate) late_answer: Option<(&'static str, Millis)>,
    /// Everything else happens without faults.
    pub(crate) directs: bool,
}

impl Script {
    pub(crate) fn disturb(&mut self, process: usize, state: ActionState, fate: Fate) {
        let mark = Mark::Action(state);
        self.disturbances.push(Disturbance {
            process,
            mark,
            fate,
        });
    }

    /// The same for the next commit of this process that writes to a partition that begins so.
    pub(crate) fn disturb_writes(&mut self, process: usize, partition: &'static str, fate: Fate) {
        let mark = Mark::Partition(partition);
        self.disturbances.push(Disturbance {
            process,
            mark,
            fate,
        });
    }

    /// How much later what was read from this partition comes.
    pub(crate) fn delay_of(&mut self, partition: &str) -> Option<Millis> {
        let (of, delay) = self.late_answer?;
        if !partition.starts_with(of) {
            return None;
        }
        self.late_answer = None;
        Some(delay)
    }

    pub(crate) fn fate_of(&mut self, process: usize, changes: &[Change]) -> Option<Fate> {
        let into = |state: ActionState| {
            changes.iter().any(|change| match change {
                Change::Replace(key, _, record) | Change::Create(key, record) => {
                    key.sort.contains("#A#")
                        && serde_json::from_str::<ActionRecord>(&record.body)
                            .is_ok_and(|action| action.state == state)
                }
                Change::Remove(..) | Change::Require(..) => false,
            })
        };
        let at = self.disturbances.iter().position(|disturbance| {
            let marked = match disturbance.mark {
                Mark::Action(state) => into(state),
                Mark::Partition(of) => changes
                    .iter()
                    .any(|change| change.key().partition.starts_with(of)),
            };
            disturbance.process == process && marked
        })?;
        Some(self.disturbances.remove(at).fate)
    }
}
