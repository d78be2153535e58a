//! For everybody: what a screen reader hears, and what axe-core finds in every state and look.

use std::path::PathBuf;

use baton_rehearsal::scripted::{Gate, ScriptedModel, calls, says, stream};
use serde_json::json;

use crate::browser::Browser;
use crate::desk::refunds_a_catapult;
use crate::server::Server;
use crate::tab::{LAST_WORDS, Tab};

/// Everything that axe-core knows, its best practices included.
pub(crate) async fn axe_finds_nothing(tab: &Tab, state: &str) {
    let path = std::env::var_os("BATON_AXE").map(PathBuf::from);
    let path =
        path.expect("BATON_AXE names axe-core's axe.min.js; ./infra/test browser installs it");
    let script = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let _loaded: bool = tab.eval(&format!("{script}; true")).await;
    let found: Vec<String> = tab
        .eval(
            "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(({ id, impact, nodes }) =>
                nodes.map(({ target, failureSummary }) => `${id} (${impact}) ${target.join(' ')}: ${failureSummary}`)))",
        )
        .await;
    assert!(found.is_empty(), "axe-core on {state}: {found:#?}");
}

async fn rich_conversation() -> ScriptedModel {
    ScriptedModel::start([
        calls("transfer_to_issues_and_repairs", json!({})),
        calls("execute_refund", json!({"item_id": "item_132612938"})),
        says("## Found\n\nIt is `item_1`, see [the shop](https://acme.example):\n\n| Item | Paid |\n| --- | ---: |\n| Unicycle | $399 |\n\n```js\nlight(fuse);\n```\n\n> Meep"),
        stream().says("This one ").cut_after(2),
    ])
    .await
}

async fn converses(tab: &Tab) {
    tab.says("My unicycle exploded").await;
    tab.is_idle().await;
    tab.click(".tool summary").await;
    tab.says("And now break").await;
    tab.shows_in(".turn .banner p", "broke off").await;
    tab.is_idle().await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn axe_finds_nothing_in_light_and_dark() {
    for scheme in ["light", "dark"] {
        let model = rich_conversation().await;
        let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
        let tab = browser.blank().await;
        tab.prefers("prefers-color-scheme", scheme).await;
        tab.goto(&server.url("")).await;
        tab.has(4, ".welcome li").await;
        tab.screenshot(&format!("axe-welcome-{scheme}")).await;
        axe_finds_nothing(&tab, &format!("the welcome in {scheme}")).await;
        converses(&tab).await;
        tab.screenshot(&format!("axe-conversation-{scheme}")).await;
        axe_finds_nothing(&tab, &format!("the conversation in {scheme}")).await;
        tab.press("More").await;
        axe_finds_nothing(&tab, &format!("the menu in {scheme}")).await;
        tab.press("Delete").await;
        tab.has(1, "dialog").await;
        tab.screenshot(&format!("axe-dialog-{scheme}")).await;
        axe_finds_nothing(&tab, &format!("the dialog in {scheme}")).await;
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_small_phone_shows_everything_and_axe_finds_nothing() {
    let model = rich_conversation().await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.blank().await;
    tab.is_sized(320, 640, true).await;
    tab.goto(&server.url("")).await;
    tab.has(4, ".welcome li").await;
    tab.screenshot("phone-welcome").await;
    axe_finds_nothing(&tab, "the welcome on a phone").await;
    converses(&tab).await;
    tab.screenshot("phone-conversation").await;
    axe_finds_nothing(&tab, "the conversation on a phone").await;
    assert!(
        tab.eval::<bool>("document.documentElement.scrollWidth <= innerWidth")
            .await,
        "nothing is wider than the screen"
    );
    tab.press("Conversations").await;
    tab.until(
        "the list is there",
        "document.querySelector('.sidebar').getBoundingClientRect().left === 0",
    )
    .await;
    tab.screenshot("phone-list").await;
    axe_finds_nothing(&tab, "the list on a phone").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn axe_finds_nothing_on_the_desk() {
    let model = refunds_a_catapult("Never said.").await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let customer = browser.open(&server.url("")).await;
    customer.says("Please refund my catapult").await;
    customer.is_idle().await;
    for (look, scheme, (width, height)) in [
        ("light", "light", (1280, 800)),
        ("dark", "dark", (1280, 800)),
        ("phone", "light", (320, 640)),
    ] {
        let desk = browser.blank().await;
        desk.prefers("prefers-color-scheme", scheme).await;
        desk.is_sized(width, height, look == "phone").await;
        desk.goto(&server.desk()).await;
        desk.shows(".action-row .state", "Needs approval").await;
        axe_finds_nothing(&desk, &format!("the desk, {look}")).await;
        desk.click(".action-row").await;
        desk.has(1, ".beside .turn").await;
        desk.screenshot(&format!("desk-{look}")).await;
        axe_finds_nothing(&desk, &format!("an action on the desk, {look}")).await;
        desk.press("Orders").await;
        desk.has(1, ".book table").await;
        desk.screenshot(&format!("desk-orders-{look}")).await;
        axe_finds_nothing(&desk, &format!("the orders on the desk, {look}")).await;
        desk.has_no_errors();
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_screen_reader_hears_whole_sentences_hand_offs_and_ends() {
    let gates = [Gate::new(), Gate::new()];
    let [middle, end] = &gates;
    let model = ScriptedModel::start([
        stream()
            .says("One moment.")
            .calls("transfer_to_sales_agent", "{}"),
        stream()
            .says("Hello there! I have **just** the")
            .gate(middle)
            .says(" thing for you. It costs")
            .gate(end)
            .says(" $4,999.\n\n- It flies.\n- It explodes."),
        stream().says("And then ").cut_after(2),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("I want to buy").await;
    tab.shows_in(LAST_WORDS, "just the").await;
    let before = [
        "Triage said: One moment.",
        "Sales takes over",
        "Sales said: Hello there!",
    ];
    tab.has(before.len(), "#announcements p").await;
    assert_eq!(
        tab.texts("#announcements p").await,
        before,
        "no half sentence is read out"
    );
    middle.open();
    tab.shows_in(LAST_WORDS, "It costs").await;
    tab.has(4, "#announcements p").await;
    end.open();
    tab.is_idle().await;
    tab.says("And?").await;
    tab.shows_in(".turn:last-child .banner p", "broke off")
        .await;
    let heard = [
        &before[..],
        &[
            "I have just the thing for you.",
            "It costs $4,999.",
            "It flies.",
            "It explodes.",
            "Sales said: And then",
            "Sorry, the answer broke off. Please try again.",
        ],
    ]
    .concat();
    tab.has(heard.len(), "#announcements p").await;
    assert_eq!(tab.texts("#announcements p").await, heard);
    let live: String = tab
        .eval("document.querySelector('#announcements').getAttribute('aria-live')")
        .await;
    assert_eq!(live, "polite");
    let inside: usize = tab
        .eval("document.querySelectorAll('.transcript[aria-live], .transcript [aria-live]').length")
        .await;
    assert_eq!(
        inside, 0,
        "the transcript itself is read out by nobody, token by token"
    );
    tab.has_no_errors();
}
