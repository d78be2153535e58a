//! One answer, line by line, checked word by word.
//! Knows the NDJSON of `POST /chat/completions`, as Baton and the relay write it; never HTTP.

use std::borrow::Cow;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::client::Kind;

/// What has come of an answer.
#[derive(Default)]
pub(crate) struct Answer {
    /// A line that has not ended yet.
    begun: Vec<u8>,
    text: String,
    done: bool,
}

impl Answer {
    /// More of the body.
    pub(crate) fn take(&mut self, data: &[u8]) -> Result<()> {
        let mut rest = data;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = rest.split_at(end + 1);
            rest = behind;
            if self.begun.is_empty() {
                self.line(line)?;
            } else {
                self.begun.extend_from_slice(line);
                let line = std::mem::take(&mut self.begun);
                self.line(&line)?;
            }
        }
        self.begun.extend_from_slice(rest);
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        ensure!(!self.done, "a line behind the `done` line");
        let Line { content } =
            serde_json::from_slice(line).context("a line that is not as the contract says")?;
        match content.kind {
            "string" => self.text.push_str(&content.message),
            "done" => {
                ensure!(
                    content.status == Some("committed"),
                    "a turn that ended as {:?}",
                    content.status
                );
                self.done = true;
            }
            other => bail!(
                "a line of type {other:?}, code {:?}: {}",
                content.code,
                content.message
            ),
        }
        Ok(())
    }

    pub(crate) fn has_text(&self) -> bool {
        !self.text.is_empty()
    }

    /// At the end of the body: it must be this text, all of it, in order, and nothing else.
    pub(crate) fn check(&self, expected: &str, kind: Kind) -> Result<()> {
        ensure!(self.begun.is_empty(), "the answer ends within a line");
        ensure!(
            self.text == expected,
            "another text than the model's: {:?}",
            self.text
        );
        ensure!(self.done == (kind == Kind::Baton), "no `done` line");
        Ok(())
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    content: Content<'a>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(default)]
    status: Option<&'a str>,
    #[serde(default)]
    code: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: &str =
        "{\"id\":\"1.1.1.0\",\"content\":{\"type\":\"string\",\"message\":\"a\\tb\"}}\n";
    const DONE: &str =
        "{\"content\":{\"type\":\"done\",\"message\":\"\",\"turn\":1,\"status\":\"committed\"}}\n";

    fn answer(text: &str) -> Result<Answer> {
        let mut answer = Answer::default();
        answer.take(text.as_bytes())?;
        Ok(answer)
    }

    #[test]
    fn an_answer_is_the_same_however_it_is_cut() {
        let text = format!("{WORD}\n{WORD}{DONE}");
        for at in 0..text.len() {
            let mut answer = Answer::default();
            answer.take(&text.as_bytes()[..at]).unwrap();
            answer.take(&text.as_bytes()[at..]).unwrap();
            answer.check("a\tba\tb", Kind::Baton).unwrap();
        }
    }

    #[test]
    fn a_missing_word_or_a_missing_end_is_an_error() {
        assert!(answer(DONE).unwrap().check("a\tb", Kind::Baton).is_err());
        assert!(answer(WORD).unwrap().check("a\tb", Kind::Baton).is_err());
        assert!(
            answer(WORD.trim_end())
                .unwrap()
                .check("", Kind::Relay)
                .is_err()
        );
        assert!(answer(WORD).unwrap().check("a\tb", Kind::Relay).is_ok());
    }

    #[test]
    fn an_error_line_and_a_failed_turn_are_errors() {
        assert!(answer(&WORD.replace("string", "error")).is_err());
        assert!(answer(&DONE.replace("committed", "failed")).is_err());
        assert!(answer(&format!("{DONE}{WORD}")).is_err());
    }
}
