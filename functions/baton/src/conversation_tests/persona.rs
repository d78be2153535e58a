//! A customer who is played by a model: a persona with a goal, who writes until it is reached or given up.
//! Knows what was said; never what is expected of the team.

use std::sync::Arc;

use baton_handoff::ports::{Message, Model, ModelRequest};

use super::evidence::{Evidence, Fact};
use super::file::Simulated;
use super::model::{Meter, ask};

/// The customer's last word, alone on a line.
const END: &str = "[END]";

/// The longest message of a customer, in bytes: the rest is cut off.
const MOST_BYTES: usize = 4 * 1024;

/// What the customer does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Message(String),
    /// Leaves.
    Leaves,
}

/// A customer.
pub(super) struct Persona {
    model: Arc<dyn Model>,
    meter: Arc<Meter>,
    instructions: String,
    most: usize,
}

impl Persona {
    /// A customer with a model.
    pub(super) fn new(model: Arc<dyn Model>, of: &Simulated, meter: Arc<Meter>) -> Self {
        let (persona, goal) = (&of.persona, &of.goal);
        let instructions = format!(
            "You play a customer who writes to a company's customer service by chat. Stay in the role: you are not an assistant, \
             and you help nobody.\n\nWho you are: {persona}\n\nWhat you want: {goal}\n\nWrite one short message at a time, as a \
             person types. Say what you know only when it is asked for or needed, and make up nothing about orders. When you have \
             what you want, or see that you will not get it, write {END} alone on a line and nothing behind it."
        );
        Self {
            model,
            meter,
            instructions,
            most: of.turns,
        }
    }

    /// The model's name.
    pub(super) fn model(&self) -> &str {
        self.model.name()
    }

    /// The most messages that the customer writes.
    pub(super) fn most_messages(&self) -> usize {
        self.most
    }

    /// What the customer does next.
    pub(super) async fn next(&self, so_far: &Evidence) -> anyhow::Result<Said> {
        let mut messages = vec![Message::System(self.instructions.as_str().into())];
        // The roles are the other way round: the company's words are the user's.
        let mut heard = "(The chat is open. Write your first message.)".to_owned();
        for fact in so_far.facts(None) {
            match fact {
                Fact::Customer(text) => speak(&mut messages, &mut heard, text),
                Fact::Answered(card) => {
                    let said = if card.yes { "Yes." } else { "No." };
                    speak(&mut messages, &mut heard, said);
                }
                Fact::Agent(text) => {
                    if !heard.is_empty() {
                        heard.push('\n');
                    }
                    heard.push_str(text);
                }
                Fact::Call(_) | Fact::HandOff { .. } | Fact::Action(_) | Fact::Failed(_) => {}
            }
        }
        if heard.is_empty() {
            heard.push_str("(No answer came.)");
        }
        messages.push(Message::User(heard.into()));
        let request = ModelRequest {
            messages,
            tools: [].into(),
        };
        let answer = ask(self.model.clone(), request, &self.meter).await?;
        Ok(read(&answer.text))
    }
}

/// The customer wrote this to what was heard.
fn speak(messages: &mut Vec<Message>, heard: &mut String, text: &str) {
    if heard.is_empty() {
        heard.push_str("(No answer came.)");
    }
    messages.push(Message::User(std::mem::take(heard).into()));
    messages.push(Message::Assistant {
        text: text.into(),
        calls: [].into(),
        opaque: None,
    });
}

/// Words before the end are not sent: to part is no question.
fn read(text: &str) -> Said {
    if text.trim().is_empty() || text.lines().any(|line| line.trim() == END) {
        return Said::Leaves;
    }
    let (message, _) = text.split_at(text.floor_char_boundary(MOST_BYTES));
    Said::Message(message.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_leaves_with_the_mark_alone_on_a_line() {
        assert_eq!(read("[END]"), Said::Leaves);
        assert_eq!(read("Thanks, bye!\n [END] "), Said::Leaves);
        assert_eq!(read("  "), Said::Leaves);
        let message = "What does [END] mean?";
        assert_eq!(read(message), Said::Message(message.to_owned()));
    }
}
