//! How it looks elsewhere: another language, another direction, paper, without motion.

use baton_backends::model::testing::{ScriptedModel, says, stream};
use chromiumoxide::cdp::browser_protocol::emulation::SetUserAgentOverrideParams;
use chromiumoxide::cdp::browser_protocol::page::PrintToPdfParams;

use crate::browser::Browser;
use crate::server::Server;

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_german_browser_reads_german() {
    let (server, browser) = (Server::rehearsal().await, Browser::start().await);
    let tab = browser.blank().await;
    let mut german =
        SetUserAgentOverrideParams::new("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0");
    german.accept_language = Some("de-AT,de".to_owned());
    tab.page().execute(german).await.unwrap();
    tab.goto(&server.url("")).await;
    tab.shows(".welcome h2", "Wie können wir helfen?").await;
    assert_eq!(
        tab.eval::<String>("document.documentElement.lang").await,
        "de"
    );
    tab.screenshot("german").await;
    tab.goto(&server.url("desk")).await;
    tab.shows("h1", "Leitstand").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn right_to_left_text_and_layout_stand_on_their_side() {
    let model = ScriptedModel::start([says("مرحبا! كيف يمكنني مساعدتك؟")]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("مرحبا").await;
    tab.is_answered("مرحبا! كيف يمكنني مساعدتك؟").await;
    let written: String = tab
        .eval("getComputedStyle(document.querySelector('.words')).direction")
        .await;
    assert_eq!(written, "rtl", "an answer's direction is its own");
    let _turned: bool = tab
        .eval("(document.documentElement.dir = 'rtl', true)")
        .await;
    tab.until(
        "the list is on the right",
        "document.querySelector('.sidebar').getBoundingClientRect().left > innerWidth / 2",
    )
    .await;
    assert!(
        tab.eval::<bool>("document.documentElement.scrollWidth <= innerWidth")
            .await
    );
    tab.screenshot("right-to-left").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_conversation_can_be_printed() {
    let long = "A line that takes its place.\n\n".repeat(60);
    let model = ScriptedModel::start([says(&long)]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Talk").await;
    tab.is_idle().await;
    let paper = tab.page().pdf(PrintToPdfParams::default()).await.unwrap();
    let pages = String::from_utf8_lossy(&paper)
        .matches("/Type /Page\n")
        .count();
    assert!(
        pages > 1,
        "all of it is on paper, not what is on the screen: {pages} pages"
    );
    tab.is_printed().await;
    for hidden in [".sidebar", ".composer", ".menu", ".turn > footer"] {
        let display: String = tab
            .eval(&format!(
                "getComputedStyle(document.querySelector('{hidden}')).display"
            ))
            .await;
        assert_eq!(display, "none", "{hidden} is not for paper");
    }
    tab.screenshot("print").await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn who_wants_no_motion_gets_none() {
    let gate = baton_backends::model::testing::Gate::new();
    let model = ScriptedModel::start([stream().gate(&gate).says("Still.")]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.blank().await;
    tab.prefers("prefers-reduced-motion", "reduce").await;
    tab.goto(&server.url("")).await;
    tab.says("Quietly, please").await;
    tab.has(1, ".dots").await;
    assert_eq!(
        tab.eval::<usize>("document.getAnimations().length").await,
        0
    );
    gate.open();
    tab.is_answered("Still.").await;
}
