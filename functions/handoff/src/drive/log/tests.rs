use futures_util::FutureExt;

use super::entry::{Entry, PIECES};
use super::*;
use crate::turn::replay::Resume;

/// An event of turn 1 under fence 1.
fn said(step: u32, offset: u32, kind: EventKind) -> Event {
    Event {
        position: Position {
            turn: 1,
            step,
            fence: 1,
            offset,
        },
        agent: Arc::from("TriageAgent"),
        kind,
    }
}

fn text(offset: u32, text: &str) -> Event {
    said(1, offset, EventKind::TextDelta(text.to_owned()))
}

/// Appends so many pieces of five bytes; their text.
fn pieces(log: &TurnLog, count: u32) -> String {
    let mut whole = String::new();
    for number in 1..=count {
        let piece = format!("{number:04} ");
        whole.push_str(&piece);
        log.push(text(number * 5, &piece));
    }
    whole
}

fn all(log: &TurnLog) -> Vec<Event> {
    log.read_now(Seen::default(), events_of).0
}

fn text_of<'a>(events: impl IntoIterator<Item = &'a Event>) -> String {
    let texts = events.into_iter().filter_map(|event| event.kind.text());
    texts.collect()
}

/// The bytes that the log holds.
fn held(log: &TurnLog) -> usize {
    let state = log.lock();
    let entries = state.entries.iter().map(|entry| {
        let text = if let EventKind::TextDelta(text) = &entry.event.kind {
            text.capacity()
        } else {
            0
        };
        text + entry.begins.capacity() * size_of::<u32>()
    });
    state.entries.capacity() * size_of::<Entry>() + entries.sum::<usize>()
}

#[test]
fn a_long_answer_that_nobody_reads_takes_little_more_than_its_text() {
    let log = TurnLog::default();
    let text = pieces(&log, 6_000).len();
    let held = held(&log);
    assert!(held < text + text / 4 + 8 * 1024, "{held} for {text} bytes");
    let late = all(&log);
    assert!(late.len() <= 2 * PIECES + 1, "{} pieces", late.len());
}

#[test]
fn the_last_pieces_stay_as_they_were_said() {
    let log = TurnLog::default();
    pieces(&log, 1_000);
    let events = all(&log);
    assert!(events.len() > PIECES, "{}", events.len());
    for (event, number) in events.iter().rev().zip((1..=1_000).rev()).take(PIECES) {
        assert_eq!(event, &text(number * 5, &format!("{number:04} ")));
    }
}

#[test]
fn a_listener_may_go_on_after_every_piece_that_it_was_given() {
    let log = TurnLog::default();
    let whole = pieces(&log, 3_000);
    let events = all(&log);
    assert_eq!(text_of(&events), whole);
    for event in &events {
        let mut resume = Resume::after(event.position);
        let rest: Vec<_> = events
            .iter()
            .flat_map(|event| resume.missing(event))
            .flatten()
            .collect();
        assert_eq!(text_of(&rest), whole[event.position.offset as usize..]);
    }
}

#[test]
fn every_listener_hears_everything_once_whenever_it_reads() {
    // The listeners read after every piece, after every 7th, and once at the end.
    for every in [1, 7, 5_000] {
        let log = TurnLog::default();
        let (mut heard, mut whole, mut seen) = (Vec::new(), String::new(), Seen::default());
        log.push(said(0, 1, EventKind::Usage(Box::default())));
        for number in 1..=5_000 {
            let piece = ["Grüße ", "", "an ", "alle. "][number % 4];
            whole.push_str(piece);
            log.push(text(u32::try_from(whole.len()).unwrap(), piece));
            if number % every == 0 {
                let count;
                (count, seen, _) = log.read_now(seen, |unread| {
                    let before = heard.len();
                    heard.extend(events_of(unread));
                    assert_eq!(heard.len() - before, unread.count());
                    unread.count()
                });
                assert!(count > 0 || piece.is_empty(), "a piece comes at once");
                assert!(log.news(seen).now_or_never().is_none());
            }
        }
        let end = u32::try_from(whole.len() + 1).unwrap();
        log.push(said(1, end, EventKind::TurnCompleted));
        assert!(log.news(seen).now_or_never().is_some());
        let (rest, _, has_ended) = log.read_now(seen, events_of);
        assert!(has_ended);
        heard.extend(rest);
        assert_eq!(text_of(&heard), whole);
        let offsets: Vec<_> = heard[1..]
            .iter()
            .map(|event| event.position.offset)
            .collect();
        assert!(offsets.is_sorted(), "{every}");
        assert_eq!(heard.last().unwrap().kind, EventKind::TurnCompleted);
    }
}

#[test]
fn texts_of_two_steps_or_agents_or_owners_are_never_joined() {
    let log = TurnLog::default();
    let first = text(1, "a");
    let other_agent = Event {
        agent: Arc::from("SalesAgent"),
        ..text(2, "b")
    };
    let mut other_owner = text(3, "c");
    other_owner.position.fence = 2;
    let other_step = said(2, 4, EventKind::TextDelta("d".to_owned()));
    let behind_a_gap = said(2, 6, EventKind::TextDelta("e".to_owned()));
    let events = [first, other_agent, other_owner, other_step, behind_a_gap];
    for event in &events {
        log.push(event.clone());
    }
    assert_eq!(all(&log), events);
    assert_eq!(log.lock().entries.len(), events.len());
}

#[test]
fn a_log_never_goes_back_to_an_earlier_step_but_to_its_end() {
    let log = TurnLog::default();
    log.push(said(2, 1, EventKind::TextDelta("a".to_owned())));
    log.push(said(1, 1, EventKind::TextDelta("b".to_owned())));
    assert_eq!(log.last_position().map(|last| last.step), Some(2));
    log.push(said(1, 1, EventKind::TurnContinues));
    assert!(log.has_ended());
}
