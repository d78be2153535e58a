//! Customers that a company signs in, and pages on another origin than their server.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::Path as InPath;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chromiumoxide::cdp::browser_protocol::storage::GetCookiesParams;
use ring::hmac;
use serde_json::json;
use tokio::net::TcpListener;

use crate::access::axe_finds_nothing;
use crate::browser::Browser;
use crate::conversations::{echo, titles};
use crate::keyboard::Key;
use crate::server::Server;
use crate::tab::Tab;

const ISSUER: &str = "https://login.acme.example";
const AUDIENCE: &str = "chat";
const SECRET: &str = "a secret of the tests with 32 bytes or more";

const SIGN_IN: &str = "Please sign in to go on.";
const ENDED: &str = "Your sign-in has ended. What you wrote is kept. Please sign in to go on.";

fn settings(auth: &'static str) -> [(&'static str, &'static str); 4] {
    [
        ("BATON_AUTH", auth),
        ("BATON_JWT_ISSUER", ISSUER),
        ("BATON_JWT_AUDIENCE", AUDIENCE),
        ("BATON_JWT_SECRET", SECRET),
    ]
}

/// A token as the company's issuer signs it, which ends in so many seconds.
fn token(subject: &str, name: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ends = i64::try_from(now.as_secs()).unwrap() + seconds;
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!(
        "{}.{}",
        part(json!({"alg": "HS256", "typ": "JWT"})),
        part(json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "name": name, "exp": ends}))
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn good(subject: &str, name: &str) -> String {
    token(subject, name, 600)
}

/// Long ago, for every clock.
fn expired(subject: &str, name: &str) -> String {
    token(subject, name, -86_400)
}

async fn signs_in(tab: &Tab, server: &Server, token: &str) {
    tab.goto(&server.url(&format!("#token={token}"))).await;
    tab.until(
        "the address has no token",
        "!location.hash.includes('token')",
    )
    .await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_customer_is_named_and_alone_with_the_own_conversations() {
    let model = echo().await;
    let server = Server::with(&model.url(), &settings("jwt")).await;
    let (ann, bob) = (Browser::start().await, Browser::start().await);
    let tab = ann.blank().await;
    signs_in(&tab, &server, &good("ann", "Ann Lee")).await;
    tab.shows_in(".sidebar footer", "Signed in as Ann Lee")
        .await;
    tab.says("it is me").await;
    tab.is_answered("You said: it is me").await;
    let hers = tab.conversation().await;
    tab.screenshot("signed-in").await;
    axe_finds_nothing(&tab, "a customer's page").await;
    tab.reload().await;
    tab.is_answered("You said: it is me").await;
    tab.shows_in(".sidebar footer", "Signed in as Ann Lee")
        .await;
    let kept: String = tab
        .eval("JSON.stringify(localStorage) + location.href + document.cookie")
        .await;
    assert!(!kept.contains("eyJ"), "{kept}");

    let other = bob.blank().await;
    signs_in(&other, &server, &good("bob", "Bob")).await;
    other.shows_in(".sidebar footer", "Bob").await;
    other.goes_to(&format!("/c/{hers}")).await;
    other
        .shows_in(".notices", "This conversation is not yours")
        .await;
    other.has(0, ".entry-title").await;
    // On another device it is the same list.
    let device = Browser::start().await;
    let device = device
        .open(&server.url(&format!("#token={}", good("ann", "Ann Lee"))))
        .await;
    device.shows(".entry-title", "it is me").await;
    device.click(&format!("a[href='#/c/{hers}']")).await;
    device.is_answered("You said: it is me").await;
    for tab in [&tab, &other, &device] {
        tab.has_no_errors();
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_stranger_is_asked_to_sign_in_and_loses_no_word() {
    let model = echo().await;
    let server = Server::with(&model.url(), &settings("jwt")).await;
    let browser = Browser::start().await;
    let tab = browser.open(&server.url("")).await;
    tab.shows(".notices", SIGN_IN).await;
    axe_finds_nothing(&tab, "a page that waits for a sign-in").await;
    tab.says("before I signed in").await;
    tab.shows_in(".turn .banner p", SIGN_IN).await;
    signs_in(&tab, &server, &good("ann", "Ann")).await;
    tab.is_answered("You said: before I signed in").await;
    tab.shows(".notices", "").await;
    assert_eq!(model.requests().len(), 1);
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_visitor_who_signs_in_keeps_the_conversation_and_the_draft() {
    let model = echo().await;
    let server = Server::with(&model.url(), &settings("anonymous,jwt")).await;
    let browser = Browser::start().await;
    let tab = browser.open(&server.url("")).await;
    tab.says("as a visitor").await;
    tab.is_answered("You said: as a visitor").await;
    let conversation = tab.conversation().await;
    tab.types("half a thought").await;
    tab.shows_value("half a thought").await;

    signs_in(&tab, &server, &good("ann", "Ann")).await;
    tab.is_answered("You said: as a visitor").await;
    tab.shows_value("half a thought").await;
    tab.shows_in(".sidebar footer", "Signed in as Ann").await;
    assert_eq!(tab.conversation().await, conversation);
    assert_eq!(titles(&tab).await, ["as a visitor"]);
    tab.click("#message").await;
    tab.key(Key::Enter).await;
    tab.is_answered("You said: half a thought").await;
    tab.has(2, ".turn").await;

    // Another tab asks this one for the token.
    let second = browser
        .open(&server.url(&format!("#/c/{conversation}")))
        .await;
    second.is_answered("You said: half a thought").await;
    second.shows_in(".sidebar footer", "Signed in as Ann").await;
    second.has_no_errors();
    // Another customer at the same tab finds nothing of the first.
    tab.types("a secret draft").await;
    tab.shows_value("a secret draft").await;
    signs_in(&tab, &server, &good("bob", "Bob")).await;
    tab.shows_in(".sidebar footer", "Signed in as Bob").await;
    tab.shows_value("").await;
    tab.has(0, ".turn").await;
    tab.has(0, ".entry-title").await;
    tab.has_no_errors();
}

/// What the browser has of a customer in all that a page can read.
async fn kept(tab: &Tab) -> String {
    tab.eval("JSON.stringify([localStorage, sessionStorage, location.href, document.cookie])")
        .await
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_customer_who_signs_out_is_gone_from_every_tab_and_leaves_nothing() {
    let model = echo().await;
    let server = Server::with(&model.url(), &settings("anonymous,jwt")).await;
    let browser = Browser::start().await;
    let tab = browser.blank().await;
    signs_in(&tab, &server, &good("ann", "Ann")).await;
    tab.says("it is me").await;
    tab.is_answered("You said: it is me").await;
    let conversation = tab.conversation().await;
    tab.types("half a thought").await;
    tab.shows_value("half a thought").await;
    let second = browser.open(&server.url("")).await;
    second.shows_in(".sidebar footer", "Signed in as Ann").await;
    second.shows(".entry-title", "it is me").await;

    second.press("Sign out").await;
    for tab in [&tab, &second] {
        tab.until(
            "nobody is signed in",
            "document.querySelector('.sidebar footer').textContent.trim() === 'Appearance: automatic'",
        )
        .await;
        tab.has(0, ".entry-title").await;
        tab.shows_value("").await;
        let kept = kept(tab).await;
        for trace in ["eyJ", "half a", "it is me", &conversation] {
            assert!(!kept.contains(trace), "{trace} in {kept}");
        }
        tab.goes_to(&format!("/c/{conversation}")).await;
        tab.shows_in(".notices", "This conversation is not yours")
            .await;
    }
    // The next person here is a visitor with one conversation.
    tab.says("somebody else").await;
    tab.is_answered("You said: somebody else").await;
    assert_eq!(titles(&tab).await, ["somebody else"]);
    for tab in [&tab, &second] {
        tab.has_no_errors();
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_visitor_who_signs_out_is_warned_and_forgotten() {
    let model = echo().await;
    let server = Server::with(&model.url(), &settings("anonymous,jwt")).await;
    let browser = Browser::start().await;
    let tab = browser.open(&server.url("")).await;
    tab.says("as a visitor").await;
    tab.is_answered("You said: as a visitor").await;
    let conversation = tab.conversation().await;
    tab.press("Sign out").await;
    tab.shows("dialog h2", "Sign out").await;
    axe_finds_nothing(&tab, "a visitor about to sign out").await;
    tab.press("Cancel").await;
    tab.has(0, "dialog").await;
    tab.has(1, ".entry-title").await;
    tab.press("Sign out").await;
    tab.click("dialog .danger").await;
    tab.has(0, ".entry-title").await;
    tab.goes_to(&format!("/c/{conversation}")).await;
    tab.shows_in(".notices", "This conversation is not yours")
        .await;
    tab.says("somebody else").await;
    tab.is_answered("You said: somebody else").await;
    assert_eq!(titles(&tab).await, ["somebody else"]);
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_token_that_has_ended_is_said_and_a_new_one_sends_what_was_written() {
    let model = echo().await;
    let server = Server::with(&model.url(), &settings("jwt")).await;
    let browser = Browser::start().await;
    let tab = browser.blank().await;
    signs_in(&tab, &server, &expired("ann", "Ann")).await;
    tab.shows(".notices", ENDED).await;
    tab.says("too late").await;
    tab.shows_in(".turn .banner p", SIGN_IN).await;
    tab.types("and more").await;
    tab.shows_value("and more").await;
    tab.screenshot("sign-in-ended").await;
    axe_finds_nothing(&tab, "a page whose token has ended").await;
    signs_in(&tab, &server, &good("ann", "Ann")).await;
    tab.is_answered("You said: too late").await;
    tab.shows_value("and more").await;
    assert_eq!(model.requests().len(), 1);
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_page_that_can_get_a_new_token_goes_on_without_a_word() {
    let model = echo().await;
    let server = Server::with(&model.url(), &settings("jwt")).await;
    // With an old token, and with none at all.
    for fragment in [format!("#token={}", expired("ann", "Ann")), String::new()] {
        let browser = Browser::start().await;
        let tab = browser.blank().await;
        tab.before_each_load(&format!(
            "window.baton = {{ renewToken: async () => {} }};",
            json!(good("ann", "Ann"))
        ))
        .await;
        tab.goto(&server.url(&fragment)).await;
        tab.shows_in(".sidebar footer", "Signed in as Ann").await;
        tab.press("New conversation").await;
        tab.says("hello").await;
        tab.is_answered("You said: hello").await;
        tab.shows(".notices", "").await;
        tab.has_no_errors();
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn a_page_on_another_origin_needs_no_cookie() {
    let model = echo().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let server = Server::with(
        &model.url(),
        &[("BATON_AUTH", "anonymous"), ("BATON_ORIGINS", &origin)],
    )
    .await;
    let page = tokio::spawn(serves_page(listener, server.url("")));
    // Third-party cookies are blocked, as they are for most people.
    let blocked = ["test-third-party-cookie-phaseout"];
    let (ann, bob) = (Browser::with(&blocked).await, Browser::with(&blocked).await);
    let tab = ann.open(&origin).await;
    tab.has(4, ".welcome li").await;
    tab.says("from afar").await;
    tab.is_answered("You said: from afar").await;
    let conversation = tab.conversation().await;
    tab.reload().await;
    tab.is_answered("You said: from afar").await;
    tab.says("and again").await;
    tab.is_answered("You said: and again").await;
    assert_eq!(titles(&tab).await, ["from afar"]);
    let second = ann.open(&origin).await;
    second.shows(".entry-title", "from afar").await;

    let other = bob.open(&format!("{origin}/#/c/{conversation}")).await;
    other
        .shows_in(".notices", "This conversation is not yours")
        .await;
    other.says("somebody else").await;
    other.is_answered("You said: somebody else").await;
    assert_eq!(titles(&other).await, ["somebody else"]);
    for tab in [&tab, &second, &other] {
        let cookies = tab.page().execute(GetCookiesParams::default()).await;
        assert_eq!(cookies.unwrap().result.cookies.len(), 0);
        tab.has_no_errors();
    }
    page.abort();
}

/// The page's files, at a name that is another site than Baton's address.
async fn serves_page(listener: TcpListener, api: String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../static");
    let html = std::fs::read_to_string(folder.join("index.html")).unwrap();
    let named = format!("<head>\n<meta name=\"baton-api\" content=\"{api}\">");
    let html = html.replace("<head>", &named);
    let file = async move |InPath(path): InPath<String>| -> Response {
        let kind = match path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript",
            Some((_, "css")) => "text/css",
            _ => "image/svg+xml",
        };
        let bytes = std::fs::read(folder.join(path)).unwrap_or_default();
        ([("content-type", kind)], bytes).into_response()
    };
    let router = Router::new()
        .route("/", get(async move || Html(html)))
        .route("/static/{*path}", get(file));
    axum::serve(listener, router).await.unwrap();
}
