//! What goes wrong in a simulation, how often: decided by its seed, so that calm seas are sailed as well as storms.

use crate::budgets::COUNT;
use crate::world::World;

/// Faults in one of 1,000 cases each, except where it says otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather {
    pub(crate) processes: usize,
    pub(crate) conversations: u64,
    pub(crate) customers: u64,
    pub(crate) messages: u64,
    /// Somebody who tries something somewhere, after a message.
    pub(crate) strangers: u64,
    /// Visitors who sign in, some of them more than once.
    pub(crate) sign_ins: u64,
    /// More visitors who become one customer than may.
    pub(crate) crowds: u64,
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
    /// Prices that cannot be told.
    pub(crate) priceless: u64,
    /// Operators who decide long after they have looked, as others do.
    pub(crate) hesitation: u64,
    /// Processes that fall asleep while they wait for a commit that is answered as ambiguous.
    pub(crate) dozes: u64,
    /// Calls, texts, results and reasons that nobody should write.
    pub(crate) oddities: u64,
    /// How long such a text may be, in bytes.
    pub(crate) bulk: u64,
    /// Calls that wait for a person, ever new ones.
    pub(crate) proposals: u64,
    /// The store refuses what a turn could end without in commits of more bytes than this; 0: it never does.
    pub(crate) largest_commit: u64,
    /// Some record cannot be read for a while, now and then.
    pub(crate) blurs: bool,
    /// A turn could not be read for a while, and its calls were not known then: an id may be that of one of them.
    pub(crate) has_blurred: bool,
    /// Records of a newer Baton, due and listed before all others, which nobody here can ever read.
    pub(crate) relics: u64,
    /// The team is another one after some time: agents and tools are gone.
    pub(crate) new_team: bool,
    /// How many turns a process may run at once; 0: more than there are.
    pub(crate) few_turns: u64,
    /// Which budgets there are; 0: none.
    pub(crate) budgets: usize,
    /// Every agent has several models.
    pub(crate) several_models: bool,
    /// What leaves the window is summed up.
    pub(crate) summaries: bool,
    /// Midnight, when budgets begin anew, is near.
    pub(crate) midnight: bool,
    /// Messages of clients that bring tools.
    pub(crate) client_tools: u64,
    /// Services that have begun an action and report its end later.
    pub(crate) begun: u64,
    /// The model only says one sentence.
    pub(crate) plain: bool,
}

impl Weather {
    /// Whether something still happens at a time of its own.
    pub(crate) fn storms(&self) -> bool {
        self.clock_jumps
            || self.leaps
            || self.drains
            || self.outages
            || self.erasures
            || self.blurs
            || self.new_team
    }

    pub(crate) fn of(world: &World) -> Self {
        let size = Self {
            processes: world.index(3) + 1,
            conversations: world.between(1, 3),
            customers: world.between(1, 3),
            messages: world.between(1, 4),
            strangers: [0, 100, 300, 700][world.index(4)],
            sign_ins: world.below(3),
            crowds: 30,
            few_turns: [0, 0, 1, 2][world.index(4)],
            budgets: if world.happens(400) {
                world.index(COUNT)
            } else {
                0
            },
            several_models: world.happens(500),
            midnight: world.happens(150),
            summaries: world.happens(400),
            ..Self::default()
        };
        if world.happens(100) {
            return Self { calm: true, ..size };
        }
        let blurs = world.happens(150);
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
            priceless: level([0, 0, 100, 500]),
            hesitation: level([0, 100, 300, 700]),
            dozes: level([0, 0, 100, 500]),
            oddities: level([0, 0, 50, 300]),
            bulk: level([
                40,
                400,
                4_000,
                if world.happens(300) { 128 * 1024 } else { 40 },
            ]),
            proposals: if world.happens(50) { 700 } else { 0 },
            largest_commit: level([0, 0, 1_500, 60_000]),
            blurs,
            has_blurred: blurs,
            relics: if world.happens(100) {
                world.between(1, 3)
            } else {
                0
            },
            new_team: world.happens(100),
            // By the seed, not by chance: in half of the worlds all else stays as it was before there were such clients.
            client_tools: [300, 800, 0, 0][usize::try_from(world.seed % 4).unwrap_or(0)],
            // Likewise.
            begun: [0, 0, 200, 700][usize::try_from(world.seed / 4 % 4).unwrap_or(0)],
            plain: false,
            ..size
        }
    }
}
