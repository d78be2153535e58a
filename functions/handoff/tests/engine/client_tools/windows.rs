//! The results of a client in later requests: behind their calls, or alone where these are cut away.

use baton_handoff::record::{TurnRecord, keys};
use baton_handoff::team::Team;

use super::{DOOR, answer, last_request, results_in, user, wait_for_client};
use crate::model::says;
use crate::play::Play;

#[tokio::test(start_paused = true)]
async fn a_window_never_begins_with_the_result_of_a_call_that_is_cut_away() {
    let play = Play::with_team(&[("window_turns = 20", "window_turns = 1")]);
    wait_for_client(&play).await;
    play.model.will([says(&["It is open."])]);
    answer(&play, &[("call-0", "open\nand wide")]).await;
    assert_eq!(
        results_in(&last_request(&play)),
        [("call-0".to_owned(), "open\nand wide".to_owned())]
    );
    play.say("thank you").await;
    let messages = last_request(&play);
    let come = "[Results of earlier calls have come from the client:\n- open_door: open and wide]";
    assert_eq!(messages.first(), Some(&user(come)));
    assert_eq!(messages.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_summary_takes_in_what_the_client_answered() {
    let cheap = "[[model]]\nname = \"cheap\"\nurl = \"https://model.example/v1\"\nmodel = \"small\"\n[limits]";
    let limits = "window_tokens = 4000\nsummary_model = \"cheap\"";
    let play = Play::with_team(&[("window_tokens = 8000", limits), ("[limits]", cheap)]);
    let cheap = play.model.named("cheap");
    play.hire();
    wait_for_client(&play).await;
    answer(&play, &[("call-0", "the door is open")]).await;
    for _ in 0..40 {
        play.say(&"word ".repeat(80)).await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let asked = cheap.all_asked();
    let first = format!("{:?}", asked.first().unwrap());
    let call = first.find("call of open_door").unwrap();
    let result = first.find("result of open_door").unwrap();
    assert!(
        call < result && first.contains("the door is open"),
        "{first}"
    );
    last_request(&play);
}

#[tokio::test(start_paused = true)]
async fn a_turn_without_tools_of_its_client_writes_nothing_of_them() {
    let play = Play::begin();
    play.say("hello").await;
    let id = play.conversation();
    let turn = play.records.body(&keys::turn(id.id(), 1));
    let meta = play.records.body(&keys::meta(id.id()));
    assert!(
        !turn.contains("client") && !meta.contains("client"),
        "{turn} {meta}"
    );
    wait_for_client(&play).await;
    let turn: TurnRecord = play.records.read(&keys::turn(id.id(), 2));
    assert_eq!(turn.client.tools[0].name, DOOR.0);
}

#[test]
fn the_team_file_says_whose_client_may_bring_tools() {
    assert!(!Team::acme().allows_client_tools_of_anyone());
    let play = Play::with_team(&[("[limits]", "[limits]\nclient_tools = \"all\"")]);
    assert!(play.engine.team().allows_client_tools_of_anyone());
}
