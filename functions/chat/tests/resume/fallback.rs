//! An agent with two models of two services that fail at random places: each turn comes whole, each retraction once, and no
//! listener ever has the words of two models in one step.
//!
//! `BATON_FALLBACK_TURNS` says how many turns, `BATON_FALLBACK_SEED` which failures.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use baton_kit::dice::Dice;
use baton_rehearsal::scripted::{
    Answer, Captured, ScriptedModel, drops, hangs, json, status, stream,
};
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::watch;

use crate::backend::Backend;
use crate::hearing::{Format, Heard, Way};
use crate::local::{Local, command};
use crate::suite::support::{Asked, CHAT, Client, OTHERS, Service};

/// Turns, unless `BATON_FALLBACK_TURNS` says how many.
const TURNS: u64 = 60;

/// Turns of a conversation, about; all conversations of a pair are held at once, up to so many.
const LENGTH: u64 = 6;
const CONVERSATIONS: u64 = 24;

/// The services of the two models, pair by pair.
const PAIRS: &[[&str; 2]] = &[
    ["anthropic", "chat"],
    ["responses", "gemini"],
    #[cfg(feature = "aws")]
    ["bedrock-converse", "anthropic"],
];

/// A service does this instead of answering; `u64`: after so many words.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Refuses(u16),
    ClosesBeforeTheHead,
    NeverBegins,
    IsEmpty,
    IsNoStream,
    ReportsAnError(usize),
    LosesTheConnection(usize),
    Ends(usize),
    FallsSilent(usize),
    SendsGarbage(usize),
    IsCutInsideAWord(usize),
    IsCutInsideACall(usize),
}

impl Fault {
    fn any(dice: &mut Dice, words: usize) -> Self {
        let after = usize::try_from(dice.below(words as u64 + 1)).unwrap();
        let refusals = [400, 401, 429, 500, 503, 529];
        match dice.below(14) {
            0 | 1 => Self::Refuses(refusals[usize::try_from(dice.below(6)).unwrap()]),
            2 => Self::ClosesBeforeTheHead,
            3 => Self::NeverBegins,
            4 => Self::IsEmpty,
            5 => Self::IsNoStream,
            6 => Self::ReportsAnError(after),
            7 | 8 => Self::LosesTheConnection(after),
            9 => Self::Ends(after),
            10 => Self::FallsSilent(after),
            11 => Self::SendsGarbage(after),
            12 => Self::IsCutInsideAWord(after.max(1)),
            _ => Self::IsCutInsideACall(after),
        }
    }

    /// How many words are whole before it happens.
    fn words(self) -> usize {
        match self {
            Self::Refuses(_)
            | Self::ClosesBeforeTheHead
            | Self::NeverBegins
            | Self::IsEmpty
            | Self::IsNoStream => 0,
            Self::ReportsAnError(words)
            | Self::LosesTheConnection(words)
            | Self::Ends(words)
            | Self::FallsSilent(words)
            | Self::SendsGarbage(words)
            | Self::IsCutInsideACall(words) => words,
            Self::IsCutInsideAWord(words) => words - 1,
        }
    }

    fn answer(self, words: &[String], tool: &str) -> Answer {
        let after = |count: usize| says(&words[..count]);
        match self {
            Self::Refuses(with) => status(with),
            Self::ClosesBeforeTheHead => drops(),
            Self::NeverBegins => hangs(),
            Self::IsEmpty => stream(),
            Self::IsNoStream => json(200, json!({ "hello": "there" })),
            Self::ReportsAnError(count) => after(count).fails(500),
            Self::LosesTheConnection(count) => after(count).cut_after(count),
            Self::Ends(count) => after(count).ends_there(),
            Self::FallsSilent(count) => after(count).then_hangs(),
            Self::SendsGarbage(count) => after(count).raw("data: {nope\n\n").ends_there(),
            Self::IsCutInsideAWord(count) => after(count).cut_inside(),
            Self::IsCutInsideACall(count) => after(count).calls(tool, "{}").cut_inside(),
        }
    }
}

fn says(words: &[String]) -> Answer {
    words
        .iter()
        .fold(stream(), |answer, word| answer.says(word))
}

/// The words of one attempt, which tell all about it.
fn words(attempt: &str, total: usize) -> Vec<String> {
    let word = |number| format!("{attempt}.{number}.{total}é ");
    (0..total).map(word).collect()
}

/// The whole text that these words begin, or are.
fn text_begun_by(words_so_far: &str) -> String {
    let first = words_so_far.split("é ").next().unwrap();
    let (rest, total) = first.rsplit_once('.').unwrap();
    let (attempt, _) = rest.rsplit_once('.').unwrap();
    words(attempt, total.parse().unwrap()).concat()
}

/// What becomes of a response, whichever model is asked for it.
struct Plan {
    words: usize,
    hands_off: bool,
    /// The fault of each model, and how many of its calls it spoils.
    faults: [Option<(Fault, usize)>; 2],
}

impl Plan {
    fn of(seed: u64, message: &str, step: usize) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, message, step).hash(&mut hasher);
        let mut dice = Dice(hasher.finish());
        let words = 1 + usize::try_from(dice.below(5)).unwrap();
        let which = dice.below(20);
        let mut fault = |fails: bool| {
            let fault = Fault::any(&mut dice, words);
            // The second call of the same model is spoilt as well, or is not.
            let calls = [1, 9][usize::try_from(dice.below(2)).unwrap()];
            fails.then_some((fault, calls))
        };
        Self {
            words,
            faults: [
                fault(which < 8 || which == 19),
                fault((8..14).contains(&which) || which == 19),
            ],
            hands_off: step == 1 && dice.below(2) == 0,
        }
    }
}

/// An attempt as the script made it.
struct Attempt {
    model: usize,
    /// The words that it said before it failed.
    words: usize,
    fails: bool,
}

/// The attempts of each response, by its message and the number of its step.
type Attempts = Arc<Mutex<BTreeMap<(String, usize), Vec<Attempt>>>>;

fn answer(asked: &Captured, model: usize, seed: u64, attempts: &Attempts) -> Answer {
    // Behind a message that was never answered stands the next one.
    let customer = asked.customer();
    let message = customer.rsplit("\n\n").next().unwrap().to_owned();
    let step = asked.results().len() + 1;
    let plan = Plan::of(seed, &message, step);
    let mut attempts = attempts.lock().unwrap();
    let attempts = attempts.entry((message.clone(), step)).or_default();
    let own = attempts.iter().filter(|attempt| attempt.model == model);
    let own = own.count();
    let fault = plan.faults[model].filter(|(_, calls)| own < *calls);
    let name = ["a", "b"][model];
    let words = words(
        &format!("{name}.{message}.{step}.{}", attempts.len()),
        plan.words,
    );
    attempts.push(Attempt {
        model,
        words: fault.map_or(plan.words, |(fault, _)| fault.words()),
        fails: fault.is_some(),
    });
    let tool = asked.tools().pop().unwrap();
    match fault {
        Some((fault, _)) => fault.answer(&words, &tool),
        None if plan.hands_off => says(&words).calls(&tool, "{}"),
        None => says(&words),
    }
}

fn service(name: &str) -> Service {
    let mut all = OTHERS.iter().chain([&CHAT]);
    *all.find(|service| service.name == name).unwrap()
}

/// Each agent prefers another one of the two models.
fn team(services: [Service; 2], models: [&ScriptedModel; 2]) -> String {
    let model = |at: usize| {
        let (name, service) = (["a", "b"][at], services[at]);
        let url = service.url(&models[at].url());
        let key = service.key.map_or("", |_| "key_env = \"MODEL_KEY\"");
        format!(
            "[[model]]\nname = \"{name}\"\napi = \"{}\"\nurl = \"{url}\"\nmodel = \"{name}\"\n{key}\nfirst_byte_seconds = 5\nsilence_seconds = 5\n",
            service.api
        )
    };
    let agent = |name: &str, models: &str, other: &str| {
        format!(
            "[[agent]]\nname = \"{name}\"\nmodel = {models}\ninstructions = \"You are {name}.\"\ntools = []\nhand_offs = [{{ tool = \"transfer_to_{other}\", to = \"{other}\", description = \"Gives it to {other}.\" }}]\n"
        )
    };
    [
        "name = \"Two\"\nentry = \"Desk\"\n".to_owned(),
        model(0),
        model(1),
        agent("Desk", r#"["a", "b"]"#, "Post"),
        agent("Post", r#"["b", "a"]"#, "Desk"),
    ]
    .join("\n")
}

/// Checked whenever something was heard: the text of a step is that of one attempt, from its beginning.
fn check_so_far(heard: &Heard) {
    let texts = heard.pieces.iter().filter(|piece| piece.kind == "text");
    let mut step = 0;
    for piece in texts {
        assert!(piece.step > step, "two texts of one step: {heard:?}");
        step = piece.step;
        let text = piece.what.as_str().unwrap();
        assert!(text_begun_by(text).starts_with(text), "mixed: {heard:?}");
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    turns: usize,
    failed: usize,
    calls: usize,
    taken_back: usize,
    silent: usize,
    /// What all listeners heard of it.
    resets: usize,
}

/// Says a message, and hears the answer in every format at once, from its beginning.
async fn turn(
    base: &str,
    conversation: &str,
    message: &str,
    first: usize,
    attempts: &Attempts,
) -> Counts {
    let way = Way::to(base.strip_prefix("http://").unwrap());
    let (begun, turn) = watch::channel(None);
    let listeners: [fn(Heard) -> Heard; 5] = [
        |ndjson| ndjson,
        |typed| typed,
        Heard::plain,
        Heard::plain,
        |text| text,
    ];
    let formats = [
        Format::Ndjson,
        Format::Sse,
        Format::Ndjson,
        Format::Sse,
        Format::Text,
    ];
    let hear = |at: usize| {
        let (way, begun, mut turn) = (&way, &begun, turn.clone());
        async move {
            let heard = if at == first {
                Heard::to_say(formats[at], conversation, message).under(message)
            } else {
                let turn = *turn.wait_for(Option::is_some).await.unwrap();
                Heard::of_turn(formats[at], conversation, turn.unwrap())
            };
            let mut heard = listeners[at](heard);
            heard
                .listen(way, |heard| {
                    begun.send_if_modified(|turn| {
                        let is_new = turn.is_none();
                        *turn = heard.turn();
                        is_new
                    });
                    check_so_far(heard);
                    false
                })
                .await;
            assert!(heard.turn().is_some(), "it never began: {heard:?}");
            heard
        }
    };
    let heard = join_all((0..5).map(hear)).await;
    let attempts = attempts.lock().unwrap();
    let own = || attempts.iter().filter(|((of, _), _)| of == message);
    let taken_back = own().filter(|(_, attempts)| is_taken_back(attempts));
    let taken_back = taken_back.count();
    let last = own().next_back().unwrap().1.last().unwrap();
    let end = if last.fails { "failed" } else { "committed" };
    for (at, heard) in heard.iter().enumerate() {
        // A listener that came later has nothing to take back. One that had words of both attempts would have failed before.
        let most = if at < 2 { taken_back } else { 0 };
        assert!(heard.resets <= most, "{at}: {heard:?}");
        assert_eq!(heard.taken_back.len(), heard.resets, "{at}: {heard:?}");
        assert_eq!(heard.end.as_deref(), Some(end), "{at}: {heard:?}");
    }
    let resets = heard.iter().map(|heard| heard.resets).sum();
    let texts: Vec<_> = heard.iter().map(texts).collect();
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    let steps = own().count();
    for (step, text) in &texts[0] {
        let is_whole = text_begun_by(text) == *text;
        let is_broken = end == "failed" && *step == steps as u64;
        assert!(is_whole || is_broken, "{conversation} {message}: {text}");
    }
    let broken_off = usize::from(end == "failed" && last.words == 0);
    assert_eq!(texts[0].len(), steps - broken_off, "{message}: {texts:?}");
    let further = own().map(|(_, attempts)| attempts.len() - 1).sum::<usize>();
    Counts {
        turns: 1,
        failed: usize::from(last.fails),
        calls: own().map(|(_, attempts)| attempts.len()).sum(),
        taken_back,
        silent: further - taken_back,
        resets,
    }
}

/// Whether a listener has words of an attempt that another one follows.
fn is_taken_back(attempts: &[Attempt]) -> bool {
    let (_, before) = attempts.split_last().unwrap();
    before.iter().any(|attempt| attempt.words > 0)
}

/// The text of each step that has one.
fn texts(heard: &Heard) -> Vec<(u64, String)> {
    let texts = heard.pieces.iter().filter(|piece| piece.kind == "text");
    let texts = texts.map(|piece| (piece.step, piece.what.as_str().unwrap().to_owned()));
    texts.collect()
}

/// The turns of one conversation, one after the other.
async fn talk(base: String, conversation: String, turns: u64, attempts: Attempts) -> Vec<Counts> {
    let mut all = Vec::new();
    for number in 0..turns {
        let message = format!("{conversation}-{number}");
        let first = usize::try_from(number % 5).unwrap();
        all.push(turn(&base, &conversation, &message, first, &attempts).await);
    }
    // What is kept is what was heard.
    let said = Client::new(&base).said(&conversation).await;
    for (number, role, text) in said.iter().filter(|(_, role, _)| role != "customer") {
        assert!(
            text_begun_by(text).starts_with(text.as_str()),
            "{conversation} {number} {role}: {text}"
        );
    }
    all
}

/// So many turns with this pair.
async fn pair(names: [&str; 2], seed: u64, turns: u64) -> Vec<Counts> {
    let attempts = Attempts::default();
    let model = async |model: usize| {
        let attempts = attempts.clone();
        ScriptedModel::responding(move |asked| answer(asked, model, seed, &attempts)).await
    };
    let models = [model(0).await, model(1).await];
    let backend = Backend::fresh();
    let file = backend.file();
    let team = team(names.map(service), [&models[0], &models[1]]);
    std::fs::write(file.with_file_name("team.toml"), team).unwrap();
    let mut command = command(&file, &models[0].url());
    command
        .args(["--team", "team.toml"])
        .env("MODEL_KEY", "a key");
    let server = Local::run(command).await;
    let conversations = turns.div_ceil(LENGTH).min(CONVERSATIONS);
    let talks = (0..conversations).map(|number| {
        let turns = turns / conversations + u64::from(number < turns % conversations);
        let (base, attempts) = (server.base.clone(), attempts.clone());
        tokio::spawn(talk(base, format!("c{number}"), turns, attempts))
    });
    let talks = join_all(talks).await;
    server.kill().await;
    talks.into_iter().flat_map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_models_that_fail_at_random_places_answer_whole_and_are_never_mixed() {
    let number = |name: &str| {
        let number = std::env::var(name).ok();
        number.map(|number| number.parse::<u64>().unwrap())
    };
    let turns = number("BATON_FALLBACK_TURNS").unwrap_or(TURNS);
    let seed = number("BATON_FALLBACK_SEED").unwrap_or(1);
    println!("seed {seed}");
    let mut all = Counts::default();
    for (at, names) in (0..).zip(PAIRS) {
        let pairs = PAIRS.len() as u64;
        let turns = turns / pairs + u64::from(at < turns % pairs);
        for counts in pair(*names, seed + at, turns).await {
            all.turns += counts.turns;
            all.failed += counts.failed;
            all.calls += counts.calls;
            all.taken_back += counts.taken_back;
            all.silent += counts.silent;
            all.resets += counts.resets;
        }
    }
    println!("seed {seed}: {all:?}; nothing mixed");
    assert!(all.resets > 0 && all.silent > 0, "{all:?}");
}
