//! Never lost: reload, cut, offline, a dead server, another tab, a network that cuts bytes where it likes.

use std::time::Duration;

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};

use crate::browser::Browser;
use crate::choppy::Choppy;
use crate::server::Server;
use crate::tab::{LAST_WORDS, Tab};

/// A dead owner's lease ends after 30 s; then its turn is taken over.
const TAKE_OVER: Duration = Duration::from_secs(90);

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_reload_in_the_middle_of_an_answer_resumes_to_the_same_text() {
    let gate = Gate::new();
    let model = ScriptedModel::start([stream()
        .says("Anvils fall ")
        .gate(&gate)
        .says("**rather** fast.")])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("How do anvils fall?").await;
    tab.shows(LAST_WORDS, "Anvils fall").await;
    tab.conversation().await;
    tab.reload().await;
    tab.shows(".customer p", "How do anvils fall?").await;
    tab.shows(LAST_WORDS, "Anvils fall").await;
    gate.open();
    tab.is_answered("Anvils fall rather fast.").await;
    tab.has(1, ".turn").await;
    assert_eq!(model.requests().len(), 1);
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn after_a_killed_server_the_page_comes_back_by_itself_with_the_whole_answer() {
    let gate = Gate::new();
    let model = ScriptedModel::start([
        stream().says("It was a dark ").gate(&gate),
        says("It was a dark and stormy night."),
    ])
    .await;
    let (mut server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Tell me a story").await;
    tab.shows(LAST_WORDS, "It was a dark").await;
    let conversation = tab.conversation().await;
    server.kill().await;
    tab.shows_in(".notices", "The connection was interrupted")
        .await;
    tab.screenshot("reconnecting").await;
    server.start_again().await;
    tab.until_within(
        TAKE_OVER,
        "the answer is whole",
        "document.querySelector('.turn[data-status=committed]')",
    )
    .await;
    tab.is_answered("It was a dark and stormy night.").await;
    tab.has(1, ".turn").await;
    tab.until(
        "nothing is said of the connection",
        "document.querySelector('.notices').textContent.trim() === ''",
    )
    .await;
    assert_eq!(server.messages_of(&conversation).await, ["Tell me a story"]);
    assert_eq!(
        model.requests().len(),
        2,
        "the first was cut, the second is its continuation"
    );
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_message_written_while_the_server_is_away_is_delivered_once() {
    let model = ScriptedModel::start([says("Hello."), says("Here.")]).await;
    let (mut server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Hello").await;
    tab.is_answered("Hello.").await;
    let conversation = tab.conversation().await;
    server.kill().await;
    tab.says("Are you there?").await;
    tab.shows_in(".notices", "The connection was interrupted")
        .await;
    server.start_again().await;
    tab.is_answered("Here.").await;
    assert_eq!(
        server.messages_of(&conversation).await,
        ["Hello", "Are you there?"]
    );
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn two_tabs_agree() {
    let gate = Gate::new();
    let model = ScriptedModel::start([
        stream().says("Both ").gate(&gate).says("see this."),
        says("And this."),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let first = browser.open(&server.url("")).await;
    first.says("Who sees this?").await;
    first.shows(LAST_WORDS, "Both").await;
    let conversation = first.conversation().await;
    let second = browser
        .open(&server.url(&format!("#/c/{conversation}")))
        .await;
    second.shows(LAST_WORDS, "Both").await;
    gate.open();
    first.is_answered("Both see this.").await;
    second.is_answered("Both see this.").await;
    second.says("And the other way?").await;
    second.is_answered("And this.").await;
    first.is_answered("And this.").await;
    assert_eq!(
        first.texts(".customer p, .words").await,
        second.texts(".customer p, .words").await
    );
    first.has(2, ".turn").await;
    first.has_no_errors();
    second.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn two_browsers_agree() {
    let model = ScriptedModel::start([says("Hello."), says("Hello there.")]).await;
    let server = Server::start(&model.url()).await;
    let (one, other) = (Browser::start().await, Browser::start().await);
    let first = one.open(&server.url("")).await;
    first.says("Hello").await;
    first.is_answered("Hello.").await;
    let conversation = first.conversation().await;
    let second = other
        .open(&server.url(&format!("#/c/{conversation}")))
        .await;
    second.is_answered("Hello.").await;
    second.says("From over here").await;
    second.is_answered("Hello there.").await;
    first.is_answered("Hello there.").await;
    assert_eq!(
        first.texts(".customer p").await,
        ["Hello", "From over here"]
    );
    first.has_no_errors();
}

/// As when another tab is chosen, and this one again.
async fn is_looked_at(tab: &Tab, looked_at: bool) {
    let state = if looked_at { "visible" } else { "hidden" };
    let _told: bool = tab
        .eval(&format!("(Object.defineProperty(document, 'visibilityState', {{ configurable: true, value: '{state}' }}), document.dispatchEvent(new Event('visibilitychange')))"))
        .await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn what_another_device_said_meanwhile_is_there_when_somebody_looks_again_or_is_back_online() {
    let model = ScriptedModel::start(["One.", "Two.", "Three.", "Four."].map(says)).await;
    let server = Server::start(&model.url()).await;
    let (here, there) = (Browser::start().await, Browser::start().await);
    let tab = here.open(&server.url("")).await;
    tab.says("First").await;
    tab.is_answered("One.").await;
    let link = server.url(&format!("#/c/{}", tab.conversation().await));
    let other = there.open(&link).await;
    other.is_answered("One.").await;

    is_looked_at(&tab, false).await;
    other.says("Second").await;
    other.is_answered("Two.").await;
    assert_eq!(tab.texts(".words").await, ["One."], "a hidden tab rests");
    is_looked_at(&tab, true).await;
    tab.is_answered("Two.").await;

    tab.is_offline(true).await;
    other.says("Third").await;
    other.is_answered("Three.").await;
    tab.is_offline(false).await;
    tab.is_answered("Three.").await;

    // And it hears what comes.
    other.says("Fourth").await;
    tab.is_answered("Four.").await;
    assert_eq!(
        tab.texts(".customer p, .words").await,
        other.texts(".customer p, .words").await
    );
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn offline_is_said_and_what_was_missed_or_written_meanwhile_arrives() {
    let gate = Gate::new();
    let model = ScriptedModel::start([
        stream().says("Before ").gate(&gate).says("and after."),
        says("Delivered."),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Hello").await;
    tab.shows(LAST_WORDS, "Before").await;
    let conversation = tab.conversation().await;
    tab.is_offline(true).await;
    tab.shows(
        ".notices",
        "You are offline. What you send now will be delivered when you are back.",
    )
    .await;
    tab.says("Sent while offline").await;
    tab.has(2, ".customer").await;
    tab.screenshot("offline").await;
    gate.open();
    tab.is_offline(false).await;
    tab.is_answered("Delivered.").await;
    assert_eq!(
        tab.texts(".words").await,
        ["Before and after.", "Delivered."]
    );
    assert_eq!(tab.texts(".notices").await, [""]);
    assert_eq!(
        server.messages_of(&conversation).await,
        ["Hello", "Sent while offline"]
    );
    tab.has_no_errors();
}

/// Counts what the page reads of a stream, and in how many pieces.
const COUNT_PIECES: &str = "window.pieces = []; {
    const read = ReadableStreamDefaultReader.prototype.read;
    ReadableStreamDefaultReader.prototype.read = async function (...rest) {
        const answer = await read.apply(this, rest);
        if (answer.value) window.pieces.push(answer.value.length);
        return answer;
    };
}";

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_stream_that_is_cut_at_any_byte_loses_nothing() {
    const TEXT: &str = "Größe: 300 €, 🪨 + 🧨 = \"boom\"\\n – naïve?";
    let model = ScriptedModel::responding(|_| says(TEXT)).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let network = Choppy::before(server.address()).await;
    for bytes in [1, 2, 3, 7] {
        network.cuts_every(bytes);
        let tab = browser.blank().await;
        tab.before_each_load(COUNT_PIECES).await;
        tab.goto(&network.url("")).await;
        tab.says(&format!("Cut every {bytes} bytes")).await;
        tab.is_answered(TEXT).await;
        let pieces: usize = tab
            .eval("window.pieces.filter((length) => length <= 7).length")
            .await;
        assert!(pieces > 50, "the stream arrives in pieces: {pieces}");
        tab.has_no_errors();
    }
}
