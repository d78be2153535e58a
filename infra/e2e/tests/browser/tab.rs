//! One tab, used as a person uses it: by what is visible, with mouse and keyboard.

use std::time::Duration;

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
    SetFocusEmulationEnabledParams,
};
use chromiumoxide::cdp::browser_protocol::input::InsertTextParams;
#[expect(
    deprecated,
    reason = "its successor does not cut streams that are open"
)]
use chromiumoxide::cdp::browser_protocol::network::EmulateNetworkConditionsParams;
use chromiumoxide::cdp::browser_protocol::page::AddScriptToEvaluateOnNewDocumentParams;
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use chromiumoxide::layout::Point;
use chromiumoxide::page::ScreenshotParams;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::PATIENCE;
use crate::complaints::{Complaint, Complaints};
use crate::keyboard::Key;
use crate::server::screenshots;

/// How long one look at the document lasts before it is asked anew: a navigation in between loses the question.
const LOOK: Duration = Duration::from_secs(2);

/// Between two questions to a tab that could not answer.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

pub(crate) struct Tab {
    page: Page,
    complaints: Complaints,
}

impl Tab {
    pub(crate) async fn new(page: Page) -> Self {
        let complaints = Complaints::of(&page).await;
        // Each tab is one that somebody looks at: a hidden one rests.
        page.execute(SetFocusEmulationEnabledParams::new(true))
            .await
            .expect("the tab is looked at");
        let tab = Self { page, complaints };
        tab.is_sized(1280, 800, false).await;
        tab
    }

    pub(crate) async fn goto(&self, url: &str) {
        let _left: bool = self
            .eval(&format!(
                "(window.left = true, location.assign({}), true)",
                json!(url)
            ))
            .await;
        self.has_arrived().await;
    }

    /// Follows a link to another place in this page, such as `/c/ID`.
    pub(crate) async fn goes_to(&self, place: &str) {
        let _there: bool = self
            .eval(&format!("(location.hash = {}, true)", json!(place)))
            .await;
    }

    pub(crate) async fn reload(&self) {
        let _left: bool = self
            .eval("(window.left = true, location.reload(), true)")
            .await;
        self.has_arrived().await;
    }

    async fn has_arrived(&self) {
        self.until(
            "the page has loaded",
            "!window.left && document.readyState === 'complete'",
        )
        .await;
    }

    /// Runs before the page's own scripts, from the next load on.
    pub(crate) async fn before_each_load(&self, script: &str) {
        let script = AddScriptToEvaluateOnNewDocumentParams::new(script);
        self.page
            .execute(script)
            .await
            .expect("the browser takes a script");
    }

    // --- looking

    /// The value of an expression, awaited where it is a promise.
    pub(crate) async fn eval<T: DeserializeOwned>(&self, expression: &str) -> T {
        self.try_eval(expression)
            .await
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    async fn try_eval<T: DeserializeOwned>(&self, expression: &str) -> Result<T, String> {
        let mut question = EvaluateParams::new(expression);
        question.await_promise = Some(true);
        question.return_by_value = Some(true);
        // What the page may not do, its tests may not do in its place.
        question.allow_unsafe_eval_blocked_by_csp = Some(false);
        let answer = self
            .page
            .execute(question)
            .await
            .map_err(|error| error.to_string())?
            .result;
        if let Some(exception) = answer.exception_details {
            return Err(exception
                .exception
                .and_then(|it| it.description)
                .unwrap_or(exception.text));
        }
        serde_json::from_value(answer.result.value.unwrap_or_default())
            .map_err(|error| error.to_string())
    }

    /// Looks until the expression is true.
    pub(crate) async fn until(&self, what: &str, expression: &str) {
        self.until_within(PATIENCE, what, expression).await;
    }

    pub(crate) async fn until_within(&self, patience: Duration, what: &str, expression: &str) {
        let look = format!(
            "new Promise((done) => {{
                const end = performance.now() + {};
                const look = () => {{
                    let seen = false;
                    try {{ seen = Boolean({expression}); }} catch {{ /* not there yet */ }}
                    if (seen || performance.now() > end) done(seen);
                    else setTimeout(look, 15);
                }};
                look();
            }})",
            LOOK.as_millis()
        );
        let seen = async {
            while !matches!(self.try_eval::<bool>(&look).await, Ok(true)) {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        };
        if tokio::time::timeout(patience, seen).await.is_err() {
            self.screenshot("failed").await;
            let text: String = self
                .try_eval("document.body.innerText")
                .await
                .unwrap_or_else(|error| error);
            let complaints = self.complaints();
            panic!(
                "waited in vain: {what}\n({expression})\n--- the page shows\n{text}\n--- and complains\n{complaints:?}"
            );
        }
    }

    /// The last element of this selector has this text, give or take white space.
    pub(crate) async fn shows(&self, selector: &str, text: &str) {
        let expression = format!("{} === {}", text_of(selector), json!(text));
        self.until(&format!("the last {selector} says {text:?}"), &expression)
            .await;
    }

    /// The last element of this selector contains this text.
    pub(crate) async fn shows_in(&self, selector: &str, text: &str) {
        let expression = format!("{}.includes({})", text_of(selector), json!(text));
        self.until(&format!("the last {selector} has {text:?}"), &expression)
            .await;
    }

    /// There are so many elements of this selector.
    pub(crate) async fn has(&self, count: usize, selector: &str) {
        let expression = format!(
            "document.querySelectorAll({}).length === {count}",
            json!(selector)
        );
        self.until(&format!("there are {count} of {selector}"), &expression)
            .await;
    }

    /// The texts of all elements of this selector.
    pub(crate) async fn texts(&self, selector: &str) -> Vec<String> {
        let selector = json!(selector);
        self.eval(&format!("Array.from(document.querySelectorAll({selector}), (one) => one.textContent.replace(/\\s+/g, ' ').trim())")).await
    }

    /// The answer of the last turn is over, and this is its text.
    pub(crate) async fn is_answered(&self, text: &str) {
        self.shows(LAST_WORDS, text).await;
        self.is_idle().await;
    }

    /// No turn runs.
    pub(crate) async fn is_idle(&self) {
        self.until(
            "no turn runs",
            "document.querySelector('.turn') && !document.querySelector('.turn:is([data-status=running], [data-status=waiting], [data-status=sending])')",
        )
        .await;
    }

    /// The id in the address.
    pub(crate) async fn conversation(&self) -> String {
        self.until(
            "the address names the conversation",
            "location.hash.startsWith('#/c/')",
        )
        .await;
        self.eval("location.hash.slice(4)").await
    }

    // --- doing

    /// Clicks the last visible element of this selector, where a person would.
    pub(crate) async fn click(&self, selector: &str) {
        self.click_on(
            &format!("document.querySelectorAll({})", json!(selector)),
            selector,
        )
        .await;
    }

    /// Clicks the last visible button, link or label of this name.
    pub(crate) async fn press(&self, name: &str) {
        let name_of =
            "(it.getAttribute('aria-label') ?? it.textContent).replace(/\\s+/g, ' ').trim()";
        let all = "document.querySelectorAll('button, a, summary, label, [role=button]')";
        self.click_on(
            &format!(
                "Array.from({all}).filter((it) => {name_of} === {})",
                json!(name)
            ),
            name,
        )
        .await;
    }

    async fn click_on(&self, candidates: &str, what: &str) {
        let place = format!(
            "(() => {{
                const it = Array.from({candidates}).findLast((it) => it.checkVisibility({{ visibilityProperty: true }}) && !it.disabled);
                if (!it) return null;
                it.scrollIntoView({{ block: 'nearest', behavior: 'instant' }});
                const {{ left, top, width, height }} = it.getBoundingClientRect();
                const [x, y] = [left + width / 2, top + height / 2];
                const hit = document.elementFromPoint(x, y);
                return hit && (it.contains(hit) || hit.contains(it)) ? [x, y] : null;
            }})()"
        );
        self.until(
            &format!("{what} can be clicked"),
            &format!("{place} !== null"),
        )
        .await;
        let Some((x, y)) = self.eval::<Option<(f64, f64)>>(&place).await else {
            panic!("{what} has gone while it was clicked")
        };
        self.page
            .click(Point::new(x, y))
            .await
            .expect("the mouse clicks");
    }

    /// Writes where the focus is.
    pub(crate) async fn types(&self, text: &str) {
        self.page
            .execute(InsertTextParams::new(text))
            .await
            .expect("the keyboard types");
    }

    pub(crate) async fn key(&self, key: Key) {
        for event in key.is_pressed() {
            self.page.execute(event).await.expect("a key moves");
        }
    }

    /// Sends a message as a person does.
    pub(crate) async fn says(&self, message: &str) {
        self.click("#message").await;
        self.types(message).await;
        self.shows_value(message).await;
        self.key(Key::Enter).await;
        self.shows_value("").await;
    }

    /// The message box holds this.
    pub(crate) async fn shows_value(&self, text: &str) {
        let expression = format!(
            "document.querySelector('#message').value === {}",
            json!(text)
        );
        self.until(&format!("the message box holds {text:?}"), &expression)
            .await;
    }

    // --- the world around

    pub(crate) async fn is_offline(&self, offline: bool) {
        #[expect(
            deprecated,
            reason = "its successor does not cut streams that are open"
        )]
        let conditions = EmulateNetworkConditionsParams::new(offline, 0, -1, -1);
        self.page
            .execute(conditions)
            .await
            .expect("the network is emulated");
    }

    pub(crate) async fn is_sized(&self, width: i64, height: i64, is_phone: bool) {
        let size = SetDeviceMetricsOverrideParams::new(
            width,
            height,
            if is_phone { 2.0 } else { 1.0 },
            is_phone,
        );
        self.page.execute(size).await.expect("the size is emulated");
    }

    /// For example `prefers-color-scheme` and `dark`.
    pub(crate) async fn prefers(&self, feature: &str, value: &str) {
        self.page
            .emulate_media_features(vec![MediaFeature::new(feature, value)])
            .await
            .expect("the preference is emulated");
    }

    /// As on paper.
    pub(crate) async fn is_printed(&self) {
        let paper = SetEmulatedMediaParams::builder().media("print").build();
        self.page.execute(paper).await.expect("paper is emulated");
    }

    pub(crate) fn complaints(&self) -> Vec<Complaint> {
        self.complaints.all()
    }

    /// No exception, no error, no violation of the policy; failed requests are not looked at.
    pub(crate) fn has_no_errors(&self) {
        let errors = self
            .complaints()
            .into_iter()
            .filter(|it| matches!(it, Complaint::Page(_)));
        assert_eq!(errors.collect::<Vec<_>>(), []);
    }

    pub(crate) async fn screenshot(&self, name: &str) {
        // Where everything has come to rest: a picture in the middle of an animation is another one each time.
        let _at_rest: Result<bool, String> = self.try_eval(AT_REST).await;
        let path = screenshots().join(format!("{name}.png"));
        let picture = self
            .page
            .screenshot(ScreenshotParams::builder().build())
            .await
            .expect("a picture is taken");
        std::fs::write(path, picture).expect("a picture is kept");
    }

    /// Any other command of the protocol.
    pub(crate) fn page(&self) -> &Page {
        &self.page
    }
}

pub(crate) const LAST_WORDS: &str = ".turn:last-child .words";

const AT_REST: &str = "Promise.all(document.getAnimations().filter((one) => one.effect.getComputedTiming().iterations !== Infinity).map((one) => one.finished)).then(() => true, () => true)";

fn text_of(selector: &str) -> String {
    format!(
        "Array.from(document.querySelectorAll({})).at(-1).textContent.replace(/\\s+/g, ' ').trim()",
        json!(selector)
    )
}
