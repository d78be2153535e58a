//! Thoughts that a model writes in front of its answer, in tags, where its server does not take them out. They are no text: nobody
//! reads them, and no further request has them.

/// How thoughts begin and end.
const TAGS: [(&str, &str); 5] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
];
/// White space in front of the tag.
const BLANK: usize = 64;

/// The text of an answer without the thoughts in front of it.
#[derive(Debug)]
pub(crate) struct Thoughts {
    state: State,
    /// Whether there were thoughts: the white space behind them is no text either.
    had: bool,
}

#[derive(Debug)]
enum State {
    /// A tag may come; what may be its beginning.
    Start(String),
    /// The thoughts; how they end, and what may be the beginning of that.
    Inside(&'static str, String),
    /// The answer.
    Answer,
}

impl Default for Thoughts {
    fn default() -> Self {
        Self {
            state: State::Start(String::new()),
            had: false,
        }
    }
}

impl Thoughts {
    /// The part of this piece that is text.
    pub(crate) fn pass(&mut self, piece: String) -> String {
        if matches!(self.state, State::Answer) {
            return piece;
        }
        let mut piece = piece;
        // Each round takes a tag away.
        while !piece.is_empty() {
            match &mut self.state {
                State::Answer => return piece,
                State::Start(kept) => {
                    kept.push_str(&piece);
                    let kept = std::mem::take(kept);
                    let (state, rest) = start(kept, self.had);
                    self.state = state;
                    piece = rest;
                }
                State::Inside(end, kept) => {
                    kept.push_str(&piece);
                    let Some(at) = kept.find(*end) else {
                        let from = kept.ceil_char_boundary(kept.len().saturating_sub(end.len()));
                        *kept = kept.split_off(from);
                        return String::new();
                    };
                    piece = kept.split_off(at + end.len());
                    self.had = true;
                    self.state = State::Start(String::new());
                }
            }
        }
        String::new()
    }

    /// What stood in front of a tag that did not come.
    pub(crate) fn end(&mut self) -> String {
        match std::mem::replace(&mut self.state, State::Answer) {
            State::Start(kept) if !self.had => kept,
            State::Start(kept) => kept.trim_start().to_owned(),
            State::Inside(..) | State::Answer => String::new(),
        }
    }
}

/// The state behind this beginning, and what is left of it to be read in that state.
fn start(kept: String, had: bool) -> (State, String) {
    let begin = kept.trim_start();
    for (open, end) in TAGS {
        if let Some(rest) = begin.strip_prefix(open) {
            return (State::Inside(end, String::new()), rest.to_owned());
        }
    }
    let may_come = TAGS.iter().any(|(open, _)| open.starts_with(begin));
    if may_come && (had || kept.len() <= BLANK) {
        let kept = if had { begin.to_owned() } else { kept };
        return (State::Start(kept), String::new());
    }
    let text = if had { begin.to_owned() } else { kept };
    (State::Answer, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> String {
        let mut thoughts = Thoughts::default();
        let mut text = String::new();
        for piece in pieces {
            text.push_str(&thoughts.pass((*piece).to_owned()));
        }
        text.push_str(&thoughts.end());
        text
    }

    #[test]
    fn thoughts_in_front_are_no_text_wherever_they_are_cut() {
        for (whole, text) in [
            ("<think>\nHm, ünd so.\n</think>\n\nIt is 49.", "It is 49."),
            ("\n<thinking>a < b</thinking>Yes <think>", "Yes <think>"),
            ("<think></think><think>b</think> Yes", "Yes"),
            ("[THINK]a[/THINK]Yes", "Yes"),
            ("<thin ice>", "<thin ice>"),
            (" \n Yes", " \n Yes"),
            ("<", "<"),
            ("<think>never ends", ""),
            ("<think>a</think>\n<", "<"),
            ("Yes <think>b</think>", "Yes <think>b</think>"),
        ] {
            assert_eq!(read(&[whole]), text, "{whole}");
            for (at, _) in whole.char_indices() {
                let (first, second) = whole.split_at(at);
                assert_eq!(read(&[first, second]), text, "{first}|{second}");
            }
            let letters: Vec<String> = whole.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(read(&letters), text, "{whole}");
        }
    }

    #[test]
    fn endless_white_space_and_endless_thoughts_are_not_kept() {
        let mut thoughts = Thoughts::default();
        assert_eq!(thoughts.pass(" ".repeat(100)).len(), 100);
        let mut thoughts = Thoughts::default();
        thoughts.pass("<think>".to_owned());
        for _ in 0..1000 {
            thoughts.pass("words ".repeat(10));
        }
        let State::Inside(_, kept) = &thoughts.state else {
            panic!("not inside");
        };
        assert!(kept.len() <= "</think>".len());
    }
}
