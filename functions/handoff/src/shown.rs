//! What a reader of a conversation sees of tool calls: the one place that decides it, for every stream, history and export.
//! Knows the team's rule for a tool and the texts of a call; never the route that asks.

use crate::record::{ActionState, ToolOutcome};
use crate::team::{Show, Team, picked};

/// Whose view of a conversation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The customer's: of a call, the part that its tool shows.
    Customer,
    /// An operator's: all arguments and results.
    Operator,
}

/// A reader, with the team whose tools have the rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    team: &'a Team,
    view: View,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(team: &'a Team, view: View) -> Self {
        Self { team, view }
    }

    /// The customer, who is the reader of every event.
    pub(crate) fn customer(team: &'a Team) -> Self {
        Self::new(team, View::Customer)
    }

    /// The part that the reader sees of the arguments of a call or an action.
    pub(crate) fn arguments(&self, tool: &str, arguments: &str) -> Option<String> {
        match self.show(tool) {
            Show::Name => None,
            Show::Fields(fields) => picked(fields, arguments),
            Show::All => Some(arguments.to_owned()),
        }
    }

    /// The part that the reader sees of the result of a call.
    pub(crate) fn result_of_call(
        &self,
        tool: &str,
        outcome: ToolOutcome,
        result: &str,
    ) -> Option<String> {
        self.result(tool, outcome == ToolOutcome::Ok, result)
    }

    /// The part that the reader sees of the result of an action.
    pub(crate) fn result_of_action(
        &self,
        tool: &str,
        state: ActionState,
        result: &str,
    ) -> Option<String> {
        self.result(tool, state == ActionState::Done, result)
    }

    /// Without success the result is a refusal for the model, also where it is JSON: no members of it are shown.
    fn result(&self, tool: &str, is_success: bool, result: &str) -> Option<String> {
        match self.show(tool) {
            Show::Name => None,
            Show::Fields(fields) => is_success.then(|| picked(fields, result)).flatten(),
            Show::All => Some(result.to_owned()),
        }
    }

    /// A customer sees no more than the name of a hand-off, of a tool that the team no longer has, or of a name that a model
    /// made up.
    fn show(&self, tool: &str) -> &'a Show {
        match self.view {
            View::Operator => &Show::All,
            View::Customer => self.team.tool(tool).map_or(&Show::Name, |tool| &tool.show),
        }
    }
}
