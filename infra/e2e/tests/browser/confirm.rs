//! The card on which a customer confirms or declines an action.

use baton_rehearsal::scripted::{ScriptedModel, calls, says};
use serde_json::json;

use crate::access::axe_finds_nothing;
use crate::browser::Browser;
use crate::folder::Folder;
use crate::server::Server;
use crate::tab::Tab;

const CATAPULT: &str = "item_318205561";

/// The built-in team, where a customer confirms each refund.
fn asking_team(folder: &Folder) -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../functions/handoff/teams/acme.toml"
    );
    let team = std::fs::read_to_string(path).unwrap();
    let by_amount = "approval = { above_usd = 500 }";
    assert!(team.contains(by_amount));
    let asking = r#"approval = "customer"
confirm = { title = "Refund of {amount} for {item_id}?", show = ["reason"] }"#;
    let file = folder.path().join("team.toml");
    std::fs::write(&file, team.replace(by_amount, asking)).unwrap();
    file.to_str().unwrap().to_owned()
}

async fn asked(browser: &Browser, server: &Server) -> Tab {
    let tab = browser.open(&server.url("")).await;
    tab.says("Please refund my catapult").await;
    tab.is_answered("Please confirm it on the card.").await;
    tab.shows(".card h3", &format!("Refund of $749.00 for {CATAPULT}?"))
        .await;
    tab.shows_in(".card", "it shoots backwards").await;
    tab
}

async fn model(ending: &str) -> ScriptedModel {
    ScriptedModel::start([
        calls("transfer_to_issues_and_repairs", json!({})),
        calls(
            "execute_refund",
            json!({"item_id": CATAPULT, "reason": "it shoots backwards"}),
        ),
        says("Please confirm it on the card."),
        says(ending),
    ])
    .await
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_customer_confirms_on_the_card_and_it_is_done() {
    let model = model("Your 749 dollars are on their way.").await;
    let folder = Folder::new("team");
    let team = asking_team(&folder);
    let server = Server::with(&model.url(), &[("BATON_TEAM", &team)]).await;
    let browser = Browser::start().await;
    let tab = asked(&browser, &server).await;
    tab.shows(
        ".tool[data-state=proposed] .tool-state",
        "needs your confirmation",
    )
    .await;
    tab.screenshot("confirm").await;
    axe_finds_nothing(&tab, "a card").await;
    // It waits for whoever comes back.
    tab.reload().await;
    tab.shows(".card h3", &format!("Refund of $749.00 for {CATAPULT}?"))
        .await;
    let books = browser.open(&server.desk()).await;
    books.press("Refunds").await;
    books.shows(".book .note", "Nothing here.").await;
    tab.press("Confirm").await;
    tab.is_answered("Your 749 dollars are on their way.").await;
    tab.has(0, ".card").await;
    tab.shows(".tool[data-state=done] .tool-state", "done")
        .await;
    books.shows_in(".book tbody tr", CATAPULT).await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_customer_declines_on_the_card_and_nothing_is_done() {
    let model = model("Then I leave it.").await;
    let folder = Folder::new("team");
    let team = asking_team(&folder);
    let server = Server::with(&model.url(), &[("BATON_TEAM", &team)]).await;
    let browser = Browser::start().await;
    let tab = asked(&browser, &server).await;
    tab.press("Cancel").await;
    tab.is_answered("Then I leave it.").await;
    tab.has(0, ".card").await;
    tab.shows(".tool[data-state=rejected] .tool-state", "refused")
        .await;
    let books = browser.open(&server.desk()).await;
    books.press("Refunds").await;
    books.shows(".book .note", "Nothing here.").await;
    tab.has_no_errors();
}
