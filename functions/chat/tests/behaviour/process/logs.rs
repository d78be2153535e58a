//! What the real binary logs: lines that a program can read, each field once, no id that opens a conversation, and no request's
//! id on another request's turn.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};
use rusqlite::Connection;
use rustix::process::Signal;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use crate::backend::file_in;
use crate::suite::support::{Asked, Client, Folder, PATIENCE, body, clerk, soon, until};

use super::local::command;

/// A server that logs everything into a file.
struct Logging {
    child: tokio::process::Child,
    log: PathBuf,
    base: String,
}

impl Logging {
    async fn start(file: &Path, model: &str) -> Self {
        Self::start_with(file, model, &[]).await
    }

    async fn start_with(file: &Path, model: &str, settings: &[(&str, &str)]) -> Self {
        let log = file.with_file_name("log");
        let mut command = command(file, model);
        command
            .env("BATON_LOG", "trace")
            .envs(settings.iter().copied())
            .stderr(File::create(&log).unwrap());
        let child = command.spawn().unwrap();
        let base = until("the server's start", async || {
            let said = std::fs::read_to_string(&log).unwrap();
            let url = said
                .lines()
                .find_map(|line| line.strip_prefix("Baton is ready on "));
            url.map(|url| url.replace("localhost", "127.0.0.1"))
        })
        .await;
        Self { child, log, base }
    }

    /// Ends the server. What it logged, line by line.
    async fn lines(mut self) -> Vec<String> {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, Signal::TERM).unwrap();
        assert!(soon("its end", self.child.wait()).await.unwrap().success());
        let log = std::fs::read_to_string(&self.log).unwrap();
        // What it says to a person at its start is no log.
        let greets = |line: &str| line.is_empty() || line.starts_with([' ', 'B']);
        let lines = log.lines().filter(|line| !greets(line));
        lines.map(str::to_owned).collect()
    }
}

/// A JSON object as it is written: with what it says twice.
struct Pairs(Vec<(String, Nested)>);

enum Nested {
    Object(Pairs),
    Other(Value),
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs;
            fn expecting(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value = if name == "fields" {
                        Nested::Object(map.next_value()?)
                    } else {
                        Nested::Other(map.next_value()?)
                    };
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl Pairs {
    /// The names in it, each once.
    fn names(&self, line: &str) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let said = names.len();
        names.dedup();
        assert_eq!(names.len(), said, "a name twice in {line}");
        names
    }
}

/// The fields of a line, of which each is there once.
fn fields(line: &str) -> Value {
    let pairs: Pairs = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(
        pairs.names(line),
        ["fields", "level", "target", "timestamp"],
        "{line}"
    );
    for (_, value) in &pairs.0 {
        match value {
            Nested::Object(fields) => drop(fields.names(line)),
            Nested::Other(value) => assert!(value.is_string(), "{line}"),
        }
    }
    let line: Value = serde_json::from_str(line).unwrap();
    line["fields"].clone()
}

/// Everything that can be done with a conversation.
async fn use_up(client: &Client, id: &str) {
    client.say(id, "order anvil 10").await;
    client.say_as("a-message", id, "and a secret").await;
    client.events_of(id, "hello").await;
    client.follow(id, 2, "").await;
    let path = |rest: &str| format!("/conversations/{id}{rest}");
    for rest in ["", "/export", "/nothing", "/turns/9/events", "?before=x"] {
        client.get(&path(rest)).await;
    }
    for action in client.items_of(id, "action").await {
        let action = action["action"].as_str().unwrap();
        client.get(&format!("/actions/{action}")).await;
        let decision = json!({ "arguments_hash": "x", "reason": "y" });
        client
            .post(&format!("/actions/{action}/approve"), &decision)
            .await;
    }
    for rest in ["/turns/1/stop", "/turns/3/regenerate"] {
        client.post(&path(rest), &json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_of_the_log_opens_a_conversation_at_any_level() {
    let model = ScriptedModel::responding(clerk).await;
    let folder = Folder::new();
    let file = file_in(&folder);
    let server = Logging::start(&file, &model.url()).await;
    let client = Client::new(&server.base);
    let made = client.send(&json!({ "message": "hello" })).await;
    let made = made.rest().await.conversation;
    let ids = [
        made.as_str(),
        "my-own-name-of-it",
        "0dd5a3c8-8f3e-4c53-9b4e-5d3f6b8a7c21",
    ];
    for id in ids {
        use_up(&client, id).await;
    }
    // A record that cannot be read, whose key is in the error.
    let db = Connection::open(&file).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    let damaged = db.execute(
        "UPDATE records SET body = '{' WHERE sort IN ('META', 'T#0000000001')",
        [],
    );
    assert_eq!(damaged.unwrap(), 2 * ids.len());
    for id in ids {
        assert_eq!(
            client.get(&format!("/conversations/{id}")).await.status,
            500
        );
        client.say(id, "hello").await;
        client
            .fetch(client.request("DELETE", &format!("/conversations/{id}")))
            .await;
    }
    let lines = server.lines().await;
    let said: Vec<Value> = lines.iter().map(|line| fields(line)).collect();
    let count = |message: &str| said.iter().filter(|it| it["message"] == message).count();
    assert!(count("a turn ended") > 3 * ids.len(), "no turns");
    assert!(count("an action ended") >= 1, "no action");
    assert!(count("a record cannot be read") >= ids.len(), "no error");
    for id in ids {
        let shown: Vec<_> = lines.iter().filter(|line| line.contains(id)).collect();
        assert!(
            shown.is_empty(),
            "{} lines, such as {}",
            shown.len(),
            shown[0]
        );
        // Enough is left to find its lines.
        let short = format!("{}…", &id[..8]);
        assert!(said.iter().any(|it| it["conversation"] == short), "{short}");
    }
    for words in ["and a secret", "anvil"] {
        let shown = lines.iter().find(|line| line.contains(words));
        assert_eq!(shown, None, "what was said");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_does_not_carry_the_id_of_another_request() {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "one" => stream().says("First ").gate(&at).says("one."),
        other => says(&format!("echo {other}")),
    })
    .await;
    let folder = Folder::new();
    let server = Logging::start(&file_in(&folder), &model.url()).await;
    let client = Client::new(&server.base);
    let send = |id: &'static str, message: &str| {
        let request = client.request("POST", "/chat/completions");
        let request = request.header("x-request-id", id);
        let request = request.json(&body("c", message));
        async { soon("an answer", request.send()).await.unwrap() }
    };
    let first = send("request-one", "one").await;
    let second = send("request-two", "two").await;
    gate.open();
    for answer in [first, second] {
        let answer = soon("the end", answer.text()).await.unwrap();
        assert!(answer.contains("committed"), "{answer}");
    }
    let lines = server.lines().await;
    let said: Vec<Value> = lines.iter().map(|line| fields(line)).collect();
    let ended = said.iter().filter(|it| it["message"] == "a turn ended");
    let ended: Vec<_> = ended.map(|it| it["turn"].as_u64().unwrap()).collect();
    assert_eq!(ended, [1, 2]);
    for (number, id, other) in [
        (1, "request-one", "request-two"),
        (2, "request-two", "request-one"),
    ] {
        let mut of_turn = said.iter().filter(|it| it["turn"] == number);
        assert!(of_turn.clone().all(|it| it["request"] != other), "{number}");
        // Which request began it is told once.
        assert!(of_turn.any(|it| it["request"] == id), "{number}");
    }
}

/// What a server with these settings logs of the addresses of two clients that a proxy reports: level and address, or message.
async fn told_of_addresses(settings: &[(&str, &str)]) -> Vec<String> {
    let model = ScriptedModel::responding(clerk).await;
    let folder = Folder::new();
    let server = Logging::start_with(&file_in(&folder), &model.url(), settings).await;
    let client = Client::new(&server.base);
    for address in ["198.51.100.1", "2001:db8::1"] {
        let request = client.request("GET", "/conversations/c");
        let chain = format!("6.6.6.6, {address}");
        client.fetch(request.header("x-forwarded-for", chain)).await;
    }
    let lines = server.lines().await;
    let said = lines.iter().map(|line| fields(line));
    let about = said.filter_map(|it| {
        let address = it["address"].as_str().map(str::to_owned);
        let message = it["message"].as_str().unwrap_or_default();
        let unnamed = message
            .contains("BATON_PROXIES")
            .then(|| message.to_owned());
        address.or(unnamed)
    });
    about.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_address_is_what_a_named_proxy_says_and_of_an_unnamed_one_the_log_says_so_once() {
    let named = told_of_addresses(&[("BATON_PROXIES", "127.0.0.1")]).await;
    assert_eq!(named, ["198.51.100.1", "2001:db8::/64"]);
    let unnamed = told_of_addresses(&[]).await;
    assert_eq!(unnamed.len(), 1, "{unnamed:?}");
    assert!(unnamed[0].contains("does not name"), "{unnamed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_others_may_read_or_replace_is_told_of_and_what_baton_made_is_not() {
    let model = ScriptedModel::responding(clerk).await;
    let folder = Folder::new();
    let inner = file_in(&folder).with_file_name("inner");
    std::fs::create_dir(&inner).unwrap();
    let file = inner.join("baton.db");
    let told = async |folder_rights: u32, file_rights: Option<u32>| {
        let set = |path: &Path, rights| {
            std::fs::set_permissions(path, Permissions::from_mode(rights)).unwrap();
        };
        set(&inner, folder_rights);
        if let Some(rights) = file_rights {
            set(&file, rights);
        }
        let lines = Logging::start(&file, &model.url()).await.lines().await;
        let said = lines.iter().map(|line| fields(line)["message"].clone());
        let said = said.filter_map(|message| Some(message.as_str()?.to_owned()));
        said.filter(|message| message.contains("its rights are"))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(0o755, None).await, [""; 0]);
    let open = told(0o777, Some(0o666)).await;
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(open[0].contains("baton.db can be read") && open[0].contains("are 666"));
    assert!(open[1].contains("inner can be written") && open[1].contains("are 777"));
    assert_eq!(told(0o700, Some(0o600)).await, [""; 0]);
}
