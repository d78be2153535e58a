//! The operator's page: what waits for a person, and the decisions.

use baton_rehearsal::scripted::{ScriptedModel, calls, says};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::access::axe_finds_nothing;
use crate::browser::Browser;
use crate::folder::Folder;
use crate::server::Server;
use crate::tab::Tab;

/// Asks for the refund of the catapult, which costs more than may be refunded without approval; at last tells how it ended.
pub(crate) async fn refunds_a_catapult(ending: &str) -> ScriptedModel {
    ScriptedModel::start([
        calls("transfer_to_issues_and_repairs", json!({})),
        calls(
            "execute_refund",
            json!({"item_id": "item_318205561", "reason": "it shoots backwards"}),
        ),
        says("A colleague will look at it."),
        says(ending),
    ])
    .await
}

async fn asked(browser: &Browser, server: &Server) -> Tab {
    let tab = browser.open(&server.url("")).await;
    tab.says("Please refund my catapult").await;
    tab.is_answered("A colleague will look at it.").await;
    tab.shows(".tool[data-state=proposed] .tool-state", "needs approval")
        .await;
    tab
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_refund_that_needs_approval_is_approved_at_the_desk_and_told_to_the_customer() {
    let model = refunds_a_catapult("Good news: 749 dollars are on their way.").await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let customer = asked(&browser, &server).await;
    customer.screenshot("needs-approval").await;
    let desk = browser.open(&server.desk()).await;
    desk.shows(".action-row .state", "Needs approval").await;
    desk.screenshot("desk").await;
    desk.click(".action-row").await;
    desk.shows("#detail-name", "Execute refund").await;
    desk.shows_in(".detail dl", "it shoots backwards").await;
    desk.shows(".detail .amount", "$749.00").await;
    desk.shows_in(".detail dl", "Approval ends").await;
    desk.shows(".beside .customer p", "Please refund my catapult")
        .await;
    desk.screenshot("desk-action").await;
    let books = browser.open(&server.desk()).await;
    books.press("Refunds").await;
    books.shows(".book .note", "Nothing here.").await;
    desk.press("Approve").await;
    desk.shows(".detail .state", "Done").await;
    desk.shows_in(".detail dl", "Approvedoperator, ").await;
    // Whoever looks at the book sees it come.
    books.shows_in(".book tbody tr", "item_318205561").await;
    desk.shows(".action-row .state", "Done").await;
    customer.shows(".tool .tool-state", "done").await;
    customer
        .is_answered("Good news: 749 dollars are on their way.")
        .await;
    customer
        .shows(".turn:last-child .note", "News about an earlier request")
        .await;
    customer.has(1, ".customer").await;
    // What was timed is how long it took to propose it.
    customer.has(0, ".tool-time").await;
    customer.screenshot("approved").await;
    desk.shows(
        ".beside .turn:last-child .words",
        "Good news: 749 dollars are on their way.",
    )
    .await;
    desk.press("Refunds").await;
    desk.shows_in(".book tbody tr", "item_318205561").await;
    desk.shows_in(".book tbody tr", "$749.00").await;
    desk.screenshot("desk-refunds").await;
    desk.press("Orders").await;
    desk.shows_in(".book tbody", "Catapult").await;
    desk.screenshot("desk-orders").await;
    customer.has_no_errors();
    desk.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_rejection_wants_a_reason_and_nothing_is_refunded() {
    let model = refunds_a_catapult("I am sorry: my colleague said no.").await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let customer = asked(&browser, &server).await;
    let desk = browser.open(&server.desk()).await;
    desk.click(".action-row").await;
    desk.press("Reject").await;
    desk.shows(".detail .wrong", "Please give a reason for colleagues.")
        .await;
    desk.shows("label[for=reason]", "For colleagues").await;
    desk.click("#reason").await;
    desk.types("Third time this year").await;
    desk.shows("label[for=reason-customer]", "For the customer")
        .await;
    desk.click("#reason-customer").await;
    desk.types("It was used at a wedding").await;
    desk.press("Reject").await;
    desk.shows(".detail .state", "Rejected").await;
    customer.shows(".tool .tool-state", "refused").await;
    customer
        .is_answered("I am sorry: my colleague said no.")
        .await;
    let told = model
        .requests()
        .last()
        .map(|request| request.body.clone())
        .unwrap_or_default();
    assert!(
        told.contains("It was used at a wedding"),
        "the model is told why: {told}"
    );
    assert!(
        !told.contains("Third time"),
        "and not what is for colleagues: {told}"
    );
    desk.shows_in(".detail dl", "Third time this year").await;
    assert!(
        !customer
            .eval::<bool>("document.body.textContent.includes('Third time')")
            .await
    );
    desk.screenshot("desk-rejected").await;
    assert!(
        !server
            .get("refunds")
            .await
            .to_string()
            .contains("item_318205561")
    );
    desk.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn an_action_that_is_proposed_meanwhile_appears_by_itself() {
    let model = refunds_a_catapult("Never said.").await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let desk = browser.open(&server.desk()).await;
    desk.shows(".queue .note", "Nothing here.").await;
    let _customer = asked(&browser, &server).await;
    desk.shows(".action-row .state", "Needs approval").await;
    desk.press("Needs approval 1").await;
    desk.has(1, ".action-row").await;
    desk.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn the_desk_asks_for_the_operators_token_and_keeps_it_for_this_tab_only() {
    let folder = Folder::new("token");
    std::fs::write(
        folder.path().join(".env"),
        "BATON_OPERATOR_TOKEN=a-token-of-some-length\n",
    )
    .expect("the settings can be written");
    let model = refunds_a_catapult("Never said.").await;
    let server = Server::over(folder, &model.url()).await;
    let browser = Browser::start().await;
    let _customer = asked(&browser, &server).await;
    let desk = browser.open(&server.url("desk")).await;
    desk.shows("label[for=token]", "Operator token").await;
    desk.has(0, ".action-row").await;
    desk.click("#token").await;
    desk.types("not this one").await;
    desk.press("Enter").await;
    desk.shows(".gate .wrong", "This token is not accepted.")
        .await;
    axe_finds_nothing(&desk, "the gate of the desk").await;
    desk.screenshot("desk-gate").await;
    desk.eval::<bool>("(document.querySelector('#token').value = '', true)")
        .await;
    desk.click("#token").await;
    desk.types("a-token-of-some-length").await;
    desk.press("Enter").await;
    desk.shows(".action-row .state", "Needs approval").await;
    desk.reload().await;
    desk.shows(".action-row .state", "Needs approval").await;
    desk.press("Sign out").await;
    desk.shows("label[for=token]", "Operator token").await;
    desk.has(0, ".action-row").await;
    let other = browser.open(&server.url("desk")).await;
    other.shows("label[for=token]", "Operator token").await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn the_link_signs_in_and_leaves_no_token_in_the_address() {
    let model = refunds_a_catapult("Never said.").await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let _customer = asked(&browser, &server).await;
    let gate = browser.open(&server.url("desk")).await;
    gate.shows("label[for=token]", "Operator token").await;
    // The same tab, with the link typed into its address bar.
    gate.eval::<bool>(&format!("(location.href = {}, true)", json!(server.desk())))
        .await;
    gate.shows(".action-row .state", "Needs approval").await;
    let desk = browser.open(&server.desk()).await;
    desk.shows(".action-row .state", "Needs approval").await;
    desk.shows(".desk-top .operator", "operator").await;
    for tab in [&gate, &desk] {
        assert_eq!(
            tab.eval::<String>("location.href").await,
            server.url("desk")
        );
    }
    desk.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn two_operators_approve_and_the_one_that_comes_too_late_is_told() {
    let folder = Folder::new("four-eyes");
    std::fs::write(folder.path().join(".env"), "BATON_FOUR_EYES_USD=500\n")
        .expect("the settings can be written");
    let model = refunds_a_catapult("Good news: 749 dollars are on their way.").await;
    let server = Server::over(folder, &model.url()).await;
    let browser = Browser::start().await;
    let _customer = asked(&browser, &server).await;
    let mut desks = Vec::new();
    for name in ["Carl", "Dora", "Erin"] {
        let roles = ["--role", "see", "--role", "approve"];
        let token = server
            .baton(&[&["operator", "add", name], roles.as_slice()].concat())
            .await;
        let desk = browser
            .open(&server.url(&format!("desk#token={token}")))
            .await;
        desk.shows(".desk-top .operator", name).await;
        desk.click(".action-row").await;
        desk.shows(".decision > .note", "Two operators must approve this.")
            .await;
        desks.push(desk);
    }
    let [carl, dora, erin] = desks.as_slice() else {
        panic!("three desks are open")
    };
    // Erin's page reads nothing new from now on.
    erin.eval::<bool>(
        "{ const send = fetch; window.fetch = (url, init) => (init?.method === 'POST' ? send(url, init) : new Promise(() => {})); true }",
    )
    .await;
    carl.press("Approve").await;
    let one = "Carl has approved this. Another operator must approve it too.";
    for desk in [carl, dora] {
        desk.shows(".decision > .note", one).await;
        desk.shows(".detail .state", "Needs approval").await;
    }
    carl.press("Approve").await;
    carl.shows_in(".detail .wrong", "you have approved this already")
        .await;
    carl.screenshot("desk-first-approval").await;
    axe_finds_nothing(carl, "an action with one of two approvals").await;
    dora.press("Approve").await;
    dora.shows(".detail .state", "Done").await;
    dora.shows_in(".detail dl", "First approvalCarl, ").await;
    dora.shows_in(".detail dl", "Second approvalDora, ").await;
    erin.press("Approve").await;
    erin.shows_in(".detail .wrong", "Dora approved it").await;
}

/// A service without idempotency keys that reads one call and cuts the connection, and the team that calls it.
async fn a_service_that_cuts(folder: &Folder) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = listener.local_addr().expect("it has one").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut call = [0; 1024];
            let _read = socket.read(&mut call).await;
        }
    });
    let team = format!(
        r#"name = "Tables"
entry = "Host"
[[agent]]
name = "Host"
instructions = "Book tables."
tools = ["book_table"]
[[tool]]
name = "book_table"
kind = "action"
description = "Books a table."
[tool.parameters.table]
type = "string"
[tool.http]
method = "POST"
url = "http://127.0.0.1:{port}/bookings"
allow_private = true
idempotency_keys = false
"#
    );
    std::fs::write(folder.path().join("team.toml"), team).expect("the team can be written");
    std::fs::write(folder.path().join(".env"), "BATON_TEAM=team.toml\n")
        .expect("the settings can be written");
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn what_nobody_knows_is_settled_at_the_desk_and_told_to_the_customer() {
    let model = ScriptedModel::start([
        calls("book_table", json!({"table": "T7"})),
        says("We are checking that."),
        says("Table T7 is yours."),
    ])
    .await;
    let folder = Folder::new("unknown");
    a_service_that_cuts(&folder).await;
    let server = Server::over(folder, &model.url()).await;
    let browser = Browser::start().await;
    let customer = browser.open(&server.url("")).await;
    customer.says("Table T7, please").await;
    customer.is_answered("We are checking that.").await;
    customer
        .shows(
            ".tool[data-state=unknown] .tool-state",
            "outcome unclear, we are checking",
        )
        .await;
    let desk = browser.open(&server.desk()).await;
    desk.shows(".action-row .state", "Unknown").await;
    desk.click(".action-row").await;
    desk.shows_in(".decision .banner", "Nobody knows").await;
    desk.shows_in(".detail dl", "First tried").await;
    axe_finds_nothing(&desk, "an action that nobody knows the end of").await;
    desk.screenshot("desk-unknown").await;
    desk.press("It was done").await;
    desk.shows(".detail .wrong", "Please give a reason for colleagues.")
        .await;
    desk.click("#reason").await;
    desk.types("It is in their book").await;
    desk.press("It was done").await;
    desk.shows(".detail .state", "Done").await;
    desk.shows_in(".detail dl", "It is in their book").await;
    customer.shows(".tool .tool-state", "done").await;
    customer.is_answered("Table T7 is yours.").await;
    desk.has_no_errors();
}
