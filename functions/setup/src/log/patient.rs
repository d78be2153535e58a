//! Writes lines to whoever reads the log, and waits for that reader only for a moment.
//!
//! A pipe that nobody reads is full after 64 KB, and a write into it never returns: every thread that logs would stand still, and
//! with them all requests. Lines are lost then, and how many is told as soon as there is room again.

use std::io::Write;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// So much fits into a pipe that has room at all: the size of a page, of which a pipe has a number.
const PIECE: usize = 4096;

/// Where lines go.
#[derive(Debug)]
pub(super) struct Patient<W> {
    /// How long a line waits for its reader, if no line before it was lost.
    patience: Duration,
    state: Mutex<State<W>>,
}

#[derive(Debug)]
struct State<W> {
    to: W,
    /// Lines since the last one that was written.
    lost: u64,
    /// Only a part of the last line was written.
    is_broken: bool,
}

impl<W: Write + AsFd> Patient<W> {
    pub(super) fn new(to: W, patience: Duration) -> Self {
        Self {
            patience,
            state: Mutex::new(State {
                to,
                lost: 0,
                is_broken: false,
            }),
        }
    }

    /// Writes a line. `tell`: the line that says how many before it were lost.
    pub(super) fn write(&self, line: &str, tell: impl Fn(u64) -> String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that has let a line be lost is waited for no more until it reads again.
        let patience = if state.lost == 0 {
            self.patience
        } else {
            Duration::ZERO
        };
        if state.lost > 0 {
            let end = if state.is_broken { "\n" } else { "" };
            let lost = format!("{end}{}", tell(state.lost));
            if !state.put(&lost, patience) {
                state.lost += 1;
                return;
            }
            state.lost = 0;
        }
        if !state.put(line, patience) {
            state.lost = 1;
        }
    }
}

impl<W: Write + AsFd> State<W> {
    /// Whether the text was written.
    fn put(&mut self, text: &str, patience: Duration) -> bool {
        for (number, piece) in text.as_bytes().chunks(PIECE).enumerate() {
            // A failed write to the log must not stop the program.
            if !has_room(&self.to, patience) || self.to.write_all(piece).is_err() {
                self.is_broken |= number > 0;
                return false;
            }
        }
        self.is_broken = false;
        true
    }
}

fn has_room(to: &impl AsFd, patience: Duration) -> bool {
    let patience = Timespec::try_from(patience).ok();
    let mut polled = [PollFd::new(to, PollFlags::OUT)];
    // Whatever cannot be asked is written to, as every log is.
    poll(&mut polled, patience.as_ref()).map_or(true, |ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, pipe};

    use super::*;

    fn tell(lost: u64) -> String {
        format!("{lost} lost\n")
    }

    #[test]
    fn a_log_that_nobody_reads_holds_nothing_up_and_says_later_what_is_missing() {
        let (reader, writer) = pipe().unwrap();
        let log = Patient::new(writer, Duration::ZERO);
        // More than any pipe has room for by default.
        let lines: u64 = 4_000;
        for number in 0..lines {
            log.write(&format!("{number} {}\n", "x".repeat(500)), tell);
        }
        let mut read = BufReader::new(reader);
        let mut line = String::new();
        let mut next = |line: &mut String| {
            line.clear();
            read.read_line(line).unwrap();
            line.split(' ').next().unwrap().parse::<u64>().unwrap()
        };
        assert_eq!(next(&mut line), 0);
        // Room for some lines.
        for number in 1..40 {
            assert_eq!(next(&mut line), number);
        }
        log.write("5000 again\n", tell);
        drop(log);
        let mut last = 39;
        let missing = loop {
            let number = next(&mut line);
            if line.ends_with(" lost\n") {
                break number;
            }
            assert_eq!(number, last + 1);
            last = number;
        };
        assert_eq!(last + 1 + missing, lines);
        assert_eq!(next(&mut line), 5_000);
    }

    #[test]
    fn a_line_that_was_cut_ends_before_the_next_one() {
        let (reader, writer) = pipe().unwrap();
        let log = Patient::new(writer, Duration::ZERO);
        // No pipe has so much room by default.
        log.write(&"x".repeat(2 * 1024 * 1024), tell);
        let mut read = BufReader::new(reader);
        let mut rest = vec![0; 32 * 1024];
        std::io::Read::read_exact(&mut read, &mut rest).unwrap();
        log.write("again\n", tell);
        drop(log);
        let lines: Vec<_> = read.lines().map(Result::unwrap).collect();
        assert!(lines[0].bytes().all(|byte| byte == b'x'), "a part of it");
        assert_eq!(lines[1..], ["1 lost", "again"]);
    }

    #[test]
    fn a_long_line_goes_through_in_pieces() {
        let (reader, writer) = pipe().unwrap();
        let log = Patient::new(writer, Duration::ZERO);
        let line = format!("{}\n", "x".repeat(20_000));
        log.write(&line, tell);
        drop(log);
        let mut read = String::new();
        BufReader::new(reader).read_line(&mut read).unwrap();
        assert_eq!(read, line);
    }
}
