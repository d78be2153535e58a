//! A conversation of 5,000 messages: it opens, its beginning can be reached, and an answer streams into it smoothly.

use std::sync::Arc;

use baton_handoff::Owner;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Change, Env, Store, Usage};
use baton_handoff::record::{
    Asked, FromClient, Meta, Origin, StepRecord, TurnRecord, TurnState, keys,
};
use baton_rehearsal::scripted::{Gate, ScriptedModel, stream};
use baton_stores::env::SystemEnv;
use baton_stores::sqlite::SqliteStore;

use crate::browser::Browser;
use crate::folder::Folder;
use crate::server::{Server, data_file};
use crate::tab::LAST_WORDS;

/// Each with a message and an answer.
const TURNS: u32 = 2_500;

/// Answers that may be streamed until one comes without a long task: another program on this machine makes any task long.
const TRIES: usize = 5;

/// Of two records each: a commit takes a hundred.
const TURNS_IN_A_COMMIT: usize = 50;

/// Writes the conversation as a server would have.
async fn write_history(folder: &Folder, name: &str) {
    let env: Arc<dyn Env> = Arc::new(SystemEnv);
    let now = env.now();
    let store = SqliteStore::open(data_file(folder), env).unwrap();
    let conversation = ConversationId::parse(name).unwrap();
    for turns in (1..=TURNS).collect::<Vec<_>>().chunks(TURNS_IN_A_COMMIT) {
        let records = turns.iter().flat_map(|number| {
            let turn = TurnRecord {
                state: TurnState::Committed,
                origin: Origin::Customer,
                message: format!("Question {number}"),
                message_id: None,
                speaker: baton_handoff::Speaker::default(),
                answers: None,
                lookups_only: false,
                client: FromClient::default(),
                caller: None,
                failed: Vec::new(),
                receipt: 0,
                accepted_at: now,
                ended_at: Some(now),
                fence: u64::from(*number),
                failure: None,
                usage: Usage::default(),
                cost: None,
                results: Vec::new(),
                partial: None,
                left_out: 0,
                refused: false,
                window: None,
            };
            let step = StepRecord {
                agent: "TriageAgent".to_owned(),
                fence: u64::from(*number),
                text: format!("Answer {number}: **anvils** fall, and so does everything else, sooner or later."),
                calls: Vec::new(),
                actions: Vec::new(),
                refused: Vec::new(),
                results: Vec::new(),
                late_results: Vec::new(),
                usage: Usage::default(),
                cost: None,
                asked: Asked::default(),
                opaque: None,
                client: Vec::new(),
            };
            [
                Change::Create(keys::turn(&conversation, *number), turn.record()),
                Change::Create(keys::step(&conversation, *number, 1), step.record()),
            ]
        });
        store.commit(records.collect()).await.unwrap();
    }
    let meta = Meta {
        owner: Owner::none(),
        title: "Question 1".to_owned(),
        agent: "TriageAgent".to_owned(),
        created_at: now,
        last_activity: now,
        next_turn: TURNS + 1,
        fence: u64::from(TURNS),
        running: None,
        waiting: Vec::new(),
        stop: None,
        pending_reports: Vec::new(),
        places: 0,
        last_placed: None,
        satisfied: Vec::new(),
        cards: Vec::new(),
        waiting_for_client: None,
        spending: None,
        spent: std::collections::BTreeMap::new(),
        due_at: 0,
        late_failures: 0,
        erased_below: 0,
        summarise: None,
        summarised: 0,
        notices: 0,
        pushes: Vec::new(),
        bytes: 0,
        weighed: 0,
        erasing: false,
    };
    store
        .commit(vec![Change::Create(
            keys::meta(&conversation),
            meta.record(),
        )])
        .await
        .unwrap();
    store.close().await;
}

/// As browsers define them: over 50 ms.
const WATCH_LONG_TASKS: &str = "window.longTasks = []; new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((it) => Math.round(it.duration)))).observe({ type: 'longtask' });";

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn five_thousand_messages_open_are_all_there_and_stream_smoothly() {
    let folder = Folder::new("long");
    write_history(&folder, "long").await;
    let gates: [Gate; TRIES] = std::array::from_fn(|_| Gate::new());
    let words = "One more word, and **another** one; it never ends. ".repeat(100);
    let answers = gates
        .each_ref()
        .map(|gate| stream().says("Here ").gate(gate).says(&words));
    let model = ScriptedModel::start(answers).await;
    let (server, browser) = (
        Server::over(folder, &model.url()).await,
        Browser::start().await,
    );
    let tab = browser.open(&server.url("#/c/long")).await;
    tab.shows(".customer p", "Question 2500").await;
    tab.shows_in(LAST_WORDS, "Answer 2500").await;
    tab.shows(".entry-title", "Question 1").await;
    tab.screenshot("long").await;

    // Back to the very first message, as who scrolls up does.
    let _all: bool = tab
        .eval("(window.climb = setInterval(() => { document.querySelector('.transcript').scrollTop = 0; document.querySelector('.earlier')?.click(); }, 20), true)")
        .await;
    tab.until(
        "the first message is there",
        "document.querySelector('.customer p').textContent === 'Question 1'",
    )
    .await;
    tab.has(TURNS as usize, ".turn").await;
    let _still: bool = tab.eval("(clearInterval(window.climb), true)").await;

    tab.says("Stream").await;
    tab.press("Go to the latest message").await;
    tab.shows(LAST_WORDS, "Here").await;
    tab.until("the latest message is in sight", "(({ scrollTop, scrollHeight, clientHeight }) => scrollHeight - scrollTop - clientHeight < 60)(document.querySelector('.transcript'))").await;
    tab.until(
        "what is far above is put away",
        "document.querySelectorAll('.turn').length <= 80",
    )
    .await;
    let _watched: bool = tab
        .eval(&format!("(() => {{ {WATCH_LONG_TASKS} return true; }})()"))
        .await;
    let mut seen = Vec::new();
    for gate in &gates {
        if !seen.is_empty() {
            tab.says("Once more").await;
            tab.shows(LAST_WORDS, "Here").await;
        }
        let _from_now: bool = tab.eval("(window.longTasks = [], true)").await;
        gate.open();
        tab.is_idle().await;
        tab.shows_in(LAST_WORDS, "it never ends.").await;
        let tasks: Vec<u64> = tab.eval("window.longTasks").await;
        let smooth = tasks.is_empty();
        seen.push(tasks);
        if smooth {
            break;
        }
    }
    println!(
        "tasks over 50 ms while {} words stream into {TURNS} turns: {seen:?} ms",
        words.split(' ').count()
    );
    assert!(seen.iter().any(Vec::is_empty), "never smooth: {seen:?} ms");
    tab.has_no_errors();
}
