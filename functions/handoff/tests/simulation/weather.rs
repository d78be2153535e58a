//! What goes wrong in a simulation, how often: decided by its seed, so that calm seas are sailed as well as storms.

use crate::world::World;

/// Faults in one of 1,000 cases each, except where it says otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather {
    pub(crate) processes: usize,
    pub(crate) conversations: u64,
    pub(crate) customers: u64,
    pub(crate) messages: u64,
    /// In a calm there are no faults at all, and no sweeper either: nothing may depend on it then.
    pub(crate) calm: bool,
    /// After a poll, in one of 1,000,000 cases.
    pub(crate) crash: u64,
    /// After a poll, in one of 1,000,000 cases.
    pub(crate) pause: u64,
    pub(crate) unavailable: u64,
    pub(crate) ambiguous: u64,
    pub(crate) conflict: u64,
    pub(crate) slow_store: u64,
    pub(crate) lost_messages: u64,
    pub(crate) double_messages: u64,
    pub(crate) slow_messages: u64,
    pub(crate) model_faults: u64,
    pub(crate) tool_faults: u64,
    pub(crate) clock_jumps: bool,
    pub(crate) drains: bool,
    pub(crate) outages: bool,
    pub(crate) erasures: bool,
    /// All clocks jump forward together: the machine slept.
    pub(crate) leaps: bool,
    /// Customers who stop, interrupt, want an answer anew or use an id twice.
    pub(crate) whims: u64,
    /// A process that has ended can be told from one that is silent.
    pub(crate) names: bool,
    /// Nobody decides about approvals; at the end time leaps past their life.
    pub(crate) no_operator: bool,
}

impl Weather {
    pub(crate) fn of(world: &World) -> Self {
        let size = Self {
            processes: world.index(3) + 1,
            conversations: world.between(1, 3),
            customers: world.between(1, 3),
            messages: world.between(1, 4),
            ..Self::default()
        };
        if world.happens(100) {
            return Self { calm: true, ..size };
        }
        let level = |levels: [u64; 4]| levels[world.index(4)];
        Self {
            crash: level([0, 50, 300, 1_500]),
            pause: level([0, 0, 100, 500]),
            unavailable: level([0, 3, 10, 40]),
            ambiguous: level([0, 5, 30, 120]),
            conflict: level([0, 0, 10, 40]),
            slow_store: level([0, 1, 5, 15]),
            lost_messages: level([0, 50, 200, 700]),
            double_messages: level([0, 50, 200, 400]),
            slow_messages: level([0, 50, 200, 400]),
            model_faults: level([0, 20, 60, 200]),
            tool_faults: level([0, 50, 200, 500]),
            clock_jumps: world.happens(300),
            drains: world.happens(300),
            outages: world.happens(200),
            erasures: world.happens(200),
            leaps: world.happens(200),
            whims: level([0, 50, 200, 500]),
            names: world.happens(500),
            no_operator: world.happens(100),
            ..size
        }
    }
}
