//! Links that others made, and names that others guess: each caller's names are its own.

use baton_rehearsal::scripted::ScriptedModel;
use futures_util::future::join_all;

use super::asking::{begin, by_token, get, id_in, own, say, visitor};
use super::matrix::open;
use super::matrix::shared::Mode;
use super::matrix::shared::callers::Caller;
use super::support::clerk;

const CARD: &str = "my card is 4111 1111 1111 1111";

#[tokio::test]
async fn the_maker_of_a_link_never_reads_what_another_types_below_it() {
    for mode in [Mode::Visitors, Mode::Tokens] {
        let model = ScriptedModel::responding(clerk).await;
        let (server, _people) = open(mode, &model).await;
        let client = server.client();
        let (maker, guest) = match mode {
            Mode::Visitors => (visitor(&client).await.0, visitor(&client).await.0),
            Mode::Open | Mode::Tokens => (by_token("maker"), by_token("guest")),
        };
        let of_maker = id_in(&say(&client, &maker, "planted", "welcome").await);
        // The guest follows a link with the name: there is nothing, and it begins a conversation of its own.
        let path = "/conversations/planted";
        assert_eq!(get(&client, &guest, path).await.status, 404);
        let of_guest = id_in(&say(&client, &guest, "planted", CARD).await);
        assert_ne!(of_maker, of_guest);
        for name in ["planted", &of_maker, &of_guest] {
            for rest in ["", "/export", "/turns/1/events", "/turns/2/events"] {
                let path = format!("/conversations/{name}{rest}");
                let answer = get(&client, &maker, &path).await;
                assert!(!answer.body.contains("4111"), "{path}: {answer:?}");
            }
        }
        // The guest follows a link with the server's id: it joins nothing, and nothing is kept.
        let refused = say(&client, &guest, &of_maker, CARD).await;
        assert_eq!(refused.status, 404, "{refused:?}");
        let history = get(&client, &maker, &format!("/conversations/{of_maker}")).await;
        assert!(!history.body.contains("4111"), "{history:?}");
        // Its own name and the server's id are one conversation, for its owner.
        for name in ["planted", &of_guest] {
            let history = get(&client, &guest, &format!("/conversations/{name}")).await;
            assert!(history.body.contains("4111"), "{name}: {history:?}");
        }
        let asked = model.requests();
        let of_maker = asked.iter().filter(|asked| {
            let asked = asked.json().to_string();
            asked.contains("welcome") && asked.contains("4111")
        });
        assert_eq!(
            of_maker.count(),
            0,
            "both stand in one request to the model"
        );
    }
}

#[tokio::test]
async fn two_hundred_guesses_find_nothing_of_others() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open(Mode::Visitors, &model).await;
    let client = server.client();
    for number in 1..=5 {
        id_in(
            &say(
                &client,
                &by_token(&format!("customer-{number}")),
                &format!("user-{number}"),
                CARD,
            )
            .await,
        );
    }
    let (guesser, _) = visitor(&client).await;
    let found = join_all((0..200).map(async |number| {
        let history = get(&client, &guesser, &format!("/conversations/user-{number}")).await;
        let export = get(
            &client,
            &guesser,
            &format!("/conversations/user-{number}/export"),
        )
        .await;
        [history, export].map(|answer| (answer.status, answer.body))
    }));
    for answers in found.await {
        let nothing = (404, r#"{"detail":"no such conversation"}"#.to_owned());
        assert_eq!(answers, [nothing.clone(), nothing]);
    }
    // A guess that writes begins a conversation of the guesser.
    let mine = say(&client, &guesser, "user-1", "hello").await;
    assert!(!mine.body.contains("4111"), "{mine:?}");
    let history = get(&client, &guesser, "/conversations/user-1").await;
    assert!(!history.body.contains("4111"), "{history:?}");
}

#[tokio::test]
async fn a_conversation_without_an_owner_is_opened_without_a_credential_or_by_operators() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, people) = open(Mode::Open, &model).await;
    let client = server.client();
    let nobody = Caller::nobody();
    let made = id_in(&begin(&client, &nobody).await);
    let named = id_in(&say(&client, &nobody, "c", "hello").await);
    assert_eq!(named, "c");
    let coyote = by_token("coyote");
    for id in [&made, &named] {
        let path = format!("/conversations/{id}");
        assert_eq!(get(&client, &nobody, &path).await.status, 200);
        assert_eq!(get(&client, &people.operator, &path).await.status, 200);
        assert_eq!(get(&client, &coyote, &path).await.status, 404);
    }
    // The same name is another conversation for a customer, which is closed to the name and the id alone.
    let of_coyote = id_in(&say(&client, &coyote, "c", CARD).await);
    for id in ["c", &of_coyote] {
        let history = get(&client, &nobody, &format!("/conversations/{id}")).await;
        assert!(!history.body.contains("4111"), "{id}: {history:?}");
    }
    assert_eq!(own(&client, &coyote).await, [of_coyote]);
    assert_eq!(own(&client, &nobody).await, [] as [String; 0]);
}
