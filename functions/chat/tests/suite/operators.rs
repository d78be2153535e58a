//! Operators with names: roles, tenants, two approvals, reasons and the audit trail.

use std::time::{SystemTime, UNIX_EPOCH};

use baton_handoff::{Day, EngineSettings};
use baton_rehearsal::scripted::ScriptedModel;
use serde_json::{Value, json};

use super::support::{Client, Server, Setup, clerk, until};

/// A refund of 749 US dollars: it needs approval.
const CATAPULT: &str = "refund item_318205561";

/// The refund that waits for approval.
async fn proposed(client: &Client) -> Value {
    client.say("c", CATAPULT).await.answer();
    until("the proposal", async || {
        client.actions("proposed").await.pop()
    })
    .await
}

/// The path of the audit trail of today.
fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let day = Day::of(u64::try_from(now.as_millis()).unwrap());
    format!("/audit?day={day}")
}

#[tokio::test]
async fn an_operator_does_what_its_roles_allow_and_is_told_which_one_is_missing() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let shown = proposed(&server.client()).await;
    let path = format!("/actions/{}", shown["id"].as_str().unwrap());

    let sees = server.operator("sam", "default", &["see"]).await;
    assert_eq!(sees.get(&path).await.status, 200);
    for decision in ["approve", "reject"] {
        let refused = sees.decide(&shown, decision).await;
        assert_eq!(refused.status, 403);
        assert_eq!(refused.detail(), "that needs the role approve");
    }
    let trail = sees.get(&today()).await;
    assert_eq!(
        (trail.status.as_u16(), trail.detail()),
        (403, "that needs the role administer".to_owned())
    );

    let low = server
        .operator("lou", "default", &["approve:748", "settle"])
        .await;
    assert_eq!(low.decide(&shown, "approve").await.status, 403);
    for path in [path.as_str(), "/actions", "/orders", "/refunds"] {
        let refused = low.get(path).await;
        assert_eq!(
            (refused.status.as_u16(), refused.detail()),
            (403, "that needs the role see".to_owned()),
            "{path}"
        );
    }
    let high = server
        .operator("ann", "default", &["see", "approve:749"])
        .await;
    let approved = high.decide(&shown, "approve").await;
    assert_eq!(approved.status, 200);
    assert_eq!(approved.json()["decided_by"], "ann");
}

#[tokio::test]
async fn an_operator_of_another_tenant_finds_no_action_and_no_entry() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let shown = proposed(&server.client()).await;
    let all = ["see", "approve", "settle", "administer"];
    let stranger = server.operator("mallory", "other", &all).await;
    assert_eq!(stranger.actions("proposed").await, [] as [Value; 0]);
    let overview = stranger.get("/actions").await.json();
    assert_eq!(overview["counts"]["proposed"], 0);
    assert_eq!(overview["actions"], json!([]));
    let path = format!("/actions/{}", shown["id"].as_str().unwrap());
    assert_eq!(stranger.get(&path).await.status, 404);
    for decision in ["approve", "reject"] {
        assert_eq!(stranger.decide(&shown, decision).await.status, 404);
    }
    server.client().decide(&shown, "approve").await;
    let entries = stranger.get(&today()).await.json()["entries"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 1, "its own: {entries}");
}

#[tokio::test]
async fn two_operators_approve_above_the_amount_and_the_late_one_is_told() {
    let model = ScriptedModel::responding(clerk).await;
    let mut setup = Setup::new(&model);
    setup.engine = EngineSettings {
        four_eyes_above_cents: Some(70_000),
        ..EngineSettings::default()
    };
    let server = setup.open().await;
    let carl = server
        .operator("Carl", "default", &["see", "approve"])
        .await;
    let dora = server
        .operator("Dora", "default", &["see", "approve"])
        .await;
    let shown = proposed(&carl).await;
    assert_eq!(shown["approvals_needed"], 2);
    let plain = json!({ "arguments_hash": shown["arguments_hash"], "fence": shown["fence"] });
    let path = format!("/actions/{}/approve", shown["id"].as_str().unwrap());
    let once = carl.post(&path, &plain).await;
    assert_eq!(once.status, 200, "{once:?}");
    let once = once.json();
    assert_eq!(
        (&once["state"], &once["approvals"][0]["by"]),
        (&json!("proposed"), &json!("Carl"))
    );
    let again = carl.decide(&once, "approve").await;
    assert_eq!(again.status, 409);
    assert_eq!(
        again.detail(),
        "you have approved this already; another operator must approve it too"
    );
    let stale = dora.post(&path, &plain).await;
    assert_eq!(stale.status, 409);
    assert!(stale.detail().contains("Carl approved it "), "{stale:?}");
    assert_eq!(server.desk().tries(), []);
    assert_eq!(
        dora.decide(&once, "approve").await.json()["state"],
        "queued"
    );
    let late = carl.decide(&once, "reject").await;
    assert!(
        late.detail()
            .starts_with("this cannot be decided: Dora approved it "),
        "{late:?}"
    );
}

#[tokio::test]
async fn the_audit_trail_tells_each_decision_in_pages_until_the_day_ends() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut shown = Vec::new();
    for conversation in ["c", "d"] {
        client.say(conversation, CATAPULT).await.answer();
        let waiting = client.actions("proposed").await;
        let its = waiting
            .into_iter()
            .find(|one| one["conversation"] == conversation);
        shown.push(its.unwrap());
    }
    for action in &shown {
        assert_eq!(client.decide(action, "reject").await.status, 200);
    }
    let first = client.get(&format!("{}&limit=1", today())).await.json();
    let next = first["next"].as_str().unwrap();
    let second = client
        .get(&format!("{}&limit=1&after={next}", today()))
        .await
        .json();
    for (page, action) in [(&first, &shown[0]), (&second, &shown[1])] {
        let [entry] = page["entries"].as_array().unwrap().as_slice() else {
            panic!("{page}");
        };
        assert_eq!(
            (&entry["event"], &entry["action"]["decision"], &entry["by"]),
            (&json!("decided"), &json!("reject"), &json!("operator"))
        );
        assert_eq!(entry["action"]["amount_cents"], 74_900);
        assert_eq!(entry["action"]["arguments_hash"], action["arguments_hash"]);
        let told = &entry["action"]["shown"];
        assert_eq!(
            (&told["action"], &told["arguments"]),
            (&action["id"], &action["arguments"])
        );
        assert_eq!(told["reason"], "as the test wants it");
        assert_eq!(told["reason_for_customer"], "as the shop wants it");
    }
    for (bad, status) in [
        ("/audit", 400),
        ("/audit?day=today", 400),
        (&format!("{}&after=x", today()), 404),
    ] {
        assert_eq!(client.get(bad).await.status, status, "{bad}");
    }
}

#[tokio::test]
async fn a_reason_for_colleagues_is_in_no_byte_that_a_customer_gets_and_in_no_request_to_the_model()
{
    const CANARY: &str = "c4nary";
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let shown = proposed(&client).await;
    let path = format!("/actions/{}/reject", shown["id"].as_str().unwrap());
    let decided = json!({
        "arguments_hash": shown["arguments_hash"],
        "fence": shown["fence"],
        "reason": CANARY,
        "reason_for_customer": "The catapult was used.",
    });
    assert_eq!(client.post(&path, &decided).await.status, 200);
    client.turn_ends("c", 2).await;
    client.say("c", "why?").await.answer();
    let mut seen = String::new();
    for path in [
        "/conversations/c",
        "/conversations/c/export",
        "/conversations/c/turns/1/events?after=0.0.0.0",
        "/conversations/c/turns/2/events?after=0.0.0.0",
        "/conversations/c/turns/3/events?after=0.0.0.0",
    ] {
        for accept in [
            "application/json",
            "text/event-stream",
            "application/x-ndjson",
            "text/markdown",
        ] {
            let request = client.bare("GET", path).header("accept", accept);
            seen += &client.fetch(request).await.body;
        }
    }
    assert!(seen.contains("The catapult was used."), "{seen}");
    assert!(!seen.contains(CANARY), "{seen}");
    let asked = format!("{:?}", model.requests());
    assert!(asked.contains("The catapult was used."), "{asked}");
    assert!(!asked.contains(CANARY), "{asked}");
    // Colleagues read it.
    assert_eq!(client.actions("rejected").await[0]["reason"], CANARY);
}
