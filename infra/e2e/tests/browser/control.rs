//! What a customer does beside writing: stop, say again, interrupt, copy.

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, status, stream};

use crate::browser::Browser;
use crate::keyboard::Key;
use crate::server::Server;
use crate::tab::LAST_WORDS;

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn an_error_of_the_model_is_a_calm_banner_and_trying_again_works() {
    let model = ScriptedModel::start([
        stream().says("Let me ").cut_after(2),
        says("Here I am again."),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Hello").await;
    tab.shows(
        ".turn .banner p",
        "Sorry, the answer broke off. Please try again.",
    )
    .await;
    tab.is_idle().await;
    tab.screenshot("error").await;
    tab.press("Try again").await;
    tab.is_answered("Here I am again.").await;
    tab.has(0, ".turn:last-child .banner").await;
    assert_eq!(
        tab.texts(".customer p").await,
        ["Hello"],
        "the question is shown once"
    );
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn an_error_that_trying_again_cannot_mend_has_no_such_button() {
    let model = ScriptedModel::start([status(401), says("Now I am set up.")]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Hello").await;
    tab.shows_in(".turn .banner p", "not set up correctly")
        .await;
    tab.has(0, ".turn .banner button").await;
    tab.says("And now?").await;
    tab.is_answered("Now I am set up.").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn stop_keeps_what_was_said_and_the_conversation_goes_on() {
    let gate = Gate::new();
    let model = ScriptedModel::start([
        stream()
            .says("An anvil is ")
            .gate(&gate)
            .says("never seen."),
        says("Back again."),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Tell me of anvils").await;
    tab.shows(LAST_WORDS, "An anvil is").await;
    tab.press("Stop").await;
    tab.shows(
        ".turn[data-status=stopped] .note",
        "You stopped this answer.",
    )
    .await;
    tab.shows(LAST_WORDS, "An anvil is").await;
    tab.screenshot("stopped").await;
    model.hung_up(1).await;
    tab.reload().await;
    tab.shows(LAST_WORDS, "An anvil is").await;
    tab.says("Go on").await;
    tab.is_answered("Back again.").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn an_answer_said_again_takes_the_place_of_the_earlier_one() {
    let model = ScriptedModel::start([says("First try."), says("Second try.")]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Hello").await;
    tab.is_answered("First try.").await;
    tab.press("Answer again").await;
    tab.is_answered("Second try.").await;
    assert_eq!(tab.texts(".customer p").await, ["Hello"]);
    tab.shows("details.replaced summary", "Earlier answer")
        .await;
    tab.screenshot("regenerated").await;
    tab.reload().await;
    tab.is_answered("Second try.").await;
    assert_eq!(tab.texts(".customer p").await, ["Hello"]);
    tab.shows("details.replaced summary", "Earlier answer")
        .await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_message_sent_meanwhile_waits_for_its_turn() {
    let gate = Gate::new();
    let model = ScriptedModel::start([
        stream().says("One ").gate(&gate).says("done."),
        says("Two done."),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("One").await;
    tab.shows(LAST_WORDS, "One").await;
    tab.click("#message").await;
    tab.types("Two").await;
    tab.shows_in(".overlap", "wait for it").await;
    tab.screenshot("overlap").await;
    tab.key(Key::Enter).await;
    tab.shows(".turn:last-child .note", "Waiting for its turn")
        .await;
    tab.screenshot("waiting").await;
    gate.open();
    tab.is_answered("Two done.").await;
    assert_eq!(tab.texts(".words").await, ["One done.", "Two done."]);
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn stop_ends_the_answer_that_is_written_not_the_message_that_waits() {
    let gate = Gate::new();
    let model = ScriptedModel::start([
        stream().says("One ").gate(&gate).says("done."),
        says("Two done."),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("One").await;
    tab.shows(LAST_WORDS, "One").await;
    tab.says("Two").await;
    tab.shows(".turn:last-child .note", "Waiting for its turn")
        .await;
    tab.press("Stop").await;
    tab.is_answered("Two done.").await;
    assert_eq!(tab.texts(".words").await, ["One", "Two done."]);
    tab.has(1, ".turn[data-status=stopped]").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_message_may_interrupt_the_answer() {
    let gate = Gate::new();
    let model = ScriptedModel::start([
        stream().says("One ").gate(&gate).says("done."),
        says("Two done."),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("One").await;
    tab.shows(LAST_WORDS, "One").await;
    tab.click("#message").await;
    tab.types("Two").await;
    tab.press("interrupt it").await;
    tab.press("Send").await;
    tab.is_answered("Two done.").await;
    assert_eq!(tab.texts(".words").await, ["One", "Two done."]);
    tab.has(1, ".turn[data-status=stopped]").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn enter_sends_and_shift_enter_begins_a_new_line() {
    let model = ScriptedModel::start([says("Two lines.")]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.click("#message").await;
    tab.types("one").await;
    tab.key(Key::ShiftEnter).await;
    tab.types("two").await;
    tab.shows_value("one\ntwo").await;
    tab.has(0, ".turn").await;
    tab.key(Key::Enter).await;
    tab.is_answered("Two lines.").await;
    let conversation = tab.conversation().await;
    assert_eq!(server.messages_of(&conversation).await, ["one\ntwo"]);
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn the_enter_that_ends_a_composition_sends_nothing() {
    let model = ScriptedModel::start([says("こんにちは。")]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.click("#message").await;
    tab.types("日本").await;
    for mark in [
        "isComposing: true, keyCode: 13",
        "isComposing: false, keyCode: 229",
    ] {
        let enter =
            format!("new KeyboardEvent('keydown', {{ key: 'Enter', bubbles: true, {mark} }})");
        let _sent: bool = tab
            .eval(&format!(
                "document.querySelector('#message').dispatchEvent({enter})"
            ))
            .await;
    }
    tab.shows_value("日本").await;
    tab.has(0, ".turn").await;
    tab.key(Key::Enter).await;
    tab.is_answered("こんにちは。").await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_draft_survives_a_reload() {
    let model = ScriptedModel::start([says("Hello.")]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Hello").await;
    tab.is_answered("Hello.").await;
    tab.click("#message").await;
    tab.types("half a thought").await;
    tab.reload().await;
    tab.shows_value("half a thought").await;
    tab.is_answered("Hello.").await;
    assert_eq!(model.requests().len(), 1, "a draft is not a message");
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn an_answer_can_be_copied_as_it_was_written_and_its_code_alone() {
    const ANSWER: &str = "Take **two**:\n\n```js\nlight(fuse);\nrun();\n```";
    let model = ScriptedModel::start([says(ANSWER)]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    let _replaced: bool = tab
        .eval("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }, true")
        .await;
    tab.says("How many?").await;
    tab.is_idle().await;
    tab.press("Copy code").await;
    tab.shows(".code .copy", "Copied").await;
    assert_eq!(
        tab.eval::<String>("window.copied").await.trim_end(),
        "light(fuse);\nrun();"
    );
    tab.press("Copy").await;
    tab.shows("footer .copy", "Copied").await;
    assert_eq!(tab.eval::<String>("window.copied").await, ANSWER);
    tab.has_no_errors();
}

/// That many messages of a conversation may wait.
const MOST_WAITING: usize = 8;

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_message_too_many_is_kept_and_can_be_sent_again_or_discarded() {
    let gate = Gate::new();
    let mut script = vec![stream().says("One ").gate(&gate).says("done.")];
    script.extend((0..=MOST_WAITING).map(|_| says("Next.")));
    let model = ScriptedModel::start(script).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("One").await;
    tab.shows(LAST_WORDS, "One").await;
    for number in 1..=MOST_WAITING {
        tab.says(&format!("Waits {number}")).await;
        tab.has(number, ".turn[data-status=waiting]").await;
    }
    tab.says("Too many").await;
    tab.says("Never mind").await;
    tab.has(2, ".turn[data-status=unsent]").await;
    tab.shows(
        ".turn .banner p",
        "This message was not delivered. Too many messages are waiting. Try again in a moment.",
    )
    .await;
    tab.screenshot("unsent").await;
    tab.press("Discard").await;
    tab.has(1, ".turn[data-status=unsent]").await;
    gate.open();
    tab.until(
        "all that waited is answered",
        "!document.querySelector('.turn:is([data-status=running], [data-status=waiting])')",
    )
    .await;
    tab.press("Try again").await;
    tab.is_answered("Next.").await;
    tab.has(0, ".turn .banner").await;
    let conversation = tab.conversation().await;
    let messages = server.messages_of(&conversation).await;
    assert_eq!(
        messages.last().map(String::as_str),
        Some("Too many"),
        "{messages:?}"
    );
    assert_eq!(messages.len(), MOST_WAITING + 2);
    tab.has_no_errors();
}
