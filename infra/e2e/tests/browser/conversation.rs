//! What a conversation looks like while it happens.

use baton_rehearsal::scripted::{Gate, ScriptedModel, calls, says, stream};
use serde_json::json;

use crate::browser::Browser;
use crate::server::Server;
use crate::tab::LAST_WORDS;

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn the_page_opens_without_a_complaint_and_says_that_the_model_is_a_rehearsal() {
    let (server, browser) = (Server::rehearsal().await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.shows(
        ".rehearsal",
        "Rehearsal: scripted answers, no language model",
    )
    .await;
    tab.shows(".welcome h2", "How can we help?").await;
    tab.has(4, ".welcome li").await;
    tab.until(
        "the message box has the focus",
        "document.activeElement.id === 'message'",
    )
    .await;
    tab.screenshot("welcome").await;
    assert_eq!(tab.complaints(), []);
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn an_answer_grows_word_by_word_and_is_drawn_as_it_will_stay() {
    let gates = [Gate::new(), Gate::new()];
    let [first, second] = &gates;
    let answer = stream()
        .says("Take the **anvil")
        .gate(first)
        .says(" of one ton**. It")
        .gate(second)
        .says(" is heavy.");
    let model = ScriptedModel::start([answer]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("What falls well?").await;
    tab.shows(".customer p", "What falls well?").await;
    tab.shows_in(LAST_WORDS, "anvil").await;
    tab.until(
        "the stop button is there",
        "document.querySelector('button.stop')",
    )
    .await;
    tab.screenshot("streaming").await;
    first.open();
    tab.shows(LAST_WORDS, "Take the anvil of one ton. It").await;
    tab.shows(&format!("{LAST_WORDS} strong"), "anvil of one ton")
        .await;
    second.open();
    tab.is_answered("Take the anvil of one ton. It is heavy.")
        .await;
    tab.until(
        "the stop button has gone",
        "!document.querySelector('button.stop')",
    )
    .await;
    tab.shows(".agent-name", "Triage").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn markdown_becomes_what_it_means() {
    let text = "# Plan\n\n1. Paint a *tunnel*\n2. Wait\n\n- [x] rope\n- [ ] anvil\n\n> Meep meep\n\n| Item | Price |\n| --- | ---: |\n| Anvil | 299 |\n\n\
                Use `drop()`:\n\n```rust\nfn drop(anvil: Anvil) {\n    below(anvil);\n}\n```\n\nSee [ACME](https://acme.example/a?b=c) or https://acme.example.";
    let model = ScriptedModel::start([says(text)]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("A plan, please").await;
    tab.is_idle().await;
    for (selector, shown) in [
        ("h3", "Plan"),
        ("ol li:first-child em", "tunnel"),
        ("blockquote", "Meep meep"),
        ("tbody td[data-align=right]", "299"),
        ("p code", "drop()"),
        (
            "a[href='https://acme.example/a?b=c'][rel~=noopener]",
            "ACME",
        ),
        ("pre code", "fn drop(anvil: Anvil) { below(anvil); }"),
    ] {
        tab.shows(&format!("{LAST_WORDS} {selector}"), shown).await;
    }
    tab.has(1, &format!("{LAST_WORDS} input:checked")).await;
    tab.screenshot("markdown").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_hand_off_is_a_divider_and_the_new_agent_is_named() {
    let model = ScriptedModel::start([
        stream()
            .says("One moment.")
            .calls("transfer_to_sales_agent", "{}"),
        says("Roadrunners, is it?"),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("I want to buy a trap").await;
    tab.is_answered("Roadrunners, is it?").await;
    assert_eq!(tab.texts(".agent-name").await, ["Triage", "Sales"]);
    tab.shows(".hand-off", "Sales takes over").await;
    tab.shows("header h1", "Sales").await;
    tab.has(0, ".tool").await; // the call that asked for it says nothing more
    let colours: Vec<String> =
        tab.eval("Array.from(document.querySelectorAll('.agent-name'), (it) => getComputedStyle(it).color)").await;
    assert_ne!(
        colours.first(),
        colours.last(),
        "each agent has a colour of its own"
    );
    tab.screenshot("hand-off").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_tool_call_is_a_card_with_state_time_and_the_parts_that_the_tool_shows() {
    let gate = Gate::new();
    let model = ScriptedModel::start([
        calls("transfer_to_issues_and_repairs", json!({})),
        calls("look_up_item", json!({"search_query": "unicycle"})),
        calls(
            "execute_refund",
            json!({"item_id": "item_132612938", "reason": "boom"}),
        ),
        stream().says("Refunded").gate(&gate).says(" it."),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("My unicycle exploded").await;
    tab.shows("details.tool[data-state=done] .tool-name", "Execute refund")
        .await;
    tab.until(
        "the time is there",
        "/^[\\d.,]+\\s?m?s$/.test(document.querySelector('.tool-time').textContent.trim())",
    )
    .await;
    gate.open();
    tab.is_answered("Refunded it.").await;
    // The look-up shows its name alone, so there is nothing to open.
    tab.shows("div.tool[data-state=done] .tool-name", "Look up item")
        .await;
    tab.click(".tool summary").await;
    tab.shows_in(".tool[open] dl", "item_132612938").await;
    tab.shows_in(".tool[open] dl", "Refunded usd").await;
    tab.until(
        "the model's reason is not shown",
        "!document.body.textContent.includes('boom')",
    )
    .await;
    tab.screenshot("tool-card").await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_refund_goes_from_the_first_question_to_the_money() {
    let (server, browser) = (Server::rehearsal().await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.press("My rocket-powered unicycle exploded.").await;
    tab.shows_in(LAST_WORDS, "What exactly happened").await;
    tab.is_idle().await;
    tab.shows(".hand-off", "Issues and Repairs takes over")
        .await;
    tab.says("I lit the fuse and the saddle was gone").await;
    tab.shows_in(LAST_WORDS, "Please try this first").await;
    tab.is_idle().await;
    tab.says("No. Give me a refund!").await;
    tab.until("the money is named", "/refund/i.test(Array.from(document.querySelectorAll('.turn:last-child .words')).at(-1).textContent)").await;
    tab.is_idle().await;
    assert_eq!(
        tab.texts(".turn:last-child .tool-name").await,
        ["Look up item", "Execute refund"]
    );
    tab.has(2, ".turn:last-child .tool[data-state=done]").await;
    tab.screenshot("refund").await;
    let refunds = server.get("refunds").await;
    assert!(refunds.to_string().contains("item_132612938"), "{refunds}");
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn time_and_usage_of_a_turn_are_told_on_demand() {
    let model = ScriptedModel::start([says("Meep.").costs(1_234, 56)]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("Hello").await;
    tab.is_answered("Meep.").await;
    tab.press("Time and usage").await;
    tab.shows_in(".usage[open] dl", "1,234").await;
    tab.shows_in(".usage[open] dl", "56").await;
    tab.has_no_errors();
}
