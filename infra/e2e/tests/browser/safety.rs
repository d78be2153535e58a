//! Whatever a model says, a customer writes or a tool returns: it is text.

use baton_rehearsal::scripted::{ScriptedModel, says, stream};

use crate::browser::Browser;
use crate::server::Server;
use crate::tab::Tab;

/// Each would call `window.hit()` where it gets to run.
const CORPUS: [&str; 26] = [
    "<script>hit()</script>",
    "<img src=x onerror=hit()>",
    "<svg onload=hit()></svg>",
    "<svg><script>hit()</script></svg>",
    "<svg><a xlink:href=\"javascript:hit()\"><text>click</text></a></svg>",
    "<iframe srcdoc=\"<script>parent.hit()</script>\"></iframe>",
    "<iframe src=javascript:parent.hit()></iframe>",
    "<math><mtext><img src=x onerror=hit()></mtext></math>",
    "<details open ontoggle=hit()>x</details>",
    "<input autofocus onfocus=hit()>",
    "<video><source onerror=hit()></video>",
    "<style>@import 'javascript:hit()'; * { background: url(javascript:hit()) }</style>",
    "<a href=\"javascript:hit()\">click</a>",
    "<form action=javascript:hit()><button>click</button></form>",
    "<base href=\"https://evil.example/\">",
    "<meta http-equiv=refresh content=\"0;url=javascript:hit()\">",
    "<object data=javascript:hit()></object>",
    "[click](javascript:hit())",
    "[click](JaVaScRiPt:hit())",
    "[click](java\tscript:hit())",
    "[click](&#106;avascript:hit())",
    "[click](data:text/html,<script>hit()</script>)",
    "[click](vbscript:hit())",
    "![click](javascript:hit())",
    "![picture](x\"onerror=\"hit())",
    "<javascript:hit()>",
];

/// Counts what runs, and every element that no Markdown makes.
const WATCH: &str = "window.hits = 0; window.hit = () => { window.hits += 1; };";

const FOREIGN: &str = "document.querySelectorAll('.words :is(script, img, svg:not(.icon), iframe, math, video, style, form, base, meta, object, embed, link, input:not([type=checkbox])), .words :is([onerror], [onload], [onfocus], [ontoggle], [style], [srcdoc])').length";

const LINKS: &str = "Array.from(document.querySelectorAll('.words a'), (it) => it.protocol).filter((it) => !['http:', 'https:', 'mailto:', 'tel:'].includes(it))";

async fn nothing_ran(tab: &Tab) {
    assert_eq!(
        tab.eval::<usize>(FOREIGN).await,
        0,
        "an element that Markdown does not make"
    );
    assert_eq!(
        tab.eval::<Vec<String>>(LINKS).await,
        [] as [&str; 0],
        "a link that could run something"
    );
    // Who clicks on everything that is offered runs nothing either.
    let _clicked: usize = tab
        .eval("Array.from(document.querySelectorAll('.words a'), (it) => { it.target = ''; it.addEventListener('click', (event) => { if (/^https?:/.test(it.href)) event.preventDefault(); }); it.click(); }).length")
        .await;
    assert_eq!(tab.eval::<usize>("window.hits").await, 0, "something ran");
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn what_a_model_says_never_runs_and_never_becomes_markup() {
    let whole = CORPUS.join("\n\n");
    let model = ScriptedModel::responding(move |_| says(&whole)).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.blank().await;
    tab.before_each_load(WATCH).await;
    tab.goto(&server.url("")).await;
    tab.says("Try me").await;
    tab.is_idle().await;
    let text: String = tab
        .eval("document.querySelector('.turn .words').textContent")
        .await;
    for shown in [
        "<script>hit()</script>",
        "<img src=x onerror=hit()>",
        "<svg onload=hit()></svg>",
    ] {
        assert!(
            text.contains(shown),
            "{shown} is shown as it was said: {text}"
        );
    }
    nothing_ran(&tab).await;
    tab.screenshot("hostile").await;
    tab.reload().await;
    tab.is_idle().await;
    nothing_ran(&tab).await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn markup_that_is_cut_between_two_chunks_never_runs_either() {
    let pieces = CORPUS
        .iter()
        .flat_map(|one| one.chars().map(String::from).chain(["\n\n".to_owned()]));
    let answer = pieces.fold(stream(), |answer, piece| answer.says(&piece));
    let model = ScriptedModel::start([answer]).await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.blank().await;
    tab.before_each_load(WATCH).await;
    tab.goto(&server.url("")).await;
    tab.says("Try me, letter by letter").await;
    tab.is_idle().await;
    nothing_ran(&tab).await;
    tab.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn what_a_customer_writes_and_a_tool_is_given_stays_text_on_both_pages() {
    const HOSTILE: &str = "<img src=x onerror=hit()><script>hit()</script>";
    let model = ScriptedModel::start([
        stream().calls("transfer_to_issues_and_repairs", "{}"),
        stream().calls(
            "look_up_item",
            &serde_json::json!({ "search_query": HOSTILE }).to_string(),
        ),
        stream().calls(
            "execute_refund",
            &serde_json::json!({ "item_id": "item_318205561", "reason": HOSTILE }).to_string(),
        ),
        says(HOSTILE),
    ])
    .await;
    let (server, browser) = (Server::start(&model.url()).await, Browser::start().await);
    let tab = browser.blank().await;
    tab.before_each_load(WATCH).await;
    tab.goto(&server.url("")).await;
    tab.says(HOSTILE).await;
    tab.is_answered(HOSTILE).await;
    tab.shows(".customer p", HOSTILE).await;
    tab.click(".tool summary").await;
    nothing_ran(&tab).await;
    assert_eq!(tab.texts(".entry-title").await, [HOSTILE]);
    tab.has_no_errors();

    let desk = browser.blank().await;
    desk.before_each_load(WATCH).await;
    desk.goto(&server.desk()).await;
    desk.click(".action-row").await;
    desk.shows_in(".detail dl", HOSTILE).await;
    desk.shows(".beside .customer p", HOSTILE).await;
    assert_eq!(
        desk.eval::<usize>(
            "window.hits + document.querySelectorAll('#desk img, #desk script').length"
        )
        .await,
        0
    );
    desk.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn the_page_itself_refuses_inline_script_and_markup_from_strings() {
    let (server, browser) = (Server::rehearsal().await, Browser::start().await);
    for path in ["", "desk"] {
        let tab = browser.blank().await;
        tab.before_each_load(WATCH).await;
        tab.goto(&server.url(path)).await;
        tab.until("the page is there", "document.querySelector('main')")
            .await;
        let refused: bool = tab
            .eval("(() => { try { document.body.innerHTML = '<b>x</b>'; return false; } catch (error) { return error instanceof TypeError; } })()")
            .await;
        assert!(refused, "Trusted Types hold on /{path}");
        for attempt in [
            "it.setAttribute('onclick', 'hit()')",
            "it.textContent = 'hit()'",
            "it.src = 'data:text/javascript,hit()'",
            "eval('hit()')",
        ] {
            let script = format!(
                "(() => {{ const it = document.createElement('script'); try {{ {attempt}; document.body.append(it); it.click(); return false; }} catch {{ return true; }} }})()"
            );
            assert!(
                tab.eval::<bool>(&script).await,
                "{attempt} is refused on /{path}"
            );
        }
        assert_eq!(
            tab.eval::<usize>("window.hits").await,
            0,
            "nothing ran on /{path}"
        );
    }
}
