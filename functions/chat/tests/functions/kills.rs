//! `kill -9` of the chat function and of the workers at any moment, on the engines of the cloud: whatever was accepted happens,
//! and happens once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::Lane;
use baton_kit::lambda::process::Process;
use baton_kit::lambda::url::Url;
use baton_kit::lambda::{Api, LONG};
use baton_rehearsal::scripted::ScriptedModel;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::watch;

use crate::cloud::Cloud;
use crate::suite::support::{Client, body, clerk, soon};

/// Kills, unless `BATON_KILLS` says how many.
const KILLS: usize = 200;

/// Customers who order at once, each in a new conversation after each kill.
const CUSTOMERS: usize = 4;

/// Lines of the answer to an order: two of the hand-off, the call, the result, the end.
const LINES: usize = 5;

/// Longer than the lease of whoever was killed last, and than what comes on top of it.
const SETTLED: Duration = Duration::from_mins(3);

/// Between two sweeps.
const SWEEP: Duration = Duration::from_secs(1);

/// A function whose process can be killed: another one takes its place.
struct Killable<'a> {
    name: &'static str,
    api: Arc<Api>,
    cloud: &'a Cloud,
    model: String,
    process: Option<Process>,
}

impl<'a> Killable<'a> {
    async fn start(name: &'static str, cloud: &'a Cloud, model: &ScriptedModel) -> Self {
        let mut function = Self {
            name,
            api: Arc::new(Api::start().await),
            cloud,
            model: model.url(),
            process: None,
        };
        function.rise();
        function
    }

    fn rise(&mut self) {
        let process = self.cloud.process(self.name, &self.api, &self.model);
        self.process = Some(process);
    }

    async fn kill(&mut self) {
        self.process.take().unwrap().kill().await;
        self.api.break_off();
        self.rise();
    }
}

/// Orders something, and counts the lines of the answer. Whether it came to its end.
async fn order(client: Client, conversation: String, lines: watch::Sender<usize>) -> bool {
    let mut body = body(&conversation, &format!("order {conversation} 30"));
    body["message_id"] = json!("m");
    let request = client.request("POST", "/chat/completions").json(&body);
    let Ok(mut response) = request.send().await else {
        return false;
    };
    let mut answer = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        answer.extend_from_slice(&bytes);
        let news = String::from_utf8_lossy(&bytes).matches('\n').count();
        lines.send_modify(|lines| *lines += news);
    }
    String::from_utf8_lossy(&answer).contains(r#""status":"committed""#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: BATON_MOTO=VENV/bin/moto_server"]
async fn kill_9_of_functions_loses_nothing_and_does_nothing_twice() {
    let kills = std::env::var("BATON_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let model = ScriptedModel::responding(clerk).await;
    let cloud = Cloud::start().await;
    let mut functions = [
        Killable::start("chat", &cloud, &model).await,
        Killable::start("worker", &cloud, &model).await,
        Killable::start("worker", &cloud, &model).await,
    ];
    let _turns = cloud.map_lane(Lane::Turns, &functions[1].api, LONG);
    let _actions = cloud.map_lane(Lane::Actions, &functions[2].api, LONG);
    let url = Url::start(&functions[0].api, LONG).await;
    let client = Client::new(&url.base());
    let mut orders = Vec::new();
    for kill in 0..kills {
        let (lines, mut heard) = watch::channel(0);
        for customer in 0..CUSTOMERS {
            let conversation = format!("c{kill}-{customer}");
            let order = order(client.clone(), conversation.clone(), lines.clone());
            orders.push((conversation, tokio::spawn(order)));
        }
        // The moment is a number of lines that customers have read, spread over their orders.
        let moment = (kill * 7) % (CUSTOMERS * LINES);
        drop(lines);
        // An error says that all customers are done: then the kill finds nobody, which is a moment too.
        let came = heard.wait_for(|lines| *lines >= moment);
        soon("the moment to kill", came)
            .await
            .map(drop)
            .unwrap_or_default();
        functions[[0, 2, 0, 1][kill % 4]].kill().await;
    }
    let (conversations, ended): (Vec<_>, Vec<_>) = orders.into_iter().unzip();
    let ended = join_all(ended).await;
    let cut = ended
        .iter()
        .filter(|ended| !*ended.as_ref().unwrap())
        .count();
    println!("{kills} kills, {} orders, {cut} of them cut", ended.len());
    assert!(cut > 0, "no kill hit anything");
    // Who was cut says it again under its own id; then it is certain that everything was accepted.
    let again = conversations.iter().map(|conversation| async {
        let (lines, _) = watch::channel(0);
        while !order(client.clone(), conversation.clone(), lines.clone()).await {}
    });
    tokio::time::timeout(SETTLED, join_all(again))
        .await
        .expect("every turn comes to its end");
    let expected: BTreeMap<_, _> = conversations.iter().map(|name| (name.clone(), 1)).collect();
    let settled = async {
        loop {
            sweep(&functions[1].api).await;
            let booked = booked(&client, "orders", "product").await;
            // Once too often is for ever; once too seldom may be on its way.
            assert!(booked.values().all(|times| *times == 1), "{booked:?}");
            if booked == expected {
                return;
            }
            tokio::time::sleep(SWEEP).await;
        }
    };
    tokio::time::timeout(SETTLED, settled)
        .await
        .expect("every order is carried out");
}

/// What the schedule does every minute.
pub(crate) async fn sweep(worker: &Api) {
    let schedule = json!({ "version": "0", "source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {} });
    let swept = worker.invoke(&schedule, LONG).rest().await;
    assert_eq!(swept, br#"{"batchItemFailures":[]}"#);
}

/// How often each thing stands in a book on behalf of a customer of this test.
pub(crate) async fn booked(client: &Client, book: &str, thing: &str) -> BTreeMap<String, usize> {
    let mut booked = BTreeMap::new();
    let mut path = format!("/{book}?limit=200");
    loop {
        let page = client.get(&path).await.json();
        let entries = page[book].as_array().unwrap().iter();
        for entry in entries.filter(|entry| !entry["conversation"].is_null()) {
            let thing = entry[thing].as_str().unwrap().to_owned();
            *booked.entry(thing).or_default() += 1;
        }
        let Some(next) = page["next"].as_str() else {
            return booked;
        };
        path = format!("/{book}?limit=200&after={next}");
    }
}
