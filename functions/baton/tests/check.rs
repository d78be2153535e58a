//! `baton check` from outside: a team that is spread over files, and what it says of the models that it asks.
#![expect(
    clippy::unwrap_used,
    reason = "a broken promise fails the test that relies on it"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use baton_rehearsal::scripted::{Answer, Captured, ScriptedModel, calls, json, says, stream};
use serde_json::json;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shop");

/// A copy of the shop, whose models are at one address.
struct Shop(PathBuf);

impl Shop {
    fn with_models_at(url: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("baton-check-{}-{number}", std::process::id());
        let shop = Self(std::env::temp_dir().join(name));
        copy(Path::new(SHOP), &shop.0);
        shop.change("http://127.0.0.1:8601/v1", url);
        shop
    }

    fn change(&self, from: &str, to: &str) {
        let file = self.0.join("team.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from} is not in the team file");
        fs::write(file, text.replace(from, to)).unwrap();
    }

    /// Whether it succeeded, and what it said.
    async fn check(&self, arguments: &[&str], settings: &[(&str, &str)]) -> (bool, Vec<String>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command
            .arg("check")
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .env("BATON_TEAM", "team.toml")
            .envs(settings.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.unwrap().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let lines = said.lines().map(without_times).collect();
        (output.status.success(), lines)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn without_times(line: &str) -> String {
    match line.split_once(" came after ") {
        Some((before, _)) => format!("{before} came after … s"),
        None => line.to_owned(),
    }
}

const KEY: (&str, &str) = ("SHOP_MODEL_KEY", "sk-of-the-shop");

/// What a model that can do everything answers.
fn capable(asked: &Captured) -> Answer {
    let messages = asked.messages();
    let last = messages.last().unwrap();
    if asked.offered().is_empty() {
        return says("One, two, three and so on.").costs(30, 8);
    }
    if last["role"] != "tool" {
        let item = |item: &str| json!({ "item": item }).to_string();
        return stream()
            .calls("look_up_price", &item("anvil"))
            .calls("look_up_price", &item("rope"));
    }
    let usage = json!({"prompt_tokens": 5000, "completion_tokens": 9, "total_tokens": 5009,
        "prompt_tokens_details": {"cached_tokens": 4864}});
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    stream()
        .says("Both are 7.")
        .event(end)
        .event(json!({"choices": [], "usage": usage}))
        .raw("data: [DONE]\n\n")
        .ends_there()
}

#[tokio::test]
async fn a_team_over_several_files_is_checked_without_a_model_of_the_environment() {
    let shop = Shop::with_models_at("https://models.example/v1");
    let (succeeded, said) = shop.check(&["--offline"], &[KEY]).await;
    assert_eq!(
        said,
        ["ok: team Nordlicht Outdoor with 2 agents, models careful, quick"]
    );
    assert!(succeeded);
}

#[tokio::test]
async fn a_key_that_is_missing_or_would_be_seen_is_a_mistake_with_its_place() {
    let shop = Shop::with_models_at("https://models.example/v1");
    let (succeeded, said) = shop.check(&[], &[]).await;
    let missing = "error: team.toml:12: model \"quick\" needs the environment variable SHOP_MODEL_KEY, which is not set.";
    assert_eq!(said, [missing]);
    assert!(!succeeded);
    let shop = Shop::with_models_at("http://models.example/v1");
    let (_, said) = shop.check(&[], &[KEY]).await;
    let plain = "error: team.toml:10: model \"quick\" would send its key to http://models.example/v1 without TLS; use https://, \
                 or name the host in BATON_PLAIN_HTTP.";
    assert_eq!(said, [plain]);
    let named = ("BATON_PLAIN_HTTP", "models.example");
    let (succeeded, _) = shop.check(&["--offline"], &[KEY, named]).await;
    assert!(succeeded);
}

#[tokio::test]
async fn a_model_that_can_do_everything_is_told_so() {
    let model = ScriptedModel::responding(capable).await;
    let shop = Shop::with_models_at(&model.url());
    let (succeeded, said) = shop.check(&[], &[KEY]).await;
    let of = |name: &str| {
        [
            &format!("model {name}, asked now:"),
            "  ok: answers; the first byte came after … s",
            "  ok: streaming: 6 pieces",
            "  ok: tools: called, and their results answered",
            "  ok: parallel calls: 2 in one response",
            "  ok: usage: 30 tokens asked, 8 answered",
            "  ok: caching: 4864 of 5000 tokens of the second request came from the cache",
        ]
        .map(str::to_owned)
    };
    let lines = [of("careful"), of("quick")].concat();
    assert_eq!(said[1..], lines);
    assert!(succeeded);
    let asked = model.requests();
    assert_eq!(asked.len(), 6);
    let (careful, quick) = (asked[0].json(), asked[3].json());
    assert_eq!(
        (
            &careful["model"],
            &careful["reasoning_effort"],
            &careful["max_tokens"]
        ),
        (&json!("large-5"), &json!("low"), &json!(4096))
    );
    assert_eq!(
        (&quick["model"], &quick["temperature"], &quick["max_tokens"]),
        (&json!("small-2"), &json!(0.2), &json!(900))
    );
    assert_eq!(asked[1].json()["parallel_tool_calls"], false);
    assert_eq!(
        asked[0].header("authorization"),
        Some("Bearer sk-of-the-shop")
    );
}

#[tokio::test]
async fn a_model_without_tools_cannot_be_used_by_agents_that_have_some() {
    let model = ScriptedModel::responding(|asked| {
        if asked.offered().is_empty() {
            return says("One");
        }
        let error = json!({"error": {"message": "it does not support tools", "code": "no_tools"}});
        json(400, error)
    })
    .await;
    let shop = Shop::with_models_at(&model.url());
    let (succeeded, said) = shop.check(&[], &[KEY]).await;
    assert!(!succeeded);
    let lacks = [
        "  warning: streaming: the answer came in one piece, so customers see nothing until it is whole",
        "  error: tools: its service refused the request (the model answered 400 Bad Request, code no_tools)",
        "  warning: parallel calls: not seen, since tools failed",
        "  warning: usage: its service counts no tokens, so budgets count none",
        "  warning: caching: not seen",
    ];
    assert_eq!(said[3..8], lacks);
}

#[tokio::test]
async fn a_model_that_cannot_be_reached_or_calls_wrongly_is_named() {
    let model = ScriptedModel::responding(|asked| {
        if asked.offered().is_empty() {
            says("One two")
        } else {
            calls("look_up_price", json!({ "thing": "anvil" }))
        }
    })
    .await;
    let shop = Shop::with_models_at(&model.url());
    let (succeeded, said) = shop.check(&[], &[KEY]).await;
    assert!(!succeeded);
    let wrong = "  error: tools: it called a tool with a wrong name or without its argument";
    assert_eq!(said[4], wrong, "{said:?}");

    let shop = Shop::with_models_at(&model.url());
    drop(model);
    let (succeeded, said) = shop.check(&[], &[KEY]).await;
    assert!(!succeeded);
    let gone = "  error: cannot be used: its service cannot be reached";
    assert!(said[2].starts_with(gone), "{said:?}");
}
