//! What a turn of each kind asks of AWS, counted by the engine as DynamoDB counts, and held against `infra/turn-counts.json`,
//! which `infra/costs` reckons with.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use baton_chat::auth::jwt::{Claims, Kind as TokenKind, Mint};
use baton_handoff::ports::Env as _;
use baton_rehearsal::scripted::{Answer, ScriptedModel, calls, says};

use baton_stores::env::SystemEnv;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::cloud::{Message, SESSIONS, Tally};
use crate::function::{Function, batch, request, say_with};
use crate::template::Template;
use crate::{OPERATOR, Table, any};

/// 480 characters, some hundred tokens.
fn answer() -> Answer {
    says("Fine. ".repeat(80).trim_end())
}

/// What a customer has said and heard before the turn that is counted.
const EARLIER_TURNS: usize = 4;

struct Kind {
    name: &'static str,
    /// What the model says in the counted turn.
    answers: fn() -> Vec<Answer>,
    acts: bool,
    /// The team's budgets.
    budget: &'static str,
    /// Whether its trace is sent.
    traced: bool,
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "text",
        answers: || vec![answer()],
        acts: false,
        budget: "",
        traced: false,
    },
    Kind {
        name: "lookup",
        answers: || {
            vec![
                calls("look_up_item", json!({"search_query": "unicycle"})),
                answer(),
            ]
        },
        acts: false,
        budget: "",
        traced: false,
    },
    Kind {
        name: "action",
        answers: || {
            vec![
                calls("execute_refund", json!({"item_id": "item_590138826"})),
                answer(),
            ]
        },
        acts: true,
        budget: "",
        traced: false,
    },
    Kind {
        name: "hand-off",
        answers: || vec![calls("transfer_back_to_triage", json!({})), answer()],
        acts: false,
        budget: "",
        traced: false,
    },
    Kind {
        name: "text, customer's budget",
        answers: || vec![answer()],
        acts: false,
        budget: "customer_day = { tokens = 1_000_000_000 }",
        traced: false,
    },
    Kind {
        name: "text, tenant's budget",
        answers: || vec![answer()],
        acts: false,
        budget: "tenant_day = { tokens = 1_000_000_000 }",
        traced: false,
    },
    Kind {
        name: "text, traced",
        answers: || vec![answer()],
        acts: true,
        budget: "",
        traced: true,
    },
];

/// Takes whatever is sent, and says so. Its address.
fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = BufReader::new(connection.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                connection.read_line(&mut line).unwrap();
                let line = line.trim().to_ascii_lowercase();
                if let Some(bytes) = line.strip_prefix("content-length:") {
                    length = bytes.trim().parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            connection.read_exact(&mut vec![0; length]).unwrap();
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _hung_up = connection.get_mut().write_all(answer.as_bytes());
        }
    });
    format!("http://{address}/v1/traces")
}

/// The built-in team with these budgets, as a file.
fn team_with(budget: &str) -> PathBuf {
    let acme = include_str!("../../../handoff/teams/acme.toml");
    let name: String = budget.chars().filter(char::is_ascii_alphabetic).collect();
    let file = std::env::temp_dir().join(format!("baton-{}-{name}.toml", std::process::id()));
    std::fs::write(&file, format!("{acme}\n[budget]\n{budget}\n")).unwrap();
    file
}

/// The counted turn meets an instance that does not know the conversation, which costs the most.
async fn count(kind: &Kind) -> Value {
    // As most are: the conversation is in its owner's list.
    let token = format!("Bearer {}", visitors_token());
    let visitor = [("authorization", token.as_str())];
    let mut script = vec![calls("transfer_to_issues_and_repairs", json!({}))];
    script.extend((0..EARLIER_TURNS).map(|_| answer()));
    script.extend((kind.answers)());
    let model = ScriptedModel::start(script).await;
    let (template, table) = (Template::read(), Table::start().await);
    let team = (!kind.budget.is_empty()).then(|| team_with(kind.budget));
    let (sent, mut messages) = mpsc::unbounded_channel();
    let receiver = kind.traced.then(receiver);
    let start = async |program, function| {
        let settings = |host: &str| {
            let mut settings = template.environment(function, host);
            settings.insert("BATON_MODEL_URL".to_owned(), model.url());
            if let Some(receiver) = &receiver {
                let name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT".to_owned();
                settings.insert(name, receiver.clone());
            }
            if let Some(team) = &team {
                settings.insert("BATON_TEAM".to_owned(), team.display().to_string());
            }
            settings
        };
        Function::start(program, &table.url, sent.clone(), settings).await
    };
    let mut earlier = start("chat", "ChatFunction").await;
    for _ in 0..EARLIER_TURNS {
        say_with(&mut earlier, &visitor, "counted", "Well, what do you say?").await;
    }
    // The back office writes its example orders when it is first asked for something.
    earlier
        .ask(request("GET", "/orders", &[OPERATOR], None))
        .await;
    let (mut chat, mut worker) = (
        start("chat", "ChatFunction").await,
        start("worker", "WorkerFunction").await,
    );
    while let Ok(message) = messages.try_recv() {
        // The first delivers all that is there of its conversation.
        work(&mut worker, message).await;
    }
    let _of_earlier_turns = worker.cloud.take_tally();
    let reads = chat.cloud.reads();
    let turn = say_with(&mut chat, &visitor, "counted", "Well, what do you say?");
    if kind.acts {
        // A slow machine must not make the turn look for the result more often: its reads wait for the worker.
        let working = async {
            let message = any(&mut messages).await;
            reads.send_replace(true);
            work(&mut worker, message).await;
            reads.send_replace(false);
        };
        tokio::join!(turn, working);
    } else {
        turn.await;
    }
    let (chat, worker) = (chat.cloud.take_tally(), worker.cloud.take_tally());
    if let Some(team) = team {
        std::fs::remove_file(team).unwrap();
    }
    json!({ "kind": kind.name, "chat": counts(chat), "worker": counts(worker) })
}

fn visitors_token() -> String {
    let mint = Mint::new(SESSIONS.as_bytes(), Arc::new(SystemEnv)).unwrap();
    let claims = Claims {
        subject: "counted".to_owned(),
        tenant: Some("default".to_owned()),
        name: None,
        claims: Map::new(),
        // For as long as tokens of visitors are given.
        expires: SystemEnv.now() / 1000 + 86_400,
        origin: None,
    };
    mint.sign(TokenKind::Visitor, &claims).unwrap()
}

async fn work(worker: &mut Function, (queue, body): Message) {
    assert_eq!(queue, "ActionsQueue");
    worker.ask(batch(&queue, &body)).await;
}

fn counts(tally: Tally) -> Value {
    json!({
        "reads": tally.reads, "read_units": tally.read_units,
        "writes": tally.writes, "write_units": tally.write_units,
        "queue_requests": tally.queue_requests,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the functions and the template as JSON: ./infra/test template makes both"]
async fn a_turn_of_each_kind_costs_what_the_cost_sheet_says() {
    let mut counted = Vec::new();
    for kind in &KINDS {
        counted.push(count(kind).await);
    }
    let known: Vec<Value> =
        serde_json::from_str(include_str!("../../../../infra/turn-counts.json")).unwrap();
    assert_eq!(known.len(), counted.len());
    let pairs = known.iter().zip(&counted);
    let wrong = pairs.filter(|(known, counted)| !is_right(known, counted));
    let wrong: Vec<String> = wrong
        .map(|(known, counted)| format!("{known} is known, {counted} was counted"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Writes are as they are. A turn that waits for its action looks for the result now and then: its reads are at most those.
fn is_right(known: &Value, counted: &Value) -> bool {
    let same = |role: &str, name: &str| known[role][name] == counted[role][name];
    let at_most =
        |role: &str, name: &str| counted[role][name].as_f64() <= known[role][name].as_f64();
    known["kind"] == counted["kind"]
        && ["chat", "worker"].iter().all(|role| {
            ["writes", "write_units", "queue_requests"]
                .iter()
                .all(|name| same(role, name))
                && ["reads", "read_units"]
                    .iter()
                    .all(|name| at_most(role, name))
        })
}
