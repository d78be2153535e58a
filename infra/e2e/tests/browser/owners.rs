//! A conversation is its visitor's: another one's link shows nothing, and a link that somebody planted takes no words.

use baton_rehearsal::scripted::ScriptedModel;
use chromiumoxide::cdp::browser_protocol::network::SetCookieParams;

use crate::access::axe_finds_nothing;
use crate::browser::Browser;
use crate::conversations::{echo, titles};
use crate::server::Server;
use crate::tab::Tab;

const PLANTED: &str = "attackers-fresh-id";

const NOT_YOURS: &str = "This conversation is not yours, or it is gone. A new one begins here.";

/// Holds back what is asked of a conversation until `release()`.
const SLOW: &str = "
    const ask = window.fetch;
    const released = new Promise((done) => { window.release = done; });
    window.fetch = async (address, options) => {
        if (/conversations\\/./.test(address)) await released;
        return ask(address, options);
    };";

async fn anonymous(model: &ScriptedModel) -> Server {
    Server::with(&model.url(), &[("BATON_AUTH", "anonymous")]).await
}

/// The status of an answer that this tab's page gets.
pub(crate) async fn status(tab: &Tab, path: &str) -> u16 {
    tab.eval(&format!("fetch('{path}').then((it) => it.status)"))
        .await
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_planted_link_begins_an_empty_conversation_that_its_maker_never_sees() {
    for auth in ["open", "anonymous"] {
        let model = echo().await;
        let server = Server::with(&model.url(), &[("BATON_AUTH", auth)]).await;
        let (maker, victim) = (Browser::start().await, Browser::start().await);
        let maker = maker.open(&server.url("")).await;
        maker.says("I wait here").await;
        maker.is_answered("You said: I wait here").await;

        let tab = victim.open(&server.url(&format!("#/c/{PLANTED}"))).await;
        tab.shows_in(".notices", NOT_YOURS).await;
        tab.shows(".welcome h2", "How can we help?").await;
        tab.until("the address names no conversation", "location.hash === ''")
            .await;
        tab.screenshot("not-yours").await;
        axe_finds_nothing(&tab, "a conversation that is not the visitor's").await;
        tab.says("My name is Ann Victim").await;
        tab.is_answered("You said: My name is Ann Victim").await;
        let hers = tab.conversation().await;
        assert_ne!(hers, PLANTED);

        assert_eq!(
            status(&maker, &format!("conversations/{PLANTED}")).await,
            404
        );
        maker.goes_to(&format!("/c/{PLANTED}")).await;
        maker.shows_in(".notices", NOT_YOURS).await;
        maker.reload().await;
        maker.has(1, ".entry-title").await;
        assert_eq!(titles(&maker).await, ["I wait here"]);
        tab.reload().await;
        tab.is_answered("You said: My name is Ann Victim").await;
        tab.has_no_errors();
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn what_is_sent_before_the_server_has_shown_the_conversation_waits_and_goes_into_a_new_one() {
    for auth in ["open", "anonymous"] {
        let model = echo().await;
        let server = Server::with(&model.url(), &[("BATON_AUTH", auth)]).await;
        let browser = Browser::start().await;
        let tab = browser.blank().await;
        tab.before_each_load(SLOW).await;
        tab.goto(&server.url(&format!("#/c/{PLANTED}"))).await;
        tab.says("In a hurry").await;
        tab.shows(".customer p", "In a hurry").await;
        // Neither now nor after a reload is it sent there.
        tab.reload().await;
        tab.shows(".welcome h2", "How can we help?").await;
        assert_eq!(model.requests().len(), 0);
        let _released: bool = tab.eval("(release(), true)").await;
        tab.is_answered("You said: In a hurry").await;
        tab.shows_in(".notices", NOT_YOURS).await;
        assert_ne!(tab.conversation().await, PLANTED);
        assert_eq!(status(&tab, &format!("conversations/{PLANTED}")).await, 404);
        assert_eq!(model.requests().len(), 1);
        tab.has(1, ".entry-title").await;
        tab.has_no_errors();
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn two_visitors_never_see_each_other() {
    let model = echo().await;
    let server = anonymous(&model).await;
    let (ann, bob) = (Browser::start().await, Browser::start().await);
    let (anns, bobs) = (
        ann.open(&server.url("")).await,
        bob.open(&server.url("")).await,
    );
    for (tab, word) in [(&anns, "ann"), (&bobs, "bob")] {
        tab.says(word).await;
        tab.is_answered(&format!("You said: {word}")).await;
    }
    let of_ann = anns.conversation().await;
    assert_eq!(status(&bobs, &format!("conversations/{of_ann}")).await, 404);
    let second = bob.open(&server.url(&format!("#/c/{of_ann}"))).await;
    second.shows_in(".notices", NOT_YOURS).await;
    second.has(0, ".turn").await;
    second.shows(".entry-title", "bob").await;
    assert_eq!(titles(&second).await, ["bob"]);

    // A visitor's own list comes from the server, in every tab.
    let third = ann.open(&server.url("")).await;
    third.shows(".entry-title", "ann").await;
    third.click(&format!("a[href='#/c/{of_ann}']")).await;
    third.is_answered("You said: ann").await;
    third.says("again").await;
    third.is_answered("You said: again").await;
    anns.is_answered("You said: again").await;
    anns.has(1, ".entry-title").await;
    // No script can read the visitor's token.
    let kept: String = anns
        .eval("document.cookie + Object.values(localStorage) + Object.values(sessionStorage)")
        .await;
    assert!(!kept.contains("eyJ"), "{kept}");
    for tab in [&anns, &bobs, &third] {
        tab.has_no_errors();
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn with_a_cookie_that_is_refused_the_page_begins_as_a_new_visitor() {
    let model = echo().await;
    for bad in ["rubbish", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA"] {
        let server = anonymous(&model).await;
        let browser = Browser::start().await;
        let tab = browser.blank().await;
        let mut cookie = SetCookieParams::new("baton", bad);
        cookie.url = Some(server.url(""));
        tab.page().execute(cookie).await.unwrap();
        tab.goto(&server.url("")).await;
        tab.says("hello").await;
        tab.is_answered("You said: hello").await;
        tab.reload().await;
        tab.is_answered("You said: hello").await;
        tab.has(1, ".entry-title").await;
        tab.has_no_errors();
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_first_message_whose_answer_is_lost_is_sent_again_and_answered_once() {
    let model = echo().await;
    let server = anonymous(&model).await;
    let browser = Browser::start().await;
    let tab = browser.blank().await;
    // The server gets the first message, and the page never hears of it.
    tab.before_each_load(
        "const ask = window.fetch;
        let isFirst = true;
        window.fetch = async (address, options) => {
            const answer = await ask(address, options);
            if (!/completions/.test(address) || !isFirst) return answer;
            isFirst = false;
            throw new TypeError('the network is gone');
        };",
    )
    .await;
    tab.goto(&server.url("")).await;
    tab.says("only once").await;
    tab.is_answered("You said: only once").await;
    tab.reload().await;
    tab.has(1, ".entry-title").await;
    tab.has(1, ".turn").await;
    assert_eq!(model.requests().len(), 1);
    tab.has_no_errors();
}
