//! The page before the function `chat`, as AWS runs it: each request is an invocation that must end in time.

use std::time::Duration;

use baton_kit::lambda::process::Process;
use baton_kit::lambda::url::Url;
use baton_kit::lambda::{Api, LONG};
use baton_rehearsal::scripted::{Captured, Gate, ScriptedModel, calls, says, stream};
use serde_json::json;

use crate::browser::Browser;
use crate::folder::Folder;
use crate::server::binary;
use crate::tab::LAST_WORDS;

/// Invocations at once: every tab has one that listens.
const CROWD: &str = "16";

/// Of an invocation in which an answer does not end: its streams end 6 s before.
const SHORT: Duration = Duration::from_secs(9);

/// A function with everything in one file, and the two ways to it.
struct Function {
    url: Url,
    stage: Url,
    _process: Process,
    _api: Api,
    _folder: Folder,
}

impl Function {
    async fn start(model: &ScriptedModel) -> Self {
        Self::with(model, "anonymous", LONG).await
    }

    /// `auth`: as `BATON_AUTH`.
    async fn with(model: &ScriptedModel, auth: &str, life: Duration) -> Self {
        let folder = Folder::new("lambda");
        let api = Api::start().await;
        let settings = [
            ("BATON_MODEL_URL", model.url()),
            ("BATON_MODEL", "scripted".to_owned()),
            ("BATON_AUTH", auth.to_owned()),
            (
                "BATON_DATA",
                folder.path().join("baton.db").display().to_string(),
            ),
            ("AWS_LAMBDA_MAX_CONCURRENCY", CROWD.to_owned()),
        ];
        Self {
            url: Url::start(&api, life).await,
            stage: Url::below_a_stage(&api, life).await,
            _process: Process::start(&binary("chat"), &api, &settings),
            _api: api,
            _folder: folder,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.url.base())
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn by_a_function_url_an_answer_grows_word_by_word_with_its_hand_off_and_its_tool() {
    let gates = [Gate::new(), Gate::new()];
    let [first, second] = &gates;
    let model = ScriptedModel::start([
        calls("transfer_to_issues_and_repairs", json!({})),
        calls("look_up_item", json!({"search_query": "catapult"})),
        stream()
            .says("The **catapult")
            .gate(first)
            .says("** is")
            .gate(second)
            .says(" fine."),
    ])
    .await;
    let (function, browser) = (Function::start(&model).await, Browser::start().await);
    let tab = browser.open(&function.url("")).await;
    tab.shows(".welcome h2", "How can we help?").await;
    tab.says("Is my catapult broken?").await;
    tab.shows(LAST_WORDS, "The catapult").await;
    first.open();
    tab.shows(LAST_WORDS, "The catapult is").await;
    second.open();
    tab.is_answered("The catapult is fine.").await;
    tab.shows(".hand-off", "Issues and Repairs takes over")
        .await;
    tab.shows_in(".tool", "Look up item").await;
    tab.shows(".agent-name", "Issues and Repairs").await;
    tab.screenshot("lambda").await;
    // Off loopback nobody lists everybody's conversations, and the page does not even ask.
    assert_eq!(tab.complaints(), []);
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn below_a_stage_the_page_opens_answers_and_comes_back_after_a_reload() {
    let gate = Gate::new();
    let model = ScriptedModel::start([stream().says("Anvils ").gate(&gate).says("fall.")]).await;
    let (function, browser) = (Function::start(&model).await, Browser::start().await);
    let stage = format!("{}/prod", function.stage.base());
    let tab = browser.open(&stage).await;
    tab.until(
        "the address has its slash",
        "location.pathname === '/prod/'",
    )
    .await;
    tab.says("How do anvils fall?").await;
    tab.shows(LAST_WORDS, "Anvils").await;
    tab.conversation().await;
    tab.reload().await;
    tab.shows(LAST_WORDS, "Anvils").await;
    gate.open();
    tab.is_answered("Anvils fall.").await;
    assert_eq!(model.requests().len(), 1);
    // Off loopback nobody lists everybody's conversations, and the page does not even ask.
    assert_eq!(tab.complaints(), []);
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn by_a_function_url_an_answer_is_stopped_and_two_tabs_agree() {
    let gate = Gate::new();
    let model = ScriptedModel::start([
        stream()
            .says("An anvil is ")
            .gate(&gate)
            .says("never seen."),
        says("Both see this."),
        says("And this."),
    ])
    .await;
    // Two browsers have one conversation only where it has no owner.
    let function = Function::with(&model, "open", LONG).await;
    let browser = Browser::start().await;
    let other = Browser::start().await;
    let first = browser.open(&function.url("")).await;
    first.says("Tell me of anvils").await;
    first.shows(LAST_WORDS, "An anvil is").await;
    let link = function.url(&format!("#/c/{}", first.conversation().await));
    let second = other.open(&link).await;
    second.shows(LAST_WORDS, "An anvil is").await;
    first.press("Stop").await;
    first.has(1, ".turn[data-status=stopped]").await;
    second.has(1, ".turn[data-status=stopped]").await;
    second.says("Who sees this?").await;
    second.is_answered("Both see this.").await;
    first.is_answered("Both see this.").await;
    first.says("And the other way?").await;
    first.is_answered("And this.").await;
    second.is_answered("And this.").await;
    assert_eq!(
        first.texts(".customer p, .words").await,
        second.texts(".customer p, .words").await
    );
    first.has_no_errors();
    second.has_no_errors();
}

/// Keeps what the page asks for.
const KEEP_REQUESTS: &str = "window.asked = []; { const ask = window.fetch; window.fetch = (url, how) => { window.asked.push(String(url)); return ask(url, how); }; }";

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn an_answer_that_outlives_its_invocation_is_followed_to_its_end() {
    const BEGIN: &str = "It was a dark ";
    const END: &str = "and stormy night.";
    let gate = Gate::new();
    let model = ScriptedModel::responding({
        let gate = gate.clone();
        move |_: &Captured| stream().says(BEGIN).gate(&gate).says(END)
    })
    .await;
    let function = Function::with(&model, "anonymous", SHORT).await;
    let browser = Browser::start().await;
    let tab = browser.blank().await;
    tab.before_each_load(KEEP_REQUESTS).await;
    tab.goto(&function.url("")).await;
    tab.says("Tell me a story").await;
    tab.shows(LAST_WORDS, BEGIN.trim()).await;
    // Nobody does anything: the first invocation ends, and the page asks where the answer goes on.
    tab.until(
        "the page follows",
        "window.asked.some((url) => url.endsWith('/turns/1/events'))",
    )
    .await;
    gate.open();
    tab.is_answered(&format!("{BEGIN}{END}")).await;
    tab.has(1, ".turn").await;
    tab.has_no_errors();
}
