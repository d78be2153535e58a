//! Which tools a client may bring, and how a model gets them.

use baton_handoff::event::EventKind;
use baton_handoff::record::ToolOutcome;
use baton_handoff::{Client, ClientTool, Refusal, Submission};
use serde_json::json;

use super::{DOOR, ITEM, answer, called, names, offering, tool, waiting};
use crate::model::calls;
use crate::play::{Heard, Play, listen, message};

fn bringing(tools: Vec<ClientTool>) -> Submission {
    Submission {
        client: Client {
            tools,
            ..Client::default()
        },
        ..message("hello")
    }
}

/// What the model hears of its mistakes.
fn mistakes(heard: &Heard) -> usize {
    let is_mistake = |kind: &&EventKind| matches!(kind, EventKind::ToolFinished(finished) if finished.outcome == ToolOutcome::Error);
    let kinds = heard.events.iter().map(|event| &event.kind);
    kinds.filter(is_mistake).count()
}

#[tokio::test(start_paused = true)]
async fn tools_that_cannot_be_taken_are_refused_and_nothing_is_recorded() {
    let play = Play::begin();
    let long = ClientTool {
        description: "long ".repeat(4_000),
        ..tool("long")
    };
    let no_object = ClientTool {
        parameters: json!("any"),
        ..tool("odd")
    };
    let many = (0..17).map(|number| tool(&format!("tool_{number}")));
    for (tools, word) in [
        (many.collect(), "17"),
        (vec![tool("a"), long], "bytes"),
        (vec![tool("a"), tool("a")], "a"),
        (vec![tool("no name")], "name"),
        (vec![tool("")], "name"),
        (vec![tool(&"n".repeat(65))], "name"),
        (vec![no_object], "odd"),
    ] {
        match play.submit(bringing(tools)).await {
            Err(Refusal::ClientTools(sentence)) => assert!(sentence.contains(word), "{sentence}"),
            other => panic!("{word}: {other:?}"),
        }
    }
    assert!(play.history().await.is_none());
    let most = (0..16).map(|number| tool(&format!("tool_{number}")));
    listen(&play.submit(bringing(most.collect())).await.unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn tools_are_offered_behind_the_agents_own_and_in_their_turn_alone() {
    let play = Play::begin();
    play.say("hello").await;
    listen(&play.submit(offering("hello", DOOR.0)).await.unwrap()).await;
    play.say("hello").await;
    let requests = play.model.requests();
    let [before, offered, after] = &requests[..] else {
        panic!("{requests:?}");
    };
    let own = names(before);
    assert_eq!(names(offered), [&own[..], &[DOOR.0]].concat());
    assert_eq!(names(after), own);
}

#[tokio::test(start_paused = true)]
async fn a_tool_never_stands_for_one_of_the_team() {
    let play = Play::begin();
    let long = "n".repeat(64);
    for (name, named) in [
        (ITEM.0, "client_look_up_item"),
        ("transfer_to_sales_agent", "client_transfer_to_sales_agent"),
        (&*long, &*long),
    ] {
        play.model.will([calls(&[(named, DOOR.1)])]);
        let accepted = play.submit(offering("hello", name)).await.unwrap();
        let heard = listen(&accepted).await;
        let [call] = &called(&heard)[..] else {
            panic!("{heard:?}");
        };
        assert_eq!(call.name, name);
        let requests = play.model.requests();
        let offered = names(requests.last().unwrap());
        assert_eq!(
            offered.iter().filter(|offered| **offered == named).count(),
            1
        );
        assert_eq!(*offered.last().unwrap(), named);
        assert_eq!(waiting(&play).unwrap().calls[0].name, name);
    }
    // The prefixed name may be the client's as well.
    let both = vec![tool("client_look_up_item"), tool(ITEM.0)];
    listen(&play.submit(bringing(both)).await.unwrap()).await;
    let requests = play.model.requests();
    let offered = names(requests.last().unwrap());
    let clients = &offered[offered.len() - 2..];
    assert_eq!(clients, ["client_look_up_item", "client2_look_up_item"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_fit_is_explained_to_the_model_and_not_given_to_the_client() {
    let play = Play::begin();
    play.model.will([
        calls(&[(DOOR.0, "[]")]),
        calls(&[(DOOR.0, r#"{"door":"front"}"#)]),
        calls(&[(DOOR.0, "{"), (DOOR.0, DOOR.1)]),
    ]);
    let accepted = play.submit(offering("let me in", DOOR.0)).await.unwrap();
    let heard = listen(&accepted).await;
    assert_eq!(
        (mistakes(&heard), called(&heard).len()),
        (3, 1),
        "{heard:?}"
    );
    assert_eq!(called(&heard)[0].arguments, DOOR.1);
    let replayed = play.another().hear(heard.turn, None).await;
    assert_eq!(replayed.events, heard.events);
    let id = called(&heard)[0].call.clone();
    answer(&play, &[(&id, "open")]).await;
    super::last_request(&play);
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_cannot_be_read_is_passed_on() {
    let play = Play::begin();
    let odd = ClientTool {
        parameters: json!({"type": "object", "properties": {"door": {"$ref": "https://example.com/x"}}}),
        ..tool("odd")
    };
    play.model
        .will([calls(&[("odd", "7")]), calls(&[("odd", r#"{"door":7}"#)])]);
    let accepted = play.submit(bringing(vec![odd])).await.unwrap();
    let heard = listen(&accepted).await;
    assert_eq!(
        (mistakes(&heard), called(&heard).len()),
        (1, 1),
        "{heard:?}"
    );
    let requests = play.model.requests();
    let odd = requests[0].tools.last().unwrap();
    assert!(odd.parameters.get().contains("https://example.com/x"));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_arguments_has_an_empty_object() {
    let play = Play::begin();
    let bare = ClientTool {
        parameters: json!({}),
        ..tool("where_am_i")
    };
    play.model.will([calls(&[("where_am_i", "")])]);
    let accepted = play.submit(bringing(vec![bare])).await.unwrap();
    assert_eq!(called(&listen(&accepted).await)[0].arguments, "{}");
}
