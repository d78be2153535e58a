//! Servers that are programs of this machine: a shell script stands for one.

use std::path::Path;
use std::time::Duration;

use baton_handoff::ports::Outcome;
use tokio::task::yield_now;

use crate::server::find_order;
use crate::support::{Setup, Shop};

/// A script that answers a modern client; `call` is what it does with a call, in which `say` sends a text.
fn modern(call: &str) -> String {
    script(
        r#"answer '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}'"#,
        call,
    )
}

/// One that knows the handshake only.
fn legacy(call: &str) -> String {
    script(
        r#"printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id""#,
        call,
    )
}

fn script(discover: &str, call: &str) -> String {
    let tools = serde_json::json!({"tools": [find_order()]});
    format!(
        r#"
answer() {{ printf '{{"jsonrpc":"2.0","id":%s,"result":%s}}\n' "$id" "$1"; }}
say() {{ answer "{{\"content\":[{{\"type\":\"text\",\"text\":\"$1\"}}]}}"; }}
while read -r line; do
    id=${{line#*\"id\":}}; id=${{id%%[,\}}]*}}
    case $line in
        *server/discover*) {discover} ;;
        *notifications/*) initialized=yes ;;
        *\"initialize\"*) answer '{{"protocolVersion":"2025-06-18","capabilities":{{}},"serverInfo":{{}}}}' ;;
        *tools/list*) answer '{tools}' ;;
        *tools/call*) {call} ;;
    esac
done
"#
    )
}

fn setup(kind: &'static str, script: &str) -> Setup {
    let mut setup = Setup::at("http://unused.example/");
    setup.kind = kind;
    setup.server = format!("command = [\"/bin/sh\", \"-c\", '''{script}''']");
    setup
}

fn shop(kind: &'static str, script: &str) -> Shop {
    setup(kind, script).build()
}

#[tokio::test]
async fn one_process_answers_all_calls_in_either_era() {
    for script in [
        modern("say \"I am $$.\""),
        legacy("say \"I am $$, $initialized.\""),
    ] {
        let shop = shop("lookup", &script);
        let first = shop.look_up().await.unwrap();
        assert!(first.starts_with("I am "), "{first}");
        assert_eq!(shop.look_up().await.unwrap(), first);
    }
}

#[tokio::test]
async fn a_process_that_dies_in_a_call_leaves_an_action_unknown_and_is_started_again() {
    let shop = shop("action", &modern("exit 1"));
    for _ in 0..5 {
        let outcome = shop.act().await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    }
    // Five starts in a minute are the most.
    let Outcome::NotSent(reason) = shop.act().await else {
        panic!("it was started a sixth time")
    };
    assert!(reason.contains("too often"), "{reason}");
    shop.found.clock.advance(Duration::from_mins(1));
    assert!(matches!(shop.act().await, Outcome::Unknown(_)));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_has_done_nothing() {
    let mut setup = setup("action", "");
    setup.server = "command = [\"/no/such/program\"]".to_owned();
    let outcome = setup.build().act().await;
    assert!(matches!(outcome, Outcome::NotSent(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_slow_start_goes_on_without_the_call_that_began_it() {
    let gate = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gate-{}", std::process::id()));
    let waits = format!("until [ -e '{}' ]; do :; done", gate.display());
    let mut setup = setup(
        "action",
        &format!("{waits}\n{}", modern("say \"I am $$.\"")),
    );
    setup.timeout_seconds = 1;
    let shop = setup.build();
    let Outcome::NotSent(reason) = shop.act().await else {
        panic!("it has started")
    };
    assert_eq!(reason, "its program is not ready yet");
    std::fs::write(&gate, "").unwrap();
    let mut outcome = shop.act().await;
    // The shell may take a moment to see the gate.
    while matches!(outcome, Outcome::NotSent(_)) {
        outcome = shop.act().await;
    }
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    std::fs::remove_file(gate).unwrap();
}

/// One that takes longer to start than a client waits for the answer to its first question, which it then finds and reads.
#[tokio::test]
async fn a_program_that_answers_late_is_spoken_to_in_the_era_that_it_speaks() {
    let refuses = r#"printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32022,"message":"no handshake here"}}\n' "$id""#;
    let late = modern("say \"I am $$.\"").replace(
        r#"*\"initialize\"*) answer"#,
        &format!(r#"*\"initialize\"*) {refuses} ;; *never*) answer"#),
    );
    let late = late.replace(
        "*server/discover*) answer",
        "*server/discover*) : ;; *never*) answer",
    );
    assert_eq!(
        late.matches("*never*").count(),
        2,
        "both answers are replaced"
    );
    let found = shop("lookup", &late).look_up().await.unwrap();
    assert!(found.starts_with("I am "), "{found}");
}

#[tokio::test]
async fn a_line_without_end_ends_the_process() {
    let flood = "while :; do printf '%01000d' 0; done";
    let outcome = shop("action", &modern(flood)).act().await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_process_that_says_nothing_is_not_waited_for() {
    let mut setup = setup("action", &modern("true"));
    setup.timeout_seconds = 1;
    let Outcome::Unknown(reason) = setup.build().act().await else {
        panic!("it has answered")
    };
    assert_eq!(reason, "no answer came in time");
}

#[tokio::test]
async fn requests_of_the_process_are_declined() {
    let asks = r#"printf '{"jsonrpc":"2.0","id":"x","method":"roots/list"}\n'; read -r word; mine=$id
        case $word in *-32601*) say declined ;; *) say "$word" ;; esac"#;
    assert_eq!(
        shop("lookup", &modern(asks)).look_up().await.unwrap(),
        "declined"
    );
}

#[tokio::test]
async fn a_process_gets_the_variables_that_the_file_names_and_no_others() {
    let script = modern(r#"say "${CARGO_MANIFEST_DIR-none} $SHOP_TOKEN $(ulimit -d)""#);
    let mut setup = setup("lookup", &script);
    setup.server += "\nenv = [\"SHOP_TOKEN\"]\nmemory_mb = 64";
    assert!(setup.mistake().contains("SHOP_TOKEN, which is not set"));
    setup.variables = vec![("SHOP_TOKEN", "swordfish-99")];
    // Its value was there, and no model sees it.
    assert_eq!(setup.build().look_up().await.unwrap(), "none … 65536");
}

#[tokio::test]
async fn a_process_ends_with_all_that_it_has_started() {
    let script = modern(r#"sleep 1000 & say "$!""#);
    let shop = shop("lookup", &script);
    let started = shop.look_up().await.unwrap();
    let stat = format!("/proc/{started}/stat");
    let runs = || {
        let stat = std::fs::read_to_string(&stat).unwrap_or_default();
        let state = stat.rsplit(") ").next().unwrap_or_default();
        !state.is_empty() && !state.starts_with('Z')
    };
    if cfg!(target_os = "linux") {
        assert!(runs());
    }
    drop(shop);
    while runs() {
        yield_now().await;
    }
}

#[test]
fn a_function_starts_no_program() {
    let mut setup = setup("lookup", "");
    setup.runs_programs = false;
    assert_eq!(
        setup.mistake(),
        "MCP server \"shop\" is a command, which a local server or a pool runs beside itself and a function does not; \
         give it a url"
    );
}
