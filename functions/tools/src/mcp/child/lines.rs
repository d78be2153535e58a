//! Lines of a process, within bounds. Knows bytes and the secrets among them; never messages.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::outgoing::secrets::Secrets;

/// The longest line for the log, and the most lines of one process.
const LONGEST_LOGGED: usize = 1024;
const MOST_LOGGED: usize = 1_000;

/// Reads lines up to a length.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    longest: usize,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, longest: usize) -> Self {
        Self {
            reader: BufReader::new(reader),
            longest,
            line: Vec::new(),
        }
    }

    /// The next line; `None` at the end. Fails where a line is too long. May be dropped while it waits: nothing is lost.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let piece = self.reader.fill_buf().await?;
            if piece.is_empty() {
                return Ok(None);
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let text = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
            if self.line.len() + text.len() > self.longest {
                return Err(io::Error::other("a line is too long"));
            }
            self.line.extend_from_slice(text);
            let read = text.len() + usize::from(end.is_some());
            self.reader.consume(read);
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }
}

/// Writes what a process complains about into the log, up to a number of lines; the rest is read and dropped, so that it never waits.
pub(super) async fn log_lines<R: AsyncRead + Unpin>(
    server: String,
    errors: R,
    secrets: Arc<Secrets>,
) {
    let mut reader = BufReader::new(errors);
    let (mut line, mut logged) = (Vec::new(), 0);
    while let Ok(piece) = reader.fill_buf().await
        && !piece.is_empty()
    {
        let read = piece.len();
        for byte in piece {
            if *byte != b'\n' && line.len() < LONGEST_LOGGED {
                line.push(*byte);
            } else if *byte == b'\n' {
                if logged < MOST_LOGGED {
                    logged += 1;
                    let text = secrets.hide(&String::from_utf8_lossy(&line));
                    let text: String = text.chars().filter(|c| !c.is_control()).collect();
                    tracing::debug!(server, text, "the program of an MCP server says");
                }
                line.clear();
            }
        }
        reader.consume(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_read_up_to_their_bound() {
        let mut lines = Lines::new(&b"one\n\ntwo\nlast"[..], 4);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(all, ["one", "", "two"]);
        assert!(Lines::new(&b"12345\n"[..], 4).next().await.is_err());
        assert!(Lines::new(&b"12345"[..], 4).next().await.is_err());
    }
}
