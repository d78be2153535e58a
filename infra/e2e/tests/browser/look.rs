//! How it looks elsewhere: another language, another direction, paper, without motion.

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};
use chromiumoxide::cdp::browser_protocol::emulation::SetUserAgentOverrideParams;
use chromiumoxide::cdp::browser_protocol::page::PrintToPdfParams;

use crate::access::axe_finds_nothing;
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
    tab.goto(&server.desk()).await;
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
async fn the_appearance_that_was_chosen_stays() {
    let (server, browser) = (Server::rehearsal().await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    let is_light = "getComputedStyle(document.body).backgroundColor === 'rgb(250, 249, 246)'";
    tab.press("Appearance: automatic").await;
    tab.press("Appearance: light").await;
    tab.until("it is dark", &format!("!({is_light})")).await;
    tab.reload().await;
    tab.shows(".sidebar footer", "Appearance: dark").await;
    assert!(!tab.eval::<bool>(is_light).await, "also after a reload");
    tab.press("Appearance: dark").await;
    tab.until("it is light, as the system says", is_light).await;
    tab.has_no_errors();
}

/// Names of the colours that an agent may have.
const HUES: usize = 8;

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn every_colour_that_an_agent_may_have_can_be_read() {
    let model = ScriptedModel::start([says("Meep.")]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Hello").await;
    tab.is_answered("Meep.").await;
    let _added: usize = tab
        .eval(&format!(
            "Array.from({{ length: {HUES} }}, (_, hue) => {{
                const name = document.querySelector('.agent-name').cloneNode(true);
                name.dataset.hue = hue;
                document.querySelector('.column').append(name);
            }}).length"
        ))
        .await;
    for scheme in ["light", "dark"] {
        tab.prefers("prefers-color-scheme", scheme).await;
        let colours: Vec<String> = tab
            .eval("[...new Set(Array.from(document.querySelectorAll('.column > .agent-name'), (it) => getComputedStyle(it).color))]")
            .await;
        assert_eq!(colours.len(), HUES, "each is another one: {colours:?}");
        axe_finds_nothing(&tab, &format!("the colours of agents, {scheme}")).await;
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn who_wants_no_motion_gets_none() {
    let gate = Gate::new();
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
