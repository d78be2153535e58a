//! An answer part by part, in the order in which a service streams it. Knows no wire format.

use crate::conversation::{Conversation, THOUGHT_MARK, Thoughts};
use crate::error::ApiError;
use crate::hash::seal;
use crate::reply::{Reply, Stop, Usage};

/// A handful of characters, like the tokens of JSON, so that a client must join arguments.
const FRAGMENT_CHARS: usize = 8;

/// One part, before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Begin {
        /// Whether the first thing is not a call.
        text_follows: bool,
        usage: Usage,
    },
    Thought(String),
    /// The end of all thoughts.
    Sealed(String),
    Word(String),
    Call {
        index: usize,
        id: String,
        name: String,
    },
    Arguments {
        index: usize,
        fragment: String,
    },
    CallEnds {
        index: usize,
    },
    /// Bytes that the format would not write.
    Raw(String),
    /// The service gives up.
    Fails(ApiError),
    Finish(Stop, Usage),
    Done,
}

impl Part {
    /// Whether a person would have to type this: only typing takes time.
    pub(crate) fn is_written(&self) -> bool {
        match self {
            Self::Thought(_)
            | Self::Word(_)
            | Self::Call { .. }
            | Self::Arguments { .. }
            | Self::Raw(_) => true,
            Self::Begin { .. }
            | Self::Sealed(_)
            | Self::CallEnds { .. }
            | Self::Fails(_)
            | Self::Finish(..)
            | Self::Done => false,
        }
    }
}

/// An answer with all that identifies its parts.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) reply: Reply,
    /// The ids of the calls, in their order.
    pub(crate) call_ids: Vec<String>,
    /// The thoughts that are shown; empty too where there are some.
    pub(crate) shown: String,
    /// The seal on the thoughts, if there are some.
    pub(crate) seal: Option<String>,
    pub(crate) usage: Usage,
}

impl Identified {
    /// `signs` says whether the service wants thoughts back.
    pub(crate) fn new(conversation: &Conversation, reply: Reply, signs: bool) -> Self {
        let hash = conversation.hash();
        let mark = if signs && !reply.thoughts.is_empty() {
            THOUGHT_MARK
        } else {
            ""
        };
        let shown = match conversation.thoughts {
            Thoughts::Off | Thoughts::Sealed => String::new(),
            Thoughts::Shown => reply.thoughts.clone(),
        };
        // The messages before a call are in the hash, so its id is new in its conversation.
        let ids = (0..reply.calls.len()).map(|index| format!("call_{hash:016x}{index:02}{mark}"));
        Self {
            call_ids: ids.collect(),
            seal: (!reply.thoughts.is_empty()).then(|| seal(conversation.bound(), &shown)),
            shown,
            usage: Usage::of(conversation, &reply),
            reply,
        }
    }

    /// All parts. Where a service sends several calls at once, their fragments are interleaved: a client must separate them.
    pub(crate) fn parts(&self, interleaved: bool) -> Vec<Part> {
        let Self { reply, usage, .. } = self;
        let mut parts = vec![Part::Begin {
            text_follows: !reply.text.is_empty() || reply.calls.is_empty(),
            usage: *usage,
        }];
        parts.extend(words(&self.shown).map(|word| Part::Thought(word.to_owned())));
        parts.extend(self.seal.clone().map(Part::Sealed));
        parts.extend(words(&reply.text).map(|word| Part::Word(word.to_owned())));
        if interleaved {
            parts.extend(self.calls());
            parts.extend(self.interleaved());
        } else {
            for (index, call) in self.calls().enumerate() {
                let arguments = reply.calls.get(index).map(|call| call.arguments.as_str());
                let fragments = fragments(arguments.unwrap_or_default()).into_iter();
                parts.push(call);
                parts.extend(fragments.map(|fragment| Part::Arguments { index, fragment }));
                parts.push(Part::CallEnds { index });
            }
        }
        parts.extend([Part::Finish(reply.stop(), *usage), Part::Done]);
        parts
    }

    fn calls(&self) -> impl Iterator<Item = Part> {
        let calls = self.reply.calls.iter().zip(&self.call_ids);
        calls.enumerate().map(|(index, (call, id))| Part::Call {
            index,
            id: id.clone(),
            name: call.name.clone(),
        })
    }

    fn interleaved(&self) -> Vec<Part> {
        let calls = self.reply.calls.iter();
        let mut fragments: Vec<_> = calls
            .map(|call| fragments(&call.arguments).into_iter())
            .collect();
        let mut parts = Vec::new();
        loop {
            let before = parts.len();
            for (index, fragments) in fragments.iter_mut().enumerate() {
                let fragment = fragments.next();
                parts.extend(fragment.map(|fragment| Part::Arguments { index, fragment }));
            }
            if parts.len() == before {
                return parts;
            }
        }
    }
}

fn fragments(arguments: &str) -> Vec<String> {
    let characters: Vec<char> = arguments.chars().collect();
    characters
        .chunks(FRAGMENT_CHARS)
        .map(|chunk| chunk.iter().collect())
        .collect()
}

/// Words with the white space before them; together they are the text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word = rest.trim_start();
        let blank = rest.len() - word.len();
        let end = word
            .find(char::is_whitespace)
            .map_or(rest.len(), |length| blank + length);
        let (piece, tail) = rest.split_at_checked(end)?;
        // White space at the very end belongs to the last word.
        let (piece, tail) = if tail.trim().is_empty() {
            (rest, "")
        } else {
            (piece, tail)
        };
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_put_together_are_the_text() {
        for text in [
            "",
            " ",
            "one",
            "  one two\n\n- three\n",
            "a\u{a0}b ünï 🧨 c ",
        ] {
            assert_eq!(words(text).collect::<String>(), text);
        }
        assert_eq!(
            words(" a  b\nc \n").collect::<Vec<_>>(),
            [" a", "  b", "\nc \n"]
        );
    }

    #[test]
    fn fragments_put_together_are_the_arguments() {
        let arguments = r#"{"search_query":"übergroße 🚀 skates"}"#;
        let fragments = fragments(arguments);
        assert!(fragments.len() > 3);
        assert_eq!(fragments.concat(), arguments);
    }
}
