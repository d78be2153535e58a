//! Instructions with places: filled from the turn's record, so that a turn says the same whoever plays it.

use baton_handoff::event::EventKind;

use crate::model::{says, says_and_waits};
use crate::play::{Play, a_minute_passes, message, until};

const ENTRY: &str = "entry = \"TriageAgent\"";

fn is_text(kind: &EventKind) -> bool {
    matches!(kind, EventKind::TextDelta(_))
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_another_process_takes_over_the_day_after_asks_the_same() {
    let shared = format!("{ENTRY}\ninstructions = \"It is {{today}} for {{tenant}}.\"");
    let play = Play::with_team(&[(ENTRY, &shared)]);
    let (reply, _never_opened) = says_and_waits("Half of ");
    play.model.will([reply, says(&["All of it."])]);
    let accepted = play.submit(message("hello")).await.unwrap();
    until(&accepted, is_text).await;
    let asked = play.model.last_asked();
    play.crash();
    for _ in 0..2 * 24 * 60 {
        a_minute_passes().await;
    }
    let other = play.another();
    let heard = other.hear(accepted.turn, None).await;
    assert_eq!(heard.text(), "All of it.");
    assert_eq!(play.model.times_asked(), 2);
    assert_eq!(play.model.last_asked(), asked);

    play.model.will([says(&["Hello again."])]);
    other.say("hello again").await;
    let today = play.model.last_asked();
    let first = |asked: &[String]| asked[0].lines().next().unwrap().to_owned();
    assert!(first(&asked).ends_with(" for default."), "{asked:?}");
    assert_ne!(first(&today), first(&asked), "a new turn is of a new day");
}
