//! Many conversations: the list, the address, deleting, taking one home.

use baton_rehearsal::scripted::{Captured, ScriptedModel, says};
use serde_json::Value;

use crate::browser::{Browser, saved};
use crate::keyboard::Key;
use crate::server::Server;
use crate::tab::Tab;

/// A model that repeats the last message.
pub(crate) async fn echo() -> ScriptedModel {
    ScriptedModel::responding(|request: &Captured| {
        let said = request
            .messages()
            .last()
            .and_then(|last| last["content"].as_str().map(str::to_owned));
        says(&format!("You said: {}", said.unwrap_or_default()))
    })
    .await
}

pub(crate) async fn titles(tab: &Tab) -> Vec<String> {
    tab.texts(".entry-title").await
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn conversations_are_listed_and_can_be_begun_changed_and_deleted() {
    let model = echo().await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("first matter").await;
    tab.is_answered("You said: first matter").await;
    let first = tab.conversation().await;
    tab.press("New conversation").await;
    tab.has(0, ".turn").await;
    tab.shows(".welcome h2", "How can we help?").await;
    tab.says("second matter").await;
    tab.is_answered("You said: second matter").await;
    let second = tab.conversation().await;
    assert_ne!(first, second);
    tab.has(2, ".entry-title").await;
    assert_eq!(titles(&tab).await, ["second matter", "first matter"]);
    assert_eq!(tab.texts(".entry-about > span").await, ["Triage", "Triage"]);
    assert_eq!(tab.texts(".entry-about time").await, ["now", "now"]);
    tab.screenshot("conversations").await;

    tab.click(&format!("a[href='#/c/{first}']")).await;
    tab.is_answered("You said: first matter").await;
    tab.shows("a[aria-current=page] .entry-title", "first matter")
        .await;

    tab.press("More").await;
    tab.screenshot("menu").await;
    tab.press("Delete").await;
    tab.shows("dialog h2", "Delete this conversation?").await;
    tab.screenshot("delete").await;
    tab.press("Cancel").await;
    tab.has(0, "dialog").await;
    tab.press("More").await;
    tab.press("Delete").await;
    tab.click("dialog .danger").await;
    tab.has(1, ".entry-title").await;
    tab.has(0, ".turn").await;
    assert_eq!(titles(&tab).await, ["second matter"]);
    tab.reload().await;
    tab.has(1, ".entry-title").await;
    let (status, _) = server.ask(&format!("conversations/{first}")).await;
    assert_eq!(status, 404);
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_link_opens_its_conversation_also_in_another_browser() {
    let model = echo().await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.says("look here").await;
    tab.is_answered("You said: look here").await;
    let link: String = tab.eval("location.href").await;
    let other = Browser::start().await;
    let tab = other.open(&link).await;
    tab.is_answered("You said: look here").await;
    tab.shows(".entry-title", "look here").await;
    tab.has_no_errors();
    // Without an owner there is no list but the browser's own.
    let third = Browser::start().await;
    let tab = third.open(&server.url("")).await;
    tab.shows(".welcome h2", "How can we help?").await;
    assert_eq!(titles(&tab).await, [] as [&str; 0]);
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_conversation_deleted_in_another_tab_leaves_this_one_with_a_new_one_and_its_draft() {
    let model = echo().await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let first = browser.open(&server.url("")).await;
    first.says("short life").await;
    first.is_answered("You said: short life").await;
    let deleted = first.conversation().await;
    first.types("one more thing").await;
    first.shows_value("one more thing").await;
    let second = browser.open(&server.url(&format!("#/c/{deleted}"))).await;
    second.is_answered("You said: short life").await;
    deletes(&second).await;
    second.shows(".welcome h2", "How can we help?").await;
    assert_eq!(
        second.texts(".notices").await,
        [""],
        "who deleted it knows that"
    );

    first
        .shows_in(
            ".notices",
            "The conversation that was open here was deleted.",
        )
        .await;
    first.has(0, ".turn").await;
    first.has(0, ".entry-title").await;
    first.shows(".welcome h2", "How can we help?").await;
    first.shows_value("one more thing").await;
    first.screenshot("deleted-elsewhere").await;
    first.key(Key::Enter).await;
    first.is_answered("You said: one more thing").await;
    assert_ne!(first.conversation().await, deleted);
    assert_eq!(first.texts(".notices").await, [""], "that was told");
    first.has_no_errors();
    second.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_conversation_deleted_on_another_device_is_gone_here_now_or_when_it_is_opened() {
    let model = echo().await;
    let server = Server::start(&model.url()).await;
    let (here, there) = (Browser::start().await, Browser::start().await);
    let tab = here.open(&server.url("")).await;
    tab.says("first matter").await;
    tab.is_answered("You said: first matter").await;
    let first = tab.conversation().await;
    tab.press("New conversation").await;
    tab.says("second matter").await;
    tab.is_answered("You said: second matter").await;

    let other = there
        .open(&server.url(&format!("#/c/{}", tab.conversation().await)))
        .await;
    other.is_answered("You said: second matter").await;
    deletes(&other).await;
    tab.shows_in(".notices", "was deleted").await;
    assert_eq!(titles(&tab).await, ["first matter"]);
    tab.press("Dismiss").await;
    assert_eq!(tab.texts(".notices").await, [""]);

    // That one is not open here: nobody is told until it is.
    other.goes_to(&format!("/c/{first}")).await;
    other.is_answered("You said: first matter").await;
    deletes(&other).await;
    other.has(0, ".turn").await;
    tab.click(&format!("a[href='#/c/{first}']")).await;
    tab.shows_in(".notices", "was deleted").await;
    tab.has(0, ".entry-title").await;
    tab.has_no_errors();
}

async fn deletes(tab: &Tab) {
    tab.press("More").await;
    tab.press("Delete").await;
    tab.click("dialog .danger").await;
    tab.has(0, "dialog").await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_conversation_can_be_taken_home_as_text_and_as_data() {
    let model = echo().await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    let folder = browser.takes_downloads().await;
    tab.says("keep this").await;
    tab.is_answered("You said: keep this").await;
    tab.press("More").await;
    tab.press("Export as text").await;
    let text = saved(&folder, ".md").await;
    assert!(
        text.contains("keep this") && text.contains("You said: keep this"),
        "{text}"
    );
    tab.press("More").await;
    tab.press("Export as data").await;
    let data: Value = serde_json::from_str(&saved(&folder, ".json").await).unwrap();
    assert_eq!(data["id"], tab.conversation().await);
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn everything_can_be_reached_with_the_keyboard_alone() {
    let model = echo().await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.open(&server.url("")).await;
    tab.until(
        "the message box has the focus",
        "document.activeElement.id === 'message'",
    )
    .await;
    tab.types("no mouse").await;
    tab.key(Key::Enter).await;
    tab.is_answered("You said: no mouse").await;

    walk_to(&tab, Key::ShiftTab, "More").await;
    tab.screenshot("keyboard").await;
    tab.key(Key::Enter).await;
    walk_to(&tab, Key::Tab, "Print").await;
    tab.key(Key::Escape).await;
    tab.until("the menu is closed, and its button has the focus", "!document.querySelector('.menu').open && document.activeElement.matches('.menu > summary')").await;
    tab.key(Key::Space).await;
    walk_to(&tab, Key::Tab, "Delete").await;
    tab.key(Key::Enter).await;
    tab.until(
        "the dialog has the focus",
        "document.activeElement.closest('dialog')",
    )
    .await;
    tab.key(Key::Escape).await;
    tab.has(0, "dialog").await;

    walk_to(&tab, Key::ShiftTab, "New conversation").await;
    tab.key(Key::Enter).await;
    tab.shows(".welcome h2", "How can we help?").await;
    tab.reload().await;
    tab.until(
        "the message box has the focus",
        "document.activeElement.id === 'message'",
    )
    .await;
    walk_to(&tab, Key::ShiftTab, "Skip to the message box").await;
    tab.until(
        "it can be seen",
        "document.activeElement.getBoundingClientRect().top >= 0",
    )
    .await;
    tab.key(Key::Enter).await;
    tab.until(
        "the message box has the focus",
        "document.activeElement.id === 'message'",
    )
    .await;
    tab.has_no_errors();
}

/// Steps from element to element until one of this name has the focus, and sees that each shows where it is.
async fn walk_to(tab: &Tab, step: Key, name: &str) {
    const MOST: usize = 40;
    let mut passed = Vec::new();
    for _ in 0..MOST {
        tab.key(step).await;
        let (found, ring): (String, String) = tab
            .eval(
                "(() => {
                    const it = document.activeElement;
                    const field = it.closest('.field');
                    const ring = (field && it.id === 'message' ? getComputedStyle(field).boxShadow : getComputedStyle(it).outlineStyle);
                    return [(it.getAttribute('aria-label') ?? it.textContent).replace(/\\s+/g, ' ').trim(), it === document.body ? 'nothing' : ring];
                })()",
            )
            .await;
        assert_ne!(ring, "none", "{found:?} has the focus and does not show it");
        if found == name {
            return;
        }
        passed.push(found);
    }
    panic!("{name:?} cannot be reached: {passed:?}");
}
