//! A conversation as Markdown that reads well in a ticket or a mail.

use std::collections::HashSet;
use std::fmt::Write as _;

use baton_handoff::history::{Item, Role};
use baton_handoff::ids::TurnNumber;

/// Whole turns as Markdown. Texts are quoted line by line, so that they cannot pose as a heading.
pub(super) fn write(out: &mut String, items: &[Item]) {
    let anew = Anew::of(items);
    for item in items {
        // Writing to a string cannot fail.
        let _ = write_item(out, item, &anew);
    }
}

/// Regenerated answers.
#[derive(Default)]
struct Anew {
    /// Turns that regenerate an earlier answer: the customer asked only once.
    replacing: HashSet<TurnNumber>,
    /// Turns with a replaced answer.
    replaced: HashSet<TurnNumber>,
}

impl Anew {
    fn of(items: &[Item]) -> Self {
        let mut anew = Self::default();
        for item in items {
            if let Item::Turn {
                turn,
                replaces,
                replaced,
                ..
            } = item
            {
                if replaces.is_some() {
                    anew.replacing.insert(*turn);
                }
                if *replaced {
                    anew.replaced.insert(*turn);
                }
            }
        }
        anew
    }
}

fn write_item(out: &mut String, item: &Item, anew: &Anew) -> std::fmt::Result {
    match item {
        Item::Message {
            turn,
            role: Role::Customer,
            ..
        } if anew.replacing.contains(turn) => Ok(()),
        Item::Message {
            turn,
            role,
            agent,
            text,
            partial,
            ..
        } => {
            let speaker = match role {
                Role::Customer => "Customer",
                Role::Agent => agent.as_deref().unwrap_or("Agent"),
            };
            let mark = if *partial { " (broken off)" } else { "" };
            let replaced = *role == Role::Agent && anew.replaced.contains(turn);
            let again = if replaced {
                " (answered again below)"
            } else {
                ""
            };
            writeln!(out, "\n**{speaker}**{mark}{again}\n")?;
            text.lines().try_for_each(|line| writeln!(out, "> {line}"))
        }
        Item::ToolCall {
            agent,
            name,
            arguments,
            outcome,
            result,
            ..
        } => {
            write!(out, "\n- {agent} called `{name}`")?;
            write_arguments(out, arguments.as_deref())?;
            writeln!(out)?;
            match (result, outcome) {
                (Some(result), _) => writeln!(out, "  - result: {}", code(result)),
                (None, Some(outcome)) => writeln!(out, "  - outcome: {}", outcome.as_str()),
                (None, None) => writeln!(out, "  - no result yet"),
            }
        }
        Item::HandOff { from, to, .. } => writeln!(out, "\n---\n\n*{from} handed over to {to}*"),
        Item::Action {
            name,
            arguments,
            state,
            result,
            ..
        } => {
            write!(out, "\n- action `{name}`")?;
            write_arguments(out, arguments.as_deref())?;
            write!(out, ": **{}**", state.as_str())?;
            match result {
                Some(result) => writeln!(out, ", {}", code(result)),
                None => writeln!(out),
            }
        }
        Item::Turn {
            turn,
            status: "unreadable",
            ..
        } => writeln!(out, "\n*Turn {turn}: not all of it can be read.*"),
        Item::Turn { turn, message, .. } => match message {
            Some(message) => writeln!(out, "\n*Turn {turn} failed: {message}*"),
            None => Ok(()),
        },
    }
}

/// The arguments that the reader sees, if there are any.
fn write_arguments(out: &mut String, arguments: Option<&str>) -> std::fmt::Result {
    arguments.map_or(Ok(()), |arguments| write!(out, " with {}", code(arguments)))
}

/// Inline code for any text: its fence is longer than any run of backticks in it.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let text = text.replace(['\n', '\r'], " ");
    if longest == 0 {
        format!("{fence}{text}{fence}")
    } else {
        format!("{fence} {text} {fence}")
    }
}
